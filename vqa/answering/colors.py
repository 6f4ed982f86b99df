"""What color a thing has, looked at in the box that a detector finds.

The regions of the net are a seventh of a photo wide, too coarse for a shirt.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shared.concepts.words import (
    PERSON,
    broader_words,
    coco_kinds,
    concept_mentions,
)
from shared.text.english import read_word
from shared.vision.detector import Box, Thing, Things

COLORS = {
    "black": (20, 20, 20),
    "white": (235, 235, 235),
    "gray": (128, 128, 128),
    "red": (190, 30, 30),
    "orange": (235, 130, 30),
    "yellow": (235, 215, 60),
    "green": (60, 120, 50),
    "blue": (50, 80, 160),
    "purple": (110, 50, 130),
    "pink": (235, 150, 180),
    "brown": (110, 75, 45),
    "tan": (200, 170, 125),
}
"""sRGB of what people mean by each."""

# Mean shares of the colors in 1,642 boxes of Flickr8k's train photos: most things are
# partly in the shade, so that black and gray say little.
_USUAL = np.array(
    [0.244, 0.109, 0.202, 0.047, 0.014, 0.009, 0.028, 0.033, 0.016, 0.041, 0.161, 0.097]
)
_LEAST_SHARE = 0.03
_NEAR = 8.0  # how far a pixel may be from a color, in units of CIELAB
_LIGHTNESS = 0.5  # its squared difference counts so much: light and shade change it
_LEAST_SCORE = 0.4  # of a thing whose color is looked at

_MIDDLE = (0.2, 0.2, 0.8, 0.8)
_WORN: dict[str, Box] = {
    **dict.fromkeys(
        "shirt jacket coat dress sweater top t-shirt tshirt vest hoodie sweatshirt "  # noqa: SIM905
        "blouse uniform jersey clothes clothing outfit suit".split(),
        (0.28, 0.22, 0.72, 0.5),
    ),
    **dict.fromkeys(
        ("pants", "jeans", "shorts", "trousers", "skirt"), (0.28, 0.5, 0.72, 0.85)
    ),
    **dict.fromkeys(("hat", "cap", "helmet", "beanie"), (0.28, 0.0, 0.72, 0.14)),
}
"""Where on somebody's box it is, upright as most are."""
_SAYS_NOTHING = frozenset(
    "what which color be is are was the this that these those his her its their he she "  # noqa: SIM905
    "they it a an of in on wear wearing do does have has there shown picture photo "
    "image 's".split()
)


class Part(NamedTuple):
    """A part of a thing.

    Attributes:
        kind: class of COCO, see `coco_words`.
        box: left, top, right, bottom, each 0 to 1 of the width or height of its box.
    """

    kind: int
    box: Box


def colored_part(question: Sequence[str]) -> Part | None:
    """Give the part whose color a question asks for.

    >>> colored_part("what color is the dog".split()).kind
    16

    Args:
        question: its words, in lower case.

    Returns:
        None for a question that asks something else, or about what is not found so:
        "what color is the big dog", if there are two.
    """
    words = [read_word(word).base or word for word in question]
    if "color" not in words:
        return None
    things, rest = [], set(words)
    for start, end, named in concept_mentions().places(question):
        rest -= {*words[start:end]}
        worn = [word for word in words[start:end] if word in _WORN]
        if not worn and PERSON not in (named, *broader_words(named)):
            things.append(named)
    worn = [word for word in words if word in _WORN]
    if rest - _SAYS_NOTHING - {*worn} or len(things) + len(worn) != 1:
        return None
    if worn:
        return Part(coco_kinds()[PERSON], _WORN[worn[0]])
    (thing,) = things
    return Part(coco_kinds()[thing], _MIDDLE) if thing in coco_kinds() else None


def find_part(things: Things, part: Part) -> Thing | None:
    """Give where a part of the surest thing of its kind is; None if there is none."""
    found = things.of([part.kind])
    if not found or found[0].score < _LEAST_SCORE:
        return None
    left, top, right, bottom = found[0].box
    width, height = right - left, bottom - top
    box = (
        left + width * part.box[0],
        top + height * part.box[1],
        left + width * part.box[2],
        top + height * part.box[3],
    )
    return Thing(found[0].score, box)


def color_odds(things: Things, part: Part) -> np.ndarray | None:
    """Tell how much more of each color a part has than is usual.

    Returns:
        float (12,), log ratios, in the order of `COLORS`; None if `find_part` gives
        none.
    """
    found = find_part(things, part)
    if found is None:
        return None
    shares = _shares(_cut(things.photo, found.box))
    return np.asarray(np.log((shares + _LEAST_SHARE) / (_USUAL + _LEAST_SHARE)))


def _cut(photo: np.ndarray, box: Box) -> np.ndarray:
    """The pixels of a box, at least one."""
    rows, columns = photo.shape[:2]
    left, top, right, bottom = np.clip(box, 0, 1)
    across = slice(int(left * (columns - 1)), int(right * (columns - 1)) + 1)
    return photo[int(top * (rows - 1)) : int(bottom * (rows - 1)) + 1, across]


def _shares(pixels: np.ndarray) -> np.ndarray:
    """How much of each color there is, of pixels uint8 (H, W, 3)."""
    # Color by color, plane by plane: five times as fast as with small axes at the end.
    lightness, green_red, blue_yellow = np.moveaxis(_to_lab(pixels), -1, 0)
    squares = [
        _LIGHTNESS * (lightness - light) ** 2
        + (green_red - red) ** 2
        + (blue_yellow - yellow) ** 2
        for light, red, yellow in _to_lab(np.array([*COLORS.values()]))
    ]
    near = np.exp(-np.sqrt(squares) / _NEAR)
    return np.asarray((near / near.sum(axis=0)).mean(axis=(1, 2)))


def _to_lab(pixels: np.ndarray) -> np.ndarray:
    """Bring sRGB, 0 to 255, into CIELAB (CIE 1976, white D65), where distances look."""
    levels = np.asarray(pixels, np.float64) / 255
    linear = np.where(
        levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92
    )
    to_xyz = np.array(
        [
            [0.4124, 0.3576, 0.1805],
            [0.2126, 0.7152, 0.0722],
            [0.0193, 0.1192, 0.9505],
        ]
    )
    xyz = linear @ (to_xyz / to_xyz.sum(axis=1, keepdims=True)).T
    x, y, z = np.moveaxis(
        np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
