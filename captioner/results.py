"""Files of captions, one caption an image."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.errors import AppError
from shared.reading import parse_json, read_text


class Results(dict[str, str]):
    """Captions by image name; `skipped` names the images that have none."""

    skipped: tuple[str, ...] = ()


def read_results(path: Path) -> Results:
    """Read captions from COCO's results format or from our own JSONL.

    COCO: one JSON list of `{"image_id": 42, "caption": "a dog"}`. Ours: one such
    object a line, with "image". In both, the name may be under "image",
    "file_name" or "image_id". Records with an "error" are skipped.

    Returns:
        dict: image name or id, as a string -> caption, in the order of the file.
            Its attribute `skipped` names the images with an error.

    Raises:
        AppError: if the file cannot be read or is neither format, if an entry
            lacks a name or caption, or if an image has two captions.
    """
    results = Results()
    failed: dict[str, None] = {}
    for place, record in _read_records(path):
        keys = [key for key in ("image", "file_name", "image_id") if key in record]
        name = record[keys[0]] if keys else None
        if isinstance(name, bool) or not isinstance(name, int | str) or name == "":
            raise AppError(
                f'{path}, {place}: expected "image", "file_name" or "image_id" with a '
                f"name or a whole number. Received: {json.dumps(record)[:100]}"
            )
        if record.get("error"):
            failed[str(name)] = None
            continue
        caption = record.get("caption")
        if not isinstance(caption, str):
            raise AppError(
                f'{path}, {place}, image {name}: expected "caption" with a sentence. '
                f"Received: {json.dumps(record)[:100]}"
            )
        if str(name) in results:
            raise AppError(
                f"{path}, {place}: image {name} has a caption already. Scores need "
                "one caption an image; keep the best one."
            )
        results[str(name)] = caption
    if not results:
        raise AppError(f"{path} holds no captions ({len(failed)} records with errors).")
    results.skipped = tuple(name for name in failed if name not in results)
    return results


def _read_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    text = read_text(path, "captions")
    if text.lstrip().startswith("["):
        records = enumerate(parse_json(text, str(path)), start=1)
        named = ((f"entry {number}", record) for number, record in records)
    else:
        lines = enumerate(text.split("\n"), start=1)
        places = ((f"line {number}", line) for number, line in lines if line.strip())
        named = (
            (place, parse_json(line, f"{path}, {place}")) for place, line in places
        )
    for place, record in named:
        if not isinstance(record, dict):
            raise AppError(
                f'{path}, {place}: expected {{"image_id": ..., "caption": ...}}. '
                f"Received: {json.dumps(record)[:100]}"
            )
        yield place, record
