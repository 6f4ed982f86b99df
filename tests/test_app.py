"""The page's command line: its options, its start and its end, and who gets in."""

import asyncio
import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib import util
from pathlib import Path

import pytest
from conftest import ROOT, answer, serve_page

from captioner import cli, demo, demo_page
from captioner.demo_page import Settings
from shared import serving
from shared.errors import AppError
from shared.serving import Login, address, is_open, listen, read_users

USERS = [("ann", "pass:word"), ("bob", "ß")]
NOT_ANYWHERE = {  # for nobody
    "openapi.json": 404,
    "gradio_api/startup-events": 404,
    "gradio_api/file=/etc/hostname": 403,
}
ALL_OPTIONS = (
    *("--captioner", "a", "--captioner", "b", "--vqa", "c", "--host", "::1"),
    *("--port", "0", "--mcp", "--max-upload", "5", "--open"),
)


@pytest.fixture
def served(monkeypatch):
    """What the page was served with."""
    found = []
    monkeypatch.setattr(demo, "serve", found.append)
    monkeypatch.delenv("SIGHTREAD_AUTH", raising=False)
    return found


# ---- options


def test_without_options_it_is_for_this_computer_alone(served):
    cli.main(["demo"])
    assert served == [Settings(users=[])]
    assert served[0].host == "127.0.0.1"
    assert not served[0].mcp


def test_options_arrive(served):
    cli.main(["demo", *ALL_OPTIONS])
    folders = [Path("a"), Path("b")], [Path("c")]
    assert served == [Settings(*folders, "::1", 0, [], True, 5, True)]


def test_users_come_from_a_file_or_the_environment(served, monkeypatch, tmp_path):
    file = tmp_path / "users"
    file.write_text("ann:pass:word\n\nbob:ß\n", "utf-8")
    cli.main(["demo", "--auth", str(file)])
    monkeypatch.setenv("SIGHTREAD_AUTH", "cy:x")
    cli.main(["demo"])
    cli.main(["demo", "--auth", str(file)])
    assert [settings.users for settings in served] == [USERS, [("cy", "x")], USERS]


@pytest.mark.parametrize(
    "text",
    ["ann\n", "ann:\n", ":x\n", "ann:a\nann:b\n", " :x"],
)
def test_a_line_that_is_no_user_is_named_without_its_content(tmp_path, text):
    file = tmp_path / "users"
    file.write_text(text)
    with pytest.raises(AppError, match=r"users, line \d: each line is") as caught:
        read_users(file)
    assert text.strip() not in str(caught.value).replace(str(file), "")


def test_a_file_that_locks_everybody_out_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTREAD_AUTH", "\n")
    with pytest.raises(AppError, match="SIGHTREAD_AUTH names nobody"):
        read_users(None)
    with pytest.raises(AppError, match="cannot be read: No such file"):
        read_users(tmp_path / "nothing")
    (tmp_path / "bytes").write_bytes(b"ann:\xff")
    with pytest.raises(AppError, match="not UTF-8"):
        read_users(tmp_path / "bytes")


@pytest.mark.parametrize("option", [("--port", "65536"), ("--max-upload", "0"), ("x",)])
def test_what_is_no_option_ends_with_2(served, capsys, option):
    assert cli.main(["demo", *option]) == 2
    assert "captioner demo" in capsys.readouterr().err
    assert served == []


def test_an_error_is_one_line(monkeypatch, capsys):
    def fail(settings):
        raise AppError("No model.")

    monkeypatch.setattr(demo, "serve", fail)
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "error: No model.\n"
    monkeypatch.setenv("SIGHTREAD_DEBUG", "1")
    with pytest.raises(AppError, match="No model"):
        cli.main(["demo"])


def test_a_page_without_gradio_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(util, "find_spec", lambda name: name != "gradio" or None)
    assert cli.main(["demo", "--port", "0"]) == 1
    assert re.match("error: .*needs Gradio", capsys.readouterr().err)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["app.py"], ["-m", "captioner.cli", "demo"]], ids=["app", "demo"]
)
def test_help_loads_nothing_heavy(command):
    program = [sys.executable, "-X", "importtime", *command, "--help"]
    found = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert "--max-upload" in found.stdout
    assert "typer" in found.stderr
    assert not re.search(r"\b(gradio|fastapi|numpy|keras)\b", found.stderr)


