"""Requests that mean no good, to a page that is served: it tells nothing, reads and
writes nothing elsewhere, asks no other server, and describes photos afterwards."""

import http.client
import io
import json
import os
import re
import secrets
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from conftest import MORE
from PIL import Image

pytest.importorskip("gradio", reason="pip install gradio")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
]

ROOT = Path(__file__).parents[1]
PHOTO = (ROOT / "examples" / "photographer.jpg").read_bytes()
SECRET = b"tell nobody what is written here"
MOST_MEMORY = 400  # MB more than before, after all of this; 64 photos take 60
MOST_LOG = 2_000_000  # bytes, about 10,000 requests
FINE = {503, 507}  # of 5xx: those that say "later"
HEADERS = {"content-security-policy", "x-content-type-options", "x-frame-options"}
MULTIPART = "multipart/form-data; boundary=b"
OPTIONS = ("--port", "0", "--host-name", "photos.example")
NEEDED = {"/ask": {"question": "what is it?"}}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """A page that is served, with all that belongs to it in one folder."""

    def __init__(self, folder: Path):
        self.work, self.temp, self.home = (folder / x for x in ("work", "temp", "home"))
        for place in (self.work, self.temp, self.home):
            place.mkdir()
        (self.work / "secret.txt").write_bytes(SECRET)
        (self.temp / "secret.txt").write_bytes(SECRET)
        environment = {k: v for k, v in os.environ.items() if k != "SIGHTREAD_AUTH"}
        environment |= {"TMPDIR": str(self.temp), "HOME": str(self.home)}
        environment["PYTHONPATH"] = str(ROOT)
        self.log, self.met = folder / "log", set()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py"), *OPTIONS],
                cwd=self.work,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline().strip()
        self.port = int(line.rpartition(":")[2])
        self.leaks = [b"Traceback", b"site-packages", b"/usr/lib", b'File "', SECRET]
        self.leaks += [str(place).encode() for place in (folder, ROOT, Path.home())]
        self.config = json.loads(self.ask("GET", "/config").body)
        self.events = {one["id"]: one for one in self.config["dependencies"]}
        parts = {one["id"]: one for one in self.config["components"]}
        self.values = {
            number: [parts[i]["props"].get("value") for i in event["inputs"]]
            for number, event in self.events.items()
        }
        (self.photo,) = (
            i for i, one in parts.items() if one["props"].get("elem_id") == "photo"
        )
        self.arrival = next(
            i
            for i, one in self.events.items()
            if [self.photo, "upload"] in one["targets"]
        )
        info = json.loads(self.ask("GET", "/gradio_api/info").body)
        self.endpoints = info["named_endpoints"]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        is_upload: bool = False,
    ) -> Answer:
        """Send a request, and make sure that the answer gives nothing away."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"content-type": "application/json"} | (headers or {})
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            found = Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )
        finally:
            connection.close()
        self.check(found, is_upload and response.status == 200)
        return found

    def check(self, found: Answer, has_paths: bool = False) -> None:
        """Make sure that an answer is none of those that must never be."""
        assert found.status < 500 or found.status in FINE, found
        assert found.headers.keys() >= HEADERS
        # Gradio's clients are told where their files are, and nobody else is.
        leaks = [x for x in self.leaks if x in found.body and not has_paths]
        assert not leaks, found.body[:2000]

    def post(self, path: str, content: Any, **options: Any) -> Answer:
        return self.ask("POST", path, json.dumps(content).encode(), **options)

    def send(self, *files: tuple[str, bytes]) -> Answer:
        """Upload files."""
        body = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="'
            + name.encode("utf-8", "surrogateescape").replace(b'"', b"%22")
            + b'"\r\nContent-Type: image/jpeg\r\n\r\n'
            + content
            + b"\r\n"
            for name, content in files
        )
        kind = {"content-type": MULTIPART}
        path = "/gradio_api/upload"
        return self.ask("POST", path, body + b"--b--\r\n", kind, is_upload=True)

    def upload(self, name: str, content: bytes) -> str:
        (path,) = json.loads(self.send((name, content)).body)
        return path

    def event(
        self, number: int, data: list[Any], session: str = "", **more: Any
    ) -> dict[str, Any] | None:
        """Start one of the page's events; give what completes it, or None."""
        session = session or secrets.token_hex(6)
        asked = {"data": data, "fn_index": number, "session_hash": session, **more}
        answer = self.post("/gradio_api/queue/join", asked)
        if answer.status != 200:
            return None
        path = f"/gradio_api/queue/data?session_hash={session}"
        stream = self.ask("GET", path).body
        for line in stream.split(b"\n"):
            message = json.loads(line[6:]) if line.startswith(b"data: ") else {}
            if message.get("msg") == "process_completed":
                return message
        raise AssertionError(stream)

    def describe(self, photo: Any, session: str = "") -> dict[str, Any] | None:
        """Put something in the place of a photo."""
        data = list(self.values[self.arrival])
        data[self.events[self.arrival]["inputs"].index(self.photo)] = photo
        return self.event(self.arrival, data, session)

    def say(self, content: bytes, name: str = "photo.jpg") -> str:
        """Upload and describe a photo; give the caption, or the problem."""
        path = self.upload(name, content)
        while not (message := self.describe(file_at(path))):  # the line is long
            time.sleep(0.2)
        assert message["success"], message
        found = [one for one in message["output"]["data"] if isinstance(one, dict)]
        for one in found:
            if "problem" in one:
                return f"problem: {one['problem']}"
        return next(one["captions"][0]["text"] for one in found if "captions" in one)

    def raw(self, sent: bytes, seconds: float = 5) -> bytes:
        """Send bytes as they are, and give what comes back."""
        with socket.create_connection(
            ("127.0.0.1", self.port), timeout=seconds
        ) as line:
            found = b""
            try:
                line.sendall(sent)
                while part := line.recv(65536):
                    found += part
            except (TimeoutError, ConnectionError):
                pass
        assert not [leak for leak in self.leaks if leak in found]
        assert not re.match(rb"HTTP/1.1 50[012]", found)
        return found

    def memory(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000

    def listing(self) -> set[str]:
        """What is there, but in the folder of uploads."""
        places = (self.work, self.home, self.temp)
        found = [path for place in places for path in place.rglob("*")]
        return {str(x) for x in found if "/temp/sightread-" not in str(x)}


def file_at(path: Any, **more: Any) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """A server; at the end it is as it was at the beginning."""
    found = Server(tmp_path_factory.mktemp("served"))
    try:
        caption = found.say(PHOTO)
        with ThreadPoolExecutor(20) as people:  # each thread keeps some memory
            list(people.map(lambda _: found.say(PHOTO), range(40)))
        memory, listing = found.memory(), found.listing()
        yield found
        assert found.process.poll() is None
        assert found.say(PHOTO) == caption
        assert found.listing() == listing
        assert found.memory() - memory < MOST_MEMORY
        assert found.log.stat().st_size < MOST_LOG
    finally:
        found.process.kill()
        found.process.communicate()


@pytest.fixture(autouse=True)
def alive(server, request):
    """After each test the page is up; after the first of a kind, and at last, it works.

    With `SIGHTREAD_MORE` set, it works after each of them.
    """
    yield
    assert server.process.poll() is None
    kind = request.node.originalname
    if kind not in server.met or MORE:
        assert "camera" in server.say(PHOTO)
        server.met.add(kind)


# ---- addresses

OUTSIDE = [
    *("/etc/passwd", "//etc/passwd", "/proc/self/environ", "/proc/self/fd/0", "/"),
    *("../../../etc/passwd", "app.py", "./app.py", "secret.txt", "~/.bashrc", ".", ""),
    *("file:///etc/passwd", "\\etc\\passwd", "C:\\Windows\\win.ini", "\0", "a" * 5000),
    *("http://127.0.0.1:1/", "https://example.com/x.jpg", "//example.com/x", "con"),
]
PATHS = [
    *(f"/gradio_api/file={quote(path)}" for path in OUTSIDE),
    *(f"/gradio_api/file={quote(quote(path))}" for path in OUTSIDE[:8]),
    "/gradio_api/file=/etc%2fpasswd",
    "/gradio_api/file=%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/gradio_api/file=%252e%252e%252fsecret.txt",
    "/gradio_api/file/etc/passwd",
    "/file=/etc/passwd",
    "/file/etc/passwd",
    "/gradio_api/gradio_api/file=/etc/passwd",
    "/gradio_api/proxy=http://127.0.0.1:1/",
    "/gradio_api/proxy=https://example.hf.space/",
    "/gradio_api/custom_component/x/client/component/index.js",
    "/gradio_api/stream/x/y/1/playlist.m3u8",
    "/gradio_api/stream/x/y/1/playlist-file",
    "/gradio_api/deep_link?session_hash=x",
    "/?deep_link=../../secret",
    "/config?deep_link=..%2f..%2fsecret",
    "/config?page=../../etc",
    "/gradio_api/run-history/records",
    "/gradio_api/runs",
    "/gradio_api/startup-events",
    "/gradio_api/dev/reload",
    "/gradio_api/token",
    "/gradio_api/vibe-code",
    "/gradio_api/queue/status",
    "/gradio_api/mcp/schema",
    "/monitoring",
    "/monitoring/summary",
    "/monitoring/x",
    "/pwa_icon",
    "/pwa_icon/60000",
    "/pwa_icon/-1",
    "/docs",
    "/openapi.json",
    "/.git/config",
    "/app.py",
    "/secret.txt",
    "/sightread/../app.py",
    "/sightread/%2e%2e/web.py",
    "/sightread/..%2fweb.py",
    "/sightread/..%5cweb.py",
    "/sightread/%2e%2e%2f%2e%2e%2fapp.py",
    "/sightread//etc/passwd",
    "/sightread/",
    "/assets/../../../etc/passwd",
    "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/assets//etc/passwd",
    "/assets/%00",
    "/static/..%2f..%2f__init__.py",
    "/static/%2fetc%2fpasswd",
    "/svelte/..%2f..%2fx",
    "/gradio_api/../config",
    "/gradio_api/heartbeat/../../config",
    "/gradio_api/upload_progress?upload_id=" + "x" * 3000,
    "/gradio_api/upload_progress",
    "/gradio_api/queue/data",
    "/gradio_api/queue/data?session_hash=nobody",
    "/gradio_api/queue/data?session_hash=%00%ff",
    "/gradio_api/call/caption/nobody",
    "/gradio_api/call/../../config",
    "/%00",
    "/%ff%fe",
    "/" + "a" * 8000,
    "/?" + "a=b&" * 2000,
    "//example.com/",
    "/\\example.com",
    "/%0d%0aSet-Cookie:%20a=b",
    "/login/%0d%0aX: y",
    "/theme.css/../config",
]


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_addresses(server, path):
    path = path.replace(" ", "%20").replace("\0", "%00")
    for method in ("GET", "HEAD"):
        answer = server.ask(method, path)
        assert b"root:" not in answer.body
        assert "set-cookie" not in answer.headers
        if "file=" in path or path.startswith(("/sightread/", "/static", "/assets")):
            assert answer.status in (400, 403, 404, 405)
        location = answer.headers.get("location", "")
        assert "example.com" not in location


METHODS = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]


