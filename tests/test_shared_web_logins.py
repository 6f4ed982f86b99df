"""Who gets in, what a login opens, and how long it lasts."""

import asyncio
import base64
import json

import pytest

from shared.errors import AppError
from shared.web import guesses, logins
from shared.web.guesses import Guesses
from shared.web.logins import Login, read_users
from shared.web.requests import USER, Refused, answer

USERS = [("ann", "pass:word"), ("bob", "ß")]


# ---- the file


def test_a_file_as_editors_write_it(tmp_path, monkeypatch):
    text = "\ufeffann:pass:word\r\n\r\nbob:ß\u2028x\r\n"
    (tmp_path / "users").write_bytes(text.encode())
    found = [("ann", "pass:word"), ("bob", "ß\u2028x")]
    assert read_users(tmp_path / "users") == found
    monkeypatch.setenv("SIGHTREAD_AUTH", text)
    assert read_users(None) == found


def test_files_that_were_put_together(tmp_path):
    (tmp_path / "users").write_bytes("\ufeffann:a\n\ufeffbob:b".encode())
    assert read_users(tmp_path / "users") == [("ann", "a"), ("bob", "b")]


@pytest.mark.parametrize(
    "text",
    ["ann\n", "ann:\n", ":x\n", "ann:a\nann:b\n", " :x", "ann:a\n\ufeffann:b"],
)
def test_a_line_that_is_no_user_is_named_without_its_content(tmp_path, text):
    file = tmp_path / "users"
    file.write_text(text, "utf-8")
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


# ---- logins, before an application that says who is there


async def name_user(scope, receive, send):
    await answer(send, 200, {"user": scope[USER]})


class Page:
    """A page with a login, and a browser that keeps its cookies."""

    def __init__(self, login=None):
        self.login = login or Login(name_user, USERS)
        self.cookies = {}

    async def ask(self, path, method="GET", body=b"", **headers):
        """Status, headers and text that are answered."""
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        if self.cookies:
            pairs = [f"{name}={value}" for name, value in self.cookies.items()]
            headers.setdefault("cookie", "; ".join(pairs))
        scope = {"type": "http", "method": method, "path": path, "scheme": "http"}
        scope["headers"] = [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in headers.items()
        ]
        scope |= {"client": ("127.0.0.1", 1), "query_string": b""}
        try:
            await self.login(scope, receive, send)
        except Refused as refused:
            return refused.status, {}, refused.reason
        for name, value in sent[0]["headers"]:
            if name == b"set-cookie":
                pair, _, rest = value.decode().partition("; ")
                assert "HttpOnly; SameSite=Lax" in rest
                key, _, given = pair.partition("=")
                self.cookies[key] = given
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()

    async def log_in(self, name, password, **headers):
        body = f"username={name}&password={password}".encode()
        kind = "application/x-www-form-urlencoded"
        return await self.ask("/login", "POST", body, content_type=kind, **headers)


def run(coroutine):
    return asyncio.run(coroutine)


@pytest.mark.parametrize("path", ["/", "/login", "/login/", "/logout"])
def test_the_form_is_shown_to_everybody(path):
    status, _, text = run(Page().ask(path))
    assert status == 200
    assert 'name="password"' in text