# ---- ports and addresses


def test_a_port_that_is_taken_is_refused():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert address(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(AppError, match=rf"Port {port} is taken .*--port 0"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()


def test_who_comes_early_waits():
    with listen("127.0.0.1", 0) as listening:
        socket.create_connection(listening.getsockname(), timeout=5).close()


@pytest.mark.parametrize("host", ["no.such.name.invalid", "x" * 300, "192.0.2.1"])
def test_what_is_no_address_of_this_computer_is_refused(host):
    with pytest.raises(AppError, match=r"--host"):
        listen(host, 0)


def test_all_networks_are_reached_from_here_by_the_own_address():
    with listen("0.0.0.0", 0) as listening:
        assert is_open(listening)
        assert address(listening).startswith("http://127.0.0.1:")
    with listen("127.0.0.1", 0) as listening:
        assert not is_open(listening)


def test_an_address_of_version_6_stands_in_brackets():
    try:
        listening = listen("::1", 0)
    except AppError:
        pytest.skip("no IPv6 here")
    with listening:
        assert address(listening).startswith("http://[::1]:")
        assert not is_open(listening)


@pytest.mark.slow
@pytest.mark.parametrize(
    "host, users, warning",
    [
        ("127.0.0.1", [], ""),
        ("0.0.0.0", [], demo.OPEN_TO_ALL),
        ("0.0.0.0", USERS, demo.OPEN_TO_USERS),
    ],
)
def test_a_page_for_the_network_is_warned_of(monkeypatch, capsys, host, users, warning):
    def fail(settings):
        raise AppError("far enough")

    monkeypatch.setattr(demo_page, "load_warm", fail)
    with pytest.raises(AppError, match="far enough"):
        demo.serve(Settings(host=host, port=0, users=users))
    assert capsys.readouterr().err.strip() == warning


# ---- logins, of a stand-in for Gradio that knows one cookie


async def fake_gradio(scope, receive, send):
    cookie = dict(scope["headers"]).get(b"cookie")
    status = 200
    if scope["path"] == serving.CHECK and cookie != b"ann":
        status = 401
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": scope["method"].encode()})


def ask_login(path, method="GET", **headers):
    """Status that is answered."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path}
    scope["headers"] = [(n.encode(), v.encode()) for n, v in headers.items()]
    asyncio.run(Login(fake_gradio, USERS)(scope, None, send))
    return sent[0]["status"]


def basic(login):
    return "Basic " + base64.b64encode(login.encode()).decode()


@pytest.mark.parametrize(
    "path",
    ["/", "/login", "/login/", "/logout", "/theme.css", "/assets/a.js", "/sightread/b"],
)
def test_the_form_is_shown_to_everybody(path):
    assert ask_login(path) == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/config", "/gradio_api/mcp", "/gradio_api/mcp/", "/gradio_api/mcp/schema"),
        *("/gradio_api/app_id", "/openapi.json", "/assets", "/anything"),
    ],
)
def test_all_else_needs_a_login(path):
    assert ask_login(path, "POST") == 401
    assert ask_login(path, "POST", cookie="ann") == 200


@pytest.mark.parametrize("path", ["/gradio_api/mcp", "/gradio_api/mcp/", "/x"])
@pytest.mark.parametrize(
    "login, right",
    [
        (basic("ann:pass:word"), True),
        (basic("bob:ß").replace("Basic", "basic"), True),
        (basic("ann:pass"), False),
        (basic("bob:pass:word"), False),
        (basic(""), False),
        ("Basic", False),
        ("Basic ß", False),
        (basic("ann:pass:word").replace("Basic", "Bearer"), False),
    ],
)
def test_tools_take_a_login_in_the_header(path, login, right):
    given = login.encode("utf-8").decode("latin-1")
    known = right and path != "/x"  # where Gradio would not take it
    assert ask_login(path, authorization=given) == (200 if known else 401)


# ---- the running page


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """The address of a page that asks for passwords."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "users").write_text("ann:pass:word\n")
    tools = ["--mcp"] if util.find_spec("mcp") else []
    options = ["--auth", str(folder / "users"), *tools]
    with serve_page(folder, *options) as (_, where):
        yield where


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        *("config", "openapi.json", "gradio_api/openapi.json", "gradio_api/info"),
        *("gradio_api/mcp", "gradio_api/mcp/", "gradio_api/mcp/schema"),
        *("gradio_api/mcp/sse", "gradio_api/app_id", "gradio_api/user"),
        *("gradio_api/heartbeat/x", "gradio_api/queue/data?session_hash=x"),
        *("gradio_api/file=/etc/hostname", "gradio_api/startup-events"),
    ],
)
def test_a_guarded_page_answers_nobody_else(guarded, path):
    for data in (None, b"{}"):
        status = answer(f"{guarded}/{path}", data=data)[0]
        assert status == NOT_ANYWHERE.get(path, 401)


