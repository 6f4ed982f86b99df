"""Limits of a request to the page: its size, its pace, and where it comes from."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

from shared.web.hosts import Hosts, read_host

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Take = Callable[[bytes], Awaitable[None]]

# Gradio answers much that no visitor of this page needs: it records videos, resizes an
# icon to any size, fetches what is elsewhere, tells how busy it is. All else is 404.
PATHS = {"/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json"}
PATHS |= {"/login", "/logout"}
FOLDERS = ("/assets/", "/static/", "/sightread/")
API = "/gradio_api/"
CALLS = {"info", "openapi.json", "app_id", "user", "login_check", "theme.css"}
CALLS |= {"upload", "upload_progress", "queue/join", "queue/data", "component_server"}
CALLS |= {"mcp"}
CALL_FOLDERS = ("call/", "run/", "api/", "heartbeat/", "file=", "mcp/")
UPLOAD, FILE, TOOLS = f"{API}upload", f"{API}file=", f"{API}mcp"
TABLE = f"{API}component_server"

USER = "sightread.user"  # key of a request's scope: the name of whoever sends it

LARGEST = 300_000  # bytes, of what is no upload
LARGEST_TABLE = 2_000_000  # of the Folder tab's table with its 500 photos
LARGEST_TOOL = 30_000_000  # agents send photos among the arguments, in base64
MOST_PARTS = 50_000  # of JSON; the table of 500 photos has a tenth of that
DEEPEST = 32  # levels of JSON within each other
PATIENCE = 20  # seconds for a request, or without a part of an upload
PATIENCE_UPLOAD = 3600  # for all of one, such as 160 MB at 50 kB/s
SLOWEST = 2000  # bytes a second of an upload on the mean, after `PATIENCE`
PATIENCE_DRAIN = 5  # for the rest of a request that is refused
MOST_DRAINED = 100_000_000  # bytes of it

_SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
_UPLOAD_ID = re.compile(rb"upload_id=[\w-]{1,64}", re.ASCII)
# Of these headers there is one at most; servers differ in which of two they heed.
_SINGLE = {"host", "origin", "content-length", "transfer-encoding", "x-forwarded-host"}
_UNWANTED = (  # headers: names another server; Gradio fails on odd ones
    b"x-gradio-server",
    b"range",
)


class Refused(Exception):
    """Raised to answer a request with a status and a reason, and nothing more.

    Args:
        status: of HTTP.
        reason: for whoever sent it.
    """

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


UNCLEAR = Refused(400, "This request cannot be understood.")
NO_UPLOAD = Refused(403, "No such file was uploaded here, or it is deleted by now.")
ELSEWHERE = Refused(
    403,
    "Other pages cannot use this one. If it is this page, behind a server that gives "
    "it another name, start it with --host-name NAME.",
)
WRONG_NAME = Refused(
    403,
    "This page does not go by this name. If it should, start it with --host-name NAME, "
    "where NAME stands for what is in its address after http://.",
)
NOTHING = Refused(404, "No page has this address. Start at the first one.")
WRONG_METHOD = Refused(405, "This address does not take such a request.")
TOO_SLOW = Refused(408, "The request took too long to arrive.")
TOO_LARGE = Refused(413, "The request is too large.")
BUSY = Refused(503, "Too many are here at once. Try again in a minute.")
FULL = Refused(507, "Too much was uploaded here. Try again in a few minutes.")


def check_headers(scope: Scope, hosts: Hosts) -> int | None:
    """Refuse what the page does not need, and what comes from another page.

    Args:
        hosts: names by which the page may be called.

    Returns:
        the bytes that follow; None if that is not said, and they come in chunks.

    Raises:
        Refused: if it is refused.
    """
    path, method = scope["path"], scope["method"]
    if not _is_known(path):
        raise NOTHING
    if method not in ("GET", "HEAD", "POST") and not path.startswith(TOOLS):
        raise WRONG_METHOD
    _drop_headers(scope, hosts)
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        if key in _SINGLE and key in headers:
            raise UNCLEAR
        headers[key] = value.decode("latin-1")
    is_chunked = "transfer-encoding" in headers
    length = headers.get("content-length", "0")
    if not read_host(headers.get("host", "")) or not length.isdecimal():
        raise UNCLEAR
    if is_chunked and "content-length" in headers:
        raise UNCLEAR
    if not hosts.allows(headers["host"]):
        raise WRONG_NAME
    if not _is_own_page(headers):
        raise ELSEWHERE
    query = scope.get("query_string", b"")
    if b"upload_id" in query and not _UPLOAD_ID.fullmatch(query):
        raise UNCLEAR  # Gradio keeps it
    return None if is_chunked else int(length)


def _drop_headers(scope: Scope, hosts: Hosts) -> None:
    """Drop what must not reach Gradio, and another server's name that is not known."""

    def is_wanted(name: bytes, value: bytes) -> bool:
        if name == b"x-forwarded-host":
            return hosts.allows(value.decode("latin-1"))
        return name not in _UNWANTED

    scope["headers"] = [one for one in scope["headers"] if is_wanted(*one)]


def _is_known(path: str) -> bool:
    if path.startswith(API):
        call = path.removeprefix(API)
        return call.rstrip("/") in CALLS or call.startswith(CALL_FOLDERS)
    return (path.rstrip("/") or "/") in PATHS or path.startswith(FOLDERS)


