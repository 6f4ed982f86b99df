"""Formats of answers on disk: JSONL, CSV, VQA's results.

A record is `{"image", "question", "answer", "confidence", "answers": [{"answer",
"confidence"}, ...]}`, best first, or `{"image", "question", "error"}`. It also has
"id" if the question has one, "notes" if there is something to say of the question,
"blind", a list like "answers", if the photo's part in them was wanted, and "boxes" of
what the answer is about: left, top, right, bottom, each 0 to 1 of the photo's width or
height.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.errors import AppError
from shared.files.formats import Formats, Record, json_list, table, write_jsonl

if TYPE_CHECKING:
    from vqa.answering.replies import Answer, Reply

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,4000}")  # as JSON writes it: "007" is a text


def to_record(
    image: str,
    question: str,
    id_: str | int | None,
    reply: "Reply | AppError",
    source: str,
) -> Record:
    """Make a record of a question and what the model says, see `vqa.files.formats`.

    Args:
        image, question, id_: what the record calls them; None is no id.
        reply: see `vqa.answering.replies`, or why there is none.
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
    if reply.things:
        record["boxes"] = [
            [round(edge, 3) for edge in thing.box] for thing in reply.things
        ]
    if reply.guesses:
        record["blind"] = _entries(reply.guesses)
    return record


def _entries(answers: Sequence["Answer"]) -> list[Record]:
    return [{"answer": a.text, "confidence": _rounded(a.confidence)} for a in answers]


def _rounded(confidence: float) -> float:
    return round(confidence, 4)  # the digits that do not depend on how it was added


def _result(record: Record) -> Record:
    """Give the likeliest answer, as VQA's servers take it."""
    name = str(record["id"])
    number = int(name) if _NUMBER.fullmatch(name) else name
    return {"question_id": number, "answer": record["answers"][0]["answer"]}


COLUMNS = ("image", "question", "answer", "confidence", "error")

FORMATS: Formats = {
    ".jsonl": write_jsonl,
    ".csv": table(COLUMNS),
    ".json": json_list(_result),
}
WITH_IDS: Formats = {**FORMATS, ".csv": table((*COLUMNS, "id"))}
