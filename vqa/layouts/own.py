"""Questions of one's own: tables and JSON of any name."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shared.data.layouts import Layout, by_word
from shared.data.reading import (
    SPLITS,
    as_text,
    check_once,
    checked_name,
    checked_split,
    each_once,
    get_texts,
    get_value,
    parse_json,
    read_csv,
    read_lines,
)
from shared.errors import AppError
from shared.utf8 import read_text
from shared.vision.images import IMAGE_SUFFIXES
from vqa.layouts.rows import Row, first_text

ENDINGS = (".csv", ".tsv", ".jsonl", ".json")
KEYS = (
    *("image", "image_id", "file_name", "question", "answer", "answers", "split"),
    *("id", "question_id", "question_type", "type", "answer_type", "choices", "weight"),
)
_NAME_KEYS = ("image", "image_id", "file_name")
_ANSWER = re.compile(r"answer[ _-]?\d*")
_NOT_SAID = math.nan  # for a weight


def csv_items(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Read columns image, question, answer and maybe more, named in the first line.

    Several columns may be answers: of that name, or numbered (`answer_1`); other
    names that matter stand once.

    Yields:
        file and line, number of the line, column -> cell without those left empty.
    """
    table = read_csv(path, "questions")
    where, header = next(table)
    if "question" not in header or not {*_NAME_KEYS} & set(header):
        advice = f"Received: {', '.join(header)!r:.80}."
        if any(cell.endswith(tuple(IMAGE_SUFFIXES)) for cell in header):
            advice += (
                " If that is the first question, put a line `image,question,answer` "
                "above."
            )
        raise AppError(
            f"{where} should name the columns image, question and answer, and maybe "
            f"split and others. {advice}"
        )
    check_once(header, {*KEYS} - {"answer"}, where)
    answers = [column for column in header if _ANSWER.fullmatch(column)]
    for where, cells in table:
        item: dict[str, Any] = {}
        for column, cell in zip(header, map(str.strip, cells), strict=True):
            if not cell:
                continue
            if column in ("answers", "choices"):
                item.setdefault(column, []).extend(map(str.strip, cell.split("|")))
            elif column in answers and len(answers) > 1:
                item.setdefault("answers", []).append(cell)
            elif column in answers:
                item["answer"] = cell
            else:
                item[column] = cell
        yield where, where.rpartition(" ")[2], item


