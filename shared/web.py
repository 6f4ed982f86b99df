"""What stands around the page: headers, limits, and errors that tell nothing away."""

import logging
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from shared.errors import AppError

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
LARGEST_REQUEST = 2_000_000  # bytes, of what is no upload
UPLOADS = "/gradio_api/upload"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger("sightread")


class _TooLarge(Exception):
    pass


class Shell:
    """ASGI middleware: headers for every answer, an end to what is too large.

    What the application does not understand is answered with 400, whatever it raised:
    a request cannot make it show its insides.

    Args:
        app: the application.
        largest_upload: bytes of a request that brings photos.
    """

    def __init__(self, app: Any, largest_upload: int):
        self.app, self.largest_upload = app, largest_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = scope["path"].startswith(UPLOADS)
        left = self.largest_upload if upload else LARGEST_REQUEST
        started = False

        async def receive_some() -> MutableMapping[str, Any]:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _TooLarge
            return message

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in given
                    ),
                ]
            await send(message)

        try:
            length = dict(scope["headers"]).get(b"content-length", b"0")
            if length.isdigit() and int(length) > left:
                raise _TooLarge
            await self.app(scope, receive_some, send_with_headers)
        except _TooLarge:
            if not started:
                await _refuse(send_with_headers, 413, "This is too large.")
        except Exception:
            log.warning("%s %s failed", scope["method"], scope["path"], exc_info=True)
            if not started:
                await _refuse(
                    send_with_headers, 400, "This request cannot be understood."
                )


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = b'{"error": "%s"}' % reason.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_server() -> FastAPI:
    """Make an application that serves the page's own script and style."""
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    server.mount(ASSETS_URL, StaticFiles(directory=ASSETS), name="sightread")
    return server


def use_own_folder() -> Path:
    """Let uploads go to a new folder that nobody else can read.

    It must be called before Gradio is imported; whoever calls it deletes the folder
    at the end, with `forget`.
    """
    folder = Path(tempfile.mkdtemp(prefix="sightread-"))  # only for its owner
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    return folder


def forget(folder: Path) -> None:
    """Delete all that was uploaded."""
    shutil.rmtree(folder, ignore_errors=True)


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
