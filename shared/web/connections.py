"""Connections to the page: a limited number, of which the idlest make way for new ones.

Nobody is refused. A client that opens connections only to hold them, with half a
request, an upload that does not come, or a stream of events, loses them as soon as
others need the place, whether it comes from one address or from many.
"""

import contextlib
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 5000  # at once; each takes about 20 kB
FILES = 20_000  # descriptors that the process asks for: some uploads bring 1000 files
BACKLOG = 64  # connections that are taken between two looks at how many there are
NEW = 2  # seconds for which one is spared, if there are others
IDLE = 10  # seconds without a whole request
SHARE = 16  # of those that are open, one in so many ends when it gets crowded

# What pages of Gradio open and hold; they can do without the first one.
WATCH = "/gradio_api/heartbeat/"
STREAMS = ("/gradio_api/queue/data", "/gradio_api/call/", "/gradio_api/mcp")


class Connection(H11Protocol):
    """A connection that knows how idle it is."""

    since = began = 0.0  # when it was last without a request, and with one

    def connection_made(self, transport: Any) -> None:
        """Take a new one, and let others go if there are too many."""
        super().connection_made(transport)
        self.since = self.began = self.loop.time()
        self.loop.call_later(IDLE, self._look)
        if len(self.connections) > most_at_once():
            end_idlest(self.connections, self.loop.time())

    def data_received(self, data: bytes) -> None:
        """Note when a request begins."""
        if self._is_without_request():
            self.began = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.since = self.loop.time()
        super().on_response_complete()

    def rank(self, now: float) -> tuple[int, float]:
        """Tell how much this is worth keeping open: more is more.

        What has just begun is worth more than what only stays, and less than what is
        being answered: else those who come fast enough would end all others.
        """
        if self._is_without_request():
            return (2 if now - self.since < NEW else 0), self.since
        path = self.scope["path"]
        if self.flow.write_paused or WATCH in path:
            return 0, self.began  # it does not read what it asks for, or can do without
        if self.cycle.more_body:
            return (2 if now - self.began < NEW else 1), self.began
        return (3 if any(one in path for one in STREAMS) else 4), self.began

    def _is_without_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _look(self) -> None:
        """Hang up on those who ask for nothing.

        Uvicorn waits for them for ever: for browsers that connect in advance and then
        sleep, and for whoever sends a header byte by byte.
        """
        if self.transport.is_closing():
            return
        left = self.since + IDLE - self.loop.time()
        if self._is_without_request() and left <= 0:
            self.transport.close()
        else:
            self.loop.call_later(max(left, IDLE / 2), self._look)


def end_idlest(connections: Iterable[Any], now: float) -> None:
    """End some connections, of the address that has most, the idlest first."""
    crowds: dict[str, list[Any]] = defaultdict(list)
    for one in connections:
        if not one.transport.is_closing():
            crowds[one.client[0] if one.client else ""].append(one)
    crowd = max(crowds.values(), key=lambda crowd: len(crowd))
    crowd.sort(key=lambda one: one.rank(now))
    for one in crowd[: 1 + sum(map(len, crowds.values())) // SHARE]:
        one.transport.abort()


def most_at_once() -> int:
    """Tell how many connections may be open, so that descriptors are left for files."""
    return min(MOST, _files() // 3)


def ask_for_files() -> None:
    """Let the process open as many files as the system allows, within reason."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS has a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def spare_files() -> int:
    """Tell how many files uploads may have open at once."""
    ask_for_files()
    return max(16, _files() - most_at_once() - 4 * BACKLOG)


def _files() -> int:
    if sys.platform == "win32":
        return FILES
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES if soft == resource.RLIM_INFINITY else soft
