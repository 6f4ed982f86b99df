"""A server for a page: its address, who may use it, and a clean end."""

import base64
import binascii
import errno
import ipaddress
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import AppError

if TYPE_CHECKING:
    from shared.requests import Receive, Scope, Send

USERS = "SIGHTREAD_AUTH"  # environment variable
LAST_SECOND = 1  # for requests that are worked on at the end
IDLE = 20  # seconds between looks at whether a connection is used
CHECK = "/gradio_api/login_check"
TOOLS = "/gradio_api/mcp"

# What a browser needs to show the form in which a name and a password are typed.
OPEN = {"/", "/login", "/logout", "/theme.css", "/favicon.ico", "/robots.txt"}
OPEN |= {"/manifest.json", "/pwa_icon", CHECK}
OPEN_FOLDERS = ("/assets/", "/static/", "/sightread/")

User = tuple[str, str]  # name, password


def listen(host: str, port: int) -> socket.socket:
    """Take a port, so that a second server cannot; who calls waits to be answered.

    Args:
        port: 0 takes one that is free.

    Raises:
        AppError: if the port is taken, or the host is not this computer.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise AppError(
            f"--host {host}: this is no address. 127.0.0.1 is for this computer alone, "
            "0.0.0.0 for all networks that it is in."
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would share a port that is taken
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise AppError(
                f"Port {port} is taken by another program. End that one, or choose "
                "another port with --port; --port 0 finds one that is free."
            ) from error
        raise AppError(
            f"The page cannot listen at {host}, port {port}: {error.strerror}. --host "
            "is an address of this computer; a --port below 1024 needs permission."
        ) from error
    return listening


def address(listening: socket.socket) -> str:
    """Write where a browser on this computer finds what listens."""
    host, port = listening.getsockname()[:2]
    found = ipaddress.ip_address(host)
    if found.is_unspecified:
        host = "127.0.0.1" if found.version == 4 else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_open(listening: socket.socket) -> bool:
    """Whether other computers can reach it."""
    return not ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def read_users(file: Path | None) -> list[User]:
    """Read who may use the page, from a file or the environment; none is everybody.

    Args:
        file: a line `name:password` for each; None reads SIGHTREAD_AUTH instead.

    Raises:
        AppError: if there is no such file, or a line is not like that.
    """
    name = str(file or USERS)
    try:
        text = file.read_text("utf-8") if file else os.environ.get(USERS)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise AppError(f"{name}: the passwords cannot be read: {reason}.") from error
    if text is None:
        return []
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        user, _, password = line.partition(":")
        if not user.strip() or not password or user.strip() in users:
            raise AppError(
                f"{name}, line {number}: each line is name:password, and each name "
                "occurs once."
            )
        users[user.strip()] = password
    if not users:
        raise AppError(
            f"{name} names nobody, so nobody could use the page. Write a line "
            "name:password for each."
        )
    return list(users.items())


class Login:
    """ASGI middleware: without a login, nothing but the form for it is answered.

    Gradio lets everybody ask for what belongs to no photo, and call MCP's tools. These
    tools take a login in the `Authorization` header, as programs have no form.

    Args:
        app: the application, which knows the users, too.
        users: those who may use it.
    """

    def __init__(self, app: Any, users: Sequence[User]):
        self.app = app
        self._logins = [f"{name}:{password}".encode() for name, password in users]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "http":
            path = scope["path"].rstrip("/") or "/"
            is_form = path in OPEN or path.startswith(OPEN_FOLDERS)
            if not (is_form or self._has_password(scope) or await self._is_in(scope)):
                await _refuse(send)
                return
        await self.app(scope, receive, send)

    def _has_password(self, scope: "Scope") -> bool:
        if not (scope["path"] + "/").startswith(f"{TOOLS}/"):
            return False  # Gradio would not take it
        kind, _, given = (
            dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        )
        try:
            login = base64.b64decode(given, validate=True)
        except binascii.Error:
            return False
        known = [secrets.compare_digest(login, one) for one in self._logins]
        return kind.lower() == b"basic" and any(known)

    async def _is_in(self, scope: "Scope") -> bool:
        """Ask the application, which keeps the cookies."""
        found = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            found.append(message.get("status"))

        asked = {"method": "GET", "path": CHECK, "raw_path": CHECK.encode()}
        await self.app({**scope, **asked, "query_string": b""}, receive, send)
        return found[0] == 200


async def _refuse(send: "Send") -> None:
    body = b'{"detail": {"error": "Not authenticated"}}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Leave the block, and what is to be deleted after it, also when asked to end."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # The second one is sent when a terminal is closed; `nohup` has it ignored.
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    before = {one: signal.getsignal(one) for one in numbers}
    heard = [one for one, handler in before.items() if handler != signal.SIG_IGN]
    for one in heard:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in heard:
            signal.signal(one, before[one])


def run(server: Any, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        server: ASGI application.
        listening: of `listen`.
        ready: called with the address once the page answers.

    Raises:
        AppError: if the server cannot start.
        KeyboardInterrupt: when it was interrupted.
    """
    import uvicorn

    config = uvicorn.Config(
        server,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=LAST_SECOND,
        http=_make_protocol(),
    )
    serving = uvicorn.Server(config)
    # Each open page holds a request for as long as it is open; to cut it is no error.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not serving.should_exit)
    threading.Thread(target=_visit, args=(listening, ready), daemon=True).start()
    serving.run(sockets=[listening])
    if not serving.started:
        raise AppError("The page cannot be served; what is written above says why.")


def _make_protocol() -> type:
    """Make a protocol that hangs up on those who ask for nothing.

    Uvicorn waits for them for ever: for browsers that connect in advance and then
    sleep, and for whoever sends a header byte by byte.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        was_idle = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(IDLE, self.look)

        def look(self) -> None:
            is_idle = self.cycle is None or self.cycle.response_complete
            if is_idle and self.was_idle:
                self.transport.close()
            elif not self.transport.is_closing():
                self.was_idle = is_idle
                self.loop.call_later(IDLE, self.look)

    return Protocol


def _visit(listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Be the first visitor, who waits longest."""
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    where = address(listening)
    place = urlsplit(where)
    try:
        visit = HTTPConnection(place.hostname or "", place.port, timeout=60)
        visit.request("GET", "/")
        visit.getresponse().read()
        visit.close()
    except (OSError, HTTPException):  # the end came first
        return
    ready(where)
