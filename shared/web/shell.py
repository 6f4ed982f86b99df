"""What stands around the page: headers, limits, and errors that give nothing away."""

import asyncio
import contextlib
import ctypes
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect

from shared.console.quiet import is_debugging
from shared.web import requests
from shared.web.hosts import Hosts
from shared.web.requests import Body, Message, Receive, Refused, Scope, Send
from shared.web.uploads import Uploads

ASSETS = Path(__file__).parent / "page"
ASSETS_URL = "/sightread"

# Gradio's page evaluates templates and has scripts and styles of its own inside it.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # With "no-referrer", browsers do not say that the login form is sent from here.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# What visitors have uploaded is shown as pictures, and run as nothing.
FILE_HEADERS = {
    **HEADERS,
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "cache-control": "private, no-store",
}

MOST_HELD = 60_000_000  # bytes of requests that are no uploads, at once
LONG = 20_000  # bytes of one that makes way for others; a photo's has 2000
PACE = 1_000_000  # bytes a second of all that makes way for those who wait for answers

log = logging.getLogger("sightread")


class Shell:
    """ASGI middleware: headers for every answer, an end to what goes too far.

    What the application does not understand is answered with 400, whatever it raised:
    a request cannot make it show its insides.

    Args:
        app: the application.
        uploads: what was uploaded.
        largest_upload: bytes of a request that brings photos.
        hosts: names by which the page may be called.
        is_crowded: tells whether somebody waits for an answer.
        largest_photo: bytes of a request that brings one. The page sends no larger
            ones; while somebody waits for an answer, they come in slowly.
    """

    def __init__(
        self,
        app: Any,
        uploads: Uploads,
        largest_upload: int,
        hosts: Hosts | None = None,
        is_crowded: Callable[[], bool] = lambda: False,
        largest_photo: int | None = None,
    ):
        self.app, self.uploads, self.largest_upload = app, uploads, largest_upload
        self._largest_photo = largest_photo or largest_upload
        self.hosts, self._is_crowded = hosts or Hosts(), is_crowded
        self._bodies: set[Body] = set()  # of requests that are no uploads
        self._way = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            _return_memory()
            sweeping = asyncio.create_task(self.uploads.sweep_for_ever())
            try:
                await self.app(scope, receive, send)
            finally:
                sweeping.cancel()
        elif scope["type"] == "http":
            await self._answer(scope, receive, _Answer(scope["path"], send))
        else:
            raise ValueError(f"only HTTP is spoken here. Received: {scope['type']}")

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            length = requests.check_headers(scope, self.hosts)
            file = scope["path"].removeprefix(requests.FILE)
            if file != scope["path"] and not self.uploads.has(file):
                raise requests.NO_UPLOAD
            is_upload = requests.is_upload(scope)
            most = self.largest_upload if is_upload else requests.largest(scope)
            is_long = is_upload or scope["path"].startswith(requests.TOOLS)
            body = Body(receive, most if length is None else length, is_long)
            answer.body = body
            if length is not None and length > most:
                raise requests.TOO_LARGE
            await (self._take_upload if is_upload else self._take)(scope, body, answer)
            await answer.finish()
        except Refused as refused:
            await answer.refuse(refused)
        except ClientDisconnect:
            log.info("%s %s was broken off", scope["method"], scope["path"])
        except Exception as error:
            note_failure(f"{scope['method']} {scope['path']!r:.100}", error)
            await answer.refuse(requests.UNCLEAR)

    async def _take_upload(self, scope: Scope, body: Body, answer: "_Answer") -> None:
        async def take(part: bytes) -> None:
            await self.uploads.take(part)
            if body.most > self._largest_photo:
                await self._give_way(len(part))

        body.take = take
        with self.uploads.coming(body):
            await self.app(scope, body.receive, answer.send)

    async def _take(self, scope: Scope, body: Body, answer: "_Answer") -> None:
        body.take = self._hold
        self._bodies.add(body)
        try:
            if not requests.is_json(scope):
                await self.app(scope, body.receive, answer.send)
                return
            content = await body.read_all()
            if len(content) > LONG:
                await self._give_way(len(content))
            requests.check_json(content)
            await self.app(scope, body.receive, answer.send)
        finally:
            self._bodies.remove(body)

    async def _give_way(self, size: int) -> None:
        """Let others go on between two large parts: for longer if they wait."""
        async with self._way:
            await asyncio.sleep(size / PACE if self._is_crowded() else 0)

    async def _hold(self, part: bytes) -> None:
        """Make room for a part of a request: the largest of those that come in ends."""
        if part and sum(body.held for body in self._bodies) > MOST_HELD:
            coming = [body for body in self._bodies if not body.is_whole]
            if coming:
                max(coming, key=lambda body: body.held).refuse(requests.BUSY)


