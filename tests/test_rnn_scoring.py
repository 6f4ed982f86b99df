"""Cells compared with probes: planted ones are found, thresholds are the best ones."""

from itertools import pairwise

import numpy as np
import pytest

from rnn.cells.scoring import Scorer, to_levels

SIZE, CELLS = 1200, 5


@pytest.fixture
def truth():
    random = np.random.default_rng(3)
    flags = {"rare": random.random(SIZE) < 0.05, "half": random.random(SIZE) < 0.5}
    return flags, {"place": (np.arange(SIZE) % 70).astype(np.float32)}


@pytest.fixture
def levels(truth):
    """Cells: rare itself, half upside down and noisy, place, noise, nothing."""
    flags, numbers = truth
    random = np.random.default_rng(4)
    noise = random.normal(size=(2, SIZE))
    cells = [
        np.where(flags["rare"], 0.3, -0.1),
        np.where(flags["half"], -0.2, 0.2) + 0.15 * noise[0],
        numbers["place"] / 70,
        np.tanh(noise[1]),
        np.zeros(SIZE),
    ]
    return to_levels(np.stack(cells, axis=1))


def score(truth, levels, cuts=(0, SIZE), order=1):
    scorer = Scorer(*truth, SIZE, CELLS)
    for start, end in list(pairwise(cuts))[::order]:
        scorer.add(start, levels[start:end])
    return scorer.finish()


def search(flags, levels):
    """Try every threshold on the first half; give its scores on the second."""
    yes, middle = flags.astype(bool), SIZE // 2

    def measure(part, cut, above):
        said = (levels[part] >= cut) == above
        true = yes[part]
        hits = (said & true).sum()
        balanced = (hits / true.sum() + (~said & ~true).sum() / (~true).sum()) / 2
        return balanced, 2 * hits / (said.sum() + true.sum())

    tried = [(cut, above) for cut in range(256) for above in (True, False)]
    first, second = slice(0, middle), slice(middle, None)
    best = max(measure(first, *one)[0] for one in tried)
    return [
        measure(second, *one) for one in tried if measure(first, *one)[0] > best - 1e-12
    ]


def test_thresholds_are_those_of_trying_all(truth, levels):
    scores = score(truth, levels)
    for index, flags in enumerate(truth[0].values()):
        for cell in range(CELLS):
            allowed = search(flags, levels[:, cell])
            found = scores.balanced[index, cell], scores.f1[index, cell]
            assert any(np.allclose(found, one) for one in allowed)


def test_correlations_are_those_of_numpy(truth, levels):
    scores = score(truth, levels)
    place = truth[1]["place"]
    for cell in range(CELLS - 1):
        second = slice(SIZE // 2, None)
        expected = np.corrcoef(levels[second, cell], place[second])[0, 1]
        assert scores.correlations[0, cell] == pytest.approx(expected, abs=1e-5)


def test_planted_cells_are_found_and_noise_is_not(truth, levels):
    scores = score(truth, levels)
    assert scores.probes == ["rare", "half", "place"]
    assert list(scores.best[:3]) == [0, 1, 2]
    assert scores.balanced[0, 0] == scores.f1[0, 0] == 1
    assert not scores.above[1, 1] and scores.balanced[1, 1] > 0.85
    assert scores.correlations[0, 2] > 0.999
    assert scores.strength[3] < 0.2  # of chance, what one threshold of 512 finds
    assert scores.strength[4] == 0
    assert scores.describe(0, 0) == "1.00 balanced accuracy"
    assert scores.describe(2, 2) == "correlation 1.00"


def test_the_half_that_is_reported_did_not_choose(truth, levels):
    turned = levels.copy()
    turned[SIZE // 2 :] = 255 - turned[SIZE // 2 :]
    scores = score(truth, turned)
    assert scores.balanced[0, 0] < 0.1
    assert scores.strength[0] == scores.strength[2] == 0
    assert scores.correlations[0, 2] < -0.999


def test_blocks_of_any_size_and_order_give_the_same(truth, levels, monkeypatch):
    monkeypatch.setattr("rnn.cells.scoring.ROWS", 100)
    cuts = (0, 1, 130, 590, 700, SIZE)
    for found, expected in zip(
        score(truth, levels, cuts, order=-1), score(truth, levels), strict=True
    ):
        if isinstance(expected, np.ndarray):
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_probes_of_a_kind(truth, levels):
    flags, numbers = truth
    assert score((flags, {}), levels).correlations.shape == (0, CELLS)
    assert score(({}, numbers), levels).balanced.shape == (0, CELLS)


def test_levels_keep_the_order_of_activities():
    values = np.array([-1, -0.5, 0, 0.5, 1])
    assert list(to_levels(values)) == [0, 64, 128, 191, 255]
    unbounded = to_levels(np.array([0, 1, 10, 1000.0]), bounded=False)
    assert list(unbounded) == [128, 191, 243, 255]
