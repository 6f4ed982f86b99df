import numpy as np
import pytest

from shared.concepts.calibrate import area_under_curve, calibrate, reliability
from shared.concepts.regression import UNKNOWN

HAS = np.array([[True, False, True, False], [True, True, False, False]])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def witnesses():
    """Two witnesses of four words, as `HAS` says, on 4,000 photos."""
    rng = np.random.default_rng(0)
    return rng.normal(-2, 3, (2, 4000, 4)) * HAS[:, None]


def test_scales_and_biases_are_found_again(witnesses):
    true = np.array([[0.5, 0.0, 1.2, 0.0], [0.4, 0.9, 0.0, 0.0], [-1, 0.5, 0.2, -2.0]])
    targets = sigmoid((witnesses * true[:2, None]).sum(0) + true[2])
    found = calibrate(witnesses, targets, np.ones(4000), HAS)
    np.testing.assert_allclose(found, true, atol=0.05)
    assert (found[:2][~HAS] == 0).all()


def test_the_unknown_says_nothing_and_weights_count(witnesses):
    rng = np.random.default_rng(1)
    targets = (rng.random((4000, 4)) < 0.3).astype(np.float32)
    few = targets.copy()
    few[2000:] = UNKNOWN
    ones = np.ones(4000)
    half = calibrate(witnesses[:, :2000], targets[:2000], ones[:2000], HAS)
    np.testing.assert_allclose(calibrate(witnesses, few, ones, HAS), half, atol=1e-5)
    weights = np.where(np.arange(4000) < 2000, 1.0, 0.0)
    weighed = calibrate(witnesses, targets, weights, HAS)
    np.testing.assert_allclose(weighed, half, atol=1e-5)


def test_a_seldom_word_follows_those_of_its_kind():
    rng = np.random.default_rng(2)
    odds = rng.normal(0, 3, (1, 3000, 6))
    targets = (rng.random((3000, 6)) < sigmoid(0.8 * odds[0] - 1)).astype(np.float32)
    targets[8:, 5] = UNKNOWN
    targets[:8, 5] = odds[0, :8, 5] < 0  # by chance, against its witness
    scales = calibrate(odds, targets, np.ones(3000), np.ones((1, 6), bool))[0]
    np.testing.assert_allclose(scales[:5], 0.8, atol=0.1)
    assert 0.2 < scales[5] < 0.7  # alone, it would fall below 0


def test_far_from_the_best_no_step_goes_astray():
    """Newton's method alone jumps to and fro here."""
    odds = np.full((1, 200, 1), -9.2)
    odds[0, :3] = 9.2
    targets = (odds[0] > 0).astype(np.float32)
    targets[3:6] = 1.0
    found = calibrate(odds, targets, np.ones(200), np.ones((1, 1), bool))
    probs = sigmoid(found[0] * odds[0] + found[1])
    assert probs[0] > 0.6
    assert probs[10] < 0.05


def test_area_under_curve_equals_counting_pairs():
    rng = np.random.default_rng(3)
    scores, positive = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.4
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a in scores[positive]
        for b in scores[~positive]
    ]
    assert area_under_curve(scores, positive) == pytest.approx(np.mean(pairs))
    assert np.isnan(area_under_curve(scores, np.ones(60, bool)))


def test_reliability_compares_in_bins_what_is_known():
    probs = np.array([[0.1, 0.2, 0.9], [0.8, 0.3, 0.05]])
    targets = np.array([[0.0, 1.0, 1.0], [0.5, UNKNOWN, UNKNOWN]])
    assert reliability(probs, targets, [0.5, 0.95]) == [
        [pytest.approx(0.15), pytest.approx(0.5), 2],
        [pytest.approx(0.85), pytest.approx(0.75), 2],
    ]