@pytest.mark.parametrize("method", METHODS)
def test_methods(server, method):
    for path in ("/", "/config", "/gradio_api/upload", "/gradio_api/queue/join"):
        assert server.ask(method, path).status in (400, 405)


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/theme.css"])
def test_posting_to_what_is_only_read(server, path):
    assert server.post(path, {}).status in (400, 404, 405, 422)


# ---- headers


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:99999999"},
        {"host": "a b"},
        {"host": "127.0.0.1@evil.example"},
        {"host": '"><script>alert(1)</script>'},
        {"host": ""},
        {"host": "x" * 4000},
        {"x-forwarded-host": "evil.example"},
        {"x-forwarded-host": '"><script>', "x-forwarded-proto": "https"},
        {"x-gradio-server": "http://evil.example/"},
        {"x-forwarded-for": "<script>", "x-real-ip": "'"},
        {"forwarded": "for=_x;host=evil.example"},
        {"cookie": "a=" + "b" * 6000},
        {"cookie": "access-token=x; access-token-unsecure=y"},
        {"authorization": "Basic !!!!"},
        {"authorization": "Bearer " + "x" * 5000},
        {"accept-language": "x" * 6000},
        {"accept-encoding": "br;q=nan, " * 100},
        {"range": "bytes=1-2-3"},
        {"range": "bytes=0-99999999999999999999"},
        {"if-none-match": '"' * 1000},
        {"if-modified-since": "yesterday"},
        {"content-type": "multipart/form-data; boundary=" + "b" * 3000},
        {"content-length": "0", "expect": "100-continue"},
        {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-key": "x"},
        {"user-agent": "() { :;}; /bin/sleep 5"},
        {"referer": "javascript:alert(1)"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_headers(server, headers):
    for path in ("/", "/config", "/gradio_api/info"):
        answer = server.ask("GET", path, headers=headers)
        assert b"<script>alert(1)" not in answer.body
        assert "x-gradio-server" not in headers or b"evil.example" not in answer.body
    path = server.upload("a.txt", b"0123456789")
    server.ask(
        "GET", f"/gradio_api/file={quote(path)}", headers=headers, is_upload=True
    )


ORIGINS = [
    *("https://evil.example", "http://127.0.0.1", "http://127.0.0.1:1", "null", ""),
    *("http://127.0.0.1:{port}.evil.example", "http://localhost:{port}", "file://"),
    *("http://127.0.0.1:{port}@evil.example", "x", "http://evil.example:{port}"),
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_other_pages(server, origin, method):
    headers = {
        "origin": origin.format(port=server.port),
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-forwarded-host",
        "content-type": "text/plain",
    }
    for path in ("/config", "/gradio_api/queue/join", "/gradio_api/run/caption"):
        answer = server.ask(method, path, b"{}", headers)
        assert answer.status in (403, 405)
        assert not [
            name for name in answer.headers if name.startswith("access-control")
        ]


def test_the_page_itself_may_ask(server):
    own = {"origin": f"http://127.0.0.1:{server.port}"}
    assert server.ask("GET", "/config", headers=own).status == 200
    # As a server says that stands before it, and forgets the port.
    own = {"origin": "https://photos.example:8443", "x-forwarded-for": "10.0.0.1"}
    own["x-forwarded-host"] = "photos.example"
    assert server.ask("GET", "/config", headers=own).status == 200


START = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: \r\n y\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Y: z\r\n" * 5000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        START + b"Content-Length: -1\r\n\r\n{}",
        START + b"Content-Length: 1e3\r\n\r\n{}",
        START + b"Content-Length: " + b"9" * 500 + b"\r\n\r\n{}",
        START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        START + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        START + b"Transfer-Encoding: gzip\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # as HTTPS starts
    ],
    ids=range(20),
)
def test_what_is_not_quite_http(server, sent):
    found = server.raw(sent, 1)
    assert not found or re.match(rb"HTTP/1.1 (4|505|200 OK)", found)


def test_those_who_are_slow_hold_up_nobody(server):
    slow = []
    try:
        for number in range(100):
            line = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            slow.append(line)
            sent = START + b"Content-Length: 1000\r\n\r\n{"
            line.sendall(sent[: number + 1] if number < 50 else sent)
        started = time.monotonic()
        assert "camera" in server.say(PHOTO)
        assert time.monotonic() - started < 10
    finally:
        for line in slow:
            line.close()


# ---- bodies

DEEP = b"[" * 10_000 + b"]" * 10_000
BODIES = {
    "nothing": b"",
    "text": b"hello",
    "no object": b"[]",
    "null": b"null",
    "a number": b"1",
    "cut off": b'{"data": [1, 2',
    "two": b"{}{}",
    "no UTF-8": b'{"data": ["\xff\xfe"]}',
    "UTF-16": '{"data": []}'.encode("utf-16"),
    "half a letter": b'{"data": ["\\ud800"], "session_hash": "\\ud800"}',
    "NaN": b'{"data": [NaN, Infinity, -Infinity]}',
    "huge number": b'{"data": [1e999999], "fn_index": 999, "session_hash": "x"}',
    "many digits": b'{"data": [' + b"9" * 100_000 + b"]}",
    "deep list": b'{"data": ' + DEEP + b"}",
    "deep objects": b'{"data": [' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"]}",
    "deep enough": b'{"data": [' + b"[" * 900 + b"]" * 900 + b"]}",
    "many parts": b'{"data": [' + b"[]," * 300_000 + b"1]}",
    "many keys": b"{" + b",".join(b'"%d":1' % i for i in range(60_000)) + b"}",
    "one key often": b"{" + b'"data":[],' * 1000 + b'"fn_index":0}',
    "10 MB": b'{"data": ["' + b"a" * 10_000_000 + b'"]}',
    "prototype": b'{"__proto__": {"data": []}, "constructor": 1, "data": []}',
    "XML": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
}
POSTS = [
    *("/gradio_api/queue/join", "/gradio_api/run/caption", "/gradio_api/call/caption"),
    *("/gradio_api/call/v2/caption", "/gradio_api/component_server", "/login"),
    *("/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/upload"),
]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies(server, body):
    for path in POSTS:
        started = time.monotonic()
        try:
            answer = server.ask("POST", path, body)
        except ConnectionError:  # it hung up before all was sent
            assert len(body) > 100_000  # more than a socket is sure to take at once
        else:
            assert answer.status >= 400 or b"data" in body.replace(b"\0", b"")
        assert time.monotonic() - started < 5


KINDS = [
    *("", "text/html", "application/x-www-form-urlencoded", "multipart/form-data"),
    *(
        "multipart/form-data; boundary=",
        "application/json; charset=utf-7",
        "\t",
        "x" * 99,
    ),
    *(
        "application/octet-stream",
        "image/jpeg",
        "application/json\t;",
        "application/xml",
    ),
]


@pytest.mark.parametrize("kind", KINDS, ids=range(len(KINDS)))
def test_kinds_of_content(server, kind):
    for path in POSTS:
        server.ask("POST", path, b'{"data": []}', {"content-type": kind})


ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        -(10**30),
        10**300,
        "",
        " ",
        "\0",
        "x" * 5000,
    ),
    *("a\u202eb\u200d\ufeff", "🦜" * 100, "<script>alert(1)</script>", "${7*7}{{7*7}}"),
    *(
        "'; DROP TABLE photos;--",
        "../../etc/passwd",
        [],
        [None],
        {},
        {"a": {}},
        [[]] * 99,
    ),
    {"__type__": "update", "value": 1, "visible": False, "choices": ["x"]},
    {"path": "/etc/passwd"},
    {"path": "/etc/passwd", "meta": None},
    file_at("/etc/passwd"),
    file_at("/etc/passwd", is_stream=True, url="file:///etc/passwd"),
    file_at(None),
    file_at(["/etc/passwd"]),
    [file_at("/etc/passwd")],
    {"value": file_at("/etc/passwd"), "props": {}},
    {"video": file_at("/etc/passwd"), "image": file_at("secret.txt"), "text": "x"},
]


