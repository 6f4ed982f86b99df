"""Items made in a thread: in order, not without limit, and none after an error."""

import threading
import time

import pytest

from shared.runs import ahead as room
from shared.runs.ahead import Waited, ahead


def test_items_come_in_order_from_a_thread():
    threads = set()

    def items():
        for i in range(20):
            threads.add(threading.get_ident())
            yield i

    assert list(ahead(items())) == list(range(20))
    assert threads and threading.get_ident() not in threads


def test_items_are_made_ahead_but_not_without_limit():
    made = []
    line = ahead((made.append(i) or i for i in range(100)), depth=3)
    assert next(line) == 0
    wait(lambda: len(made) >= 5)
    time.sleep(0.05)
    assert len(made) == 5  # one used, three in line, one in hand
    line.close()


def test_none_and_no_items_are_nothing_special():
    assert list(ahead([])) == []
    assert list(ahead([None, 0, None])) == [None, 0, None]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_comes_after_the_items_before_it(error):
    def items():
        yield 1
        raise error("broken photo")

    line = ahead(items())
    assert next(line) == 1
    with pytest.raises(error, match="broken photo"):
        next(line)


def test_the_thread_ends_when_nobody_wants_more():
    before = set(threading.enumerate())
    line = ahead(iter(int, 1))  # zeros without end
    assert next(line) == 0
    (thread,) = set(threading.enumerate()) - before
    line.close()
    wait(lambda: not thread.is_alive())


def wait(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_how_long_items_keep_one_waiting_is_added_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])

    def items():
        for seconds in (3, 0.5):
            now[0] += seconds
            yield seconds
        now[0] += 1  # to find that there are no more

    waited = Waited(items())
    for seconds in waited:
        assert waited.seconds in (3, 3.5)
        now[0] += 10 * seconds  # is used
    assert waited.seconds == 4.5
