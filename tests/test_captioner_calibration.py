"""When captions are not to be relied on: found for each model, or not claimed."""

import math

import numpy as np
import pytest

from captioner.calibration import choose_threshold
from captioner.predict import Caption


def test_a_fifth_of_the_photos_is_below_it():
    confidence = np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 200))
    threshold = choose_threshold(confidence, confidence**2)
    assert (confidence < threshold).sum() == 40


@pytest.mark.parametrize(
    "confidence, scores",
    [
        (np.linspace(0, 1, 99), np.linspace(0, 1, 99)),  # too few
        (np.linspace(0, 1, 500), np.ones(500)),  # it says nothing about the scores
        (np.linspace(0, 1, 500), np.linspace(1, 0, 500)),
        (np.full(500, 0.5), np.linspace(0, 1, 500)),
        (np.linspace(0, 1, 500), np.zeros(500)),
    ],
)
def test_nothing_is_claimed_without_a_reason(confidence, scores):
    assert choose_threshold(confidence, scores) == 0


def test_confidence_is_the_mean_of_the_words_and_the_end():
    caption = Caption("a dog", ("a", "dog"), math.log(0.5 * 0.25 * 0.125), (), None)
    assert caption.confidence == pytest.approx(0.25)
