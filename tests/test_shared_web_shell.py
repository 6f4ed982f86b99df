"""What stands around the page, around an application of a few lines."""

import asyncio
import json
import logging

import pytest

from shared.web import requests, uploads
from shared.web import shell as web
from shared.web.hosts import Hosts
from shared.web.shell import HEADERS, Shell, make_server
from shared.web.uploads import Uploads

HOST = (b"host", b"here:7860")
BREAK, END = object(), object()  # of the connection: before all has come, and after


def ask(
    app,
    folder,
    method="GET",
    path="/",
    headers=(),
    parts=(b"",),
    largest=1000,
    has_length=True,
):
    """What a `Shell` around an application answers: status, headers, body."""
    sent, todo = [], parts if isinstance(parts, list) else [*parts]

    async def receive():
        if not todo:
            await asyncio.sleep(60)
        part = todo.pop(0)
        if part in (BREAK, END):
            return {"type": "http.disconnect"}
        more = bool(todo) and todo[0] is not END
        return {"type": "http.request", "body": part, "more_body": more}

    async def send(message):
        sent.append(message)

    sizes = [len(part) for part in parts if part not in (BREAK, END)]
    length = (b"content-length", str(sum(sizes)).encode())
    scope = {"type": "http", "method": method, "path": path, "query_string": b""}
    scope["headers"] = [HOST, *headers, *([length] if has_length else [])]
    scope["headers"] = [*dict(reversed(scope["headers"])).items()]
    shell = Shell(app, Uploads(folder), largest, Hosts(names=["here"]))
    asyncio.run(shell(scope, receive, send))
    assert not shell._bodies and not shell.uploads._coming
    if not sent:
        return None
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


def answering(status=200, headers=(), body=b"hello"):
    """An application that always answers the same."""

    async def app(scope, receive, send):
        start = {"type": "http.response.start", "status": status}
        await send(start | {"headers": [*headers]})
        await send({"type": "http.response.body", "body": body})

    return app


def reading(found):
    """An application that notes what a request brings."""

    async def app(scope, receive, send):
        while (message := await receive()).get("more_body"):
            found.append(message["body"])
        found.append(message["body"])
        await answering()(scope, receive, send)

    return app


async def failing(scope, receive, send):
    raise KeyError("/etc/passwd")


async def failing_late(scope, receive, send):
    await answering(500, body=b"Traceback /usr/lib")(scope, receive, send)
    raise KeyError("/etc/passwd")


