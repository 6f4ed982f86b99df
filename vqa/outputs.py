"""Files of answers that an interruption cannot break."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from shared.errors import AppError
from shared.files.outputs import Output
from shared.files.resuming import Item
from vqa.formats import WRITERS, Record, check_target
from vqa.inputs import Question


def open_output(
    path: Path,
    questions: Sequence[Question],
    settings: Callable[[], Mapping[str, Any]],
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Output:
    """Get ready to write answers into a file, see `shared.files.outputs`.

    Args:
        path: file to write; its suffix says how.
        questions: all of them, in order.
        settings: gives what answers depend on, see `vqa.job.Way`.
        resume: continue what is there.
        overwrite: replace what is there.

    Raises:
        AppError: if the file could not be written, or is no place for these questions.
    """
    check_target(path)
    if path.suffix.lower() == ".json":
        _check_ids(path, questions)
    with_ids = any(question.id is not None for question in questions)
    places = {question.image: question.path for question in questions}

    def write(records: Iterable[Record], file: TextIO) -> None:
        WRITERS[path.suffix.lower()](records, file, with_ids)

    def item_of(record: Record) -> Item | None:
        """What a record of version 0.1 is about; None if it is something else."""
        image, text = record.get("image"), record.get("question")
        if not (isinstance(image, str) and isinstance(text, str)):
            return None
        if not {"answers", "error"} & record.keys():
            return None
        photo = places.get(image, Path(image))
        return _item(Question(image, photo, text, (), record.get("id")))

    return Output(
        path,
        list(map(_item, questions)),
        by="vqa ask",
        unit="questions",
        write=write,
        settings=settings,
        item_of=item_of,
        resume=resume,
        overwrite=overwrite,
    )


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
