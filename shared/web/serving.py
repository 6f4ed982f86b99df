"""A server for a page: its address, its log, and a clean end."""

import errno
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shared.errors import AppError

LAST_SECOND = 1  # for requests that are worked on at the end
CALLERS = 4096  # that wait to be let in; a system may have fewer
MOST_LINES = 60  # of the log in a minute: who fails on purpose must not fill the disk


def listen(host: str, port: int) -> socket.socket:
    """Take a port, so that a second server cannot; who calls waits to be answered.

    Args:
        port: 0 takes one that is free.

    Raises:
        AppError: if the port is taken, or the host is not this computer.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise AppError(
            f"--host {host}: this is no address. 127.0.0.1 is for this computer alone, "
            "0.0.0.0 for all networks that it is in."
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would share a port that is taken
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise AppError(
                f"Port {port} is taken by another program. End that one, or choose "
                "another port with --port; --port 0 finds one that is free."
            ) from error
        raise AppError(
            f"The page cannot listen at {host}, port {port}: {error.strerror}. --host "
            "is an address of this computer; a --port below 1024 needs permission."
        ) from error
    return listening


def address(listening: socket.socket) -> str:
    """Write where a browser on this computer finds what listens."""
    host, port = listening.getsockname()[:2]
    found = ipaddress.ip_address(host)
    if found.is_unspecified:
        host = "127.0.0.1" if found.version == 4 else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_open(listening: socket.socket) -> bool:
    """Whether other computers can reach it."""
    return not ipaddress.ip_address(listening.getsockname()[0]).is_loopback


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Leave the block, and what is to be deleted after it, also when asked to end."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # The second one is sent when a terminal is closed; `nohup` has it ignored.
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    before = {one: signal.getsignal(one) for one in numbers}
    heard = [one for one, handler in before.items() if handler != signal.SIG_IGN]
    for one in heard:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in heard:
            signal.signal(one, before[one])


def run(
    server: Any,
    listening: socket.socket,
    ready: Callable[[str], None],
    proxies: Sequence[str] = (),
) -> None:
    """Serve until interrupted.

    Args:
        server: ASGI application.
        listening: of `listen`.
        ready: called with the address once the page answers.
        proxies: addresses of servers before this one, which say whom they ask for;
            anybody could say that.

    Raises:
        AppError: if the server cannot start.
        KeyboardInterrupt: when it was interrupted.
    """
    import uvicorn

    from shared.web.connections import BACKLOG, Connection, ask_for_files

    ask_for_files()
    config = uvicorn.Config(
        server,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=LAST_SECOND,
        http=Connection,
        ws="none",
        backlog=BACKLOG,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
    )
    serving = uvicorn.Server(config)
    # Each open page holds a request for as long as it is open; to cut it is no error.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not serving.should_exit)
    spare_log()
    threading.Thread(target=_visit, args=(listening, ready), daemon=True).start()
    serving.run(sockets=[listening])
    if not serving.started:
        raise AppError("The page cannot be served; what is written above says why.")


class Sparing(logging.Filter):
    """Lets so many lines a minute through to the log, and says that others were not.

    Args:
        most: lines a minute.
    """

    def __init__(self, most: int = MOST_LINES):
        super().__init__()
        self._most, self._minute, self._count = most, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written; the last one of a minute says so."""
        minute = int(record.created // 60)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        if self._count == self._most:
            record.msg = "More of this is left out until the next minute."
            record.args = record.exc_info = record.exc_text = None
        return self._count <= self._most


def spare_log() -> None:
    """Keep the log short whatever happens, for all who write to it."""
    sparing = Sparing()
    handlers = [*logging.getLogger("uvicorn").handlers, *logging.getLogger().handlers]
    for handler in (*handlers, logging.lastResort):
        if handler is not None:
            handler.addFilter(sparing)


def _visit(listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Be the first visitor, who waits longest."""
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    where = address(listening)
    place = urlsplit(where)
    try:
        visit = HTTPConnection(place.hostname or "", place.port, timeout=60)
        visit.request("GET", "/")
        visit.getresponse().read()
        visit.close()
        listening.listen(CALLERS)  # asyncio takes so many at a time as may wait
    except (OSError, HTTPException):  # the end came first
        return
    ready(where)
