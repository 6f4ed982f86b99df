"""Which connections end when there are too many, and which end anyway."""

import asyncio
import contextlib
import resource
import socket
import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("uvicorn", reason="pip install gradio")

import uvicorn

from shared.web import connections, serving
from shared.web.connections import Connection, end_idlest

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
NOW = 1000.0


def made(path=None, age=0.0, address="a", has_come=True, paused=False):
    """A connection; without a path none with a request."""
    one = Connection.__new__(Connection)
    one.client = (address, 1)
    one.since = one.began = NOW - age
    one.flow = SimpleNamespace(write_paused=paused)
    one.scope = {"path": path}
    one.cycle = path and SimpleNamespace(
        response_complete=False, more_body=not has_come
    )
    one.ended = False
    one.transport = SimpleNamespace(
        is_closing=lambda: one.ended, abort=lambda: setattr(one, "ended", True)
    )
    return one


def test_the_idlest_end_first():
    """In this order, whatever their age."""
    join = "/gradio_api/queue/join"
    ordered = [
        made("/gradio_api/heartbeat/x", age=500),
        made("/", age=50, paused=True),
        made(age=30),
        made(age=5),
        made(join, age=20, has_come=False),
        made(age=1),
        made(join, age=0.5, has_come=False),
        made("/gradio_api/queue/data", age=9),
        made("/gradio_api/queue/data", age=1),
        made(join, age=30),
        made(join, age=1),
    ]
    assert sorted(reversed(ordered), key=lambda one: one.rank(NOW)) == ordered


def test_those_of_the_address_that_has_most_end():
    many = [made("/", age=1, address="many") for _ in range(50)]
    few = [made(age=100, address=f"few{n}") for n in range(40)]
    end_idlest([*few, *many], NOW)
    assert not any(one.ended for one in few)
    assert sum(one.ended for one in many) == 1 + 90 // connections.SHARE


def test_descriptors_are_left_for_files(monkeypatch):
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    for most in (64, 256, 1024, 10**6, resource.RLIM_INFINITY):
        monkeypatch.setattr(resource, "getrlimit", lambda _, most=most: (most, most))
        open_at_once = connections.most_at_once() + connections.spare_files()
        assert 0 < open_at_once < connections._files()


@pytest.fixture
def serve(monkeypatch):
    """A function that serves an application; gives the address."""
    running = []

    def start(app):
        config = uvicorn.Config(
            app, lifespan="off", log_level="critical", http=Connection, ws="none"
        )
        server, listening = uvicorn.Server(config), serving.listen("127.0.0.1", 0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread, listening))
        return listening.getsockname()

    yield start
    for server, thread, listening in running:
        server.should_exit = True
        thread.join()
        listening.close()


async def slow(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(0.6)  # longer than is waited for idlers
    await send({"type": "http.response.body", "body": b"done"})


@pytest.mark.slow
def test_who_asks_for_nothing_is_hung_up_on(serve, monkeypatch):
    monkeypatch.setattr(connections, "IDLE", 0.2)
    place = serve(slow)
    silent, half, busy = (socket.create_connection(place, timeout=5) for _ in range(3))
    half.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    busy.sendall(GET)
    started = time.monotonic()
    assert silent.recv(1) == half.recv(1) == b""
    assert time.monotonic() - started < 3  # and not after the minutes of others
    read_until(b"done", busy)


@pytest.mark.slow
def test_a_newcomer_is_answered_however_many_are_here(serve, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 50)
    monkeypatch.setattr(connections, "NEW", 0.05)
    crowd_has_come = threading.Event()

    async def patient(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = {"type": "http.response.body", "body": b"begun", "more_body": True}
        await send(body)
        while not crowd_has_come.is_set():
            await asyncio.sleep(0.01)
        await send(body | {"body": b"done", "more_body": False})

    place = serve(patient)
    idle = [socket.create_connection(place, timeout=5) for _ in range(200)]
    busy = [socket.create_connection(place, timeout=30) for _ in range(10)]
    for one in busy:
        one.sendall(GET)
    for one in busy:
        read_until(b"begun", one)
    idle += [socket.create_connection(place, timeout=5) for _ in range(200)]
    with contextlib.suppress(ConnectionResetError):
        assert idle[-100].recv(1) == b""  # had to make way for the last ones
    crowd_has_come.set()
    for one in busy:
        read_until(b"done", one)
    for one in idle:
        one.close()


def read_until(wanted, connection):
    found = b""
    while wanted not in found:
        part = connection.recv(1000)
        assert part, "this one was ended"
        found += part
