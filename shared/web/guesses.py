"""Wrong passwords: each makes whoever tries the next one wait longer, up to seconds."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from shared.web.requests import Refused

MOST = 10_000  # names and addresses that are remembered
FIRST = 0.25  # seconds that the first guess waits which is not free; then twice that
HALVES = 300  # seconds in which half of the wrong ones are forgiven

LATER = Refused(429, "Many passwords were wrong. Try again in a few seconds.")


class Pace(NamedTuple):
    """How fast passwords may be tried.

    Attributes:
        free: wrong guesses without waiting.
        longest: seconds to wait at most.
        waiting: guesses that wait at once; more are refused.
    """

    free: int
    longest: float
    waiting: int


KNOWN = Pace(5, 4, 2)  # a browser from which this user has logged in before
PAIR = Pace(3, 4, 4)  # one name from one address
ADDRESS = Pace(20, 2, 16)  # any name from one address
NAME = Pace(20, 1, 32)  # one name from any address


class _Line:
    """Guesses that wait for each other."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wrong = self.last = 0.0
        self.waiting = 0

    def delay(self, pace: Pace, now: float) -> float:
        self.wrong *= 0.5 ** ((now - self.last) / HALVES)
        self.last = now
        more = self.wrong - pace.free
        return min(pace.longest, FIRST * 2 ** min(more, 20)) if more >= 0 else 0


class Guesses:
    """Wrong passwords so far, by the name that was tried and the address it came from.

    Passwords for one name from one address are compared one after the other, so that
    sending many at once is no faster. Nobody is locked out: guesses make the user
    wait only at the address they come from, up to seconds, and not in a browser from
    which he has logged in before.
    """

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[str, ...], _Line] = OrderedDict()

    @asynccontextmanager
    async def turn(
        self, name: str, address: str, device: str = ""
    ) -> AsyncIterator[Callable[[], None]]:
        """Wait until a password may be compared.

        Args:
            name: whose it is.
            address: who sends it.
            device: the browser, if the user has logged in from it; else empty.

        Yields:
            a function to call if it was wrong.

        Raises:
            Refused: if too many wait already.
        """
        keys: dict[tuple[str, ...], Pace] = {("device", name, device): KNOWN}
        if not device:
            keys = {
                ("pair", name, address): PAIR,
                ("address", address): ADDRESS,
                ("name", name): NAME,
            }
        async with AsyncExitStack() as stack:
            lines = [
                await stack.enter_async_context(self._in_line(key, pace))
                for key, pace in keys.items()
            ]

            def count_wrong() -> None:
                for line in lines:
                    line.wrong += 1

            yield count_wrong

    @asynccontextmanager
    async def _in_line(self, key: tuple[str, ...], pace: Pace) -> AsyncIterator[_Line]:
        line = self._lines.setdefault(key, _Line())
        self._lines.move_to_end(key)
        while len(self._lines) > MOST:
            self._lines.popitem(last=False)
        if line.waiting >= pace.waiting:
            raise LATER
        line.waiting += 1
        try:
            async with line.lock:
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(line.delay(pace, now))
                yield line
        finally:
            line.waiting -= 1
