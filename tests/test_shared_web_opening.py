"""The page itself: made once for each name by which it is called."""

import asyncio

import pytest

from shared.web import opening
from shared.web.opening import Opening


class Gradio:
    """An application that answers with how often it was asked."""

    def __init__(self, status=200):
        self.status, self.asked = status, []

    async def __call__(self, scope, receive, send):
        self.asked.append(dict(scope["headers"])[b"accept-encoding"])
        start = {"type": "http.response.start", "status": self.status, "headers": []}
        await send(start)
        for part in (b"asked ", str(len(self.asked)).encode()):
            await send({"type": "http.response.body", "body": part})


def ask(app, path="/", method="GET", query=b"", coding="gzip, br", **more):
    """What is answered."""
    found = []

    async def send(message):
        found.append(message.get("body", b""))
        message.clear()  # the next one gets it all the same

    scope = {"type": "http", "path": path, "method": method, "query_string": query}
    scope |= {"scheme": "http", "root_path": "", **more.pop("scope", {})}
    headers = {"accept-encoding": coding, "host": "here", **more}
    scope["headers"] = [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in headers.items()
    ]
    asyncio.run(app(scope, None, send))
    return b"".join(found).decode()


def test_it_is_made_once():
    app = Opening(Gradio())
    assert [ask(app) for _ in range(3)] == ["asked 1"] * 3
    assert [ask(app, coding=one) for one in ("br", "x, br;q=1")] == ["asked 1"] * 2
    assert ask(app, coding="gzip") == ask(app, coding="") == "asked 2"
    assert app.app.asked == [b"br", b"identity"]


@pytest.mark.parametrize(
    "change",
    [
        *({"path": "/config"}, {"host": "elsewhere"}, {"x_forwarded_proto": "https"}),
        *({"x_forwarded_host": "there"}, {"scope": {"root_path": "/captions"}}),
    ],
)
def test_whoever_calls_it_otherwise_is_answered_otherwise(change):
    app = Opening(Gradio())
    assert ask(app) == "asked 1"
    assert ask(app, **change) == ask(app, **change) == "asked 2"


@pytest.mark.parametrize(
    "change", [{"path": "/x"}, {"method": "HEAD"}, {"query": b"page=x"}]
)
def test_nothing_else_is_kept(change):
    app = Opening(Gradio())
    assert [ask(app, **change) for _ in range(2)] == ["asked 1", "asked 2"]


def test_a_failure_is_not_kept():
    app = Opening(Gradio(500))
    assert [ask(app) for _ in range(2)] == ["asked 1", "asked 2"]


def test_only_so_much_is_kept(monkeypatch):
    monkeypatch.setattr(opening, "MOST", 2)
    app = Opening(Gradio())
    for number in range(9):
        ask(app, host=f"name{number}")
    assert len(app._kept) == 2
