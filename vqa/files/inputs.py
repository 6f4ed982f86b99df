"""Questions to ask: what a file of them says."""

import os
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from shared.addresses import is_stored, no_store
from shared.data.reading import get_texts, get_value
from shared.errors import AppError
from vqa.layouts.own import csv_items, json_items, jsonl_items

_COLUMNS = {".csv": csv_items, ".tsv": csv_items}
_OBJECTS = {".jsonl": jsonl_items, ".json": json_items}


class Question(NamedTuple):
    """A question about a photo, as a file asks it.

    Attributes:
        image: the photo's path, as written.
        path: where it is.
        question: as written; it may be empty.
        choices: answers to choose from; none is all that the model knows.
        id: what the file calls the question; None if it does not.
    """

    image: str
    path: Path
    question: str
    choices: tuple[str, ...] = ()
    id: str | int | None = None


def read_questions(file: Path) -> list[Question]:
    """Read the questions of a file, in its order.

    JSON, an object a line in `.jsonl` or a list of them in `.json`, with keys image,
    question and maybe choices (a list) and id; or `.csv` with such columns, choices
    as a|b|c, separated by commas, semicolons or tabs. Further keys are left alone.

    A photo's path counts from the file's folder; if there is no such file, from the
    current folder. Whether it is there is for whoever reads it to find.

    Raises:
        AppError: if the file cannot be read, a place in it is not as it should be, or
            there are no questions.
    """
    if is_stored(file.as_posix()) and not os.path.lexists(file):
        address = file.as_posix().replace(":/", "://", 1)  # a path has one slash alone
        raise AppError(f"{address}: {no_store('vqa ask')}")
    ending = file.suffix.lower()
    reader = (_COLUMNS | _OBJECTS).get(ending)
    if reader is None:
        raise AppError(
            f"{file}: questions are read from {', '.join(_COLUMNS | _OBJECTS)}, not "
            f"from {ending or 'a file without ending'!r}."
        )
    places: dict[str, Path] = {}
    questions = []
    for where, _, item in reader(file):
        if ending in _COLUMNS:
            item = {"question": ""} | item  # a cell may be empty, a key is forgotten
        image = get_value(item, "image", str, where)
        if image not in places:
            places[image] = _find(image, file.parent)
        questions.append(
            Question(
                image,
                places[image],
                get_value(item, "question", str, where),
                tuple(get_texts(item, "choices", where)) if item.get("choices") else (),
                _id(item, where),
            )
        )
    if not questions:
        raise AppError(f"{file} holds no questions. Add a line for each question.")
    return questions


def by_photo(
    questions: Sequence[Question], todo: Set[int], most: int
) -> Iterator[list[int]]:
    """Gather the places of questions about the same photo, in the order of the first.

    So that everything up to the next photo's first question is answered when a photo
    is done. A photo that has no question to answer is left out; all questions of the
    others are there, since a model may give other last digits to fewer.

    Args:
        todo: places of the questions that are not answered yet.
        most: places in a list at most; a photo may have several lists.
    """
    photos: dict[str, list[list[int]]] = {}
    for place, question in enumerate(questions):
        key = os.path.normcase(os.path.abspath(question.path))  # noqa: PTH100
        lists = photos.setdefault(key, [[]])
        if len(lists[-1]) == most:
            lists.append([])
        lists[-1].append(place)
    every = (places for lists in photos.values() for places in lists)
    yield from sorted(places for places in every if not todo.isdisjoint(places))


def _find(image: str, folder: Path) -> Path:
    if not image.strip():
        return Path(image)
    beside = folder / image
    # pathlib raises for names that are too long
    return beside if os.path.exists(beside) else Path(image)  # noqa: PTH110


def _id(item: dict[str, Any], where: str) -> str | int | None:
    key = "id" if item.get("id") is not None else "question_id"
    if item.get(key) is None:
        return None
    found: str | int = get_value(item, key, (str, int), where)
    return found
