"""Writing, with a table of random log-probabilities in the place of a model."""

from itertools import product

import numpy as np
import pytest

from rnn.writing.writer import choose, draw, search
from shared.text.vocabulary import BOS, EOS, SPECIAL_WORDS

V = 7
START = np.array([BOS], np.int32)


class Table:
    """A model whose next symbol depends on the last two."""

    name = "table"

    def __init__(self, seed=0):
        scores = np.random.default_rng(seed).normal(0, 2, (V, V, V))
        self.log_probs = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        self.read = []

    def begin(self, count):
        return np.full((count, 1), BOS)

    def step(self, ids, states):
        self.read.append(ids.tolist())
        return self.log_probs[states[:, 0], ids], ids[:, None]

    def score(self, ids, before=(BOS, BOS)):
        ids = [*before, *ids]
        triples = zip(ids, ids[1:], ids[2:])  # noqa: B905
        return sum(self.log_probs[a, b, c] for a, b, c in triples)


WRITABLE = range(len(SPECIAL_WORDS), V)


def test_zero_temperature_takes_the_likeliest():
    table = Table()
    found = list(draw(table, START, 6, temperature=0))
    assert found == search(table, START, 6, beam_size=1)
    last = BOS, BOS
    for index in found:
        scores = {i: table.log_probs[(*last, i)] for i in WRITABLE}
        assert index == max(scores, key=scores.get)
        last = last[1], index


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_likeliest_text(seed):
    table = Table(seed)
    found = search(table, START, 4, beam_size=3**4)
    best = max(product(WRITABLE, repeat=4), key=table.score)
    assert found == list(best)


def test_a_beam_goes_on_from_the_prime():
    table, prime = Table(), np.array([BOS, 5, 6], np.int32)
    found = search(table, prime, 3, beam_size=27)
    best = max(product(WRITABLE, repeat=3), key=lambda ids: table.score(ids, (5, 6)))
    assert found == list(best)
    assert table.read[:3] == [[BOS], [5], [6]]


def test_what_is_drawn_is_as_likely_as_the_model_says():
    table, counts = Table(), np.zeros(V)
    for seed in range(2000):
        (index,) = draw(table, START, 1, seed=seed)
        counts[index] += 1
    probs = np.exp(table.log_probs[BOS, BOS])
    probs[: len(SPECIAL_WORDS)] = 0
    np.testing.assert_allclose(counts / 2000, probs / probs.sum(), atol=0.04)


def test_words_end_lines_and_characters_do_not():
    found = {
        flag: {
            index
            for seed in range(40)
            for index in draw(Table(), START, 20, seed=seed, characters=flag)
        }
        for flag in (True, False)
    }
    assert found[True] == set(WRITABLE)
    assert found[False] == {EOS, *WRITABLE}


def test_the_same_seed_draws_the_same():
    one, two, other = (list(draw(Table(), START, 30, seed=s)) for s in (1, 1, 2))
    assert one == two != other


def test_top_k_and_temperature():
    scores = np.log([0.1, 0.2, 0.3, 0.4])
    random = np.random.default_rng(0)
    drawn = [choose(scores, 1.0, 2, random) for _ in range(500)]
    assert set(drawn) == {2, 3}
    assert np.mean(np.array(drawn) == 3) == pytest.approx(4 / 7, abs=0.06)
    drawn = [choose(scores, 0.5, 0, random) for _ in range(2000)]
    squares = np.array([1, 4, 9, 16]) / 30
    np.testing.assert_allclose(np.bincount(drawn) / 2000, squares, atol=0.04)
    assert {choose(scores, 0.01, 0, random) for _ in range(20)} == {3}
