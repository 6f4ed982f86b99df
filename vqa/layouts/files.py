"""What several layouts of questions need: COCO's photos, and JSON as a whole."""

from pathlib import Path
from typing import Any

from shared.data.reading import read_json
from shared.errors import AppError


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
    data = read_json(path, "questions")
    if not isinstance(data, kind):
        raise AppError(f"{path} should be {form}. Received: {data!r:.80}")
    return data