@pytest.mark.parametrize(
    "path",
    [
        *("/config", "/gradio_api/mcp", "/gradio_api/mcp/", "/gradio_api/mcp/schema"),
        *("/gradio_api/app_id", "/gradio_api/login_check", "/assets/a.js", "/x"),
        *("/sightread/page.js", "/theme.css", "/gradio_api/info", "//", "/logout/x"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_all_else_needs_a_login(path, method):
    if (path, method) not in {("//", "GET"), ("//", "HEAD")}:  # the form's own
        assert run(Page().ask(path, method))[0] == 401

    async def logged_in():
        page = Page()
        await page.log_in("ann", "pass:word")
        return await page.ask(path, method)

    assert run(logged_in())[::2] == (200, '{"user": "ann"}')


def test_a_login_is_the_users_own_until_it_ends():
    async def use():
        login = Login(name_user, USERS)
        ann, bob, nobody = Page(login), Page(login), Page(login)
        assert (await nobody.log_in("ann", "wrong"))[0] == 401
        assert (await ann.log_in("ann", "pass:word"))[0] == 200
        assert (await bob.log_in(" bob ", "%C3%9F", accept="text/html"))[0] == 303
        assert json.loads((await ann.ask("/"))[2]) == {"user": "ann"}
        assert json.loads((await bob.ask("/"))[2]) == {"user": "bob"}
        assert (await ann.ask("/logout"))[0] == 200  # asks whether to
        assert json.loads((await ann.ask("/"))[2]) == {"user": "ann"}
        kept = dict(ann.cookies)
        assert (await ann.ask("/logout", "POST"))[0] == 303
        ann.cookies = kept
        assert "password" in (await ann.ask("/"))[2]
        assert json.loads((await bob.ask("/"))[2]) == {"user": "bob"}
        assert "password" in (await nobody.ask("/"))[2]

    run(use())


def test_logins_of_one_user_are_not_endless(monkeypatch):
    monkeypatch.setattr(logins, "LOGINS", 3)

    async def use():
        login = Login(name_user, USERS)
        pages = [Page(login) for _ in range(5)]
        bob = Page(login)
        await bob.log_in("bob", "%C3%9F")
        for page in pages:
            await page.log_in("ann", "pass:word")
        asked = [(await page.ask("/config"))[0] for page in (*pages, bob)]
        assert asked == [401, 401, 200, 200, 200, 200]
        monkeypatch.setattr(logins.time, "monotonic", lambda: 10**9)
        assert (await bob.ask("/config"))[0] == 401

    run(use())


def test_a_cookie_crosses_no_open_line_when_the_page_has_https():
    async def use(**headers):
        _, found, _ = await Page().log_in("ann", "pass:word", **headers)
        return b"Secure" in found[b"set-cookie"]

    assert not run(use())
    assert run(use(x_forwarded_proto="https"))


@pytest.mark.parametrize("kind", ["text/html", "*/*"])
def test_a_wrong_password_is_said(kind):
    status, _, text = run(Page().log_in("<b>", "x", accept=kind))
    assert status == 401
    assert "do not go together" in text
    assert "<b>" not in text


def basic(login):
    return "Basic " + base64.b64encode(login.encode()).decode()


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
    known = right and path != "/x"
    status, *_ = run(Page().ask(path, "POST", authorization=login))
    assert status == (200 if known else 401)


# ---- guesses


@pytest.fixture
def clock(monkeypatch):
    """Seconds that were waited, without waiting for them."""
    waited, sleep = [], asyncio.sleep

    async def wait(seconds):
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(guesses.asyncio, "sleep", wait)
    return waited


def test_guesses_are_slowed_and_the_right_password_gets_in(clock):
    async def use():
        page = Page()
        for number in range(60):
            assert (await page.log_in("ann", f"guess{number}"))[0] == 401
        slow = sum(clock)
        clock.clear()
        assert (await page.log_in("ann", "pass:word"))[0] == 200
        return slow, sum(clock)

    slow, last = run(use())
    assert slow > 200  # seconds
    assert last <= guesses.LONGEST


def test_many_at_once_are_not_faster(clock):
    async def use():
        login = Login(name_user, USERS)
        guessing = (Page(login).log_in("ann", f"{number}") for number in range(100))
        return [status for status, *_ in await asyncio.gather(*guessing)]

    found = run(use())
    assert found.count(401) == guesses.WAITING
    assert set(found) == {401, 429}


def test_a_crowd_at_one_address_keeps_nobody_elsewhere_out(clock):
    async def use():
        found, wait = Guesses(), asyncio.Event()

        async def guess(name, address):
            async with found.turn(name, address) as count_wrong:
                count_wrong()
                await wait.wait()

        many = [asyncio.create_task(guess("ann", "10.0.0.1")) for _ in range(20)]
        await asyncio.sleep(0)
        refused = [one for one in many if one.done()]
        assert len(refused) == 20 - guesses.WAITING
        hers = asyncio.create_task(guess("ann", "10.0.0.2"))
        wait.set()  # it waits for the one that is compared, and for no other
        await asyncio.wait([hers])
        assert not all(one.done() for one in many)
        await asyncio.gather(*many, return_exceptions=True)

    run(use())


def test_headers_are_guessed_as_slowly(clock):
    async def use():
        page = Page()
        for number in range(20):
            login = basic(f"ann:{number}")
            await page.ask("/gradio_api/mcp/", "POST", authorization=login)

    run(use())
    assert sum(clock) > 20


def test_one_name_from_many_addresses_and_many_names_from_one(clock):
    async def use(pairs):
        found = Guesses()
        for name, address in pairs:
            async with found.turn(name, address) as count_wrong:
                count_wrong()
        waited = sum(clock)
        clock.clear()
        async with found.turn("bob", "10.1.1.1"):
            pass
        assert sum(clock) == 0  # whom nobody guesses at
        clock.clear()
        return waited

    assert run(use([("ann", f"10.0.0.{n}") for n in range(100)])) > 50
    assert run(use([(f"name{n}", "10.0.0.1") for n in range(100)])) > 50


def test_what_was_wrong_is_forgiven_and_forgotten(clock, monkeypatch):
    monkeypatch.setattr(guesses, "MOST", 10)

    async def use():
        found = Guesses()
        for number in range(100):
            async with found.turn(f"name{number}", "a") as count_wrong:
                count_wrong()
        assert len(found._lines) <= 10
        line = found._lines["address", "a"]
        assert line.delay(line.last) == guesses.LONGEST
        assert line.delay(line.last + 10 * guesses.HALVES) == 0

    run(use())
