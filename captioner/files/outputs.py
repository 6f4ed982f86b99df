"""Files of records about photos, which an interruption cannot break."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from captioner.files.formats import FORMATS, choose_ids
from shared.console.progress import say
from shared.data.results import image_ids
from shared.errors import AppError
from shared.files.formats import Record
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
    if kind is CAPTIONS and path.suffix.lower() == ".json":
        _check_ids(path, [item.key for item in items])
    output = Output(path, items, kind, settings, **rules)
    if kind is CAPTIONS:
        say_ids(path, [{"image": item.key} for item in items])
    return output


def _check_ids(path: Path, names: Sequence[str]) -> None:
    owners: dict[int | str, str] = {}
    for id_, name in zip(image_ids(names), names, strict=True):
        if (other := owners.setdefault(id_, name)) != name:
            raise AppError(
                f"{path}: {other} and {name} would share the image_id {id_}. Write "
                ".jsonl, which tells them apart by path."
            )


def say_ids(path: Path, records: Sequence[Record]) -> None:
    """Say what COCO's results call the photos, if that is no number; see `choose_ids`.

    Args:
        path: what will be written; nothing is said unless it is `.json`.
        records: with the photos' names under "image", and ids under "image_id".
    """
    if path.suffix.lower() != ".json":
        return
    ids = choose_ids(records)
    if others := [id_ for id_ in ids if not isinstance(id_, int)]:
        say(
            f"note: {path}: image_id is what the photos are called, such as "
            f"{others[0]!r:.80}, as not all are numbered like COCO's. `captioner "
            "score` reads that; COCO's server takes only numbers"
        )
