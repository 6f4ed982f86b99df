"""Formats of captions on disk: JSONL, CSV, COCO results, a page to look at.

A record is `{"image", "caption", "log_prob", "confidence", "unsure", "captions":
[{"caption", "log_prob", "confidence", "unsure"}, ...]}`, best first, or `{"image",
"error"}`; for their meaning see `captioner.describing.captions.Caption`. Of captions
that were checked, "doubted" lists what `captioner.describing.checking` found not to be
there. With details, each caption also has "words", a list of {"word", "prob",
"attention"}: how probable it was after those before it, and how much the model looked
at each region, row by row; where a caption claims less than the model wrote,
"original", whose words and log_prob they are; and of a model with concepts the record
has "concepts", a list of {"word", "there", "said"}.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from captioner.describing.concepts import Concept
from shared.data.results import image_ids
from shared.errors import AppError
from shared.files.formats import Formats, Record, json_list, table, write_jsonl


def to_record(
    name: str,
    result: Any,
    source: str,
    count: int = 1,
    details: bool = False,
    concepts: Sequence[Concept] | None = None,
) -> Record:
    """Make a record of a photo's captions or error, see `captioner.files.formats`.

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


def _rows(record: Record) -> Iterator[Record]:
    """Give a row for each caption, or for the error."""
    for caption in record.get("captions", ()):
        unsure = _UNSURE[caption.get("unsure")]  # not known of a visitor's own table
        yield {"image": record["image"], **caption, "unsure": unsure}
    if "error" in record:
        yield record


_UNSURE = {None: "", True: "true", False: "false"}


def choose_ids(records: Sequence[Record]) -> Sequence[int | str]:
    """Choose what COCO's results call the photos.

    Their ids, under "image_id", if the data set gives each photo its own; else the
    numbers in COCO's file names, if all have one of their own; else their names.
    """
    names = [record["image"] for record in records]
    known = [record.get("image_id") for record in records]
    for ids in (known, image_ids(names)):
        if None not in ids and len(set(map(str, ids))) == len(ids):
            return cast(Sequence[int | str], ids)
    return names


def write_coco_results(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write the best caption of each photo, and its id, see `choose_ids`."""
    keys = ("image", "image_id", "caption", "error")
    kept = [{key: record[key] for key in keys if key in record} for record in records]
    pairs = zip(kept, choose_ids(kept), strict=True)
    _write_entries((record | {"image_id": id_} for record, id_ in pairs), file, folder)


_write_entries = json_list(
    lambda record: {key: record[key] for key in ("image_id", "caption")}
)


def write_html(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write a page of small photos with their captions."""
    from captioner.files.sheet import write_sheet  # decodes photos

    write_sheet(records, file, folder)


CAPTION = ("caption", "log_prob", "confidence", "unsure")  # of a record's caption

FORMATS: Formats = {
    ".jsonl": write_jsonl,
    ".csv": table(("image", *CAPTION, "error"), _rows),
    ".json": write_coco_results,
    ".html": write_html,
}
