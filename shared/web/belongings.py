"""What belongs to whom on a page with logins: sessions, events and uploads.

Gradio gives all of that to whoever knows its name. Here a name works only for the user
who was given it: inside, sessions and folders of uploads have other names, which depend
on the user. With a name of another user, a request gets what it would get with one that
was made up.
"""

import hmac
import json
import re
import secrets
from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shared.web.logins import USER
from shared.web.requests import (
    API,
    FILE,
    NOTHING,
    TOOLS,
    UPLOAD,
    Message,
    Receive,
    Scope,
    Send,
    is_json,
)

MOST_EVENTS = 1000  # of one user, that are remembered
MOST_UPLOADS = 10_000  # of one user

# For a folder by any other name than it was told by: Gradio's own is the same for all
# who send that file.
NOBODYS = b"0" * 64
_FOLDER = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")  # of an upload


class _Owned:
    """What one user has."""

    def __init__(self) -> None:
        self.events: OrderedDict[str, None] = OrderedDict()
        self.folders: OrderedDict[bytes, bytes] = OrderedDict()  # as told -> as it is

    def add_event(self, event: str) -> None:
        self.events[event] = None
        while len(self.events) > MOST_EVENTS:
            self.events.popitem(last=False)

    def hide(self, folder: bytes) -> bytes:
        told = secrets.token_hex(32).encode()
        self.folders[told] = folder
        while len(self.folders) > MOST_UPLOADS:
            self.folders.popitem(last=False)
        return told

    def find(self, told: bytes) -> bytes:
        return self.folders.get(told, NOBODYS)


class Belongings:
    """ASGI middleware: lets nobody use what another user was given.

    Args:
        app: the application; who asks it is known, see `shared.web.logins.Login`.
    """

    def __init__(self, app: Any):
        self.app = app
        self._secret = secrets.token_bytes(32)
        self._owned: dict[str, _Owned] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        user = scope.get(USER)
        if user is None:
            await self.app(scope, receive, send)
            return
        owned = self._owned.setdefault(user, _Owned())
        call = scope["path"].removeprefix(API) if scope["path"].startswith(API) else ""
        event = call.rstrip("/").rpartition("/")[2]
        is_read = call.startswith("call/") and scope["method"] == "GET"
        if is_read and event not in owned.events:
            raise NOTHING
        if call.startswith("heartbeat/"):
            session = self._rename(user, call.partition("/")[2])
            _move(scope, f"{API}heartbeat/{session}")
        if scope["path"].startswith(FILE):
            found = _FOLDER.sub(lambda x: owned.find(x[0]), scope["path"].encode())
            _move(scope, found.decode())
        self._rename_query(user, scope)
        if is_json(scope) or scope["path"].startswith(TOOLS):
            receive = await self._rewrite(user, owned, scope, receive)
        if scope["method"] == "POST" and call.startswith(("upload", "queue", "call")):
            send = _Answer(scope, owned, send).send
        await self.app(scope, receive, send)

    def _rename(self, user: str, name: str) -> str:
        """Give the name that a session of a user has inside."""
        text = f"{user}\0{name}".encode("utf-8", "replace")
        return hmac.new(self._secret, text, "sha256").hexdigest()[:48]

    def _rename_query(self, user: str, scope: Scope) -> None:
        asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"), True)
        names = ("session_hash", "upload_id")
        if any(name in names for name, _ in asked):
            renamed = [
                (name, self._rename(user, value) if name in names else value)
                for name, value in asked
            ]
            scope["query_string"] = urlencode(renamed).encode()

    async def _rewrite(
        self, user: str, owned: _Owned, scope: Scope, receive: Receive
    ) -> Receive:
        """Read a request's JSON, and put in the names that its things have inside."""
        parts, more = [], True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        content = b"".join(parts)
        if is_json(scope):
            asked = json.loads(content)  # see `shared.web.requests.check_json`
            if asked.get("session_hash"):
                asked["session_hash"] = self._rename(user, asked["session_hash"])
            is_end = scope["path"].rstrip("/") == f"{API}cancel"
            if is_end and asked.get("event_id") not in owned.events:
                raise NOTHING
            content = json.dumps(asked).encode()
        content = _FOLDER.sub(lambda x: owned.find(x[0]), content)
        _set_header(scope, b"content-length", str(len(content)).encode())
        read: list[Message] = [
            {"type": "http.request", "body": content, "more_body": False}
        ]

        async def receive_again() -> Message:
            return read.pop() if read else await receive()

        return receive_again


class _Answer:
    """An answer that tells its user the names of things.

    Args:
        scope: of the request.
        owned: what the user has.
        send: takes the answer.
    """

    def __init__(self, scope: Scope, owned: _Owned, send: Send):
        self._is_upload = scope["path"].rstrip("/") == UPLOAD
        self._owned, self._send = owned, send
        self._start: Message | None = None
        self._parts: list[bytes] = []
        _set_header(scope, b"accept-encoding", b"identity")  # it is to be read here

    async def send(self, message: Message) -> None:
        """Keep a message of the application until the answer is whole; then pass it."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._parts.append(message.get("body", b""))
        if message.get("more_body") or self._start is None:
            return
        body = b"".join(self._parts)
        if self._start["status"] == 200:
            body = self._read(body)
        _set_header(self._start, b"content-length", str(len(body)).encode())
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})

    def _read(self, body: bytes) -> bytes:
        if self._is_upload:
            return _FOLDER.sub(lambda x: self._owned.hide(x[0]), body)
        found = json.loads(body)
        if isinstance(found, dict) and isinstance(found.get("event_id"), str):
            self._owned.add_event(found["event_id"])
        return body


def _move(scope: Scope, path: str) -> None:
    scope["path"], scope["raw_path"] = path, path.encode("utf-8", "surrogateescape")


def _set_header(holder: Message, name: bytes, value: bytes) -> None:
    headers = [one for one in holder["headers"] if one[0].lower() != name]
    holder["headers"] = [*headers, (name, value)]
