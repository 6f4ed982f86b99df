"""Files of answers to be scored: one answer a question."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.data.reading import check_once
from shared.data.results import ByName, read_entries, received
from shared.errors import AppError
from vqa.layouts.rows import first_text

if TYPE_CHECKING:
    from vqa.data import Record

_IDS = ("question_id", "qa_id", "id")
_FORM = '{"question_id": ..., "answer": ...} or {"image": ..., "question": ..., ...}'


class Result(NamedTuple):
    """One answer in a file, and which question it belongs to as far as told."""

    place: str  # file and line, for error messages
    id: str  # "" if not told
    image: str
    question: str
    answer: str | None  # None where the file has an error instead

    def __str__(self) -> str:
        if self.image and self.question:
            return f"{self.question!r} about {self.image}"
        return f"question {self.id}"


def read_results(path: Path) -> list[Result]:
    """Read answers from VQA's results format, from our own JSONL or from CSV.

    VQA: one JSON list of `{"question_id": 42, "answer": "red"}`. Ours: one such
    object a line, with "image" and "question" or with "id", and "error" in place of
    an answer where there is none. CSV: the same names as columns; commas, semicolons
    or tabs.

    Returns:
        in the order of the file, errors included.

    Raises:
        AppError: if the file cannot be read or is none of these, if an entry does not
            tell its question or its answer, or if there are no answers.
    """
    entries = read_entries(path, "answers", _FORM, _check_columns)
    results = [_to_result(where, entry) for where, entry in entries]
    if not any(result.answer is not None for result in results):
        raise AppError(f"{path} holds no answers ({len(results)} records with errors).")
    return results


def _to_result(where: str, item: dict[str, Any]) -> Result:
    item = {k: v.strip() if isinstance(v, str) else v for k, v in item.items()}
    id_ = first_text(item, _IDS, where)
    image, question = item.get("image"), item.get("question")
    told = isinstance(image, str) and isinstance(question, str) and image and question
    if not told and not id_:
        raise AppError(
            f'{where}: expected "question_id", or "image" and "question". '
            f"{received(item)}"
        )
    answer = item.get("answer")
    if item.get("error"):
        answer = None
    elif isinstance(answer, int | float) and not isinstance(answer, bool):
        answer = str(answer)
    elif not isinstance(answer, str):
        raise AppError(
            f'{where}: expected "answer" with a word or a few. {received(item)}'
        )
    return Result(
        where, id_, str(image) if told else "", str(question) if told else "", answer
    )


def _check_columns(header: Sequence[str], where: str) -> None:
    if "answer" not in header or not {*_IDS, "question"} & set(header):
        raise AppError(
            f"{where} should name the columns question_id and answer, or image, "
            f"question and answer. Received: {', '.join(header)!r:.80}"
        )
    check_once(header, (*_IDS, "image", "question", "answer", "error"), where)


def match_results(
    results: Iterable[Result], records: Sequence["Record"]
) -> tuple[dict[str, str], list[str]]:
    """Find the question that each answer belongs to.

    By the question's id; if there is none, by photo and question. The photo may be
    told by its whole name, its file name, its file name without suffix, or the number
    in COCO's file names; in the question, case and punctuation do not matter.

    Returns:
        dict: id of the record -> answer.
        ids of the records that have an error instead.

    Raises:
        AppError: if an answer fits no question, or the photos of several; or if a
            question gets two different answers.
    """
    find = _Questions(records)
    answers: dict[str, str] = {}
    failed: dict[str, None] = {}
    for result in results:
        for record_id in find(result):
            if result.answer is None:
                failed[record_id] = None
            elif answers.setdefault(record_id, result.answer) != result.answer:
                raise AppError(
                    f"{result.place}: {result} has another answer already, "
                    f"{answers[record_id]!r:.60}. Scores need one answer a question; "
                    "keep the best one."
                )
    return answers, [record_id for record_id in failed if record_id not in answers]


class _Questions:
    """Finds the records that a result is about."""

    def __init__(self, records: Sequence["Record"]):
        self._by_id = {record.id: record for record in records}
        self._asked: dict[tuple[str, str], list[str]] = {}
        self._photos = ByName((n, n) for n in dict.fromkeys(r.name for r in records))
        for record in records:
            asked = record.name, _words(record.question)
            self._asked.setdefault(asked, []).append(record.id)

    def __call__(self, result: Result) -> list[str]:
        record = self._by_id.get(result.id)
        asked = _words(result.question)
        # An id may be of another numbering; the words of the question tell.
        known = _words(record.question) if record else ""
        if record and (not asked or not known or asked == known):
            return [record.id]
        names = self._photos(result.image)
        found = [name for name in names if (name, asked) in self._asked]
        if len(found) == 1:
            return self._asked[found[0], asked]
        example = next(iter(self._by_id), "none")
        raise AppError(
            f"{result.place}: {result} fits {len(found)} of the {len(self._by_id)} "
            "questions to score. Give the questions' ids, such as "
            f"{example}, or photo and question as they are written there; if the "
            "answers are of one split, name it with --split."
        )


def _words(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.lower()))
