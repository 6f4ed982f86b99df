from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from rnn.errors.ngrams import NGramModel, estimate_discounts, sort_suffixes

TEXT = Path(__file__).parents[2] / "shared/data/text/warpeace.txt"


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def draw(rng, length, size):
    """Ids with something to learn: each is likely to follow the one before it."""
    ids = rng.integers(0, size, length)
    copied = rng.random(length) < 0.6
    for i in range(1, length):
        if copied[i]:
            ids[i] = (ids[i - 1] * 2 + 1) % size
    return ids


class Reference:
    """Modified Kneser-Ney from its definition, n-gram by n-gram, in dicts."""

    def __init__(self, ids, size, order):
        self.size, self.order = size, order
        ids = list(ids)
        self.counts = {}
        for n in range(1, order + 1):
            if n == order:
                grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
                self.counts[n] = Counter(grams)
            else:
                before = defaultdict(set)
                for i in range(len(ids) - n + 1):
                    before[tuple(ids[i : i + n])].add(ids[i - 1] if i else "start")
                self.counts[n] = Counter({g: len(b) for g, b in before.items()})
        self.discounts = {n: self.estimate(n) for n in self.counts}

    def estimate(self, n):
        n1, n2, n3, n4 = (
            sum(c == i for c in self.counts[n].values()) for i in (1, 2, 3, 4)
        )
        try:
            y = n1 / (n1 + 2 * n2)
            found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        except ZeroDivisionError:
            found = [-1]
        fits = all(0 <= d <= i for i, d in enumerate(found, start=1))
        return [0, *(found if fits else (0.5, 1, 1.5))]

    def prob(self, context, symbol, n):
        if n == 0:
            return 1 / self.size
        context = tuple(context[len(context) - n + 1 :])
        lower = self.prob(context[1:], symbol, n - 1)
        rows = {g: c for g, c in self.counts[n].items() if g[:-1] == context}
        total = sum(rows.values())
        if not total:
            return lower
        taken = {g: self.discounts[n][min(c, 3)] for g, c in rows.items()}
        gram = (*context, symbol)
        own = (rows[gram] - taken[gram]) / total if gram in rows else 0
        return own + sum(taken.values()) / total * lower


@pytest.mark.parametrize(
    ("length", "size", "order"),
    [(1, 1, 1), (2, 3, 4), (60, 3, 3), (200, 5, 4), (400, 4, 6)],
)
def test_probabilities_are_those_of_the_definition(length, size, order, rng):
    ids, text = draw(rng, length, size), draw(rng, 50, size)
    scores = NGramModel(ids, size, longest=order + 1).log_probs(text, [order])
    reference = Reference(ids, size, order)
    # Its first symbols are scored by lower orders of the same model.
    want = [
        reference.prob(text[:i], symbol, min(order, i + 1))
        for i, symbol in enumerate(text)
    ]
    np.testing.assert_allclose(np.exp(scores[order]), want, rtol=1e-9)


def test_discounts_are_estimated_where_the_text_allows_it(rng):
    ids = draw(rng, 400, 4)
    reference = Reference(ids, 4, 5)
    assert reference.discounts[5][1:] != [0.5, 1, 1.5]  # else nothing was tested
    counts = np.array(list(reference.counts[5].values()))
    np.testing.assert_allclose(estimate_discounts(counts), reference.discounts[5][1:])
    assert estimate_discounts(np.array([1, 1, 1])) == (0.5, 1.0, 1.5)
    # n4 so large that the third discount would be negative
    assert estimate_discounts(np.repeat([1, 2, 3, 4], [4, 2, 1, 9])) == (0.5, 1, 1.5)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_with_one_discount_it_is_nltks_model(order, rng):
    from nltk.lm import KneserNeyInterpolated
    from nltk.util import everygrams

    ids, size, discount = draw(rng, 150, 4), 4, 0.3
    model = KneserNeyInterpolated(order, discount)
    # The start of the text is a predecessor of its own, as it is here.
    padded = ["start", *map(str, ids)]
    model.fit([list(everygrams(padded, max_len=order))], [*padded])
    text = draw(rng, 40, size)
    want = [
        model.score(str(symbol), [str(s) for s in text[max(0, i - order + 1) : i]])
        for i, symbol in enumerate(text)
    ]
    given = [[0, 0, 0]] + [[discount] * 3] * (order - 1)
    scores = NGramModel(ids, size, longest=order, discounts=given)
    found = np.exp(scores.log_probs(text, [order])[order])
    # Both score the first symbols by the lower orders of the same model.
    np.testing.assert_allclose(found, want, rtol=1e-9)


def test_probabilities_of_all_symbols_sum_to_one(rng):
    model = NGramModel(draw(rng, 300, 6), 6, longest=5)
    for context in rng.integers(0, 6, (10, 4)):
        total = {1: 0, 3: 0, 5: 0}
        for symbol in range(6):
            scores = model.log_probs([*context, symbol], list(total))
            total = {n: total[n] + np.exp(scores[n][-1]) for n in total}
        np.testing.assert_allclose(list(total.values()), 1)


def test_orders_are_scored_together_as_they_are_alone(rng):
    ids, text = draw(rng, 500, 7), draw(rng, 80, 7)
    together = NGramModel(ids, 7).log_probs(text, range(1, 21))
    for order in (1, 2, 9, 20):
        alone = NGramModel(ids, 7, longest=order).log_probs(text, [order])
        np.testing.assert_allclose(alone[order], together[order])


def test_symbols_never_seen_have_a_probability():
    scores = NGramModel([0, 1, 0, 1], 4, longest=2).log_probs([3, 2, 3], [1, 2])
    assert all(np.isfinite(row).all() for row in scores.values())


@pytest.mark.parametrize(("size", "depth"), [(2, 20), (82, 20), (30_000, 20), (5, 3)])
def test_suffixes_are_sorted(size, depth, rng):
    ids = rng.integers(0, min(size, 3), 200) + max(0, size - 3)
    ids[50:100] = ids[:50]  # long repeats
    found = sort_suffixes(ids, size, depth)
    keys = [(*ids[i : i + depth], size) for i in found]
    assert sorted(found) == list(range(200))
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([], 3), "empty"),
        (([0, 3], 3), "0 to 2"),
        (([-1], 3), "0 to 2"),
    ],
)
def test_wrong_texts_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        NGramModel(*arguments)


def test_wrong_orders_are_refused():
    with pytest.raises(ValueError, match="longest=21"):
        NGramModel([0], 1, longest=21)
    with pytest.raises(ValueError, match=r"1 to 3. Received: \[0, 4\]"):
        NGramModel([0], 1, longest=3).log_probs([0], [0, 1, 4])


def test_nothing_to_score_is_no_error():
    assert NGramModel([0, 1], 2).log_probs([], [1, 2])[2].shape == (0,)


@pytest.mark.slow
@pytest.mark.skipif(not TEXT.exists(), reason=f"{TEXT.name} is not beside the checkout")
def test_war_and_peace_in_nats():
    """Figures of another program, which counts in dicts."""
    text = np.array(list(TEXT.read_bytes().decode()))
    symbols, ids = np.unique(text, return_inverse=True)
    train, test = ids[: int(len(ids) * 0.8)], ids[int(len(ids) * 0.9) :]
    want = {3: 1.954, 6: 1.2895, 7: 1.2668, 8: 1.2649, 9: 1.2668, 12: 1.2697}
    scores = NGramModel(train, len(symbols), longest=12).log_probs(test, list(want))
    found = {order: -row.mean() for order, row in scores.items()}
    assert found == pytest.approx(want, abs=0.003)