@pytest.mark.slow
def test_whoever_has_the_password_gets_in(guarded):
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AuthenticationError

    with pytest.raises((AuthenticationError, ValueError)):
        Client(guarded, auth=("ann", "wrong"), verbose=False)
    page = Client(guarded, auth=("ann", "pass:word"), verbose=False)
    photo = handle_file(ROOT / "examples" / "cat.jpg")
    assert page.predict(photo, api_name="/caption")["text"]


def call_tool(where, method, **params):
    login = basic("ann:pass:word")
    headers = {"Authorization": login, "Content-Type": "application/json"}
    headers["Accept"] = "application/json, text/event-stream"
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    url = f"{where}/gradio_api/mcp/"
    status, text = answer(url, headers, json.dumps(asked).encode())
    assert status == 200
    return json.loads(text.partition("data: ")[2])["result"]


@pytest.mark.slow
@pytest.mark.skipif(not util.find_spec("mcp"), reason="needs sightread[mcp]")
def test_agents_have_the_endpoints_as_tools(guarded):
    tools = {tool["name"]: tool for tool in call_tool(guarded, "tools/list")["tools"]}
    assert [*tools] == ["caption", "caption_candidates", "alternatives", "ask"]
    assert tools["caption"]["description"].startswith("Describe a photo in a sentence.")
    given = tools["ask"]["inputSchema"]
    assert given["required"] == ["photo", "question"]
    assert given["properties"]["question"]["description"] == "in English."
    photo = base64.b64encode((ROOT / "examples" / "photographer.jpg").read_bytes())
    given = {"photo": f"data:image/jpeg;base64,{photo.decode()}"}
    found = call_tool(guarded, "tools/call", name="caption", arguments=given)
    assert "A man is holding a camera." in found["content"][0]["text"]
    for place in ("http://127.0.0.1:1/cat.jpg", "https://example.com/cat.jpg"):
        given = {"photo": place}
        found = call_tool(guarded, "tools/call", name="caption", arguments=given)
        assert found["isError"]
        assert "not a file that was uploaded" in found["content"][0]["text"]


def open_tab(where):
    """Hold a request, as a page in a browser does."""
    tab = http.client.HTTPConnection(where.partition("//")[2], timeout=30)
    tab.request("GET", "/gradio_api/heartbeat/tab")
    tab.getresponse().read(5)
    return tab


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    "command, sent, status",
    [
        (("-m", "captioner.cli", "demo"), signal.SIGINT, 130),
        (("app.py",), signal.SIGTERM, 143),
    ],
)
def test_the_end_is_clean(tmp_path, command, sent, status):
    started = time.monotonic()
    piped = {"command": command, "stderr": subprocess.PIPE}
    with serve_page(tmp_path, **piped) as (process, where):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", where)
        assert time.monotonic() - started < 30  # 3 s on an idle computer
        assert answer(where)[0] == 200
        assert answer(f"{where}/gradio_api/mcp/")[0] == 404
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n'
        body += b"\r\nphoto\r\n--x--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        uploaded = json.loads(answer(f"{where}/gradio_api/upload", headers, body)[1])
        assert Path(uploaded[0]).is_relative_to(tmp_path)
        assert Path(uploaded[0]).read_text() == "photo"
        tab = open_tab(where)
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
        tab.close()
    assert (process.returncode, out, err) == (status, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_model_that_is_not_there_ends_it(tmp_path):
    program = [sys.executable, "app.py", "--port", "0", "--captioner", str(tmp_path)]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: No trained model in {tmp_path}")
    assert len(ended.stderr.splitlines()) == 1