async def failing_midway(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    raise KeyError("/etc/passwd")


@pytest.mark.parametrize("app", [answering(), answering(404), failing, failing_late])
@pytest.mark.parametrize("path", ["/", "/sightread/page.js", "/gradio_api/info", "/x"])
def test_every_answer_has_our_headers(tmp_path, app, path):
    _, headers, _ = ask(app, tmp_path, path=path)
    assert {
        name.encode(): value.encode() for name, value in HEADERS.items()
    }.items() <= (headers.items())


def test_our_headers_replace_those_of_the_application(tmp_path):
    theirs = [(b"Content-Security-Policy", b"*"), (b"x-other", b"1")]
    _, headers, body = ask(answering(headers=theirs), tmp_path)
    assert b"Content-Security-Policy" not in headers
    assert headers[b"content-security-policy"].startswith(b"default-src 'self'")
    assert headers[b"x-other"] == b"1"
    assert body == b"hello"


def test_uploads_are_served_in_a_sandbox_and_nothing_else_is(tmp_path):
    (tmp_path / "a.jpg").touch()
    path = f"/gradio_api/file={tmp_path / 'a.jpg'}"
    status, headers, _ = ask(answering(), tmp_path, path=path)
    assert status == 200
    assert b"sandbox" in headers[b"content-security-policy"]
    assert headers[b"cache-control"] == b"private, no-store"
    (tmp_path.parent / "b").touch()
    (tmp_path / "link").symlink_to(tmp_path.parent / "b")
    for other in ("/etc/passwd", tmp_path / ".." / "b", tmp_path / "link", "", "a\0"):
        assert ask(answering(), tmp_path, path=f"/gradio_api/file={other}")[0] == 403


@pytest.mark.parametrize("app", [failing, failing_late])
def test_a_failure_tells_nothing(tmp_path, app, caplog):
    status, _, body = ask(app, tmp_path)
    assert status == 400
    assert json.loads(body) == {"error": requests.UNCLEAR.reason}
    assert "/etc/passwd" in caplog.text  # there it is of use


def test_the_log_is_short_unless_asked_for_more(tmp_path, caplog, monkeypatch):
    async def app(scope, receive, send):
        raise ValueError("line\n" * 100_000)

    path = "/gradio_api/call/" + "x\n" * 1000
    monkeypatch.setenv("SIGHTREAD_DEBUG", "0")
    ask(app, tmp_path, path=path)
    assert len(caplog.text) < 500
    assert caplog.text.count("\n") == 1
    monkeypatch.setenv("SIGHTREAD_DEBUG", "1")
    ask(app, tmp_path, path=path)
    assert "Traceback" in caplog.text


def test_an_answer_that_fails_midway_ends(tmp_path):
    assert ask(failing_midway, tmp_path)[::2] == (200, b"a")


def test_a_failure_that_says_what_it_may_is_kept(tmp_path):
    kind = [(b"content-type", b"application/json")]
    app = answering(500, kind, b'{"error": "beam_size: 11"}')
    assert ask(app, tmp_path)[::2] == (400, b'{"error": "beam_size: 11"}')


def test_a_broken_connection_is_no_failure(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    parts = (b'{"data": [', BREAK)
    path = "/gradio_api/queue/join"
    assert ask(failing, tmp_path, "POST", path, parts=parts) is None
    assert caplog.text == ""


def test_a_request_arrives_whole(tmp_path):
    for path in ("/gradio_api/queue/join", "/gradio_api/upload"):
        found = []
        parts = (b'{"data"', b": [1]", b"}")
        status, *_ = ask(reading(found), tmp_path, "POST", path, parts=parts)
        assert status == 200
        assert b"".join(found) == b'{"data": [1]}'


def test_the_application_can_wait_for_the_end(tmp_path):
    found = []

    async def app(scope, receive, send):
        found.extend([await receive(), await receive()])
        await answering()(scope, receive, send)

    path = "/gradio_api/queue/join"
    ask(app, tmp_path, "POST", path, parts=(b"{}", END))
    assert [one["type"] for one in found] == ["http.request", "http.disconnect"]


def test_too_much_is_refused_before_it_comes(tmp_path, monkeypatch):
    upload, join = "/gradio_api/upload", "/gradio_api/queue/join"
    assert ask(failing, tmp_path, "POST", upload, parts=(bytes(1001),))[0] == 413
    assert ask(answering(), tmp_path, "POST", upload, parts=(bytes(1000),))[0] == 200
    large = bytes(requests.LARGEST + 1)
    assert ask(failing, tmp_path, "POST", join, parts=(large,))[0] == 413
    tool = "/gradio_api/mcp/"
    assert ask(answering(), tmp_path, "POST", tool, parts=(large,))[0] == 200
    large = bytes(requests.LARGEST_TOOL + 1)
    assert ask(failing, tmp_path, "POST", tool, parts=(large,))[0] == 413


CHUNKED = (b"transfer-encoding", b"chunked")


def test_what_comes_in_chunks_is_as_limited(tmp_path):
    upload, join = "/gradio_api/upload", "/gradio_api/queue/join"
    found = []
    asked = {"headers": [CHUNKED], "has_length": False}
    parts = (b'{"data"', b": [1]}")
    for path in (upload, join):
        app = reading(found)
        assert ask(app, tmp_path, "POST", path, parts=parts, **asked)[0] == 200
    assert b"".join(found) == 2 * b'{"data": [1]}'
    for path, most in ((upload, 1000), (join, requests.LARGEST)):
        parts = (b"x" * most, b"x")
        assert ask(reading([]), tmp_path, "POST", path, parts=parts, **asked)[0] == 413
    both = ask(failing, tmp_path, "POST", join, [CHUNKED], parts=(b"{}",))
    assert both[0] == 400


def test_those_who_hold_most_make_way(tmp_path, monkeypatch):
    """A request that goes on coming, for one that is whole."""
    monkeypatch.setattr(web, "MOST_HELD", 100)
    monkeypatch.setattr(requests, "PATIENCE_DRAIN", 0.05)

    async def run():
        shell = Shell(answering(), Uploads(tmp_path), 1000)
        path = "/gradio_api/queue/join"
        slow = asyncio.create_task(post(shell, path, b" " * 90, length=200))
        while not any(body._waiting and body.held for body in shell._bodies):
            await asyncio.sleep(0)
        quick = await post(shell, path, b'{"data": [1, 2, 3]}')
        return quick, await asyncio.wait_for(slow, 5)

    assert asyncio.run(run()) == (200, 503)


async def post(shell, path, part, length=0):
    """The status for a request; of one that is longer than its part, no more comes."""
    sent, parts = [], [part]

    async def receive():
        if not parts:
            await asyncio.sleep(60)
        part = parts.pop()
        return {"type": "http.request", "body": part, "more_body": len(part) < length}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
    headers = {"host": "localhost", "content-length": str(length or len(part))}
    scope["headers"] = [(k.encode(), v.encode()) for k, v in headers.items()]
    await shell(scope, receive, send)
    return sent[0]["status"]


def test_who_still_sends_hears_the_answer(tmp_path, monkeypatch):
    """Else the connection ends under it, and a browser knows no reason."""
    path, parts = "/gradio_api/upload", tuple(bytes(100) for _ in range(20))
    for app in (answering(413), failing):
        left = [*parts]
        assert ask(app, tmp_path, "POST", path, parts=left, largest=1999)[0] == 413
        status = ask(app, tmp_path, "POST", path, parts=left, largest=2000)[0]
        assert status in (413, 400)
        assert left == []
    monkeypatch.setattr(requests, "MOST_DRAINED", 1999)
    left = [*parts]
    ask(failing, tmp_path, "POST", path, parts=left)
    assert len(left) == 20
    monkeypatch.setattr(requests, "MOST_DRAINED", 2001)
    monkeypatch.setattr(requests, "PATIENCE_DRAIN", 0.05)
    headers = [(b"content-length", b"2001")]  # of which one never comes
    assert ask(failing, tmp_path, "POST", path, headers, [b"", *parts])[0] == 413


def test_more_than_was_said_is_refused(tmp_path):
    path = "/gradio_api/upload"
    headers = [(b"content-length", b"3")]
    parts = (b"ab", b"cd")
    assert ask(reading([]), tmp_path, "POST", path, headers, parts)[0] == 413


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/upload"])
def test_what_comes_too_slowly_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.setattr(requests, "PATIENCE", 0.05)

    async def app(scope, receive, send):
        try:
            await receive()
        except Exception:  # as frameworks do
            await answering(500)(scope, receive, send)
            raise

    status, _, body = ask(app, tmp_path, "POST", path, parts=())
    assert (status, json.loads(body)) == (
        408,
        {"error": "The request took too long to arrive."},
    )


def test_the_largest_upload_ends_where_there_is_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr("shared.web.uploads.MOST_STORED", 100)
    path = "/gradio_api/upload"
    assert ask(reading([]), tmp_path, "POST", path, parts=(bytes(40),))[0] == 200
    assert ask(reading([]), tmp_path, "POST", path, parts=(bytes(60),))[0] == 507


@pytest.mark.parametrize("crowded", [True, False])
@pytest.mark.parametrize(
    "path, size, gives_way",
    [
        ("/gradio_api/upload", 1000, False),
        ("/gradio_api/upload", 1001, True),
        ("/gradio_api/queue/join", web.LONG, False),
        ("/gradio_api/queue/join", web.LONG + 1, True),
    ],
)
def test_what_is_large_gives_way(tmp_path, monkeypatch, path, size, gives_way, crowded):
    waited, sleep = [], asyncio.sleep

    async def wait(seconds):
        waited.append(seconds)
        await sleep(0)

    async def run():
        options = {"is_crowded": lambda: crowded, "largest_photo": 1000}
        shell = Shell(answering(), Uploads(tmp_path), 2000, **options)
        if path.endswith("upload"):
            shell.app = reading([])
        monkeypatch.setattr(web.asyncio, "sleep", wait)
        return await post(shell, path, b'"' + b"x" * (size - 2) + b'"')

    assert asyncio.run(run()) in (200, 400)
    assert waited == ([size / web.PACE if crowded else 0] if gives_way else [])


def test_only_http_is_spoken(tmp_path):
    with pytest.raises(ValueError, match="only HTTP"):
        asyncio.run(
            Shell(None, Uploads(tmp_path), 1)({"type": "websocket"}, None, None)
        )


def test_the_folder_is_swept_while_the_server_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("shared.web.uploads.KEPT", -60)
    folder = uploads._make_folder(tmp_path)
    (folder / "old.jpg").touch()

    async def app(scope, receive, send):
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not (folder / "old.jpg").exists():
                return

    asyncio.run(Shell(app, Uploads(folder), 1)({"type": "lifespan"}, None, None))
    assert not (folder / "old.jpg").exists()


def test_the_server_lists_nothing():
    paths = {route.path for route in make_server().routes}
    assert paths == {web.ASSETS_URL}