@pytest.mark.parametrize("which", range(len(ODD)))
def test_events_with_odd_inputs(server, which):
    """In each place a third of the values, and all of them in all places at once."""
    value = ODD[which]
    for number in server.events:
        values = server.values[number]
        for place in range(len(values)):
            if MORE or (number + place + which) % 3 == 0:
                data = [*values[:place], value, *values[place + 1 :]]
                server.event(number, data, event_data=value)
        server.event(number, [value] * len(values))


@pytest.mark.parametrize(
    "changes",
    [
        {"fn_index": -1},
        {"fn_index": 10**6},
        {"fn_index": None},
        {"fn_index": "0"},
        {"fn_index": 1.5},
        {"fn_index": [0]},
        {"fn_index": True},
        {"session_hash": ""},
        {"session_hash": None},
        {"session_hash": 5},
        {"session_hash": "x" * 65},
        {"session_hash": "../../x"},
        {"session_hash": "a\nb"},
        {"session_hash": ["x"]},
        {"data": None},
        {"data": {}},
        {"data": "abc"},
        {"data": []},
        {"data": [None] * 1000},
        {"data": ["a" * 1_000_000]},
        {"trigger_id": -1},
        {"trigger_id": 10**9},
        {"trigger_id": "x"},
        {"event_data": [[[]]]},
        {"event_id": "x"},
        {"event_id": 5},
        {"batched": True},
        {"simple_format": True},
        {"simple_format": "x"},
        {"oauth_token": "x"},
        {"oauth_token": {}},
        {"request": {"headers": {}}},
        {"batch_trigger_ids": [1]},
        {"api_name": "/etc/passwd"},
    ],
    ids=str,
)
def test_events_that_are_not_quite_one(server, changes):
    for number in server.events:
        session = secrets.token_hex(6)
        asked = {"data": server.values[number], "fn_index": number}
        asked |= {"session_hash": session} | changes
        for path in ("queue/join", "run/any", "api/any"):
            answer = server.post(f"/gradio_api/{path}", asked)
            assert path == "queue/join" or answer.status >= 400


