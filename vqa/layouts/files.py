"""Which files belong together, and where the photos of COCO lie."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.data.reading import find_file, parse_json, read_text
from shared.errors import AppError


def by_name(
    pattern: re.Pattern[str], *words: str
) -> tuple[Callable[[Path], bool], Callable[[Path, bool], list[tuple[Path, str]]]]:
    """Make `fits` and `files` of a `vqa.annotations.Layout` whose names say the split.

    Args:
        pattern: of the whole name, with a group `word`: the split's.
        words: the splits in the order in which they are read. Of several between bars,
            such as "testdev|test", one is: the one that is named, else the first that
            is there.
    """

    def fits(path: Path) -> bool:
        return pattern.fullmatch(path.name) is not None

    def files(path: Path, alone: bool) -> list[tuple[Path, str]]:
        match = pattern.fullmatch(path.name)
        assert match is not None
        named, (start, end) = match["word"].lower(), match.span("word")
        if alone or not any(named in among.split("|") for among in words):
            return [(path, named)]
        found = []
        for among in (word.split("|") for word in words):
            for word in [named] if named in among else among:
                name = path.name[:start] + word + path.name[end:]
                file = path if word == named else find_file(path.parent, name)
                if file:
                    found.append((file, word))
                    break
        return found

    return fits, files


def coco_files(image: int, *splits: str) -> tuple[str, ...]:
    """Say where a photo of COCO may lie: as released in 2014, then as in 2017."""
    number = f"{image:012d}"
    files = []
    for split in splits:
        name = f"COCO_{split}_{number}"
        files += [f"{split}/{name}", name]
    moved = (f"{word}2017/{number}" for word in ("train", "val", "test"))
    return (*files, *moved, number)


def read_whole(path: Path, kind: type, form: str) -> Any:
    """Read a JSON file that is a list, or an object, as a whole.

    Raises:
        AppError: if it is something else than `form` says.
    """
    data = parse_json(read_text(path, "questions"), str(path))
    if not isinstance(data, kind):
        raise AppError(f"{path} should be {form}. Received: {data!r:.80}")
    return data
