import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.answering.confidence import to_confidence
from vqa.training.calibration import (
    LEAST,
    Bin,
    calibration_error,
    draw_evenly,
    fit_temperature,
    reliability,
)


def asked(temperature, questions=4000, answers=8, soft=False, seed=0):
    """Scores `temperature` times too bold, and answers drawn from what they mean."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (questions, answers))
    if soft:
        targets = rng.random(honest.shape) < 1 / (1 + np.exp(-honest))
        return honest * temperature, targets.astype(np.float32)
    probs = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    right = [rng.choice(answers, p=row) for row in probs]
    return honest * temperature, np.eye(answers, dtype=np.float32)[right]


def test_scores_become_shares_by_hand():
    scores = np.log([[1.0, 2.0, 1.0]])
    np.testing.assert_allclose(to_confidence(scores, 1.0), [[0.25, 0.5, 0.25]])
    np.testing.assert_allclose(to_confidence(2 * scores, 2.0), [[0.25, 0.5, 0.25]])
    np.testing.assert_allclose(to_confidence(scores, 0.5), [[1 / 6, 2 / 3, 1 / 6]])


def test_each_answer_by_itself_by_hand():
    scores = np.log([[1.0, 3.0, 1 / 3]])
    np.testing.assert_allclose(to_confidence(scores, 1.0, True), [[0.5, 0.75, 0.25]])
    np.testing.assert_allclose(
        to_confidence(scores, 0.5, True), [[0.5, 0.9, 0.1]], atol=1e-12
    )


@pytest.mark.parametrize("soft", [True, False])
def test_scores_beyond_all_measure_stay_numbers(soft):
    scores = np.array([[1e30, -1e9, 0.0], [-1e30, -1e30, -1e9]], np.float32)
    with np.errstate(over="raise", invalid="raise"):
        found = to_confidence(scores, 0.05, soft)
    assert found.dtype == np.float64
    assert ((found >= 0) & (found <= 1)).all()
    expected = [1, 0, 0.5] if soft else [1, 0, 0]
    np.testing.assert_allclose(found[0], expected, atol=1e-12)


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_a_known_temperature_is_found(temperature, soft):
    scores, targets = asked(temperature, soft=soft)
    found = fit_temperature(scores, targets, soft)
    assert found == pytest.approx(temperature, rel=0.1)
    confidence = to_confidence(scores, found, soft)
    best = confidence.argmax(1)
    right = targets[np.arange(len(targets)), best]
    assert confidence.max(1).mean() == pytest.approx(right.mean(), abs=0.02)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 4.0))
def test_bolder_scores_need_a_higher_temperature(factor):
    scores, targets = asked(1.0, questions=300)
    first, second = (fit_temperature(s, targets) for s in (scores, factor * scores))
    assert second == pytest.approx(factor * first, rel=0.02)


def test_choices_that_only_fill_a_row_change_nothing():
    scores, targets = asked(2.0, questions=500)
    padded = np.pad(scores, ((0, 0), (0, 2)), constant_values=-1e9)
    goals = np.pad(targets, ((0, 0), (0, 2)))
    assert fit_temperature(padded, goals) == fit_temperature(scores, targets)


def test_extremes_end_at_the_limits():
    scores = np.tile([3.0, 1.0], (50, 1))
    always, never = np.tile([1.0, 0.0], (50, 1)), np.zeros((50, 2))
    assert fit_temperature(scores, always) == pytest.approx(0.05, rel=0.1)
    assert fit_temperature(scores, never) == pytest.approx(20)
    equal = np.zeros((50, 2))
    assert 0.05 <= fit_temperature(equal, always) <= 20.01


def test_few_questions_fit_nothing():
    scores, targets = asked(5.0, questions=LEAST)
    assert fit_temperature(scores[:-1], targets[:-1]) == 1.0
    assert fit_temperature(scores, targets) != 1.0
    assert fit_temperature(np.zeros((0, 3)), np.zeros((0, 3))) == 1.0


def test_few_questions_leave_things_as_they_were():
    scores, targets = asked(5.0, questions=LEAST)
    assert fit_temperature(scores[1:], targets[1:], known=2.5) == 2.5
    assert fit_temperature(scores, targets, known=2.5) != 2.5


def test_bins_by_hand():
    confidence = np.array([0.0, 0.05, 0.1, 0.55, 0.58, 0.99, 1.0])
    right = np.array([0, 1, 0, 1, 0.3, 1, 1])
    bins = reliability(confidence, right)
    assert bins == [
        Bin(0.0, 0.1, 2, pytest.approx(0.025), 0.5),
        Bin(0.1, 0.2, 1, 0.1, 0.0),
        Bin(0.5, 0.6, 2, pytest.approx(0.565), pytest.approx(0.65)),
        Bin(0.9, 1.0, 2, pytest.approx(0.995), 1.0),
    ]
    error = (2 * 0.475 + 1 * 0.1 + 2 * 0.085 + 2 * 0.005) / 7
    assert calibration_error(bins) == pytest.approx(error)


def test_honest_answers_have_no_calibration_error():
    rng = np.random.default_rng(0)
    confidence = rng.random(20000)
    bins = reliability(confidence, (rng.random(20000) < confidence).astype(float))
    assert len(bins) == 10
    assert sum(one.questions for one in bins) == 20000
    assert calibration_error(bins) < 0.02


def test_no_data_set_decides_alone():
    assert draw_evenly([0] * 5000).tolist() == list(range(5000))
    rows = draw_evenly([0] * 5000 + [1] * 300)
    assert rows.tolist() == [*range(0, 5000, 3), *range(5000, 5300)]
