"""When captions are not to be relied on: found for each model, or not claimed."""

import math

import numpy as np
import pytest

from captioner.config import ConfidenceConfig
from captioner.describing.captions import Caption
from captioner.describing.confidence import Evidence, judge
from captioner.training.calibration import (
    choose_threshold,
    cross_fit,
    fit_confidence,
    names_main_thing,
)
from shared.concepts.calibrate import area_under_curve


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


def test_a_model_that_can_judge_says_how_probably_a_caption_is_right():
    caption = Caption("a dog", ("a", "dog"), -9.0, (), None, right=0.75)
    assert caption.confidence == 0.75
    assert caption.mean_log_prob == -3


@pytest.mark.parametrize(
    "caption, references, right",
    [
        ("A surfer in the sea.", ["a man on a wave", "a woman swims"], True),  # person
        ("A poodle on a bed.", ["a dog sleeps", "a brown dog", "a bed"], True),
        ("A dog on a bed.", ["a puppy sleeps", "the puppy"], True),
        ("A bed.", ["a dog on a bed", "a dog", "a dog"], False),
        ("A bed.", ["a dog on a bed", "a dog on a bed"], True),  # named as often
        ("A truck.", ["a car", "a red car"], False),  # both only vehicles
        ("A hot dog.", ["a dog"], False),
        ("Ein Hund.", ["Ein Hund läuft."], None),
        ("A dog.", ["Ein Hund läuft."], None),
    ],
)
def test_the_main_thing_is_what_most_people_name(caption, references, right):
    assert names_main_thing(caption, references) is right


TRUTH = ConfidenceConfig(bias=4, words=2, least=0.5, most=1.5, missed=-2)


def _photos(count):
    """Captions that are right as probably as `TRUTH` says."""
    random = np.random.default_rng(1)
    told = random.uniform([-3, -5, -3, 0], [0, 0, 0, 1], (count, 4))
    evidence = [Evidence(*row) for row in told.tolist()]
    probs = np.array([judge(one, TRUTH) for one in evidence])
    return evidence, random.random(count) < probs, probs


def test_judging_is_a_sigmoid_of_the_weighed_evidence():
    evidence = Evidence(-1.0, -2.0, -0.5, 0.25)
    log_odds = 4 - 2 - 1 - 0.75 - 0.5
    assert judge(evidence, TRUTH) == pytest.approx(1 / (1 + np.exp(-log_odds)))
    most = ConfidenceConfig(bias=0, words=1000, least=0, most=0, missed=0)
    assert judge(Evidence(-1e6, 0, 0, 0), most) == 0  # and no overflow


def test_what_makes_captions_right_is_learnt():
    evidence, right, probs = _photos(20_000)
    found = fit_confidence(evidence, right)
    for name, value in TRUTH.model_dump().items():
        assert getattr(found, name) == pytest.approx(value, abs=0.4)
    sure = np.array([judge(one, found) for one in evidence])
    assert sure.mean() == pytest.approx(right.mean(), abs=1e-3)  # of any such fit
    assert np.abs(sure - probs).max() < 0.05


def test_a_fit_is_the_minimum_of_its_loss():
    evidence, right, _ = _photos(300)
    told, sign = np.array(evidence), np.where(right, 1, -1)

    def loss(weights):
        log_odds = weights.bias + told @ np.array([*weights.model_dump().values()][1:])
        ridge = (np.array([*weights.model_dump().values()][1:]) * told.std(axis=0)) ** 2
        return np.log1p(np.exp(-sign * log_odds)).sum() + ridge.sum() / 2

    found = fit_confidence(evidence, right)
    for name, value in found.model_dump().items():
        for step in (-0.05, 0.05):
            assert loss(found) < loss(found.model_copy(update={name: value + step}))


@pytest.mark.parametrize("wrong", [0, 9, 191, 200])
def test_too_few_captions_of_a_kind_teach_nothing(wrong):
    evidence, _, _ = _photos(200)
    right = np.arange(200) >= wrong
    assert fit_confidence(evidence, right) is None
    assert fit_confidence(evidence[:99], right[:99]) is None
    assert fit_confidence([], []) is None


def test_what_is_the_same_of_all_captions_and_what_parts_them_cleanly_is_no_trouble():
    evidence = [Evidence(-1.0, -2.0, -1.0 - (i % 2), 0.5) for i in range(200)]
    found = fit_confidence(evidence, [i % 2 == 0 for i in range(200)])
    assert found.words == found.least == found.missed == 0
    assert judge(evidence[0], found) > 0.9 > 0.1 > judge(evidence[1], found)


def test_cross_fitting_judges_by_others():
    evidence, right, _ = _photos(400)
    sure = cross_fit(evidence, right, folds=4)
    others = [i for i in range(400) if i % 4 != 1]
    weights = fit_confidence([evidence[i] for i in others], right[others])
    assert sure[5] == judge(evidence[5], weights)
    assert area_under_curve(sure, right) > 0.75
    assert cross_fit(evidence[:100], right[:100]) is None


def test_the_area_counts_pairs():
    right = np.array([True, True, False, False])
    assert area_under_curve(np.array([0.9, 0.4, 0.4, 0.1]), right) == 3.5 / 4
    assert area_under_curve(np.array([0.1, 0.2, 0.3, 0.4]), right) == 0
