"""Texts to learn from: found, read, and split into train, dev and test."""

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.addresses import refuse_address
from shared.errors import AppError
from shared.utf8 import read_text

SPLITS = {"train": "train", "dev": "dev", "valid": "dev", "val": "dev", "test": "test"}
SHARES = (0.8, 0.9)  # where dev and test begin in a text that nobody has split


class Text(NamedTuple):
    """A text in its three parts.

    Attributes:
        train: to learn from.
        dev: to choose the best weights by.
        test: to judge them by.
    """

    train: str
    dev: str
    test: str


def read_texts(sources: Sequence[str], announce: Callable[[str], None] = print) -> Text:
    """Read texts and split them.

    Files named train, dev (valid, val) and test, with any ending, are these parts if
    there is one of each. Any other text is split by its characters' position, 80, 10
    and 10 %: several files one after the other, in the order of their names.

    Args:
        sources: a file, a folder, whose files count with those of its folders, or a
            pattern such as `books/*.txt`; or several.
        announce: told of each file that is left out, and why: of several, one that
            cannot be read does not stop the others.

    Raises:
        AppError: if nothing is found, or no file can be read.
    """
    return split_text(_read_files(sources, announce))


def read_whole(sources: Sequence[str], announce: Callable[[str], None] = print) -> str:
    """Read texts as one, see `read_texts`."""
    return _join(_read_files(sources, announce).values())


def _read_files(
    sources: Sequence[str], announce: Callable[[str], None]
) -> dict[Path, str]:
    paths = find_files(sources)
    texts, problem = {}, None
    for path in paths:
        try:
            texts[path] = read_text(path, "a text").replace("\r\n", "\n")
        except AppError as error:
            if len(paths) == 1:
                raise
            announce(f"{error} It is left out.")
            problem = problem or error
    if not texts:
        raise AppError(f"No text can be read. The first problem: {problem}")
    return texts


def find_files(sources: Sequence[str]) -> list[Path]:
    """Find the files that a command names, see `read_texts`.

    Raises:
        AppError: if a source has none, or is an address of the web.
    """
    found: dict[Path, None] = {}
    for source in sources:
        refuse_address(source, "texts")
        path = Path(source)
        if path.is_dir():
            files = [file for file in path.rglob("*") if _counts(file, path)]
        elif os.path.lexists(path):
            files = [path]
        else:
            names = glob.glob(source, recursive=True)  # noqa: PTH207 - of any folder
            files = [Path(name) for name in names if Path(name).is_file()]
        if not files:
            raise AppError(
                f"There is no text in {source}. Give a text file, a folder with some, "
                "or a pattern such as 'books/*.txt'."
            )
        found |= dict.fromkeys(sorted(files))
    return list(found)


def _counts(file: Path, folder: Path) -> bool:
    inside = file.relative_to(folder).parts
    return file.is_file() and not any(part.startswith(".") for part in inside)


def split_text(texts: dict[Path, str]) -> Text:
    """Split texts into train, dev and test, see `read_texts`."""
    parts = {SPLITS.get(path.stem.lower()): text for path, text in texts.items()}
    if len(parts) == len(texts) == 3 and None not in parts:
        return Text(*(parts[name] for name in Text._fields))
    whole = _join(texts.values())
    dev, test = (int(share * len(whole)) for share in SHARES)
    return Text(whole[:dev], whole[dev:test], whole[test:])


def _join(texts: Iterable[str]) -> str:
    """Put texts one after the other; each ends with the end of a line."""
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)
