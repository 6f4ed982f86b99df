"""Formats of answers on disk: JSONL, CSV, VQA's results.

A record is `{"image", "question", "answer", "confidence", "answers": [{"answer",
"confidence"}, ...]}`, best first, or `{"image", "question", "error"}`. It also has
"id" if the question has one, "notes" if there is something to say of the question,
and "blind", a list like "answers", if the photo's part in them was wanted.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from shared.errors import AppError
from shared.files import atomic
from shared.files.tables import csv_writer, to_json

if TYPE_CHECKING:
    from vqa.replies import Answer, Reply

Record = dict[str, Any]

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,4000}")  # as JSON writes it: "007" is a text


def to_record(
    image: str,
    question: str,
    id_: str | int | None,
    reply: "Reply | AppError",
    source: str,
) -> Record:
    """Make a record of a question and what the model says, see `vqa.formats`.

    Args:
        image, question, id_: what the record calls them; None is no id.
        reply: of `vqa.predict`, or why there is none.
        source: what the error calls the photo.
    """
    record: Record = {"image": image, "question": question}
    if id_ is not None:
        record["id"] = id_
    if isinstance(reply, AppError):
        return record | {"error": str(reply).removeprefix(f"{source}: ")}
    record["answer"] = reply.answer
    record["confidence"] = _rounded(reply.confidence)
    record["answers"] = _entries(reply.answers)
    if reply.notes:
        record["notes"] = list(reply.notes)
    if reply.guesses:
        record["blind"] = _entries(reply.guesses)
    return record


def _entries(answers: Sequence["Answer"]) -> list[Record]:
    return [{"answer": a.text, "confidence": _rounded(a.confidence)} for a in answers]


def _rounded(confidence: float) -> float:
    return round(confidence, 4)  # the digits that do not depend on how it was added


def write_csv(records: Iterable[Record], file: TextIO, with_ids: bool) -> None:
    """Write columns image, question, answer, confidence, error and maybe id."""
    columns = ["image", "question", "answer", "confidence", "error", "id"]
    columns = columns if with_ids else columns[:-1]
    rows = csv_writer(file)
    rows.writerow(columns)
    rows.writerows([record.get(name, "") for name in columns] for record in records)


def write_results(records: Iterable[Record], file: TextIO, with_ids: bool) -> None:
    """Write VQA's results format: the likeliest answer by question_id, no errors."""
    separator = "[\n"
    for record in records:
        if "error" not in record:
            name = str(record["id"])
            entry = {"question_id": int(name) if _NUMBER.fullmatch(name) else name}
            entry["answer"] = record["answers"][0]["answer"]
            file.write(separator + to_json(entry))
            separator = ",\n"
    file.write("\n]\n" if separator == ",\n" else "[]\n")


def write_jsonl(records: Iterable[Record], file: TextIO, with_ids: bool) -> None:
    """Write a record a line."""
    file.writelines(f"{to_json(record)}\n" for record in records)


WRITERS: dict[str, Callable[[Iterable[Record], TextIO, bool], None]] = {
    ".jsonl": write_jsonl,
    ".csv": write_csv,
    ".json": write_results,
}


def write_file(path: Path, records: Iterable[Record], with_ids: bool) -> None:
    """Write all records, in the format of the suffix; on failure, nothing.

    Raises:
        AppError: if the file cannot be written.
    """
    with atomic.writing(path) as file:
        WRITERS[path.suffix.lower()](records, file, with_ids)


def check_target(
    path: Path, overwrite: bool = True, endings: Collection[str] = tuple(WRITERS)
) -> None:
    """Refuse a file that could not be written, see `atomic.check_target`."""
    atomic.check_target(path, endings, overwrite)