def _is_own_page(headers: dict[str, str]) -> bool:
    """Whether no page of another server had the browser send this."""
    if "origin" not in headers:
        return True
    scheme, _, origin = headers["origin"].partition("://")
    hosts = [headers["host"], headers.get("x-forwarded-host", "")]
    if scheme not in ("http", "https") or not read_host(origin):
        return False
    if "x-forwarded-for" in headers:  # many servers that stand before it drop the port
        return read_host(origin) in map(read_host, hosts)
    return origin.lower() in map(str.lower, hosts)


def is_upload(scope: Scope) -> bool:
    """Whether a request brings files."""
    return scope["path"].rstrip("/") == UPLOAD


def largest(scope: Scope) -> int:
    """Tell how many bytes a request may have that is no upload."""
    if scope["path"].startswith(TOOLS):
        return LARGEST_TOOL
    return LARGEST_TABLE if scope["path"].startswith(TABLE) else LARGEST


def is_json(scope: Scope) -> bool:
    """Whether Gradio will take a request for JSON. MCP's tools have their own rules."""
    path = scope["path"]
    return (
        scope["method"] == "POST"
        and path.startswith(API)
        and not path.startswith(TOOLS)
        and not is_upload(scope)
    )


async def read_body(receive: Receive) -> bytes:
    """Read all of a request.

    Raises:
        ClientDisconnect: if it breaks off.
    """
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def set_header(holder: Message, name: bytes, value: bytes) -> None:
    """Set a header of a request's scope, or of an answer's start."""
    headers = [one for one in holder["headers"] if one[0].lower() != name]
    holder["headers"] = [*headers, (name, value)]


async def answer(
    send: Send,
    status: int,
    content: Any,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answer a request with HTML, if that is a text, or with JSON."""
    is_html = isinstance(content, str)
    body = (content if is_html else json.dumps(content)).encode()
    kind = b"text/html; charset=utf-8" if is_html else b"application/json"
    length = str(len(body)).encode()
    headers = [(b"content-type", kind), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _take(part: bytes) -> None:
    """Take a part of a request for which there is room."""


class Body:
    """The body of a request, within limits of size and time.

    Args:
        receive: gives the next part.
        most: bytes, as many as are announced if they are.
        is_upload: whether it may take long, as long as it goes on.

    Attributes:
        take: called with each part, which it may have to make room for.
        refused: why it ended early, if it did.
        started: seconds since 1970.
        held: bytes that have come.
        files: that began in them.
        is_whole: whether all has come.
    """

    def __init__(self, receive: Receive, most: int, is_upload: bool = False):
        self._receive, self._is_upload = receive, is_upload
        self.most = self._left = most
        self.take: Take = _take
        self._start = asyncio.get_running_loop().time()
        self.is_whole = False
        self._read: Message | None = None  # before the application asks for it
        self._waiting: asyncio.Timeout | None = None
        self.refused: Refused | None = None
        self.started, self.held, self.files = time.time(), 0, 0

    async def receive(self) -> Message:
        """Give the next part; once there is none, wait for the end of the connection.

        Raises:
            Refused: if it is too much or too slow, or was ended by `refuse`.
        """
        if self._read:
            message, self._read = self._read, None
            return message
        if self.refused:
            raise self.refused
        if self.is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline()) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            self.refuse(TOO_SLOW)  # unless it was refused for another reason
            raise self.refused or TOO_SLOW from None
        finally:
            self._waiting = None
        self.is_whole = not message.get("more_body", False)
        part = message.get("body", b"")
        self._left, self.held = self._left - len(part), self.held + len(part)
        self.files += part.count(b"filename")
        if self._left < 0:
            self.refuse(TOO_LARGE)
        await self.take(part)
        if self.refused:
            raise self.refused
        return message

    def refuse(self, refused: Refused) -> None:
        """End it, also while a part of it is waited for."""
        self.refused = self.refused or refused  # the application may hide it
        if self._waiting and not self._waiting.expired():
            self._waiting.reschedule(0)

    def _deadline(self) -> float:
        now = asyncio.get_running_loop().time()
        if not self._is_upload:
            return self._start + PATIENCE
        slow = self._start + PATIENCE + self.held / SLOWEST
        return min(now + PATIENCE, slow, self._start + PATIENCE_UPLOAD)

    async def read_all(self) -> bytes:
        """Read all of it before the application does, which is given it then.

        Raises:
            Refused: if it is too much or too slow.
            ClientDisconnect: if it breaks off.
        """
        content = await read_body(self.receive)
        self._read = {"type": "http.request", "body": content, "more_body": False}
        return content

    async def drain(self) -> None:
        """Read the rest and drop it: a client that sends reads no answer."""
        if self._left > MOST_DRAINED:
            return
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(PATIENCE_DRAIN):
                while self._left > 0 and not self.is_whole:
                    message = await self._receive()
                    self._left -= len(message.get("body", b""))
                    self.is_whole = not message.get("more_body", False)


def check_json(content: bytes) -> Any:
    """Refuse JSON that would be hard to work on.

    Returns:
        what it says.

    Raises:
        Refused: if it is refused.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise TOO_LARGE
    try:
        found = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UNCLEAR from None
    session = found.get("session_hash", "none") if isinstance(found, dict) else None
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise UNCLEAR
    level = [found]
    for _ in range(DEEPEST):
        level = [part for one in level for part in _inside(one)]
    if level:
        raise UNCLEAR
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _inside(value: Any) -> list[Any]:
    """Give what is inside of a list or dict, if that may have an inside, too."""
    values = value.values() if isinstance(value, dict) else value
    return [one for one in values if isinstance(one, (dict, list))]