@pytest.mark.parametrize(
    "data",
    [
        *(None, 0, [], "x", {"example": -1}, {"example": 10**9}, {"example": "x"}),
        *({"example": None}, {"example": 1.0}, {"example": True}, {"example": [0]}),
        *({"prefix": 5}, {"prefix": "x" * 100_000}, {"prefix": "\0"}, {"prefix": []}),
        *({"prefix": " ".join(["dog"] * 80)}, {"prefix": "🦜 ‮ dog"}, {"prefix": ""}),
        *({"chosen": -1}, {"chosen": 10**9}, {"chosen": 1.5}, {"chosen": "0"}, {"": 1}),
        *({"chosen": True}, {"chosen": {"a": []}}, {"prefix": "a", "chosen": 0}),
    ],
    ids=lambda data: str(data)[:40],
)
def test_odd_event_data(server, data):
    session = secrets.token_hex(6)
    server.describe(file_at(server.upload("p.jpg", PHOTO)), session)
    for number in server.events:
        server.event(number, server.values[number], session, event_data=data)


QUESTIONS = {
    "1 MB": "what is " * 125_000,
    "500 words": "what is it " * 170,
    "one long word": "w" * 3000,
    "control characters": "".join(map(chr, range(32))) + "\x7f\x9b what",
    "emoji": "🦜 what 🏴‍☠️ is 👩‍👩‍👧 it?",
    "right to left": "‮what‭ מה זה ؟",
    "combining": "wha" + "\u0301" * 1000 + "t is it?",
    "markup": "<img src=x onerror=alert(1)> what is it?",
    "only marks": "?!.,;:" * 50,
    "commas": "," * 1900,
    "lines": "\n".join("abc") * 300,
    "format": "%s %n {0} {self.__class__} $(id) `id`",
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_questions(server, question):
    session = secrets.token_hex(6)
    server.describe(file_at(server.upload("p.jpg", PHOTO)), session)
    for number, event in server.events.items():
        values = server.values[number]
        for place, value in enumerate(values):
            if isinstance(value, (str, type(None))) and place:
                data = [*values[:place], question, *values[place + 1 :]]
                message = server.event(number, data, session)
                assert message is None or message["output"] is not None, event
    if "/ask" in server.endpoints:
        photo = file_at(server.upload("p.jpg", PHOTO))
        asked = {"photo": photo, "question": question, "choices": [question, "x"]}
        server.post("/gradio_api/call/v2/ask", asked)


def test_a_photo_of_one_page_is_not_seen_by_another(server):
    mine, other = secrets.token_hex(6), secrets.token_hex(6)
    server.describe(file_at(server.upload("p.jpg", PHOTO)), mine)
    keys = [None, "x", "x" * 22, {"key": "x"}, mine]
    for number in server.events:
        for key in keys:
            values = [key, *server.values[number][1:]][: len(server.values[number])]
            message = server.event(number, values, other)
            if number == server.arrival:
                continue
            text = json.dumps(message)
            assert "camera" not in text or "example" in text or "preview" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"fn_name": "__init__"},
        {"fn_name": "preprocess"},
        {"fn_name": "describe_photos.__globals__"},
        {"fn_name": ""},
        {"fn_name": None},
        {"fn_name": "describe_photos", "data": None},
        {
            "fn_name": "describe_photos",
            "data": {"model": "x", "paths": ["/etc/passwd"]},
        },
        {
            "fn_name": "describe_photos",
            "data": {"model": "included", "paths": ["/etc/passwd"]},
        },
        {
            "fn_name": "describe_photos",
            "data": {
                "model": "included",
                "paths": [f"{'a' * 64}/folder-{'0' * 32}.jpg"],
            },
        },
        {
            "fn_name": "describe_photos",
            "data": {"model": ["included"], "paths": {"a": 1}},
        },
        {"fn_name": "make_file", "data": {"kind": "../../x", "rows": []}},
        {"fn_name": "make_file", "data": {"kind": "csv", "rows": [{"image": "../x"}]}},
        {"fn_name": "make_file", "data": [[[]]]},
        {"component_id": -1},
        {"component_id": 10**9},
        {"component_id": "x"},
        {"component_id": None},
        {"component_id": [1]},
        {"session_hash": None},
        {"session_hash": {}},
        {"data": "x" * 10_000},
    ],
    ids=lambda changes: str(changes)[:50],
)
def test_functions_of_components(server, changes):
    for part in server.config["components"]:
        asked = {"component_id": part["id"], "fn_name": "x", "data": 1}
        asked |= {"session_hash": "x"} | changes
        server.post("/gradio_api/component_server", asked)


