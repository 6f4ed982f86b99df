"""Files of records about photos, which an interruption cannot break."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from captioner.formats import FORMATS
from shared.data.results import image_id
from shared.errors import AppError
from shared.files.outputs import Kind, Output
from shared.files.resuming import Item

CAPTIONS = Kind("captioner caption", "photos", FORMATS)


def open_output(
    path: Path,
    photos: Sequence[Path],
    settings: Callable[[], Mapping[str, Any]],
    kind: Kind = CAPTIONS,
    **rules: Any,
) -> Output:
    """Get ready to write records about photos into a file.

    Args:
        path, settings, kind, rules: see `shared.files.outputs.Output`.
        photos: all of them, in order.

    Raises:
        AppError: if the file could not be written, or is no place for these photos.
    """
    items = [Item(photo.as_posix(), photo) for photo in photos]
    if path.suffix.lower() == ".json":
        _check_ids(path, [item.key for item in items])
    return Output(path, items, kind, settings, **rules)


def _check_ids(path: Path, names: Iterable[str]) -> None:
    owners: dict[int | str, str] = {}
    for name in names:
        if (other := owners.setdefault(image_id(name), name)) != name:
            raise AppError(
                f"{path}: {other} and {name} would share the image_id "
                f"{image_id(name)}. Write .jsonl, which tells them apart by path."
            )
