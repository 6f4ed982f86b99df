"""The page below a path, behind servers that take the path off, or do not."""

import asyncio
import base64
import contextlib
import getpass
import shutil
import socket
import subprocess
import threading
import time
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import util

import pytest
from conftest import serve_page

pytest.importorskip("playwright", reason="pip install 'playwright>=1.60,<2'")
from playwright.sync_api import expect
from test_app_browser import COFFEE, DESKTOP, MAN, choose, describe, sentence

from shared.errors import AppError
from shared.web.below import Below, Mounted, read_root_path

SAID = "A person is standing next to a camera."  # of the photographer

PATH = "/pictures/of-all"


# ---- the path itself


@pytest.mark.parametrize(
    "given, path",
    [("", ""), ("/", ""), ("/captions", "/captions"), ("/a-1/b.c~_/", "/a-1/b.c~_")],
)
def test_a_path_is_read(given, path):
    assert read_root_path(given) == path


@pytest.mark.parametrize(
    "given",
    [
        *("captions", "//x", "/a//b", "/a b", "/a?b", "/a#b", "/ä", "/a/../b", "/."),
        *("http://example.com/captions", "/%2e", "/a\n", "\\a"),
    ],
)
def test_what_is_no_path_is_refused(given):
    with pytest.raises(AppError, match=r"--root-path .* such as /captions"):
        read_root_path(given)


async def heard(app, path, kind="http"):
    """Messages that are answered, or the scope that the application gets."""
    found = []

    async def send(message):
        found.append(message)

    await app({"type": kind, "path": path}, None, send)
    return found


async def echo(scope, receive, send):
    await send(scope)


@pytest.mark.parametrize(
    "path, between, inside",
    [
        ("/a/b/", "/", "/a/b/"),
        ("/a/b/x/y", "/x/y", "/a/b/x/y"),
        ("/", "/", "/a/b/"),  # it was taken off already
        ("/x/y", "/x/y", "/a/b/x/y"),
        ("/a/bc", "/a/bc", "/a/b/a/bc"),
    ],
)
def test_a_path_is_taken_off_and_put_back(path, between, inside):
    (scope,) = asyncio.run(heard(Below(echo, "/a/b"), path))
    assert (scope["path"], scope["root_path"]) == (between, "/a/b")
    (scope,) = asyncio.run(heard(Below(Mounted(echo), "/a/b"), path))
    assert (scope["path"], scope["root_path"]) == (inside, "/a/b")
    (scope,) = asyncio.run(heard(Below(Mounted(echo), "/a/b"), path, "lifespan"))
    assert scope == {"type": "lifespan", "path": path}


def test_without_the_slash_a_visitor_is_led_to_the_page():
    start, _ = asyncio.run(heard(Below(echo, "/a/b"), "/a/b"))
    assert start["status"] == 307
    assert dict(start["headers"])[b"location"] == b"/a/b/"


# ---- behind a server


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def make_proxy(target, strips):
    """A server that passes on what is below the path, and nothing else."""
    import httpx

    forgets = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    client = httpx.AsyncClient(base_url=target, timeout=60, cookies=forgets)

    async def proxy(scope, receive, send):
        if scope["type"] != "http":
            return
        path = scope["raw_path"].decode()
        if path != PATH and not path.startswith(f"{PATH}/"):
            start = {"type": "http.response.start", "status": 418, "headers": []}
            await send(start)
            await send({"type": "http.response.body"})
            return

        async def body():
            while True:
                message = await receive()
                yield message.get("body", b"")
                if not message.get("more_body"):
                    return

        if strips:
            path = path.removeprefix(PATH) or "/"
        if query := scope["query_string"].decode():
            path += f"?{query}"
        has_body = b"content-length" in dict(scope["headers"])
        asked = client.build_request(
            scope["method"],
            path,
            headers=scope["headers"],
            content=body() if has_body else None,
        )
        reply = await client.send(asked, stream=True)
        left_out = {b"transfer-encoding", b"connection"}
        headers = [(n.lower(), v) for n, v in reply.headers.raw]
        await send(
            {
                "type": "http.response.start",
                "status": reply.status_code,
                "headers": [(n, v) for n, v in headers if n not in left_out],
            }
        )
        with contextlib.suppress(httpx.HTTPError):
            async for part in reply.aiter_raw():
                await send(
                    {"type": "http.response.body", "body": part, "more_body": True}
                )
        await send({"type": "http.response.body"})
        await reply.aclose()

    return proxy


