"""Files of answers that an interruption cannot break."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import AppError
from shared.files.outputs import Kind, Output
from shared.files.resuming import Item
from vqa.formats import FORMATS, WITH_IDS
from vqa.inputs import Question


def open_output(
    path: Path,
    questions: Sequence[Question],
    settings: Callable[[], Mapping[str, Any]],
    **rules: bool,
) -> Output:
    """Get ready to write answers into a file.

    Args:
        path, settings, rules: see `shared.files.outputs.Output`.
        questions: all of them, in order.

    Raises:
        AppError: if the file could not be written, or is no place for these questions.
    """
    if path.suffix.lower() == ".json":
        _check_ids(path, questions)
    have_ids = any(question.id is not None for question in questions)
    kind = Kind("vqa ask", "questions", WITH_IDS if have_ids else FORMATS)
    return Output(path, list(map(_item, questions)), kind, settings, **rules)


def _item(question: Question) -> Item:
    asked = [question.image, question.question, question.id, question.choices]
    return Item(json.dumps(asked), question.path)


def _check_ids(path: Path, questions: Sequence[Question]) -> None:
    seen: set[str] = set()
    for question in questions:
        if question.id is None or str(question.id) in seen:
            problem = "has no id" if question.id is None else f"repeats {question.id!r}"
            raise AppError(
                f"{path}: this format tells questions by their id alone, and the one "
                f"about {question.image} {problem}. Write .jsonl or .csv instead."
            )
        seen.add(str(question.id))
