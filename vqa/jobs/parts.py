"""Answers to more questions than one process can do, and their columns in Parquet."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from shared.addresses import is_stored
from shared.errors import AppError
from shared.files.resuming import list_digest
from shared.scale.cluster import check_installed
from shared.scale.output import PartedOutput
from shared.scale.parts import Parts
from shared.scale.run import ParallelJob
from shared.scale.shares import LARGEST, Listed, cut
from shared.scale.stores import Address, to_place
from vqa.files.inputs import Question, by_photo, read_questions
from vqa.jobs.ask import Asking

_ANSWERS = [{"answer": str, "confidence": float}]
COLUMNS: dict[str, Any] = {
    "image": str,
    "question": str,
    "id": str,
    "answer": str,
    "confidence": float,
    "answers": _ANSWERS,
    "notes": [str],
    "boxes": [[float]],
    "blind": _ANSWERS,
    "error": str,
}


def find_questions(file: Path) -> list[Question]:
    """Read the questions of a file, see `vqa.files.inputs.read_questions`.

    The file may be in a store; photos count from its folder then, which may be there as
    well. So may photos with an address of their own, whatever file names them.

    Raises:
        AppError: as there, or if the store does not give the file.
    """
    place = to_place(file)
    if isinstance(place, Address):
        return [_place(question, place.parent) for question in _fetch(place)]
    return [_place(question, None) for question in read_questions(file)]


def _fetch(file: Address) -> list[Question]:
    with TemporaryDirectory() as folder:
        copy = Path(folder, file.name)
        try:
            copy.write_bytes(file.read_bytes())
            return read_questions(copy)
        except OSError as error:
            reason = error.strerror or error
            raise AppError(f"{file} cannot be read: {reason}.") from error
        except AppError as error:
            raise AppError(str(error).replace(str(copy), str(file))) from error


def _place(question: Question, folder: Address | None) -> Question:
    if is_stored(question.image):
        return question._replace(path=cast(Path, to_place(question.image)))
    if folder is None:
        return question
    return question._replace(path=cast(Path, folder / question.image))


def ask_in_parts(
    questions: Sequence[Question],
    work: Asking,
    folder: Path,
    form: str,
    address: str | None,
    **rules: bool,
) -> ParallelJob:
    """Get ready to ask questions by workers.

    All questions about a photo are in one part, unless there are many hundreds.

    Args:
        questions: all of them, see `find_questions`.
        work: how they are asked.
        folder: for the parts; maybe an address in a store.
        form: of the parts, "jsonl" or "parquet".
        address: of a cluster, see `shared.scale.cluster.connected`.
        rules: `resume` and `overwrite`, see `shared.scale.output.PartedOutput`.

    Raises:
        AppError: if Ray is not installed, or the folder cannot be written.
    """
    check_installed()
    output = PartedOutput(
        Parts(to_place(folder), f".{form}", COLUMNS),
        "vqa ask",
        "questions",
        share_out(questions),
        work.settings,
        **rules,
    )
    return ParallelJob(work, output, address)


def share_out(questions: Sequence[Question]) -> list[Listed[Question]]:
    """Share out questions, photo by photo in the order of their first questions."""
    photos = list(by_photo(questions, set(range(len(questions))), LARGEST))
    shares = []
    for some in cut(photos):
        about = [questions[place] for places in some for place in places]
        files = list(dict.fromkeys(question.path for question in about))
        digest = list_digest(json.dumps([q.image, *q[2:]]) for q in about)
        shares.append(Listed(about, digest, files))
    return shares
