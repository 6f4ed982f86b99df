"""Who may use the page: names and passwords, the form for them, and the logins."""

import base64
import binascii
import hashlib
import hmac
import html
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from shared.errors import AppError
from shared.web.guesses import Guesses
from shared.web.requests import TOOLS, USER, Receive, Refused, Scope, Send, answer

USERS = "SIGHTREAD_AUTH"  # environment variable
LASTS = 30 * 24 * 3600  # seconds, of a login
LOGINS = 50  # of one user at once
MOST_LETTERS = 1000  # of a name or a password

User = tuple[str, str]  # name, password

NO_STORE = (b"cache-control", b"no-store")
NO_LOGIN = Refused(401, "Not authenticated. Log in first.")
WRONG = "This name and password do not go together."
WAIT = "Many have tried to log in. Try again in a few seconds."
_FORM = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>Sightread</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
form { max-width: 20rem; margin: 15vh auto; padding: 0 1rem }
label { display: block; margin: 1rem 0 }
input, button { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit }
</style>
<form method="post" action="ACTION">
<h1>Sightread</h1>
CONTENT
</form>
</html>
"""
_LOGIN = """<p role="alert">PROBLEM</p>
<label>Username <input name="username" autocomplete="username" required autofocus>
</label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required>
</label>
<button>Login</button>"""
_LOGOUT = "<p>You are logged in.</p>\n<button>Log out</button>"


def read_users(file: Path | None) -> list[User]:
    """Read who may use the page, from a file or the environment; none is everybody.

    Args:
        file: a line `name:password` for each; None reads SIGHTREAD_AUTH instead.

    Raises:
        AppError: if there is no such file, or a line is not like that.
    """
    name = str(file or USERS)
    try:
        text = file.read_text("utf-8-sig") if file else os.environ.get(USERS)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise AppError(f"{name}: the passwords cannot be read: {reason}.") from error
    if text is None:
        return []
    users: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.lstrip("\ufeff").rstrip("\r")  # editors write both unasked
        if not line.strip():
            continue
        user, _, password = line.partition(":")
        if not user.strip() or not password or user.strip() in users:
            raise AppError(
                f"{name}, line {number}: each line is name:password, and each name "
                "occurs once."
            )
        users[user.strip()] = password
    if not users:
        raise AppError(
            f"{name} names nobody, so nobody could use the page. Write a line "
            "name:password for each."
        )
    return list(users.items())


def user_of(request: Any) -> str | None:
    """Tell Gradio, as its `auth_dependency`, who sends a request."""
    name = request.scope.get(USER)
    return str(name) if name else None


class Login:
    """ASGI middleware: without a login, nothing but the form for it is answered.

    MCP's tools take a login in the `Authorization` header, too, as programs have no
    form. A login ends by a POST alone, which no other page can have a browser send.

    Args:
        app: the application, which finds the user by `user_of`.
        users: those who may use it.
    """

    def __init__(self, app: Any, users: Sequence[User]):
        self.app = app
        self._secret = secrets.token_bytes(32)
        self._users = {name: self._digest(password) for name, password in users}
        self._logins: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._guesses = Guesses()
        # Other pages of this computer have their cookies in the same place.
        self._cookie = f"sightread-{secrets.token_hex(4)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        cookies, path = _read_cookies(scope), scope["path"].rstrip("/") or "/"
        user = self._find(cookies)
        is_read = scope["method"] in ("GET", "HEAD")
        if path == "/logout" and user:
            await self._log_out(send, cookies, is_read)
        elif path == "/login" and not is_read:
            await self._log_in(scope, receive, send)
        elif path in ("/", "/login", "/logout") and is_read and not user:
            await answer(send, 200, _show_form(), [NO_STORE])
        elif user or (user := await self._ask_tool(scope)):
            scope[USER] = user
            await self.app(scope, receive, send)
        else:
            raise NO_LOGIN

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode("utf-8", "replace"), "sha256")

    def _find(self, cookies: dict[str, str]) -> str | None:
        token = hashlib.sha256(cookies.get(self._cookie, "").encode()).digest()
        name, ends = self._logins.get(token, (None, 0.0))
        return name if time.monotonic() < ends else None

    async def _check(self, scope: Scope, name: str, password: str) -> bool:
        """Compare a password, after a while if many were wrong.

        Raises:
            Refused: if too many wait already.
        """
        client = scope["client"][0] if scope.get("client") else ""
        name = name.strip()[:MOST_LETTERS]
        async with self._guesses.turn(name, client) as count_wrong:
            given, found = self._digest(password[:MOST_LETTERS]), False
            for known, digest in self._users.items():  # as long for every name
                is_it = hmac.compare_digest(known.encode(), name.encode())
                found |= hmac.compare_digest(digest, given) and is_it
            if not found:
                count_wrong()
            return found

    async def _ask_tool(self, scope: Scope) -> str | None:
        """Take a login in the header of a request to a tool."""
        if not (scope["path"] + "/").startswith(f"{TOOLS}/"):
            return None
        kind, _, given = (
            dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        )
        if kind.lower() != b"basic":
            return None
        try:
            name, _, password = base64.b64decode(given, validate=True).partition(b":")
            login = name.decode(), password.decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return login[0].strip() if await self._check(scope, *login) else None

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import Request

        headers = dict(scope["headers"])
        is_browser = b"text/html" in headers.get(b"accept", b"")
        given = await Request(scope, receive).form(max_files=0, max_fields=10)
        name, password = (str(given.get(x, "")) for x in ("username", "password"))
        name = name.strip()
        try:
            is_right = await self._check(scope, name, password)
        except Refused as refused:
            await _tell(send, refused.status, WAIT, is_browser)
            return
        if not is_right:
            await _tell(send, 401, WRONG, is_browser)
            return
        is_safe = b"https" in (
            scope.get("scheme", "").encode(),
            headers.get(b"x-forwarded-proto", b""),
        )
        cookie = b"set-cookie", self._make_cookie(name, is_safe).encode()
        if is_browser:
            await answer(send, 303, "", [NO_STORE, (b"location", b"./"), cookie])
        else:
            await answer(send, 200, {"success": True}, [NO_STORE, cookie])

    def _make_cookie(self, name: str, is_safe: bool) -> str:
        """Write down a new login."""
        token, now = secrets.token_urlsafe(32), time.monotonic()
        key = hashlib.sha256(token.encode()).digest()
        self._logins[key] = name, now + LASTS
        own = [one for one, (user, _) in self._logins.items() if user == name]
        for old in own[:-LOGINS]:
            del self._logins[old]
        cookie = f"{self._cookie}={token}; HttpOnly; SameSite=Lax; Path=/"
        return f"{cookie}; Max-Age={LASTS}{'; Secure' if is_safe else ''}"

    async def _log_out(
        self, send: Send, cookies: dict[str, str], is_read: bool
    ) -> None:
        if is_read:
            form = _show_form(action="logout", content=_LOGOUT)
            await answer(send, 200, form, [NO_STORE])
            return
        token = cookies.get(self._cookie, "")
        self._logins.pop(hashlib.sha256(token.encode()).digest(), None)
        gone = f"{self._cookie}=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        headers = [NO_STORE, (b"location", b"./"), (b"set-cookie", gone.encode())]
        await answer(send, 303, "", headers)


def _read_cookies(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                try:
                    for key, morsel in SimpleCookie(part).items():
                        found.setdefault(key, morsel.value)
                except CookieError:  # another page's
                    continue
    return found


def _show_form(problem: str = "", action: str = "login", content: str = _LOGIN) -> str:
    content = content.replace("PROBLEM", html.escape(problem))
    return _FORM.replace("ACTION", action).replace("CONTENT", content)


async def _tell(send: Send, status: int, problem: str, is_browser: bool) -> None:
    content = _show_form(problem) if is_browser else {"detail": problem}
    await answer(send, status, content, [NO_STORE])
