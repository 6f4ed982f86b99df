"""Questions about a photo, and what a model says to them."""

from typing import NamedTuple

import numpy as np

from shared.vision.detector import Box, Thing

NOT_SURE = "not sure"


class Asked(NamedTuple):
    """A question about a photo.

    Attributes:
        question: as somebody typed it.
        choices: answers to choose from; none is all that the model knows.
        boxes: parts of the photo to choose from: left, top, right, bottom, each 0 to
            1 of its width or height; for a model that points.
    """

    question: str
    choices: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


class Answer(NamedTuple):
    """An answer that the model considers.

    Attributes:
        text: the answer; of a box, its number from 0.
        confidence: 0 to 1, calibrated: of answers of 0.7, 70 % are right on questions
            like those that it was chosen by.
    """

    text: str
    confidence: float


class Reply(NamedTuple):
    """What the model says to a question.

    Attributes:
        answer: the best one, or "not sure".
        confidence: of the best one.
        answers: best first.
        guesses: the same by the twin that does not see the photo; empty unless
            wanted.
        attention: float32 (H, R), how much each hop looked at each region, row by row
            of their grid; each sums to 1.
        notes: sentences on what about the question and its choices the model has not
            learnt, and what it did about it.
        things: what the answer counts or names, or whose color it is, as far as the
            detector found it, with boxes.
    """

    answer: str
    confidence: float
    answers: tuple[Answer, ...]
    guesses: tuple[Answer, ...]
    attention: np.ndarray
    notes: tuple[str, ...]
    things: tuple[Thing, ...] = ()

    def __str__(self) -> str:
        return self.answer
