"""Files of answers to be scored: one answer a question."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.data.reading import check_once, each_once, parse_json
from shared.data.results import ByName, read_entries, received
from shared.errors import AppError
from shared.utf8 import read_text
from vqa.layouts.rows import first_text

if TYPE_CHECKING:
    from vqa.data import Record

_IDS = ("question_id", "qa_id", "questionId", "id")
_OTHERS = ("image", "question", "answer", "prediction")  # keys beside the id
_SETTINGS = ("multiple_choice", "direct_answer")  # of A-OKVQA
_FORM = '{"question_id": ..., "answer": ...} or {"image": ..., "question": ..., ...}'


class Result(NamedTuple):
    """One answer in a file, and which question it belongs to as far as told."""

    place: str  # file and line, for error messages
    id: str  # "" if not told
    image: str
    question: str
    answer: str | None  # None where the file has an error instead

    def __str__(self) -> str:
        if self.id and not self.question:
            return f"question {self.id}"
        asked = repr(self.question) if self.question else "the question"
        return f"{asked} about {self.image}"


def read_results(path: Path, direct: bool = False) -> list[Result]:
    """Read answers from the results of servers, from our own JSONL or from CSV.

    VQA: one JSON list of `{"question_id": 42, "answer": "red"}`. GQA: the same with
    "questionId" and "prediction"; VizWiz: with "image" instead of an id. A-OKVQA: an
    object of answers, or of {"multiple_choice", "direct_answer"}, by ids. Ours: an
    object a line, with "image" and "question" or with "id", and "error" in place of
    an answer where there is none. CSV: the same names as columns; commas, semicolons
    or tabs.

    Args:
        path: the file.
        direct: of A-OKVQA's two answers, which one is meant.

    Returns:
        in the order of the file, errors included.

    Raises:
        AppError: if the file cannot be read or is none of these, if an entry does not
            tell its question or its answer, or if there are no answers.
    """
    entries = _by_ids(path) or read_entries(path, "answers", _FORM, _check_columns)
    results = [_to_result(where, entry, direct) for where, entry in entries]
    if not any(result.answer is not None for result in results):
        raise AppError(f"{path} holds no answers ({len(results)} records with errors).")
    return results


def _by_ids(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read an object of answers by their questions' ids; nothing if it is none."""
    text = read_text(path, "answers").strip() if path.suffix.lower() == ".json" else ""
    first, _, more = text.partition("\n")
    if not text.startswith("{") or (more and _is_json(first)):  # an object a line
        return []
    data = parse_json(text, str(path), object_pairs_hook=each_once)
    if not isinstance(data, dict) or not {*_IDS, *_OTHERS}.isdisjoint(data):
        return []
    return [
        (
            f"{path}, {id_!r:.60}",
            {"id": id_, **(said if isinstance(said, dict) else {"answer": said})},
        )
        for id_, said in data.items()
    ]


def _is_json(line: str) -> bool:
    try:
        parse_json(line, "")
    except AppError:
        return False
    return True


def _to_result(where: str, item: dict[str, Any], direct: bool) -> Result:
    item = {k: v.strip() if isinstance(v, str) else v for k, v in item.items()}
    id_ = first_text(item, _IDS, where)
    image, question = item.get("image"), item.get("question")
    told = isinstance(image, str) and bool(image)
    if not told and not id_:
        raise AppError(
            f'{where}: expected "question_id", or "image" and "question". '
            f"{received(item)}"
        )
    answer = item.get("answer", item.get("prediction"))
    if not {*_SETTINGS}.isdisjoint(item):
        answer = _of_setting(item, where, direct)
    if item.get("error"):
        answer = None
    elif isinstance(answer, int | float) and not isinstance(answer, bool):
        answer = str(answer)
    elif not isinstance(answer, str):
        raise AppError(
            f'{where}: expected "answer" with a word or a few. {received(item)}'
        )
    question = question if told and isinstance(question, str) else ""
    return Result(where, id_, str(image) if told else "", question, answer)


def _of_setting(item: dict[str, Any], where: str, direct: bool) -> Any:
    wanted, other = _SETTINGS[direct], _SETTINGS[not direct]
    if wanted not in item:
        raise AppError(
            f"{where} has no {wanted!r}, but {other!r}, which is scored "
            f"{'without' if direct else 'with'} --direct."
        )
    return item[wanted]


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

    By the question's id; if there is none, by photo and question, or by the photo alone
    if only one question is about it. The photo may be
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
        self._of_photo: dict[str, list[str]] = {}
        for record in records:
            asked = record.name, _words(record.question)
            self._asked.setdefault(asked, []).append(record.id)
            self._of_photo.setdefault(record.name, []).append(record.id)

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
        if not result.id and not asked:  # the one about the photo
            found = [id_ for name in names for id_ in self._of_photo[name]]
            if len(found) == 1:
                return found
        example = next(iter(self._by_id), "none")
        raise AppError(
            f"{result.place}: {result} fits {len(found)} of the {len(self._by_id)} "
            "questions to score. Give the questions' ids, such as "
            f"{example}, or photo and question as they are written there; if the "
            "answers are of one split, name it with --split."
        )


def _words(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.lower()))
