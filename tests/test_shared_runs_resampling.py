"""Bootstrap intervals and paired tests, against loops that spell them out."""

import itertools
import random

import numpy as np
import pytest

from shared.runs.resampling import (
    RESAMPLES,
    Tally,
    compare,
    find_intervals,
    tally_mean,
)

RNG = random.Random(1)
RIGHT = [float(RNG.random() < 0.6) for _ in range(1000)]


def test_an_interval_is_what_scoring_each_sample_anew_gives():
    # A score that is no mean: the root of a ratio of sums.
    counts = np.array([[1.0, 2], [3, 4], [0, 1], [2, 9], [5, 5]])
    found = find_intervals(
        {
            "first": Tally(counts, lambda s: np.sqrt(s[..., 0] / s[..., 1])),
            "second": tally_mean([1.0, 2, 3, 4, 5]),
        }
    )
    rng, scores, means = np.random.default_rng(1), [], []
    for _ in range(RESAMPLES):
        places = rng.integers(5, size=5)
        drawn = [counts[place] for place in places]
        top, below = sum(row[0] for row in drawn), sum(row[1] for row in drawn)
        scores.append((top / below) ** 0.5)
        means.append(sum(places + 1) / 5)
    assert found["first"] == pytest.approx(np.quantile(scores, (0.025, 0.975)))
    assert found["second"] == pytest.approx(np.quantile(means, (0.025, 0.975)))


def test_an_interval_is_as_wide_as_theory_says():
    (low, high) = find_intervals({"": tally_mean(RIGHT)})[""]
    assert low < sum(RIGHT) / 1000 < high
    assert high - low == pytest.approx(2 * 1.96 * (0.24 / 1000) ** 0.5, rel=0.15)


def test_what_is_of_one_photo_is_drawn_together():
    # Ten questions a photo, all right or all wrong: the photos are what counts.
    photos = [f"photo {n:03}" for n in range(100) for _ in range(10)]
    tenfold = tally_mean([score for score in RIGHT[:100] for _ in range(10)], photos)
    assert tenfold.counts.shape == (100, 2)
    alone = find_intervals({"": tally_mean(RIGHT[:100])})
    assert find_intervals({"": tenfold})[""] == pytest.approx(alone[""])
    assert find_intervals({"": tally_mean([1.0], ["a"])})[""] == (1, 1)


def test_samples_without_what_is_divided_by_do_not_count():
    tally = tally_mean([0.0, 0.0, 1.0])._replace(counts=np.array([[0, 0], [1, 1.0]]))
    assert find_intervals({"": tally})[""] == (1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_p_is_the_share_of_all_exchanges_that_differ_as_much(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random(7) + 0.2 * seed, rng.random(7)
    found = compare(tally_mean(first), tally_mean(second))
    assert found.value == pytest.approx(first.mean() - second.mean())
    gaps = first - second
    each = [
        abs(np.mean(gaps * signs)) for signs in itertools.product((1, -1), repeat=7)
    ]
    exact = np.mean([gap >= abs(found.value) - 1e-12 for gap in each])
    assert found.p == pytest.approx(exact, abs=0.02)


def test_a_difference_is_surer_than_the_scores_are():
    # The second answers one in fifty worse, and else the same.
    second = [score * (place % 50 > 0) for place, score in enumerate(RIGHT)]
    found = compare(tally_mean(RIGHT), tally_mean(second))
    low, high = found.interval
    assert 0 < low < found.value < high < 0.03
    assert found.p < 0.001
    (lowest, highest) = find_intervals({"": tally_mean(RIGHT)})[""]
    assert highest - lowest > 3 * (high - low)
    assert str(found._replace(value=1.26)).startswith("+1.3 (+0.0 to +0.0), p < 0.001")


def test_the_same_does_not_differ():
    found = compare(tally_mean(RIGHT), tally_mean(RIGHT))
    assert found == (0, (0, 0), 1)


def test_only_scores_of_the_same_photos_are_compared():
    with pytest.raises(ValueError, match="not the same photos"):
        compare(tally_mean([1.0]), tally_mean([1.0, 0]))
