"""Metrics that choose the best epoch."""

import numpy as np
import pytest

from vqa.metrics.criteria import CRITERIA, accuracy, balanced_accuracy


def test_accuracy_by_hand():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4], [2.0, 1.0]])
    targets = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.3], [0.6, 0.0]])
    assert accuracy(scores, targets) == pytest.approx(100 * (1 + 0 + 0.3 + 0.6) / 4)


def test_a_rare_answer_counts_as_much_as_a_frequent_one():
    targets = np.eye(3)[[0, 0, 0, 1, 2, 2]]
    always = np.tile([1.0, 0.0, 0.0], (6, 1))
    assert accuracy(always, targets) == pytest.approx(50)
    assert balanced_accuracy(always, targets) == pytest.approx(100 / 3)
    assert balanced_accuracy(targets, targets) == 100


def test_questions_that_no_answer_is_right_for_do_not_count():
    targets = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert balanced_accuracy(targets, targets) == 100
    assert balanced_accuracy(targets[1:], targets[1:]) == 0


@pytest.mark.parametrize("name", CRITERIA)
def test_what_is_right_scores_more(name):
    targets = np.eye(4)[[0, 1, 2, 3, 0]]
    assert CRITERIA[name](targets, targets) > CRITERIA[name](-targets, targets)
