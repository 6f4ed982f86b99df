"""Answers to more questions than one process can do, and their columns in Parquet."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from shared.addresses import is_stored
from shared.files.resuming import list_digest
from shared.scale.cluster import check_installed
from shared.scale.output import PartedOutput
from shared.scale.parts import Parts
from shared.scale.run import ParallelJob
from shared.scale.shares import LARGEST, Listed, cut
from shared.scale.stores import to_place
from vqa.files.inputs import Question, by_photo
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
        questions: all of them. Their photos may be in a store.
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
        share_out([_find(question) for question in questions]),
        work.settings,
        **rules,
    )
    return ParallelJob(work, output, address)


def _find(question: Question) -> Question:
    if not is_stored(question.image):
        return question
    return question._replace(path=cast(Path, to_place(question.image)))


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
