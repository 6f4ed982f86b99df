"""How sure a model may be of its answers, found on the dev questions.

Nothing here knows the model; NumPy alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vqa.answering.confidence import to_confidence

BINS = 10
MOST_OF_EACH = 2000  # questions of a data set, where there are several
LEAST = 20  # questions that a temperature or a bin of the report stands on


class Bin(NamedTuple):
    """Answers of about the same confidence.

    Attributes:
        low, high: their confidence, 0 to 1.
        questions: how many they are.
        confidence: mean confidence.
        right: share of them that is right.
    """

    low: float
    high: float
    questions: int
    confidence: float
    right: float


def draw_evenly(sources: Sequence[int]) -> np.ndarray:
    """Draw questions to calibrate on, such that no data set decides alone.

    Args:
        sources: of each question, the data set that it comes from.

    Returns:
        int, places of questions: all of one data set; of several, at most
        `MOST_OF_EACH`, from the first to the last at even distances.
    """
    numbers = np.asarray(sources)
    sets = [np.flatnonzero(numbers == source) for source in np.unique(numbers)]
    if len(sets) > 1:
        sets = [rows[:: -(-len(rows) // MOST_OF_EACH)] for rows in sets]
    return np.sort(np.concatenate(sets))


def fit_temperature(
    scores: np.ndarray,
    targets: np.ndarray,
    soft: bool = False,
    known: float = 1.0,
) -> float:
    """Find the temperature by which the best answer's confidence is most truthful.

    Whether the best answer is right is taken for one draw with its confidence p, and
    the mean of right * log(p) + (1 - right) * log(1 - p) is made highest. Guo et al.
    2017, arXiv:1706.04599, raise the likelihood of the right answer instead, which a
    question that no answer is right for does not have; people ask such questions.

    Args:
        scores: float (questions, A).
        targets: float (questions, A), how right each answer is, 0 to 1; all 0 where
            none of them is.
        soft: see `vqa.answering.confidence.to_confidence`.
        known: the temperature of the model that it came from.

    Returns:
        0.05 to 20; `known` if there are fewer than `LEAST` questions.
    """
    if len(scores) < LEAST:
        return known
    best = scores.argmax(axis=1)
    right = targets[np.arange(len(targets)), best]

    def loss(log_temperature: float) -> float:
        confidence = to_confidence(scores, float(np.exp(log_temperature)), soft)
        chosen = confidence.max(axis=1).clip(1e-12, 1 - 1e-12)
        return -float(np.mean(right * np.log(chosen) + (1 - right) * np.log1p(-chosen)))

    # The loss has one valley; a grid finds it, a finer one its floor.
    steps = np.linspace(np.log(0.05), np.log(20.0), 61)
    for _ in range(3):
        place = int(np.argmin([loss(step) for step in steps]))
        low, high = steps[max(0, place - 1)], steps[min(len(steps) - 1, place + 1)]
        steps = np.linspace(low, high, 21)
    return float(np.exp(steps[int(np.argmin([loss(step) for step in steps]))]))


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[Bin]:
    """Compare confidence with how often the answers are right, in ten bins.

    Args:
        confidence: float (questions,), of the answers given.
        right: float (questions,), how right they are, 0 to 1.

    Returns:
        the bins that hold an answer, from low to high.
    """
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(
            place / BINS,
            (place + 1) / BINS,
            int(inside.sum()),
            float(confidence[inside].mean()),
            float(right[inside].mean()),
        )
        for place in range(BINS)
        if (inside := places == place).any()
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Mean distance of confidence and share of right answers, 0 to 1 (ECE)."""
    total = sum(one.questions for one in bins)
    return sum(one.questions * abs(one.confidence - one.right) for one in bins) / total
