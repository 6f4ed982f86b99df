"""What captions are worth to self-critical training."""

import numpy as np
import pytest

from captioner.training.reward import weigh


def plainly(rewards, exists):
    weights = np.zeros(rewards.shape)
    for b, row in enumerate(rewards):
        found = [k for k in range(len(row)) if exists[b, k]]
        for k in found:
            weights[b, k] = row[k] - sum(row[j] for j in found) / len(found)
    return weights


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_is_over_the_beams_that_exist(seed):
    rng = np.random.default_rng(seed)
    rewards, exists = rng.normal(size=(6, 4)), rng.random((6, 4)) < 0.6
    exists[0], exists[1], exists[2] = True, False, [True, False, False, False]
    weights = weigh(rewards, exists)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, plainly(rewards, exists), atol=1e-6)
    assert not weights[1:3].any()  # nothing to compare with
    np.testing.assert_allclose(weights.sum(axis=1), 0, atol=1e-6)


def test_a_beam_that_does_not_exist_changes_nothing():
    rewards = np.array([[1.0, 3.0, 0.0]])
    for phantom in (0.0, 50.0):
        rewards[0, 2] = phantom
        weights = weigh(rewards, np.array([[True, True, False]]))
        np.testing.assert_array_equal(weights, [[-1.0, 1.0, 0.0]])
