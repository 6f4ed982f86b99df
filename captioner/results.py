"""Files of captions to be scored: one caption an image."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.data.captions import NAME_KEYS, photo_id
from shared.data.reading import each_once, parse_json, read_csv, read_text
from shared.errors import AppError

_FORM = '{"image_id": ..., "caption": ...} or {"image": ..., "caption": ...}'


class Results(dict[str, str]):
    """Captions by image name, or by id where there is no name.

    Attributes:
        ids: of the images for which the file tells one, by name (or by id, too).
        skipped: the images that have an error instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids: dict[str, str] = {}
        self.skipped: tuple[str, ...] = ()


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
    for where, record in _read_records(path):
        image = _image(record, where, results)
        if record.get("error"):
            failed[image] = None
            continue
        caption = record.get("caption")
        if not isinstance(caption, str):
            raise AppError(
                f'{where}, image {image}: expected "caption" with a sentence. '
                f"Received: {json.dumps(record)[:100]}"
            )
        if image not in results:
            results[image] = caption
        elif not (isinstance(record, _Cells) and record.get("log_prob")):
            raise AppError(
                f"{where}: image {image} has a caption already. Scores need "
                "one caption an image; keep the best one."
            )
    if not results:
        raise AppError(f"{path} holds no captions ({len(failed)} records with errors).")
    results.skipped = tuple(name for name in failed if name not in results)
    return results


class _Cells(dict[str, Any]):
    """A row of a table."""


def _image(record: dict[str, Any], where: str, results: Results) -> str:
    """Give what an entry calls its image: its name, else its id."""
    told = {k: v for k, v in record.items() if v is not None and v != ""}
    named = [key for key in NAME_KEYS if key in told]
    try:
        name = str(photo_id(told, named[0], where)) if named else ""
        if named and "image_id" not in told:
            return name
        id_ = str(photo_id(told, "image_id", where))
    except AppError as error:
        raise AppError(
            f'{where}: expected "image", "file_name" or "image_id" with a name or a '
            f"whole number. Received: {json.dumps(record)[:100]}"
        ) from error
    # Files of the same name may lie in several folders.
    label = name if name and results.ids.get(name, id_) == id_ else id_
    results.ids[label] = id_
    return label


def _read_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix.lower() in (".csv", ".tsv"):
        table = read_csv(path, "captions", lambda header: header[-1] == "caption")
        where, header = next(table)
        if "caption" not in header or not {*NAME_KEYS, "image_id"} & set(header):
            raise AppError(
                f"{where} should name the columns image and caption, or image_id and "
                f"caption. Received: {', '.join(header)!r:.80}."
            )
        if twice := next((name for name in header if header.count(name) > 1), None):
            raise AppError(f"{where} names the column {twice!r:.80} twice.")
        for where, cells in table:
            yield where, _Cells(zip(header, cells, strict=True))
        return
    text = read_text(path, "captions")
    if text.lstrip().startswith("["):
        records = enumerate(_parse(text, str(path)), start=1)
        named = ((f"{path}, entry {number}", record) for number, record in records)
    else:
        lines = enumerate(text.split("\n"), start=1)
        places = ((f"{path}, line {n}", line) for n, line in lines if line.strip())
        named = ((where, _parse(line, where)) for where, line in places)
    for where, record in named:
        if not isinstance(record, dict):
            raise AppError(
                f"{where}: expected {_FORM}. Received: {json.dumps(record)[:100]}"
            )
        yield where, record


def _parse(text: str, where: str) -> Any:
    return parse_json(text, where, object_pairs_hook=each_once)