def jsonl_items(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Read one JSON value a line, with file and line, and the line's number."""
    for number, line in read_lines(path, "questions"):
        where = f"{path}, line {number}"
        yield where, str(number), parse_json(line, where, object_pairs_hook=each_once)


def json_items(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Read a JSON list of objects, or of [question, answer, image]."""
    text = read_text(path, "questions")
    data = parse_json(text, str(path), object_pairs_hook=each_once)
    if not isinstance(data, list):
        keys = (
            f"an object with {', '.join(map(repr, data))}"
            if isinstance(data, dict)
            else json.dumps(data)
        )
        advice = ""
        if isinstance(data, dict) and {"questions", "annotations", "data"} & set(data):
            advice = (
                ". If it is a published file, give it the name that it was published "
                "under, which says its form and its split."
            )
        raise AppError(
            f"{path} should be a list of [question, answer, image], or of objects "
            f"with image, question and answer. Received: {keys:.120}{advice}"
        )
    for number, item in enumerate(data):
        yield f"{path}, [{number}]", str(number), item


_READERS = {
    ".csv": csv_items,
    ".tsv": csv_items,
    ".txt": csv_items,
    ".jsonl": jsonl_items,
    ".json": json_items,
}


class _Item(NamedTuple):
    """A row as it is read: id and weight may be missing, the right choice is."""

    row: Row
    number: str  # the id, if there is none
    may_join: bool  # with others of its question


def own_rows(path: Path, word: str) -> Iterator[Row]:
    """Read a file of one's own.

    Several rows of the same photo, question, split and id give one row with all
    answers.

    Args:
        path: the file.
        word: the split that its name says, which counts for rows that name none; its
            photos may lie in folders of that name.
    """
    keys: dict[str, None] = {}

    def items() -> Iterator[_Item]:
        for where, number, item in _READERS[path.suffix.lower()](path):
            if isinstance(item, dict):
                keys.update(dict.fromkeys(item))
            yield _own_item(where, number, item, word)

    found = _merge(items())
    if not word and found and not any(r.answers or r.split == "test" for r in found):
        raise AppError(
            f"{path} holds no answers: it has {', '.join(map(repr, keys))}"[:200]
            + ". Call them `answer` or `answers`, or say that the split is test."
        )
    yield from found


def _own_item(where: str, number: str, item: Any, word: str) -> _Item:
    number = f"{word}-{number}" if word else number
    split = SPLITS.get(word.lower())
    if isinstance(item, list):
        if len(item) != 3:
            raise AppError(
                f"{where} should be [question, answer, image]. Received: {item!r:.80}"
            )
        pairs = zip(("question", "answer", "image"), item, strict=True)
        row = _own_item(where, number, dict(pairs), "").row
        row = row._replace(files=_places(row.files, word), split=split)
        return _Item(row, number, may_join=False)
    keys = [key for key in _NAME_KEYS if _has(item, key)] or ["image"]
    names = [str(get_value(item, key, (str, int), where)) for key in keys]
    files = tuple(checked_name(name, where) for name in names)
    choices = tuple(get_texts(item, "choices", where)) if _has(item, "choices") else ()
    row = Row(
        where,
        _places(files, word),
        get_value(item, "question", str, where).strip(),
        _answers(item, where),
        checked_split(item.get("split"), where) or split,
        first_text(item, ("id", "question_id"), where),
        first_text(item, ("question_type", "type"), where),
        first_text(item, ("answer_type",), where),
        choices,
        weight=_weight(item["weight"], where) if _has(item, "weight") else _NOT_SAID,
    )
    return _Item(row, number, may_join=True)


def _has(item: Any, key: str) -> bool:
    return isinstance(item, dict) and item.get(key) not in (None, "")


def _answers(item: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Give the answers; one beside several is often one of them."""
    texts = get_texts(item, "answers", where) if _has(item, "answers") else []
    if _has(item, "answer"):
        answer = item["answer"]
        # A number is an answer, as in ["how many", 3, 17]; true is a mistake.
        text = answer if isinstance(answer, str) else as_text(answer, where)
        texts += [text] if text not in texts else []
    return tuple(stripped for text in texts if (stripped := text.strip()))


def _places(files: tuple[str, ...], word: str) -> tuple[str, ...]:
    """Say where photos of a split may lie."""
    if not word:
        return files
    words = (word, word.capitalize())
    return (
        tuple(
            form.format(word=one, name=name)
            for one in words
            for name in files
            for form in (
                *("{word}/images/{name}", "{word}/{name}", "{word}_images/{name}"),
                *("images_{word}/{name}", "{word}/imgs/{name}"),
            )
        )
        + files
    )


def _merge(items: Iterable[_Item]) -> list[Row]:
    """Join rows that ask the same of the same photo, if they do not contradict."""
    joined: dict[Any, _Item] = {}
    for place, item in enumerate(items):
        row = item.row
        key = (row.files, row.question, row.split, row.id) if item.may_join else place
        if before := joined.get(key):
            item = before._replace(row=_join(before.row, row))
        joined[key] = item
    return [_whole(item) for item in joined.values()]


def _join(first: Row, second: Row) -> Row:
    changes: dict[str, Any] = {"answers": first.answers + second.answers}
    for field in ("question_type", "answer_type", "choices", "weight"):
        old, new = getattr(first, field), getattr(second, field)
        if _is_said(old) and _is_said(new) and old != new:
            raise AppError(
                f"{second.where} asks the same of the same photo as {first.where}, but "
                f"with {field} {new!r:.60} instead of {old!r:.60}. Let both agree, or "
                "give each question an id of its own."
            )
        changes[field] = old if _is_said(old) else new
    return first._replace(**changes)


def _is_said(value: Any) -> bool:
    return not math.isnan(value) if isinstance(value, float) else bool(value)


def _whole(item: _Item) -> Row:
    """Fill in what the row does not say; the right choice is the most common answer."""
    row = item.row
    chosen = Counter(_bare(text) for text in row.answers)
    places = {_bare(text): n for n, text in reversed([*enumerate(row.choices)])}
    right = max(
        (text for text in chosen if text in places),
        key=chosen.__getitem__,
        default=None,
    )
    return row._replace(
        id=row.id or item.number,
        right=None if right is None else places[right],
        weight=1.0 if math.isnan(row.weight) else row.weight,
    )


def _bare(text: str) -> str:
    return text.strip().casefold()


def _weight(value: Any, where: str) -> float:
    try:
        weight = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not 0 <= weight < math.inf:  # false for NaN too
        raise AppError(
            f"{where}: a weight is a number from 0, such as 1 or 0.5. "
            f"Received: {value!r:.80}."
        )
    return weight


_FORMS = (
    *("SPLIT", "SPLIT_questions", "questions_SPLIT", "SPLIT_qa", "qa_SPLIT"),
    *("SPLIT/questions", "SPLIT/*questions*", "SPLIT/qa", "questions/SPLIT"),
    *("annotations/SPLIT", "Annotations/SPLIT", "VizWiz_SPLIT"),
    *("annotations/VizWiz_SPLIT", "Annotations/VizWiz_SPLIT"),
    "SPLIT/metadata",  # Hugging Face
)
LAYOUT = Layout(
    """\
  questions.csv, qa.csv: a line `image,question,answer`, then a line a question;
    more columns: split, type, answer_type, choices (a|b|c), weight, id
  questions.jsonl: {"image": "a.jpg", "question": "...", "answer": "..."} a line,
    or "answers": [...]; questions.json: a list of such objects (also VizWiz)
  metadata.csv, metadata.jsonl (Hugging Face), with file_name for image
  train/questions.json, test/questions.json: a list of [question, answer, image id]
    (easy-VQA), and photos in train/images/, test/images/""",
    (
        tuple(
            f"{name}{ending}"
            for name in ("questions", "qa", "vqa", "metadata")
            for ending in ENDINGS
        ),
        tuple(
            form.replace("SPLIT", word) + ending
            for form in _FORMS
            for word in SPLITS
            for ending in ENDINGS
        ),
    ),
    lambda path: path.suffix.lower() in (*ENDINGS, ".txt"),
    by_word,
    own_rows,
)
