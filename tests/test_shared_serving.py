"""How the server ends, and how it treats those who ask for nothing."""

import asyncio
import os
import signal
import socket
import threading
import time

import pytest

from shared import serving
from shared.serving import ending_cleanly


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


@pytest.mark.slow
def test_who_asks_for_nothing_is_hung_up_on(monkeypatch):
    uvicorn = pytest.importorskip("uvicorn")
    monkeypatch.setattr(serving, "IDLE", 0.1)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.6)  # longer than is waited for idlers
        await send({"type": "http.response.body", "body": b"done"})

    config = uvicorn.Config(
        app, lifespan="off", log_level="critical", http=serving._make_protocol()
    )
    server, listening = uvicorn.Server(config), serving.listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        place = listening.getsockname()
        silent, slow, busy = (
            socket.create_connection(place, timeout=5) for _ in range(3)
        )
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        busy.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        started = time.monotonic()
        assert silent.recv(1) == slow.recv(1) == b""
        assert time.monotonic() - started < 0.5
        found = b""
        while b"done" not in found:
            found += busy.recv(1000)
        assert busy.recv(1000) in (b"", b"\r\n0\r\n\r\n", b"0\r\n\r\n", b"\r\n")
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
