"""What stands around the page: headers, limits, and errors that tell nothing away."""

import asyncio
import contextlib
import ctypes
import json
import logging
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect

from shared import requests
from shared.errors import AppError
from shared.quiet import is_debugging
from shared.requests import Body, Message, Receive, Refused, Scope, Send
from shared.uploads import Uploads

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
    "referrer-policy": "no-referrer",
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

MOST_OPEN = 800  # requests at once, of which each open page holds one
MOST_HELD = 60_000_000  # bytes of requests that are no uploads, at once
SESSIONS = 256  # pages of which Gradio keeps the state
UNREAD = 32  # messages kept for a page that does not fetch them
GLANCE = (
    0.005  # seconds between two looks at the line: Gradio's 0.001 took 5 % of a core
)

log = logging.getLogger("sightread")


class Shell:
    """ASGI middleware: headers for every answer, an end to what goes too far.

    What the application does not understand is answered with 400, whatever it raised:
    a request cannot make it show its insides.

    Args:
        app: the application.
        uploads: what was uploaded.
        largest_upload: bytes of a request that brings photos.
    """

    def __init__(self, app: Any, uploads: Uploads, largest_upload: int):
        self.app, self.uploads, self.largest_upload = app, uploads, largest_upload
        self._open = self._held = 0  # requests, and their bytes

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
            self._open += 1
            try:
                await self._answer(scope, receive, _Answer(scope["path"], send))
            finally:
                self._open -= 1
        else:
            raise ValueError(f"only HTTP is spoken here. Received: {scope['type']}")

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            if self._open > MOST_OPEN:
                raise requests.BUSY
            length = requests.check_headers(scope)
            file = scope["path"].removeprefix(requests.FILE)
            if file != scope["path"] and not self.uploads.has(file):
                raise requests.NO_UPLOAD
            is_upload = requests.is_upload(scope)
            patience = requests.PATIENCE_UPLOAD if is_upload else requests.PATIENCE
            answer.body = Body(receive, length, patience)
            take = self._take_upload if is_upload else self._take
            await take(scope, answer.body, answer, length)
            await answer.finish()
        except Refused as refused:
            await answer.refuse(refused)
        except ClientDisconnect:
            log.info("%s %s was broken off", scope["method"], scope["path"])
        except Exception as error:
            _note(f"{scope['method']} {scope['path']!r:.100}", error)
            await answer.refuse(requests.UNCLEAR)

    async def _take_upload(
        self, scope: Scope, body: Body, answer: "_Answer", length: int
    ) -> None:
        if length > self.largest_upload:
            raise requests.TOO_LARGE
        if not self.uploads.has_room(length):
            raise requests.FULL
        with self.uploads.coming(length):
            await self.app(scope, body.receive, answer.send)

    async def _take(
        self, scope: Scope, body: Body, answer: "_Answer", length: int
    ) -> None:
        if length > requests.largest(scope):
            raise requests.TOO_LARGE
        if self._held + length > MOST_HELD:
            raise requests.BUSY
        self._held += length
        try:
            if requests.is_json(scope):
                await body.read_json()
            await self.app(scope, body.receive, answer.send)
        finally:
            self._held -= length


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
            message["headers"] = self._with_ours(message["headers"])
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
        body = json.dumps({"error": refused.reason}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self._send(
            {
                "type": "http.response.start",
                "status": refused.status,
                "headers": self._with_ours(headers),
            }
        )
        await self._pass({"type": "http.response.body", "body": body})

    async def _pass(self, message: Message) -> None:
        """Send a message; the end of an answer waits for that of the request."""
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


def limit_sessions(page: Any) -> None:
    """Keep Gradio from keeping what visitors leave behind, and from idle work.

    It keeps the last photo of 10,000 visitors, and all answers that 2,000 of them never
    fetched.

    Args:
        page: a `gradio.Blocks` with its queue, before it is mounted.
    """
    page.state_session_capacity = SESSIONS
    page._queue.pending_messages_per_session = _Mailboxes(SESSIONS)
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = GLANCE
    # Its list of uploads is for its own cleaning alone; see `Uploads`.
    page.upload_file_set = _Forgetful()
    from gradio import queueing, routes

    # It writes down each request that is not as it should be: whole, and how it fared.
    for module in (queueing, routes):
        vars(module)["traceback"] = _Brief


class _Brief:
    """The part of the module `traceback` that Gradio's server uses."""

    @staticmethod
    def print_exc() -> None:
        error = sys.exception()
        if error is not None:
            _note("An event", error)


def _note(what: str, error: BaseException) -> None:
    """Write a line about a request that failed; with more, visitors fill the disk."""
    if is_debugging():
        log.warning("%s failed", what, exc_info=error)
    else:
        reason = " ".join(f"{error!s:.200}".split())
        log.warning("%s failed: %s: %s", what, type(error).__name__, reason)


class _Forgetful(set):
    def update(self, *_: Any) -> None:
        pass


class _Mailbox(asyncio.Queue):
    """Messages for a page, of which the oldest are dropped.

    Estimates of how long others wait come in such numbers that they would drive out
    answers before anybody could fetch them: they go first.
    """

    def put_nowait(self, message: Any) -> None:
        if self.qsize() >= UNREAD:
            kept = [self.get_nowait() for _ in range(self.qsize())]
            kept = [one for one in kept if getattr(one, "msg", "") != "estimation"]
            for one in kept[1 - UNREAD :]:
                super().put_nowait(one)
        super().put_nowait(message)


class _Mailboxes(dict):
    """Mailboxes by session, of which those that were not used for longest go."""

    def __init__(self, most: int):
        super().__init__()
        self._most = most

    def __setitem__(self, session: str, _: Any) -> None:
        while len(self) >= self._most:
            self.pop(next(iter(self)))
        super().__setitem__(session, _Mailbox())

    def __getitem__(self, session: str) -> _Mailbox:
        mailbox = self.pop(session)
        super().__setitem__(session, mailbox)
        return mailbox


def _return_memory() -> None:
    """Have memory that was used once go back to the system, where C's library is GNU's.

    It keeps a store for each thread, and what is left between two photos in each: after
    800 photos 180 MB more than after 100, and 12 MB more so.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(-8, 2)  # M_ARENA_MAX
        allocator.mallopt(-3, 128 * 1024)  # M_MMAP_THRESHOLD


def problem(error: Exception) -> dict[str, str]:
    """Turn an error into what the page shows.

    What is no `AppError` goes to the log, and the page tells nothing of it.
    """
    if isinstance(error, AppError):
        return {"problem": str(error)}
    log.error("a request failed", exc_info=error)
    return {
        "problem": "Something went wrong here, which the program's log explains. Try "
        "another photo, or start the program again."
    }
