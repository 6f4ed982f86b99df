"""Files of answers that an interruption cannot break."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from shared.errors import AppError
from shared.files.formats import Record, Writer
from shared.files.outputs import Kind, Output
from shared.files.resuming import Item
from vqa.files.formats import FORMATS, WITH_IDS
from vqa.files.inputs import Question
from vqa.files.servers import Server, formats_for, name_settings


def open_output(
    path: Path,
    questions: Sequence[Question],
    settings: Callable[[], Mapping[str, Any]],
    server: Server = "vqa",
    **rules: bool,
) -> Output:
    """Get ready to write answers into a file.

    Args:
        path, settings, rules: see `shared.files.outputs.Output`.
        questions: all of them, in order.
        server: whose form `.json` has.

    Raises:
        AppError: if the file could not be written, or is no place for these questions.
    """
    have_ids = any(question.id is not None for question in questions)
    formats = WITH_IDS if have_ids else FORMATS
    if path.suffix.lower() == ".json":
        formats = formats_for(server)
        _check_names(path, questions, server)
        if server == "aokvqa":
            formats = {".json": _with_settings(formats[".json"], questions)}
        if server != "vqa":  # a file is not continued in another form
            own = settings
            settings = lambda: {**own(), "server": server}  # noqa: E731
    kind = Kind("vqa ask", "questions", formats)
    return Output(path, list(map(_item, questions)), kind, settings, **rules)


def _with_settings(write: Writer, questions: Sequence[Question]) -> Writer:
    """Tell chosen answers from others, for A-OKVQA."""

    def write_named(records: Iterable[Record], file: TextIO, folder: Path) -> None:
        choices = [question.choices for question in questions]
        write(name_settings(list(records), choices), file, folder)

    return write_named


def _item(question: Question) -> Item:
    asked = [question.image, question.question, question.id, question.choices]
    return Item(json.dumps(asked), question.path)


def _check_names(path: Path, questions: Sequence[Question], server: Server) -> None:
    """Refuse questions that the form cannot tell apart."""
    by_photo = server == "vizwiz"
    what = "photo" if by_photo else "id"
    seen: set[str] = set()
    for question in questions:
        name = Path(question.image).name if by_photo else question.id
        if name is None or str(name) in seen:
            problem = f"has no {what}" if name is None else f"repeats {name!r}"
            raise AppError(
                f"{path}: this format tells questions by their {what} alone, and the "
                f"one about {question.image} {problem}. Write .jsonl or .csv instead."
            )
        seen.add(str(name))
