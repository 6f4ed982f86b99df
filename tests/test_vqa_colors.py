"""The color of a thing, looked at in its box."""

import numpy as np
import pytest

from shared.concepts.words import coco_words
from shared.vision.detector import Things
from vqa.answering.colors import COLORS, Part, _to_lab, color_odds, colored_part

NAMES = [*COLORS]
DOG = coco_words().index("dog")


@pytest.mark.parametrize(
    ("question", "kind", "top"),
    [
        ("what color is the dog", "dog", 0.2),
        ("what colour are the dogs in the picture", "dog", 0.2),
        ("which color is this bus", "bus", 0.2),
        ("what is the color of the traffic light", "traffic light", 0.2),
        ("what color is the man 's shirt", "person", 0.22),
        ("what color shirt is he wearing", "person", 0.22),
        ("what color are her jeans", "person", 0.5),
        ("what color is the hat of the girl", "person", 0.0),
        ("what color is the big dog", None, 0),
        ("what color is the dog 's collar", None, 0),
        ("what color is the shirt of the man in the hat", None, 0),
        ("what color is the man", None, 0),
        ("what color is the sky", None, 0),
        ("what color is it", None, 0),
        ("is the dog brown", None, 0),
        ("what animal is this", None, 0),
    ],
)
def test_whose_color_is_asked_for(question, kind, top):
    part = colored_part(question.split())
    if kind is None:
        assert part is None
    else:
        assert part is not None
        assert (coco_words()[part.kind], part.box[1]) == (kind, top)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # as published for sRGB and the white D65
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_colors_lie_where_they_are_known_to(rgb, lab):
    np.testing.assert_allclose(_to_lab(np.array(rgb)), lab, atol=0.05)


def painted(color, score=0.9):
    """A grey photo with a dog in its lower right quarter, of one color inside."""
    photo = np.full((40, 80, 3), 128, np.uint8)
    photo[22:38, 44:76] = COLORS[color]
    scores = np.zeros((1, 80), np.float32)
    scores[0, DOG] = score
    return Things(np.array([[0.5, 0.5, 1, 1]], np.float32), scores, photo)


@pytest.mark.parametrize("color", NAMES)
def test_a_thing_has_the_color_that_is_painted_inside_its_box(color):
    part = Part(DOG, (0.2, 0.2, 0.8, 0.8))
    odds = color_odds(painted(color), part)
    assert odds is not None
    assert odds.shape == (12,)
    assert odds[NAMES.index(color)] > 0
    if color not in ("gray", "black"):  # which are usual
        assert NAMES[int(odds.argmax())] == color


def test_the_color_of_what_is_hardly_there_is_unknown():
    part = Part(DOG, (0.2, 0.2, 0.8, 0.8))
    assert color_odds(painted("red", score=0.39), part) is None
    assert color_odds(painted("red"), part._replace(kind=DOG + 1)) is None


def test_a_box_of_no_width_has_a_pixel():
    things = painted("red")._replace(boxes=np.array([[1, 1, 1, 1]], np.float32))
    odds = color_odds(things, Part(DOG, (0.2, 0.2, 0.8, 0.8)))
    assert odds is not None
    assert np.isfinite(odds).all()
