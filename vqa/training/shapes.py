"""Questions about drawn shapes: the data set of the recipe `vqa-tiny`."""

import json
from collections.abc import Iterator
from pathlib import Path

from shared.data.shapes import COLOURS, PHOTOS, draw_shapes
from shared.errors import AppError


def write_asked_shapes(folder: Path, photos: int = PHOTOS) -> Path:
    """Draw shapes with a questions.jsonl, four to each; give the folder.

    Of each two questions, only the photo tells the answer.

    Raises:
        AppError: if something is in the folder already, or it cannot be written.
    """
    lines = [
        json.dumps(
            {"image": name, "question": question, "answer": answer, "split": split}
        )
        for place, (name, colour, shape, split) in enumerate(
            draw_shapes(folder, photos)
        )
        for question, answer in _ask(place, colour, shape)
    ]
    path = folder / "questions.jsonl"
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise AppError(f"{path} cannot be written: {error.strerror}.") from error
    return folder


def _ask(place: int, colour: str, shape: str) -> Iterator[tuple[str, str]]:
    names = list(COLOURS)
    other = names[(names.index(colour) + 1 + place // 6 % 2) % len(names)]
    yield "What color is it?", colour
    yield "What shape is it?", shape
    yield f"Is it {colour}?", "yes"
    yield f"Is it {other}?", "no"
