"""Question files of one's own to rows: which photo, which question, which answers."""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from shared.errors import AppError
from shared.reading import (
    SPLITS,
    Split,
    as_text,
    checked_name,
    checked_split,
    get_texts,
    get_value,
    parse_json,
    read_lines,
    read_text,
)

Box = tuple[float, float, float, float]

ENDINGS = (".csv", ".tsv", ".jsonl", ".json")


class Row(NamedTuple):
    """What one place in a question file says; see `vqa.data.Record`."""

    where: str  # file and line, for error messages
    files: tuple[str, ...]  # where the photo may lie; the ending may be left out
    question: str
    answers: tuple[str, ...]
    split: Split | None  # None if not said
    id: str
    question_type: str = ""
    answer_type: str = ""
    choices: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    right: int | None = None
    weight: float = 1.0


def own_rows(path: Path) -> Iterator[Row]:
    """Read a file of one's own, and those that belong to it by their names.

    `train.csv` belongs to `test.csv`, `train/questions.json` to `test/questions.json`.
    Such a name says the split of rows that name none, and where photos may lie.
    Several rows of the same photo, question and split give one row with all answers.

    Raises:
        AppError: at the latest when a bad row is reached.
    """
    for file, word in split_files(path):
        items = _READERS[file.suffix.lower()](file)
        yield from _merge(_own_row(*item, word) for item in items)


def split_files(path: Path) -> list[tuple[Path, str]]:
    """List a file and its like of the other splits, each with its split's word.

    The word is taken from the file's name or its folder's, and is empty if neither
    has one.
    """
    words = re.split(r"([\W_]+)", path.stem.lower())
    in_name = next((word for word in words if word in SPLITS), "")
    in_folder = path.absolute().parent.name.lower()
    in_folder = in_folder if in_folder in SPLITS else ""
    if not in_name and not in_folder:
        return [(path, "")]
    found = []
    for word in SPLITS:
        parts = [word if part == in_name else part for part in words]
        name = "".join(parts) + path.suffix if in_name else path.name
        folder = path.absolute().parent.parent / word if in_folder else path.parent
        if (folder / name).is_file():
            found.append((folder / name, word))
    if not any(file.samefile(path) for file, _ in found):
        found.append((path, in_name or in_folder))
    return found


def csv_items(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Read columns image, question, answer and maybe more, named in the first line.

    Separated by commas, semicolons or tabs, whichever the first line has most.

    Yields:
        file and line, number of the line, column -> cell without those left empty.
    """
    text = read_text(path, "questions")
    first_line = text.partition("\n")[0].strip()
    delimiter = max(",;\t", key=first_line.count)
    lines = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    try:
        header = [column.strip().lower() for column in next(lines)]
        if "question" not in header or not {"image", "image_id"} & set(header):
            raise AppError(
                f"{path}, line 1 should name the columns image, question and answer, "
                f"and maybe split and others. Received: {first_line!r:.80}."
            )
        number = lines.line_num + 1
        for cells in lines:
            where = f"{path}, line {number}"
            if any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    raise AppError(
                        f"{where} has {len(cells)} columns, line 1 has {len(header)}. "
                        f'Put text that holds {delimiter!r} in quotes ("...").'
                    )
                pairs = zip(header, map(str.strip, cells), strict=True)
                item: dict[str, Any] = {key: cell for key, cell in pairs if cell}
                for key in {"answers", "choices"} & item.keys():
                    item[key] = [part.strip() for part in item[key].split("|")]
                yield where, str(number), item
            number = lines.line_num + 1
    except csv.Error as error:
        raise AppError(
            f"{path}, line {number} is not valid CSV: {error}. Text that starts with a "
            'quote must end with one, and have quotes inside doubled: "a ""red"" car".'
        ) from error


def jsonl_items(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Read one JSON value a line, with file and line, and the line's number."""
    for number, line in read_lines(path, "questions"):
        where = f"{path}, line {number}"
        yield where, str(number), parse_json(line, where)


def json_items(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Read a JSON list of objects, or of [question, answer, image]."""
    data = parse_json(read_text(path, "questions"), str(path))
    if not isinstance(data, list):
        raise AppError(
            f"{path} should be a list of [question, answer, image], or of objects "
            f"with image, question and answer. Received: {json.dumps(data)[:80]}"
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


def _own_row(where: str, number: str, item: Any, word: str) -> tuple[bool, Row]:
    """Give the row, and whether it may be joined with others of its question."""
    number = f"{word}-{number}" if word else number
    if isinstance(item, list):
        if len(item) != 3:
            raise AppError(
                f"{where} should be [question, answer, image]. "
                f"Received: {json.dumps(item)[:80]}"
            )
        pairs = zip(("question", "answer", "image"), item, strict=True)
        row = _own_row(where, number, dict(pairs), "")[1]
        files = _places(row.files[0], word)
        return False, row._replace(files=files, split=SPLITS.get(word))
    key = "image_id" if isinstance(item, dict) and "image_id" in item else "image"
    name = str(get_value(item, key, (str, int), where))
    question = get_value(item, "question", str, where).strip()
    answers = _answers(item, where)
    choices = tuple(get_texts(item, "choices", where)) if "choices" in item else ()
    return True, Row(
        where,
        _places(checked_name(name, where), word),
        question,
        answers,
        checked_split(item.get("split"), where) or SPLITS.get(word),
        str(item.get("id") or item.get("question_id") or number),
        str(item.get("question_type") or item.get("type") or ""),
        str(item.get("answer_type") or ""),
        choices,
        right=next((i for i, text in enumerate(choices) if text in answers), None),
        weight=_weight(item["weight"], where) if "weight" in item else 1.0,
    )


def _answers(item: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if "answers" not in item:
        answer = item.get("answer")
        if answer is None:
            return ()
        # A number is an answer, as in ["how many", 3, 17]; true is a mistake.
        texts = [answer if isinstance(answer, str) else as_text(answer, where)]
    else:
        texts = get_texts(item, "answers", where)
    return tuple(stripped for text in texts if (stripped := text.strip()))


def _places(name: str, word: str) -> tuple[str, ...]:
    if not word:
        return (name,)
    return (
        f"{word}/images/{name}",
        f"{word}/{name}",
        f"{word}_images/{name}",
        f"images_{word}/{name}",
        f"{word}/imgs/{name}",
        name,
    )


def _merge(rows: Iterable[tuple[bool, Row]]) -> Iterator[Row]:
    """Join the answers of rows that ask the same of the same photo."""
    first: dict[Any, Row] = {}
    for number, (may_join, row) in enumerate(rows):
        key = (row.files, row.question, row.split) if may_join else number
        if before := first.get(key):
            row = before._replace(answers=before.answers + row.answers)
        first[key] = row
    yield from first.values()


def _weight(value: Any, where: str) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:  # false for NaN too
        raise AppError(
            f"{where}: a weight is a number from 0, such as 1 or 0.5. "
            f"Received: {value!r:.80}."
        )
    return weight