class _Answer:
    """What is answered: with our headers, and with none of the application's failures.

    Attributes:
        body: of the request.
    """

    def __init__(self, path: str, send: Send):
        is_file = path.startswith(requests.FILE)
        self._headers = FILE_HEADERS if is_file else HEADERS
        self._send = send
        self._has_started = self._has_failed = False
        self.body: Body | None = None

    async def send(self, message: Message) -> None:
        """Pass on a message of the application."""
        if message["type"] == "http.response.start":
            if message["status"] in (500, 502):
                # As JSON, Gradio says what it was told to; otherwise what happened.
                kind = dict(message["headers"]).get(b"content-type")
                self._has_failed = kind != b"application/json"
                message["status"] = 400
            self._has_started = not self._has_failed
        if not self._has_failed:
            await self._pass(message)

    async def finish(self) -> None:
        """Answer in the place of an application that failed."""
        if self._has_failed:
            await self.refuse(requests.UNCLEAR)

    async def refuse(self, refused: Refused) -> None:
        """Answer why not; an answer that was begun already just ends."""
        if self._has_started:
            with contextlib.suppress(RuntimeError):  # it said that it would be longer
                await self._pass({"type": "http.response.body"})
            return
        self._has_started = True
        if self.body and self.body.refused:
            refused = self.body.refused
        end = (b"connection", b"close")
        reason = {"error": refused.reason}
        await requests.answer(self._pass, refused.status, reason, [end])

    async def _pass(self, message: Message) -> None:
        """Send a message; the end of an answer waits for that of the request."""
        if message["type"] == "http.response.start":
            message["headers"] = self._with_ours(message["headers"])
        is_end = not message.get("more_body") and message["type"].endswith("body")
        if is_end and self.body:
            await self._send({**message, "more_body": True})
            await self.body.drain()
            message = {"type": "http.response.body"}
        await self._send(message)

    def _with_ours(self, headers: Any) -> list[tuple[bytes, bytes]]:
        ours = {name.encode(): value.encode() for name, value in self._headers.items()}
        return [*((n, v) for n, v in headers if n.lower() not in ours), *ours.items()]


def make_server() -> FastAPI:
    """Make an application that serves the page's own script and style."""
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    server.mount(ASSETS_URL, StaticFiles(directory=ASSETS), name="sightread")
    return server


def note_failure(what: str, error: BaseException) -> None:
    """Write a line about a request that failed; with more, visitors fill the disk."""
    if is_debugging():
        log.warning("%s failed", what, exc_info=error)
    else:
        reason = " ".join(f"{error!s:.200}".split())
        log.warning("%s failed: %s: %s", what, type(error).__name__, reason)


def _return_memory() -> None:
    """Have memory that was used once go back to the system, where C's library is GNU's.

    It keeps a store for each thread, and what is left between two photos in each: after
    800 photos 180 MB more than after 100, and 12 MB more so.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(-8, 2)  # M_ARENA_MAX
        allocator.mallopt(-3, 128 * 1024)  # M_MMAP_THRESHOLD
