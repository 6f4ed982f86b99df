"""What a browser asks for first: the same for all visitors, so it is made once."""

from collections import OrderedDict
from typing import Any

from shared.web.requests import Message, Receive, Scope, Send, set_header

PATHS = ("/", "/config")
MOST = 16  # kept: names by which the page is called, with and without compression
ASKED = (b"host", b"x-forwarded-host", b"x-forwarded-proto")


class Opening:
    """ASGI middleware: keeps the page itself, for which Gradio takes 10 ms each time.

    Args:
        app: the application, which knows no users.
    """

    def __init__(self, app: Any):
        self.app = app
        self._kept: OrderedDict[Any, list[Message]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_opening = scope["type"] == "http" and scope["path"] in PATHS
        if not is_opening or scope["method"] != "GET" or scope.get("query_string"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        coding = b"br" if b"br" in headers.get(b"accept-encoding", b"") else b"identity"
        asked = [scope[name] for name in ("path", "scheme", "root_path")]
        key = (coding, *asked, *map(headers.get, ASKED))
        answer = self._kept.get(key)
        if answer is None:
            set_header(scope, b"accept-encoding", coding)
            answer = await self._ask(scope, receive)
            if answer[0]["status"] == 200:
                self._kept[key] = answer
                while len(self._kept) > MOST:
                    self._kept.popitem(last=False)
        for message in answer:
            await send({**message})

    async def _ask(self, scope: Scope, receive: Receive) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self.app(scope, receive, keep)
        return answer
