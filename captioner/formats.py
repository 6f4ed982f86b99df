"""Formats of captions on disk: JSONL, CSV, COCO results, a page to look at.

A record is `{"image", "caption", "log_prob", "confidence", "unsure", "captions":
[{"caption", "log_prob", "confidence", "unsure"}, ...]}`, best first, or `{"image",
"error"}`; for their meaning see `captioner.predict.Caption`. Of captions that were
checked, "doubted" lists what `captioner.checking` found not to be there. With details,
each caption also has "words", a list of {"word", "prob", "attention"}: how probable it
was after those before it, and how much the model looked at each region, row by row;
where a caption claims less than the model wrote, "original", whose words and log_prob
they are; and of a model with concepts the record has "concepts", a list of {"word",
"there", "said"}.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from captioner.concepts import Concept
from shared.errors import AppError
from shared.files import atomic
from shared.files.tables import csv_writer, to_json

Record = dict[str, Any]
Writers = dict[str, Callable[[Iterable[Record], TextIO, Path], None]]  # by suffix

_COCO_NAME = re.compile(r"(?:.*_)?(\d{12})")


def to_record(
    name: str,
    result: Any,
    source: str,
    count: int = 1,
    details: bool = False,
    concepts: Sequence[Concept] | None = None,
) -> Record:
    """Make a record of a photo's captions or error, see `captioner.formats`.

    Args:
        name: what the record calls the photo.
        result: list of Caption, best first, or AppError.
        source: what the error calls the photo.
        count: captions to keep; of several, to choose from, all are as the model
            wrote them.
        details: whether to keep what is known of each word.
        concepts: of the photo, to keep; None of a model without them.
    """
    if isinstance(result, AppError):
        return to_error(name, result, source)
    if count > 1:
        result = [caption.original or caption for caption in result]
    captions = [
        {
            "caption": caption.text,
            # The digits that do not depend on how the processor adds.
            "log_prob": round(caption.log_prob, 4),
            "confidence": round(caption.confidence, 4),
            "unsure": caption.unsure,
        }
        for caption in result[:count]
    ]
    best = dict(captions[0])
    if details:
        for entry, caption in zip(captions, result, strict=False):
            entry["words"] = _words(caption)
            if caption.original:
                entry["original"] = caption.original.text
    record = {"image": name, **best, "captions": captions}
    if concepts is not None:
        record["concepts"] = to_entries(concepts)
    return record


def to_error(name: str, error: AppError, source: str) -> Record:
    """Make a record of a photo's error, see `to_record`."""
    return {"image": name, "error": str(error).removeprefix(f"{source}: ")}


def to_entries(concepts: Iterable[Concept]) -> list[dict[str, Any]]:
    """Make the entries of concepts, without where they are."""
    return [
        {"word": one.word, "there": round(one.there, 4), "said": round(one.said, 4)}
        for one in concepts
    ]


def _words(caption: Any) -> list[dict[str, Any]]:
    return [
        {
            "word": word,
            "prob": round(prob, 4),
            "attention": [round(weight, 4) for weight in weights],
        }
        for word, prob, weights in zip(
            caption.words, caption.probs, caption.attention.tolist(), strict=True
        )
    ]


def image_id(name: str) -> int | str:
    """Number that COCO gave a photo, if its name carries it, else the name."""
    match = _COCO_NAME.fullmatch(PurePosixPath(name).stem)
    return int(match[1]) if match else name


def write_csv(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write a row for each caption, and one for each error.

    "unsure" is true or false, and empty where it is not known.
    """
    rows = csv_writer(file)
    rows.writerow(["image", *CAPTION, "error"])
    for record in records:
        for found in record.get("captions", ()):
            # A journal of version 0.1 does not say how sure its captions are.
            cells = {**found, "unsure": _UNSURE[found.get("unsure")]}
            rows.writerow([record["image"], *map(cells.get, CAPTION), ""])
        if "error" in record:
            rows.writerow([record["image"], *("" for _ in CAPTION), record["error"]])


CAPTION = ("caption", "log_prob", "confidence", "unsure")  # of a record's caption
_UNSURE = {None: "", True: "true", False: "false"}


def write_coco(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write COCO's results format: the best caption of each photo, no errors.

    The id is that of the record, if it has "image_id", else of `image_id`.
    """
    separator = "[\n"
    for record in records:
        if "error" not in record:
            name = record["image"]
            entry = {"image_id": record.get("image_id", image_id(name))}
            entry["caption"] = record["caption"]
            file.write(separator + to_json(entry))
            separator = ",\n"
    file.write("\n]\n" if separator == ",\n" else "[]\n")


def write_jsonl(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write a record a line."""
    file.writelines(f"{to_json(record)}\n" for record in records)


def write_html(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write a page of small photos with their captions."""
    from captioner.sheet import write_sheet  # decodes photos

    write_sheet(records, file, folder)


WRITERS: Writers = {
    ".jsonl": write_jsonl,
    ".csv": write_csv,
    ".json": write_coco,
    ".html": write_html,
}


def write_file(path: Path, records: Iterable[Record]) -> None:
    """Write all records, in the format of the suffix; on failure, nothing.

    Raises:
        AppError: if the file cannot be written.
    """
    with atomic.writing(path) as file:
        WRITERS[path.suffix.lower()](records, file, path.parent)


def check_target(path: Path, overwrite: bool = True) -> None:
    """Refuse a file that could not be written, see `atomic.check_target`."""
    atomic.check_target(path, WRITERS, overwrite)
