"""How often photos of small data sets come."""

import numpy as np
import pytest

from shared.data.mixing import count_turns


@pytest.mark.parametrize(
    ("balance", "turns"), [(1.0, [1, 1]), (0.5, [1, 4]), (0.0, [1, 16])]
)
def test_small_sets_come_more_often(balance, turns):
    sources = [0] * 32 + [1] * 2
    found = count_turns(sources, balance)
    np.testing.assert_array_equal(found, np.repeat(turns, [32, 2]))


def test_one_set_comes_once():
    np.testing.assert_array_equal(count_turns([0] * 5, 0.0), np.ones(5))
