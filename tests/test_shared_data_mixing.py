"""In what order photos come, and how often those of small data sets."""

import numpy as np
import pytest

from shared.data.mixing import Order, count_turns


@pytest.mark.parametrize(
    ("balance", "turns"), [(1.0, [1, 1]), (0.5, [1, 4]), (0.0, [1, 16])]
)
def test_small_sets_come_more_often(balance, turns):
    sources = [0] * 32 + [1] * 2
    found = count_turns(sources, balance)
    np.testing.assert_array_equal(found, np.repeat(turns, [32, 2]))


def test_one_set_comes_once():
    np.testing.assert_array_equal(count_turns([0] * 5, 0.0), np.ones(5))


def rows(order, seeds=(1, 0, 0), start=0):
    return [None if r is None else r.tolist() for r, _ in order.walk(seeds, start)]


def test_photos_come_as_often_as_they_should():
    turns = np.array([1, 3, 1, 1, 2, 1, 1])
    order = Order(turns, 2)
    assert order.steps == 5
    found = [row for batch in rows(order) for row in batch]
    assert np.bincount(found).tolist() == turns.tolist()


def test_a_batch_has_no_more_photos_than_there_are():
    order = Order(np.ones(3, int), 8)
    assert (order.batch_size, order.steps) == (3, 1)
    assert sorted(rows(order)[0]) == [0, 1, 2]


@pytest.mark.parametrize("texts", [False, True])
def test_an_epoch_goes_on_in_the_middle_with_the_same_random_numbers(texts):
    order = Order(np.ones(7, int), 2, texts)
    whole = [(r, rng.random()) for r, rng in order.walk([4, 0])]
    assert len(whole) == order.steps == (6 if texts else 3)
    assert [r is None for r, _ in whole] == (
        [False, True] * 3 if texts else [False] * 3
    )
    for start in range(order.steps + 1):
        rest = [(r, rng.random()) for r, rng in order.walk([4, 0], start)]
        assert [number for _, number in rest] == [number for _, number in whole[start:]]
        for (one, _), (other, _) in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_order_depends_on_the_seeds_alone():
    order = Order(np.ones(9, int), 2)
    assert rows(order) == rows(order)
    for seeds in ((2, 0, 0), (1, 1, 0), (1, 0, 1)):
        assert rows(order, seeds) != rows(order)
