"""What a request to the page may be: not too much, not too slow, not from elsewhere."""

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Gradio answers much that no visitor of this page needs: it records videos, resizes an
# icon to any size, fetches what is elsewhere, tells how busy it is. All else is 404.
PATHS = {"/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json"}
PATHS |= {"/login", "/logout"}
FOLDERS = ("/assets/", "/static/", "/sightread/")
API = "/gradio_api/"
CALLS = {"info", "openapi.json", "app_id", "user", "login_check", "theme.css"}
CALLS |= {"upload", "upload_progress", "queue/join", "queue/data", "cancel", "reset"}
CALLS |= {"component_server", "mcp"}
CALL_FOLDERS = ("call/", "run/", "api/", "heartbeat/", "file=", "mcp/")
UPLOAD, FILE, TOOLS = f"{API}upload", f"{API}file=", f"{API}mcp"

LARGEST = 2_000_000  # bytes, of what is no upload
LARGEST_TOOL = 30_000_000  # agents send photos among the arguments, in base64
MOST_PARTS = 50_000  # of JSON; the table of 500 photos has a tenth of that
DEEPEST = 32  # levels of JSON within each other
PATIENCE = 30  # seconds for a request; an upload may take so long for each part, and
PATIENCE_UPLOAD = 900
PATIENCE_DRAIN = 5  # for the rest of a request that is refused
MOST_DRAINED = 100_000_000  # bytes of it

_HOST = re.compile(
    r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(:\d{1,5})?", re.IGNORECASE
)
_SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
_PORT = re.compile(r":\d+$")
_UNWANTED = (  # headers: names another server; Gradio fails on odd ones
    b"x-gradio-server",
    b"range",
)


class Refused(Exception):
    """A request that ends here.

    Args:
        status: of HTTP.
        reason: for whoever sent it.
    """

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


UNCLEAR = Refused(400, "This request cannot be understood.")
NO_UPLOAD = Refused(403, "This is no file that was uploaded here.")
ELSEWHERE = Refused(403, "Other pages cannot use this one.")
NOTHING = Refused(404, "There is nothing here.")
WRONG_METHOD = Refused(405, "This cannot be done here.")
TOO_SLOW = Refused(408, "This takes too long.")
NO_LENGTH = Refused(411, "It must be said first how long this is.")
TOO_LARGE = Refused(413, "This is too large.")
BUSY = Refused(503, "Too many are here at once. Try again in a minute.")
FULL = Refused(507, "Too much was uploaded here. Try again in a few minutes.")


def check_headers(scope: Scope) -> int:
    """Refuse what the page does not need, and what comes from another page.

    Returns:
        the bytes that follow.

    Raises:
        Refused: if it is refused.
    """
    path, method = scope["path"], scope["method"]
    if not _is_known(path):
        raise NOTHING
    if method not in ("GET", "HEAD", "POST") and not path.startswith(TOOLS):
        raise WRONG_METHOD
    scope["headers"] = [one for one in scope["headers"] if one[0] not in _UNWANTED]
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
    }
    length = headers.get("content-length", "0")
    if not _HOST.fullmatch(headers.get("host", "")) or not length.isdecimal():
        raise UNCLEAR
    if not _is_own_page(headers):
        raise ELSEWHERE
    if "transfer-encoding" in headers:
        raise NO_LENGTH
    return int(length)


def _is_known(path: str) -> bool:
    if path.startswith(API):
        call = path.removeprefix(API)
        return call.rstrip("/") in CALLS or call.startswith(CALL_FOLDERS)
    return (path.rstrip("/") or "/") in PATHS or path.startswith(FOLDERS)


def _is_own_page(headers: dict[str, str]) -> bool:
    """Whether no page of another server had the browser send this."""
    if "origin" not in headers:
        return True
    origin = headers["origin"].partition("://")[2]
    hosts = [headers["host"], headers.get("x-forwarded-host", "")]
    if "x-forwarded-for" in headers:  # many servers that stand before it drop the port
        origin, *hosts = (_PORT.sub("", name) for name in (origin, *hosts))
    return origin != "" and origin in hosts


def is_upload(scope: Scope) -> bool:
    """Whether a request brings files."""
    return scope["path"].rstrip("/") == UPLOAD


def largest(scope: Scope) -> int:
    """Tell how many bytes a request may have that is no upload."""
    return LARGEST_TOOL if scope["path"].startswith(TOOLS) else LARGEST


def is_json(scope: Scope) -> bool:
    """Whether Gradio will take a request for JSON. MCP's tools have their own rules."""
    path = scope["path"]
    return (
        scope["method"] == "POST"
        and path.startswith(API)
        and not path.startswith(TOOLS)
        and not is_upload(scope)
    )


class Body:
    """What a request brings.

    Args:
        receive: gives the next part.
        most: bytes.
        seconds: that all of it may take.

    Attributes:
        refused: why it ended early, if it did.
    """

    def __init__(self, receive: Receive, most: int, seconds: float):
        self._receive, self._left = receive, most
        self._end = asyncio.get_running_loop().time() + seconds
        self._is_whole = False
        self._read: Message | None = None  # before the application asks for it
        self.refused: Refused | None = None

    async def receive(self) -> Message:
        """Give the next part; once there is none, wait for the end of the connection.

        Raises:
            Refused: if it is too much or too slow.
        """
        if self._read:
            message, self._read = self._read, None
            return message
        if self._is_whole:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(PATIENCE, self._end - now)):
                message = await self._receive()
        except TimeoutError:
            raise self._refuse(TOO_SLOW) from None
        self._is_whole = not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._refuse(TOO_LARGE)
        return message

    async def read_json(self) -> None:
        """Look at all of it before the application does.

        Raises:
            Refused: if it is no JSON that a page would send.
        """
        parts = []
        while not self._is_whole:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            parts.append(message.get("body", b""))
        content = b"".join(parts)
        check_json(content)
        self._read = {"type": "http.request", "body": content, "more_body": False}

    async def drain(self) -> None:
        """Let the rest come, and go: who still sends hears no answer."""
        if self._left > MOST_DRAINED:
            return
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(PATIENCE_DRAIN):
                while self._left > 0 and not self._is_whole:
                    await self.receive()

    def _refuse(self, refused: Refused) -> Refused:
        self.refused = refused  # the application may make something else of it
        return refused


def check_json(content: bytes) -> None:
    """Refuse JSON that would be hard to work on.

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


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _inside(value: Any) -> list[Any]:
    """Give what is inside of a list or dict, if that may have an inside, too."""
    values = value.values() if isinstance(value, dict) else value
    return [one for one in values if isinstance(one, (dict, list))]