# ---- endpoints


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_endpoints_with_odd_arguments(server, value):
    photo = file_at(server.upload("p.jpg", PHOTO))
    for name, endpoint in server.endpoints.items():
        names = [one["parameter_name"] for one in endpoint["parameters"]]
        for odd in names:
            given = {"photo": photo, **NEEDED.get(name, {}), odd: value}
            answer = server.post(f"/gradio_api/call/v2{name}", given)
            if answer.status == 200:
                event = json.loads(answer.body)["event_id"]
                found = server.ask("GET", f"/gradio_api/call{name}/{event}").body
                assert re.search(rb"event: (complete|error)", found)
                if odd == "photo":
                    assert b"event: error" in found
        for data in ([value], [photo, value], [value] * len(names), [value] * 50):
            server.post(f"/gradio_api/run{name}", {"data": data})
            server.post(f"/gradio_api/call{name}", {"data": data})


# ---- uploads


NAMES = [
    *("../../evil.jpg", "..\\..\\evil.jpg", "/etc/evil.jpg", "C:\\evil.jpg", "..", "."),
    *(
        "a\0b.jpg",
        "a" * 300 + ".jpg",
        "a" * 3000,
        "名前.jpg",
        "صورة.jpg",
        "🦜.jpg",
        " ",
    ),
    *(
        ".htaccess",
        "con",
        "nul.jpg",
        "a/b/c.jpg",
        "a\nb.jpg",
        "a\r\nX: y.jpg",
        "%2e%2e%2f",
    ),
    *(
        "photo.jpg;evil",
        "<script>.jpg",
        "'\"`.jpg",
        "$(id).jpg",
        "-rf",
        "~root",
        "\udcff",
    ),
    *("photo.html", "photo.svg", "photo.js", "photo.py", "state.json", "e\u0301.jpg"),
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_files(server, name):
    answer = server.send((name, PHOTO))
    if answer.status != 200:
        return
    (path,) = json.loads(answer.body)
    (own,) = server.temp.glob("sightread-*")
    assert Path(path).resolve().is_relative_to(own.resolve())
    assert len(Path(path).relative_to(own).parts) == 2
    message = server.describe(file_at(path))
    assert message and message["success"]
    shown = server.ask("GET", f"/gradio_api/file={quote(path)}", is_upload=True)
    assert shown.headers["content-security-policy"].startswith(
        "default-src 'none'; sand"
    )


def test_what_is_uploaded_is_never_a_page(server):
    page = b"<html><script>alert(document.domain)</script></html>"
    kinds = {
        "jpg",
        "html",
        "htm",
        "svg",
        "xhtml",
        "xml",
        "js",
        "pdf",
        "txt",
        "mjs",
        "x",
    }
    for kind in sorted(kinds):
        path = server.upload(f"a.{kind}", page)
        answer = server.ask("GET", f"/gradio_api/file={quote(path)}", is_upload=True)
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"
        harmless = answer.headers["content-type"].startswith(
            ("image/jpeg", "text/plain")
        )
        disposition = answer.headers["content-disposition"]
        assert harmless or disposition.startswith("attachment")


def test_a_link_in_the_folder_of_uploads_leads_nowhere(server):
    (own,) = server.temp.glob("sightread-*")
    link = own / "link.txt"
    link.symlink_to(server.work / "secret.txt")
    try:
        assert server.ask("GET", f"/gradio_api/file={link}").status == 403
        server.describe(file_at(str(link)))
    finally:
        link.unlink()


def test_the_folder_of_uploads_is_private(server):
    (own,) = server.temp.glob("sightread-*")
    assert own.stat().st_mode & 0o777 == 0o700


def test_too_much_is_refused(server):
    assert server.send(("big.jpg", bytes(21_000_000))).status == 413
    try:
        kind = {"content-type": MULTIPART, "content-length": str(10**12)}
        assert server.ask("POST", "/gradio_api/upload", b"--b", kind).status == 413
    except ConnectionError:
        pass


def test_many_files_at_once(server):
    files = [(f"{number}.jpg", b"%d" % number) for number in range(1001)]
    assert server.send(*files[:1000]).status == 200
    assert server.send(*files).status in (400, 413)


MULTIPARTS = {
    "nothing": b"",
    "no end": b"--b\r\nContent-Disposition: form-data; name=files; filename=a\r\n\r\nx",
    "no name": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    "no file": b"--b\r\nContent-Disposition: form-data; name=files\r\n\r\nx"
    b"\r\n--b--\r\n",
    "empty file": b"--b\r\nContent-Disposition: form-data; name=files; filename="
    b"\r\n\r\n\r\n--b--\r\n",
    "another field": b"--b\r\nContent-Disposition: form-data; name=x; filename=y"
    b"\r\n\r\nx\r\n--b--\r\n",
    "long header": b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n",
    "many headers": b"--b\r\n" + b"X: y\r\n" * 20_000 + b"\r\nx\r\n--b--\r\n",
    "other boundary": b"--c\r\n\r\nx\r\n--c--\r\n",
    "many fields": b"".join(
        b"--b\r\nContent-Disposition: form-data; name=f%d\r\n\r\nx\r\n" % i
        for i in range(1500)
    )
    + b"--b--\r\n",
    "no lines": b"\0" * 10_000,
}


@pytest.mark.parametrize("body", MULTIPARTS.values(), ids=MULTIPARTS)
@pytest.mark.parametrize("query", ["", "?upload_id=x", "?upload_id=" + "y" * 3000])
def test_uploads_that_are_not_quite_one(server, body, query):
    kind = {"content-type": MULTIPART}
    path = f"/gradio_api/upload{query}"
    answer = server.ask("POST", path, body, kind, is_upload=True)
    assert answer.status >= 400 or len(json.loads(answer.body)) <= 1


# ---- photos


def chunk(kind: bytes, content: bytes) -> bytes:
    whole = kind + content
    length, check = (struct.pack(">I", n) for n in (len(content), zlib.crc32(whole)))
    return length + whole + check


def png(width: int, height: int, data: bytes = b"", more: bytes = b"") -> bytes:
    """A PNG of one bit a pixel."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    image = chunk(b"IDAT", data or zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + header + more + image + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(1)
    block = bytes(10**6)
    packed = b"".join(packer.compress(block) for _ in range(count // 10**6))
    return packed + packer.compress(bytes(count % 10**6)) + packer.flush()


def tiff(side: int, tile: int, data: bytes) -> bytes:
    """A grey TIFF cut out of one packed tile."""
    tags = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile}
    tags |= {324: 8 + 2 + 12 * 10 + 4, 325: len(data)}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags)
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def webp(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 5) + b"\x2f" + struct.pack("<I", bits) + b"\0"
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def wide_webp(width: int, height: int) -> bytes:
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def gif(width: int, height: int) -> bytes:
    size = struct.pack("<HH", width, height)
    return b"GIF89a" + size + bytes(3) + b"," + bytes(4) + size + b"\0\x08\1\0\0;"


def many_scans(width: int, height: int, scans: int) -> bytes:
    stored = io.BytesIO()
    Image.new("L", (width, height), 128).save(stored, "JPEG", progressive=True)
    whole = stored.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * scans + whole[-2:]


def saved(kind: str, size: tuple[int, int] = (300, 200), **options: Any) -> bytes:
    stored = io.BytesIO()
    photo = Image.open(io.BytesIO(PHOTO)).resize(size)
    photo.save(stored, kind, **options)
    return stored.getvalue()


@cache
def bombs() -> dict[str, bytes]:
    packed = zipfile.ZipFile(zipped := io.BytesIO(), "w")
    packed.writestr("index.html", "<script>alert(1)</script>")
    packed.close()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(60_000_000)))
    found = {
        "PNG of 20,000 x 20,000": png(20_000, 20_000, zeros(20_000 * 2501)),
        "PNG of 60,000 x 60,000": png(60_000, 60_000),
        "PNG of 2 billion x 1": png(2**31 - 1, 1),
        "PNG of 0 x 0": png(0, 0),
        "PNG with more than it says": png(8, 8, zeros(100_000_000)),
        "PNG with a long text": png(8, 8, zeros(16), text),
        "PNG with many texts": png(8, 8, zeros(16), chunk(b"tEXt", b"a\0b") * 50_000),
        "PNG with a bad profile": png(8, 8, zeros(16), chunk(b"iCCP", b"x\0\0" + text)),
        "PNG animated": png(
            8, 8, zeros(16), chunk(b"acTL", struct.pack(">II", 2**30, 0))
        ),
        "WebP of 16,384 x 16,384": webp(16_384, 16_384),
        "WebP of 16 million x 256": wide_webp(2**24, 256),
        "GIF of 65,535 x 65,535": gif(65_535, 65_535),
        "GIF of 0 x 0": gif(0, 0),
        "TIFF of 60,000 x 60,000": tiff(60_000, 64, b""),
        "TIFF cut from a tile of 2 GB": tiff(64, 45_000, zeros(45_000**2 // 20)),
        "TIFF of one tile": tiff(64, 64, zeros(4096)),
        "BMP of -1 x 2 billion": b"BM"
        + bytes(8)
        + struct.pack("<IIiiHHIIiiII", 54, 40, -1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0),
        "JPEG of 5,000 scans": many_scans(2000, 1500, 5000),
        "JPEG of 100,000 scans": many_scans(400, 300, 100_000),
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "SVG that refers": b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><svg/>",
        "HTML": b"<html><script>alert(1)</script></html>",
        "PDF": b"%PDF-1.4\n1 0 obj\n<<>>\n",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "XPM": b'/* XPM */\nstatic char *a[] = {"99999 99999 2 1"};',
        "ZIP": zipped.getvalue(),
        "PHP after GIF": b"GIF89a<?php system('id'); ?>",
        "PHAR after JPEG": b"\xff\xd8\xff\xfe\x00\x40<?php __HALT_COMPILER(); ?>",
        "nothing": b"",
        "one byte": b"\xff",
        "zeros": bytes(100_000),
        "noise": b"".join(
            zlib.crc32(b"%d" % i).to_bytes(4, "big") for i in range(9999)
        ),
        "text": b"hello\n" * 1000,
        "only a start": b"\xff\xd8\xff\xe0",
    }
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"):
        whole = saved(kind)
        for part in (0.02, 0.3, 0.9):
            found[f"{kind}, {part} of it"] = whole[: int(part * len(whole))]
        middle = len(whole) // 2
        found[f"{kind}, damaged"] = whole[:middle] + b"\xff" * 64 + whole[middle + 64 :]
    return found


BOMBS = [  # the names alone: to make them takes seconds
    *("PNG of 20,000 x 20,000", "PNG of 60,000 x 60,000", "PNG of 2 billion x 1"),
    *("PNG of 0 x 0", "PNG with more than it says", "PNG with a long text"),
    *("PNG with many texts", "PNG with a bad profile", "PNG animated"),
    *("WebP of 16,384 x 16,384", "WebP of 16 million x 256", "GIF of 65,535 x 65,535"),
    *("GIF of 0 x 0", "TIFF of 60,000 x 60,000", "TIFF cut from a tile of 2 GB"),
    *("TIFF of one tile", "BMP of -1 x 2 billion", "JPEG of 5,000 scans"),
    *("JPEG of 100,000 scans", "SVG", "SVG that refers", "HTML", "PDF", "EPS", "XPM"),
    *("ZIP", "PHP after GIF", "PHAR after JPEG", "nothing", "one byte", "zeros"),
    *("noise", "text", "only a start"),
    *(
        f"{kind}, {what}"
        for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
        for what in ("0.02 of it", "0.3 of it", "0.9 of it", "damaged")
    ),
]


def test_all_photos_that_mean_no_good_are_named():
    assert set(BOMBS) == set(bombs())


@pytest.mark.parametrize("name", BOMBS)
def test_photos(server, name):
    before, started = server.memory(), time.monotonic()
    said = server.say(bombs()[name])
    assert time.monotonic() - started < 10
    assert server.memory() - before < 300
    if (
        " of it" in name
        or "damaged" in name
        or name in ("TIFF of one tile", "PNG animated")
    ):
        return  # what is left of it may be seen
    if not name.startswith("PNG with"):
        assert re.match(r"problem: photo.jpg: ", said), said
        assert not said.startswith("problem: Something")


@pytest.mark.parametrize("name", ["JPEG of 5,000 scans", "PNG of 60,000 x 60,000"])
def test_photos_of_a_folder(server, name):
    path = server.upload(f"folder-{secrets.token_hex(16)}.jpg", bombs()[name])
    part = next(
        one["id"]
        for one in server.config["components"]
        if one["props"].get("elem_id") == "folder"
    )
    asked = {"component_id": part, "fn_name": "describe_photos", "session_hash": "x"}
    asked["data"] = {"model": "included", "paths": [path]}
    started = time.monotonic()
    (row,) = json.loads(server.post("/gradio_api/component_server", asked).body)["rows"]
    assert re.match("it has too many scans|too many pixels", row["error"])
    assert time.monotonic() - started < 5


def test_a_photo_with_something_behind_it_is_a_photo(server):
    for more in (b"<script>alert(1)</script>", bytes(10**6), bombs()["ZIP"]):
        assert "camera" in server.say(PHOTO + more)


def test_large_photos_hold_up_nobody(server):
    stored = io.BytesIO()
    Image.new("RGB", (8000, 6000), "gray").save(stored, "PNG", compress_level=1)
    path = server.upload("large.png", stored.getvalue())
    small = server.upload("small.jpg", PHOTO)
    with ThreadPoolExecutor(12) as people:
        started = time.monotonic()
        large = [people.submit(server.describe, file_at(path)) for _ in range(10)]
        time.sleep(0.5)
        waited = time.monotonic()
        assert server.describe(file_at(small))["success"]
        waited = time.monotonic() - waited
        texts = [json.dumps(one.result()) for one in large]
        whole = time.monotonic() - started
    assert all("captions" in text or "being read" in text for text in texts)
    assert sum("captions" in text for text in texts) >= 3
    assert waited < whole / 2


# ---- other servers


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[int, list[str]]]:
    """A server that notes who asks for what, and leads on."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(302 if "on" in self.path else 200)
            self.send_header("location", "http://169.254.169.254/")
            self.end_headers()
            self.wfile.write(PHOTO)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield listening.server_port, asked
    listening.shutdown()


URLS = [
    *(
        "http://127.0.0.1:{}/a.jpg",
        "http://localhost:{}/a.jpg",
        "http://[::1]:{}/a.jpg",
    ),
    *("http://127.1:{}/a.jpg", "http://2130706433:{}/a.jpg", "http://0x7f.1:{}/a.jpg"),
    *(
        "http://0.0.0.0:{}/a.jpg",
        "http://127.0.0.1.nip.io:{}/a.jpg",
        "HTTP://127.1:{}/",
    ),
    *("http://user@127.0.0.1:{}/a.jpg", "http://169.254.169.254/latest/meta-data/{}"),
    *(
        "http://[::ffff:127.0.0.1]:{}/a.jpg",
        "http://127.0.0.1:{}/on",
        "ftp://127.1:{}/",
    ),
    *("file:///etc/passwd#{}", "gopher://127.0.0.1:{}/", "//127.0.0.1:{}/a.jpg"),
    *(
        "data:image/jpeg;base64,{}",
        "http://huggingface.co:{}/a.jpg",
        " http://127.1:{}/",
    ),
    "http://127.0.0.1:{}/gradio_api/file=/etc/passwd",
]


@pytest.mark.parametrize("url", URLS)
def test_addresses_in_the_place_of_photos(server, elsewhere, url):
    port, asked = elsewhere
    url = url.format(port)
    for given in (
        url,
        {"url": url},
        {"path": None, "url": url},
        file_at(url),
        file_at(url, url=url),
        file_at("x.jpg", url=url),
        file_at(url, is_stream=True),
    ):
        message = server.describe(given)
        assert message is None or "captions" not in json.dumps(message)
        for name in server.endpoints:
            asking = {"data": [given, "what is it?"]}
            answer = server.post(f"/gradio_api/run{name}", asking)
            assert answer.status >= 400
    server.ask("GET", f"/gradio_api/file={quote(url, safe=':/')}")
    server.ask("GET", f"/gradio_api/proxy={quote(url, safe=':/')}")
    assert asked == []


# ---- too many


def test_a_long_line_is_refused_and_served(server):
    data = list(server.values[server.arrival])
    place = server.events[server.arrival]["inputs"].index(server.photo)
    data[place] = file_at(server.upload("p.jpg", PHOTO))

    def join(number: int) -> int:
        asked = {"data": data, "fn_index": server.arrival}
        asked["session_hash"] = f"{secrets.token_hex(4)}{number}"
        return server.post("/gradio_api/queue/join", asked).status

    with ThreadPoolExecutor(50) as people:
        found = list(people.map(join, range(400)))
    assert set(found) <= {200, 503}


def test_answers_that_nobody_fetches_are_dropped(server):
    before = server.memory()
    data = list(server.values[server.arrival])
    place = server.events[server.arrival]["inputs"].index(server.photo)
    data[place] = file_at(server.upload("p.jpg", PHOTO))
    asked = {"data": data, "fn_index": server.arrival, "session_hash": "never"}
    for _ in range(150):
        server.post("/gradio_api/queue/join", asked)
        time.sleep(0.02)
    assert server.memory() - before < 100


def test_many_open_pages(server):
    lines = []
    try:
        for number in range(200):
            line = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            lines.append(line)
            path = f"/gradio_api/heartbeat/{number}"
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert "camera" in server.say(PHOTO)
    finally:
        for line in lines:
            line.close()


ATTACKS = [
    *("announced 4 GB", "announced 320 MB", "trickling uploads", "chunks that trickle"),
    *("broken-off uploads", "heartbeats", "streams", "unfinished logins"),
    *("half a header", "no word", "many answers", "one in the line"),
    *("many in the line", "much JSON"),
]


@pytest.mark.parametrize("name", ATTACKS)
def test_one_client_keeps_nobody_from_the_page(server, name):
    """Ten others come from the same address, and each of them is answered."""
    memory, size = server.memory(), server.log.stat().st_size
    script = str(ROOT / "benchmarks" / "attacks.py")
    command = [sys.executable, script, str(server.port), name]
    attack = subprocess.Popen(command, stdout=subprocess.PIPE)

    def come(_: int) -> None:
        message = server.describe(file_at(server.upload("photo.jpg", PHOTO)))
        assert message and message["success"], message
        assert "camera" in json.dumps(message)

    try:
        assert attack.stdout.readline()  # it begins
        time.sleep(1)
        assert attack.poll() is None
        with ThreadPoolExecutor(10) as people:
            list(people.map(come, range(10)))
        assert server.memory() - memory < 150
        assert server.log.stat().st_size - size < 50_000
    finally:
        attack.kill()
        attack.communicate()


def test_photos_of_one_visitor_drive_out_nobody_elses(server):
    mine = secrets.token_hex(6)
    server.describe(file_at(server.upload("p.jpg", PHOTO)), mine)
    for number in range(69):
        content = PHOTO + bytes(number + 1)
        server.describe(file_at(server.upload("p.jpg", content)), "many")
    ask = next(
        number
        for number, event in server.events.items()
        if len(event["inputs"]) == 3 and not event["api_name"].startswith("ask")
    )
    values = list(server.values[ask])
    values[1] = "what is the man holding?"
    message = server.event(ask, values, mine)
    assert "no longer kept" not in json.dumps(message)
    assert "camera" in json.dumps(message)


# ---- names


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "0.0.0.0"])
@pytest.mark.parametrize(
    "path", ["/", "/config", "/gradio_api/upload", "/gradio_api/mcp/", "/sightread/x"]
)
def test_other_names_are_refused(server, host, path):
    for name in (host, f"{host}:{server.port}", f"{host.upper()}."):
        headers = {"host": name, "origin": f"http://{name}"}
        for method in ("GET", "POST"):
            answer = server.ask(method, path, b"", headers)
            assert answer.status == 403
            assert b"--host-name" in answer.body


