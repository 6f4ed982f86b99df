"""Work on photos that runs ahead of who needs it."""

import threading

import pytest

from shared.errors import AppError
from shared.vision.pipeline import look_ahead, map_ahead


def test_results_come_in_order_whichever_is_ready_first():
    first_waits = threading.Event()

    def double(number):
        if number == 0:
            assert first_waits.wait(10)
        if number == 1:
            first_waits.set()  # so two are at work at once
        return 2 * number

    assert list(map_ahead(double, range(20), 2)) == [*range(0, 40, 2)]
    assert list(map_ahead(double, [], 2)) == []


def test_what_is_raised_comes_in_the_place_of_its_item():
    results = map_ahead(lambda number: 1 // number, [1, 1, 0, 1], 2)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_items_are_taken_as_they_are_needed_and_none_after_the_end():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    before = {*threading.enumerate()}
    results = map_ahead(str, items(), 3)
    assert taken == []
    assert next(results) == "0"
    assert len(taken) == 4
    results.close()
    for thread in {*threading.enumerate()} - before:
        thread.join(5)
        assert not thread.is_alive()
    assert len(taken) == 4


def test_a_batch_is_looked_at_without_those_that_cannot_be_read():
    def read(number):
        if number % 3 == 0:
            raise AppError(str(number))
        return -number

    batches = [*look_ahead([1, 2, 3, 6], read, tuple, batch_size=2, ahead=2)]
    assert batches[0] == ([1, 2], [None, None], (-1, -2))
    sources, errors, looked = batches[1]
    assert (sources, [*map(str, errors)], looked) == ([3, 6], ["3", "6"], None)
