"""How the server ends, and how it treats those who ask for nothing."""

import logging
import os
import signal
import threading
import time

import pytest

from shared.web.serving import Sparing, ending_cleanly


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_the_block(name):
    if not hasattr(signal, name):
        pytest.skip("there is no such signal here")
    number = getattr(signal, name)
    before, left = signal.signal(number, signal.SIG_DFL), []
    try:
        with pytest.raises(SystemExit) as caught, ending_cleanly():
            try:
                os.kill(os.getpid(), number)
                time.sleep(5)
            finally:
                left.append(1)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert left == [1]
    assert caught.value.code == 128 + number


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_who_wants_to_outlive_the_terminal_does():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_cleanly():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_other_threads_signals_are_not_heard():
    found = []

    def run():
        with ending_cleanly():
            found.append(1)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [1]


def test_the_log_says_when_more_is_left_out(caplog):
    sparing, log = Sparing(most=3), logging.getLogger("sparing")
    log.addFilter(sparing)
    for _ in range(100):
        log.warning("wrong: %s", "x", exc_info=True)
    assert [record.getMessage() for record in caplog.records] == [
        *("wrong: x", "wrong: x", "More of this is left out until the next minute."),
    ]
    record = logging.makeLogRecord({"created": time.time() + 60})
    assert sparing.filter(record)