def test_requests_without_a_length(server):
    body = b"".join(
        [
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"',
            b"\r\n\r\n" + PHOTO + b"\r\n--b--\r\n",
        ]
    )
    parts = [body[start : start + 10_000] for start in range(0, len(body), 10_000)]
    kind = {"content-type": MULTIPART}
    path = "/gradio_api/upload"
    answer = server.ask("POST", path, iter(parts), kind, is_upload=True)
    (path,) = json.loads(answer.body)
    assert "camera" in json.dumps(server.describe(file_at(path)))


# ---- the end


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_nothing_is_left_at_the_end(tmp_path, name):
    sent = getattr(signal, name)
    if signal.getsignal(sent) == signal.SIG_IGN:
        pytest.skip("these tests were started so that it is ignored")
    ending = Server(tmp_path)
    try:
        ending.say(PHOTO)
        page, coming = (
            socket.create_connection(("127.0.0.1", ending.port)) for _ in range(2)
        )
        page.sendall(b"GET /gradio_api/heartbeat/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        coming.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 9999\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            b"Content-Disposition: form-data; name=files; filename=a.jpg\r\n\r\nphoto"
        )
        time.sleep(0.5)
        assert list(ending.temp.glob("sightread-*"))
        ending.process.send_signal(sent)
        ending.process.wait(10)
        assert not list(ending.temp.glob("sightread-*"))
        page.close()
        coming.close()
    finally:
        ending.process.kill()
        ending.process.communicate()
