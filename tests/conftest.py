"""Pictures and captions that the tests draw for themselves."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

COLOURS = {"red": (220, 30, 30), "green": (30, 170, 60), "blue": (40, 60, 220)}
SHAPES = ("circle", "square")


def draw_shape(colour: str, shape: str, rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (64, 64), "white")
    size = int(rng.integers(24, 40))
    left, top = (int(x) for x in rng.integers(2, 62 - size, 2))
    box = (left, top, left + size, top + size)
    draw = ImageDraw.Draw(image)
    (draw.ellipse if shape == "circle" else draw.rectangle)(box, COLOURS[colour])
    return image


def write_shapes(folder: Path, photos: int, seed: int = 0) -> Path:
    """Draw a data set of shapes: PNGs and a captions.csv with splits."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "caption", "split"))
        for i in range(photos):
            colour = list(COLOURS)[i % 3]
            shape = SHAPES[i // 3 % 2]
            name = f"{i}.png"
            draw_shape(colour, shape, rng).save(folder / name)
            rows.writerow(
                (name, f"A {colour} {shape}.", "dev" if i % 5 == 4 else "train")
            )
    return folder


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A data set of 60 drawn shapes."""
    return write_shapes(tmp_path / "shapes", 60)
