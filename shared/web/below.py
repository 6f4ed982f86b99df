"""The page below a path, such as /captions, behind a server that stands before it.

Some of these servers take the path off before they pass a request on, others do not:
either is understood. What lies between `Below` and `Mounted` gets requests without the
path, as if there were none; the application is told the path, and begins its links with
it.
"""

import re
from typing import Any

from shared.errors import AppError
from shared.web.requests import Receive, Scope, Send, answer

_PATH = re.compile(r"(/[\w.~-]+)+", re.ASCII)


def read_root_path(text: str) -> str:
    """Read a path that starts with / and does not end with it; / itself is none.

    Raises:
        AppError: if it is no such path.
    """
    path = text.rstrip("/")
    if path and (not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/"))):
        raise AppError(
            f"--root-path {text!r:.100}: this is no path. It starts with / and has "
            "letters, digits and any of . _ ~ - between others, such as /captions."
        )
    return path


class Below:
    """ASGI middleware: takes the path off.

    Args:
        app: the application.
        root_path: see `read_root_path`.
    """

    def __init__(self, app: Any, root_path: str):
        self.app, self.root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or lead from /captions to /captions/."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path == self.root_path:  # what is relative there would be elsewhere
                await answer(send, 307, "", [(b"location", f"{path}/".encode())])
                return
            if path.startswith(f"{self.root_path}/"):
                path = path.removeprefix(self.root_path)
            scope = {**scope, "path": path, "root_path": self.root_path}
        await self.app(scope, receive, send)


class Mounted:
    """ASGI middleware: puts the path back for the application, as ASGI wants it.

    Args:
        app: the application.
    """

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope = {**scope, "path": scope["root_path"] + scope["path"]}
        await self.app(scope, receive, send)
