"""Threads give what one would, in order."""

import pytest

from shared.files.threads import map_in_threads


@pytest.mark.parametrize("count", [0, 1, 32, 33, 159])
def test_results_come_in_the_order_of_the_items(count):
    squares = map_in_threads(lambda n: n * n, range(count), 3)
    assert list(squares) == [n * n for n in range(count)]


def test_an_error_is_raised_where_the_results_are_used():
    results = map_in_threads(lambda n: 6 // n, [3, 2, 1, 0, 1], 2, at_once=2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        list(results)