@contextlib.contextmanager
def behind_python(target, strips):
    import uvicorn

    port = free_port()
    proxy = make_proxy(target, strips)
    server = uvicorn.Server(
        uvicorn.Config(
            proxy,
            port=port,
            lifespan="off",
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}{PATH}/"
    finally:
        server.should_exit = True
        thread.join()


NGINX = """daemon off; user USER; pid FOLDER/pid; error_log FOLDER/errors;
events {} http { access_log off; client_max_body_size 40m; proxy_buffering off;
client_body_temp_path FOLDER/a; proxy_temp_path FOLDER/b; fastcgi_temp_path FOLDER/c;
uwsgi_temp_path FOLDER/d; scgi_temp_path FOLDER/e;
server { listen 127.0.0.1:PORT; location / { return 418; }
location PATH/ { proxy_pass TARGET; proxy_http_version 1.1;
proxy_set_header Host $http_host; } } }
"""


@contextlib.contextmanager
def behind_nginx(target, strips, folder):
    port = free_port()
    text = NGINX.replace("PORT", str(port)).replace("PATH", PATH)
    text = text.replace("USER", getpass.getuser())
    text = text.replace("TARGET", f"{target}/" if strips else target)
    (folder / "conf").write_text(text.replace("FOLDER", str(folder)))
    program = ["nginx", "-p", str(folder), "-c", str(folder / "conf")]
    with subprocess.Popen(program, stderr=subprocess.DEVNULL) as nginx:
        try:
            while nginx.poll() is None:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
            assert nginx.poll() is None, (folder / "errors").read_text()
            yield f"http://127.0.0.1:{port}{PATH}/"
        finally:
            nginx.terminate()


# What is in front of the page, whether it strips the path, and whether there are users.
WAYS = [("python", True, False), ("python", False, True), ("nginx", True, True)]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Give the page's own address, by whether it has users."""
    with contextlib.ExitStack() as stack:

        @cache
        def serve(guarded):
            folder = tmp_path_factory.mktemp("below")
            options = ["--root-path", PATH]
            if util.find_spec("mcp"):
                options += ["--mcp"]
            if guarded:
                (folder / "users").write_text("ann:secret\n")
                options += ["--auth", str(folder / "users")]
            _, where = stack.enter_context(serve_page(folder, *options))
            assert where.endswith(f"{PATH}/")
            return where.removesuffix(f"{PATH}/")

        yield serve


@pytest.fixture(
    scope="module",
    params=WAYS,
    ids=["python strips", "python keeps, guarded", "nginx strips, guarded"],
)
def address(request, pages, tmp_path_factory):
    """The address that visitors know, and whether the page has users."""
    kind, strips, guarded = request.param
    if kind == "nginx" and not shutil.which("nginx"):
        pytest.skip("apt-get install nginx-light")
    folder, page = tmp_path_factory.mktemp("proxy"), pages(guarded)
    behind = (
        behind_nginx(page, strips, folder)
        if kind == "nginx"
        else behind_python(page, strips)
    )
    with behind as where:
        yield where, guarded


@pytest.mark.slow
def test_programs_find_the_endpoints(address):
    from gradio_client import Client, handle_file

    where, guarded = address
    auth = ("ann", "secret") if guarded else None
    page = Client(where, auth=auth, verbose=False)
    photo = handle_file(str(MAN))
    found = page.predict(photo, api_name="/caption")
    assert found["text"] == SAID
    assert page.predict(photo, "is there a dog?", api_name="/ask")["answers"]


@pytest.mark.slow
@pytest.mark.skipif(not util.find_spec("mcp"), reason="needs sightread[mcp]")
@pytest.mark.parametrize("slash", ["", "/"])
def test_agents_find_the_tools(address, slash):
    where, _guarded = address
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Basic YW5uOnNlY3JldA==",
    }
    headers["Accept"] = "application/json, text/event-stream"
    photo = base64.b64encode(MAN.read_bytes()).decode()
    call = {
        "name": "caption",
        "arguments": {"photo": f"data:image/jpeg;base64,{photo}"},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    import httpx

    reply = httpx.post(
        f"{where}gradio_api/mcp{slash}",
        headers=headers,
        json=asked,
        follow_redirects=True,
        timeout=60,
    )
    assert reply.status_code == 200
    assert SAID in reply.text


@pytest.mark.slow
def test_nothing_is_asked_for_elsewhere(address, browser):
    """All that a visitor does, in Chromium: the other server answers below the path."""
    where, guarded = address
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        wrong = []
        page.on(
            "response",
            lambda reply: (
                reply.status >= 400 and wrong.append((reply.status, reply.url))
            ),
        )
        page.on(
            "request",
            lambda asked: (
                asked.url.startswith((where, "data:", "blob:"))
                or wrong.append(asked.url)
            ),
        )
        page.on(
            "console", lambda said: said.type == "error" and wrong.append(said.text)
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(where)
        if guarded:
            page.locator("input").first.fill("ann")
            page.locator("input[type=password]").fill("secret")
            page.get_by_role("button", name="Login").click()
        page.get_by_role("button", name="Choose a photo").wait_for()
        page.locator("#photo input[type=file]").wait_for(state="attached")
        describe(page, lambda: choose(page, MAN))
        logo = page.locator("#title img")
        assert logo.evaluate("image => image.naturalWidth") > 0
        page.get_by_role("button", name="Example: cat").click()
        expect(sentence(page)).not_to_have_text(SAID)
        page.get_by_role("tab", name="Ask").click()
        page.get_by_role("button", name="Is there a dog?").click()
        expect(page.locator(".sr-reply")).to_have_count(1)
        page.get_by_role("tab", name="Folder").click()
        with page.expect_file_chooser() as dialog:
            page.get_by_role("button", name="Choose photos").click()
        dialog.value.set_files([MAN, COFFEE])
        page.get_by_role("button", name="Describe all").click()
        expect(page.locator("#folder textarea")).to_have_count(2)
        assert wrong == []
