"""The page's command line: its options, its start and its end, and who gets in."""

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
import urllib.error
import urllib.parse
import urllib.request
from importlib import util
from pathlib import Path

import pytest
from conftest import ROOT, answer, serve_page

from captioner import cli
from captioner.commands import demo
from captioner.page import assembly
from captioner.page.assembly import Settings
from shared.errors import AppError
from shared.web.serving import address, is_open, listen

SAID = "A person is standing next to a camera."  # of the photographer

USERS = [("ann", "pass:word"), ("bob", "ß")]
ALL_OPTIONS = (
    *("--captioner", "a", "--captioner", "b", "--vqa", "c", "--host", "::1"),
    *("--port", "0", "--mcp", "--max-upload", "5", "--open"),
    *("--host-name", "a.example", "--host-name", "b", "--proxy", "10.0.0.1"),
    *("--root-path", "/a", "--rnn", "d"),
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
    more = ["a.example", "b"], ["10.0.0.1"], "/a", [Path("d")]
    assert served == [Settings(*folders, "::1", 0, [], True, 5, True, *more)]


def test_users_come_from_a_file_or_the_environment(served, monkeypatch, tmp_path):
    file = tmp_path / "users"
    file.write_text("ann:pass:word\n\nbob:ß\n", "utf-8")
    cli.main(["demo", "--auth", str(file)])
    monkeypatch.setenv("SIGHTREAD_AUTH", "cy:x")
    cli.main(["demo"])
    cli.main(["demo", "--auth", str(file)])
    assert [settings.users for settings in served] == [USERS, [("cy", "x")], USERS]


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

    monkeypatch.setattr(assembly, "load_warm", fail)
    with pytest.raises(AppError, match="far enough"):
        demo.serve(Settings(host=host, port=0, users=users))
    assert capsys.readouterr().err.strip() == warning


# ---- the running page


def basic(login):
    return "Basic " + base64.b64encode(login.encode()).decode()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """The address of a page that asks for passwords."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "users").write_text("ann:pass:word\nbob:bob\n")
    tools = ["--mcp"] if util.find_spec("mcp") else []
    options = ["--auth", str(folder / "users"), *tools]
    with serve_page(folder, *options) as (_, where):
        yield where


def list_paths():
    """Each path that Gradio answers, with something in the place of its parameters."""
    import gradio as gr
    from gradio.routes import App

    tools = bool(util.find_spec("mcp"))
    with gr.Blocks() as page:
        pass
    found, todo = set(), [("", App.create_app(page, mcp_server=tools))]
    while todo:
        prefix, holder = todo.pop()
        for route in getattr(holder, "routes", []):
            path = prefix + re.sub(r"\{[^}]*\}", "x", getattr(route, "path", ""))
            found.add(path or "/")
            inner = getattr(route, "original_router", getattr(route, "app", None))
            todo.append((path, inner))
    return sorted(found)


@pytest.mark.slow
def test_a_guarded_page_answers_nobody_else(guarded):
    paths = list_paths()
    assert len(paths) > 50 and {"/config", "/gradio_api/info"} < {*paths}
    more = ["/sightread/page.js", "/gradio_api/file=/etc/hostname", "/docs", "/x"]
    more += ["/gradio_api/mcp/schema", "/gradio_api/queue/data?session_hash=x"]
    for path in (*paths, *more):
        for data in (None, b"{}"):
            status, text = answer(f"{guarded}{path}", data=data)
            is_form = path in ("/", "/login", "/login/", "/logout") and data is None
            assert status == 200 if is_form else status in (400, 401, 403, 404, 405)
            for told in ("gradio_api_info", "gradio_config", "caption", "endpoints"):
                assert told not in text


def log_in(where, name, password):
    """The cookies of a new login."""
    asked = urllib.parse.urlencode({"username": name, "password": password})
    request = urllib.request.Request(f"{where}/login", asked.encode())
    with urllib.request.urlopen(request, timeout=30) as reply:
        cookies = [x.partition(";")[0] for x in reply.headers.get_all("set-cookie")]
    return {"Cookie": "; ".join(cookies)}


def send_photo(where, headers):
    """The path of a photo, as its sender is told it."""
    photo = (ROOT / "examples" / "cat.jpg").read_bytes()
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"'
    body += b"\r\n\r\n" + photo + b"\r\n--x--\r\n"
    headers = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
    status, text = answer(f"{where}/gradio_api/upload", headers, body)
    assert status == 200
    return json.loads(text)[0]


def get_status(where, path, headers):
    """Status that is answered to whoever asks for an upload."""
    asked = urllib.request.Request(f"{where}/gradio_api/file={path}", headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def ask_json(where, path, headers, asked):
    headers = {**headers, "Content-Type": "application/json"}
    status, text = answer(f"{where}{path}", headers, json.dumps(asked).encode())
    return status, json.loads(text)


@pytest.mark.slow
def test_what_one_user_was_given_is_of_no_use_to_another(guarded):
    ann, bob = log_in(guarded, "ann", "pass:word"), log_in(guarded, "bob", "bob")
    path = send_photo(guarded, ann)
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert get_status(guarded, path, ann) == 200
    assert get_status(guarded, path, bob) >= 400
    call = "/gradio_api/call/v2/caption"
    status, begun = ask_json(guarded, call, ann, {"photo": photo})
    assert status == 200
    found = f"/gradio_api/call/caption/{begun['event_id']}"
    assert answer(f"{guarded}{found}", bob)[0] == 404
    end = {"session_hash": "x", "fn_index": 0, "event_id": begun["event_id"]}
    assert ask_json(guarded, "/gradio_api/cancel", bob, end)[0] == 404
    assert "event: complete" in answer(f"{guarded}{found}", ann)[1]
    _, theirs = ask_json(guarded, call, bob, {"photo": photo})
    theirs = f"/gradio_api/call/caption/{theirs['event_id']}"
    assert "event: error" in answer(f"{guarded}{theirs}", bob)[1]
    own = send_photo(guarded, bob)  # the same file
    assert own != path
    assert get_status(guarded, own, bob) == 200
    (inside,) = Path(own).parents[1].glob("*/a.jpg")  # one name for whoever sends it
    assert get_status(guarded, inside, bob) >= 400


@pytest.mark.slow
def test_a_session_is_its_users_own(guarded):
    ann, bob = log_in(guarded, "ann", "pass:word"), log_in(guarded, "bob", "bob")
    events = json.loads(answer(f"{guarded}/config", ann)[1])["dependencies"]
    event = events[0]["id"]
    asked = {"data": [None] * 20, "fn_index": event, "session_hash": "theirs"}
    assert ask_json(guarded, "/gradio_api/queue/join", ann, asked)[0] == 200
    data = f"{guarded}/gradio_api/queue/data?session_hash=theirs"
    assert 'session_not_found":true' in answer(data, bob)[1].replace(" ", "")
    assert "process_completed" in answer(data, ann)[1]


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
    assert SAID in found["content"][0]["text"]
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
