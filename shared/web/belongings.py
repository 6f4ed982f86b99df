"""What belongs to whom on a page with logins: the folders of uploads.

Gradio gives an upload to whoever knows its folder, named by the content. Here a
name works only for the user who was told it: each gets names of his own, which nobody
can guess. With a name of another user, a request gets what it would get with one that
was made up.
"""

import json
import re
import secrets
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from shared.web.requests import (
    FILE,
    TOOLS,
    USER,
    Message,
    Receive,
    Scope,
    Send,
    is_json,
    is_upload,
    read_body,
    set_header,
)

MOST = 10_000  # folders of one user that are remembered

# For a folder by any other name than it was told by: Gradio's own is the same for all
# who send that file.
NOBODYS = b"0" * 64
_FOLDER = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class _Folders(OrderedDict[bytes, bytes]):
    """The folders of one user: as he was told -> as it is."""

    def hide(self, content: bytes) -> bytes:
        """Put names that can be told in the place of folders."""
        return _FOLDER.sub(lambda found: self._name(found[0]), content)

    def show(self, content: bytes) -> bytes:
        """Put folders in the place of the names that were told."""
        return _FOLDER.sub(lambda found: self.get(found[0], NOBODYS), content)

    def _name(self, folder: bytes) -> bytes:
        told = secrets.token_hex(32).encode()
        self[told] = folder
        while len(self) > MOST:
            self.popitem(last=False)
        return told


class Belongings:
    """ASGI middleware: lets nobody use what another user has sent.

    Args:
        app: the application; who asks it is known, see `shared.web.logins.Login`.
    """

    def __init__(self, app: Any):
        self.app = app
        self._folders: dict[str, _Folders] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        user = scope.get(USER)
        if user is not None:
            folders = self._folders.setdefault(user, _Folders())
            if scope["path"].startswith(FILE):
                path = folders.show(scope["path"].encode("utf-8", "surrogateescape"))
                scope["path"] = path.decode("utf-8", "surrogateescape")
                scope["raw_path"] = path
            elif is_upload(scope):
                send = _Answer(scope, folders, send).send
            elif is_json(scope) or scope["path"].startswith(TOOLS):
                receive = await self._rewrite(folders, scope, receive)
        await self.app(scope, receive, send)

    async def _rewrite(
        self, folders: _Folders, scope: Scope, receive: Receive
    ) -> Receive:
        content = await read_body(receive)
        with suppress(ValueError, RecursionError):  # names can be written in many ways
            content = json.dumps(json.loads(content)).encode()
        content = folders.show(content)
        set_header(scope, b"content-length", str(len(content)).encode())
        read = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive_again() -> Message:
            return read.pop() if read else await receive()

        return receive_again


class _Answer:
    """The answer to an upload, which tells its user the names of what he has sent."""

    def __init__(self, scope: Scope, folders: _Folders, send: Send):
        self._folders, self._send = folders, send
        self._start: Message = {}
        self._parts: list[bytes] = []
        set_header(scope, b"accept-encoding", b"identity")  # it is to be read here

    async def send(self, message: Message) -> None:
        """Keep a message of the application until the answer is whole; then pass it."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = self._folders.hide(b"".join(self._parts))
        set_header(self._start, b"content-length", str(len(body)).encode())
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})
