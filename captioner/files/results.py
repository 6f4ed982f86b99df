"""Files of captions to be scored: one caption an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.data.captions.own import NAME_KEYS
from shared.data.captions.rows import photo_id
from shared.data.results import TABLES, read_entries, received
from shared.errors import AppError

_FORM = '{"image_id": ..., "caption": ...} or {"image": ..., "caption": ...}'


class Results(dict[str, str]):
    """Captions by image name, or by id where there is no name.

    Attributes:
        ids: of the images for which the file tells one, by name (or by id, too).
        skipped: the images that have an error instead.
        several: all captions of the images that have more than one, the best first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids: dict[str, str] = {}
        self.skipped: tuple[str, ...] = ()
        self.several: dict[str, list[str]] = {}


def read_results(path: Path) -> Results:
    """Read captions from COCO's results format, or from our own JSONL or CSV.

    COCO: one JSON list of `{"image_id": 42, "caption": "a dog"}`. Ours: one such
    object a line, with "image"; or a table with these columns, of which the first
    row of an image counts if "log_prob" says that the best come first. In all,
    the name may be under "image" or "file_name", and the id under "image_id".
    Records with an "error" are skipped.

    Returns:
        dict: image name or id, as a string -> caption, in the order of the file.

    Raises:
        AppError: if the file cannot be read or has none of these forms, if an entry
            lacks an image or caption, or if an image has two captions.
    """
    results = Results()
    failed: dict[str, None] = {}
    is_table = path.suffix.lower() in TABLES
    entries = read_entries(path, "captions", _FORM, _check_columns, open_end="caption")
    for where, record in entries:
        image = _image(record, where, results)
        if record.get("error"):
            failed[image] = None
            continue
        caption = record.get("caption")
        if not isinstance(caption, str):
            raise AppError(
                f'{where}, image {image}: expected "caption" with a sentence. '
                f"{received(record)}"
            )
        if image not in results:
            results[image] = caption
            if others := _others(record):
                results.several[image] = others
        elif is_table and record.get("log_prob"):
            results.several.setdefault(image, [results[image]]).append(caption)
        else:
            raise AppError(
                f"{where}: image {image} has a caption already. Scores need "
                "one caption an image; keep the best one."
            )
    if not results:
        raise AppError(f"{path} holds no captions ({len(failed)} records with errors).")
    results.skipped = tuple(name for name in failed if name not in results)
    return results


def _others(record: dict[str, Any]) -> list[str]:
    """Give all captions of a record that has several, as `captioner caption` writes."""
    listed = record.get("captions")
    entries = listed if isinstance(listed, list) else []
    texts = [entry.get("caption") for entry in entries if isinstance(entry, dict)]
    found = [text for text in texts if isinstance(text, str)]
    return found if len(found) > 1 else []


def _image(record: dict[str, Any], where: str, results: Results) -> str:
    """Give what an entry calls its image: its name, else its id."""
    given = {k: v for k, v in record.items() if v is not None and v != ""}
    named = [key for key in NAME_KEYS if key in given]
    try:
        name = str(photo_id(given, named[0], where)) if named else ""
        if named and "image_id" not in given:
            return name
        id_ = str(photo_id(given, "image_id", where))
    except AppError as error:
        raise AppError(
            f'{where}: expected "image", "file_name" or "image_id" with a name or a '
            f"whole number. {received(record)}"
        ) from error
    # Files of the same name may lie in several folders.
    label = name if name and results.ids.get(name, id_) == id_ else id_
    results.ids[label] = id_
    return label


def _check_columns(header: Sequence[str], where: str) -> None:
    if "caption" not in header or not {*NAME_KEYS, "image_id"} & set(header):
        raise AppError(
            f"{where} should name the columns image and caption, or image_id and "
            f"caption. Received: {', '.join(header)!r:.80}."
        )
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise AppError(f"{where} names the column {twice!r:.80} twice.")
