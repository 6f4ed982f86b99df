"""Drawn shapes: the data set of the recipes that end in `-tiny`, for a first try."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from shared.data.reading import Split
from shared.errors import AppError

COLOURS = {"red": (220, 30, 30), "green": (30, 170, 60), "blue": (40, 60, 220)}
SHAPES = ("circle", "square")
PHOTOS = 240


def draw_shape(colour: str, shape: str, rng: np.random.Generator) -> Image.Image:
    """Draw a circle or a square of some size somewhere on white, 64 x 64 px.

    Args:
        colour: a key of `COLOURS`.
        shape: one of `SHAPES`.
        rng: decides size and place.
    """
    image = Image.new("RGB", (64, 64), "white")
    size = int(rng.integers(24, 40))
    left, top = (int(x) for x in rng.integers(2, 62 - size, 2))
    box = (left, top, left + size, top + size)
    draw = ImageDraw.Draw(image)
    (draw.ellipse if shape == "circle" else draw.rectangle)(box, COLOURS[colour])
    return image


def draw_shapes(
    folder: Path, photos: int = PHOTOS, seed: int = 0
) -> Iterator[tuple[str, str, str, Split]]:
    """Draw PNGs into a folder, of all colours and shapes in turn.

    Yields:
        file name, colour, shape, and split, which is dev for every fifth.

    Raises:
        AppError: if something is in the folder already, or it cannot be written.
    """
    rng = np.random.default_rng(seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise AppError(f"{folder} is not empty. Choose a new folder to draw into.")
        for i in range(photos):
            colour = list(COLOURS)[i % len(COLOURS)]
            shape = SHAPES[i // len(COLOURS) % len(SHAPES)]
            draw_shape(colour, shape, rng).save(folder / f"{i}.png")
            yield f"{i}.png", colour, shape, "dev" if i % 5 == 4 else "train"
    except OSError as error:
        raise AppError(f"{folder} cannot be written: {error.strerror}.") from error


def write_captioned_shapes(folder: Path, photos: int = PHOTOS, seed: int = 0) -> Path:
    """Draw shapes with a captions.csv; give the folder.

    Raises:
        AppError: as `draw_shapes`.
    """
    rows = [
        (name, f"A {colour} {shape}.", split)
        for name, colour, shape, split in draw_shapes(folder, photos, seed)
    ]
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "caption", "split"), *rows])
    return folder
