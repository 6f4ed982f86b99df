"""Wrong passwords: each makes whoever tries the next one wait longer, up to seconds."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from shared.web.requests import Refused

MOST = 10_000  # names and addresses that are remembered
FREE = 5  # wrong guesses without waiting
FIRST = 0.25  # seconds that the next one waits; then twice that
LONGEST = 4
HALVES = 300  # seconds in which half of the wrong ones are forgiven
WAITING = 8  # guesses of one address that wait at once; more are refused

LATER = Refused(429, "Many passwords were wrong. Try again in a few seconds.")


class _Line:
    """Guesses that wait for each other."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wrong = self.last = 0.0
        self.waiting = 0

    def delay(self, now: float) -> float:
        self.wrong *= 0.5 ** ((now - self.last) / HALVES)
        self.last = now
        more = self.wrong - FREE
        return min(LONGEST, FIRST * 2 ** min(more, 20)) if more >= 0 else 0


class Guesses:
    """Wrong passwords so far, by the name that was tried and the address it came from.

    Guesses from one address are compared one after the other, and so are those at one
    name: sending many at once is no faster, and keeps others waiting for one of them.
    """

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[str, str], _Line] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: str, address: str) -> AsyncIterator[Callable[[], None]]:
        """Wait until a password may be compared.

        Args:
            name: whose it is.
            address: who sends it.

        Yields:
            a function to call if it was wrong.

        Raises:
            Refused: if too many wait already.
        """
        lines = [self._find("address", address), self._find("name", name)]
        if lines[0].waiting >= WAITING:
            raise LATER
        lines[0].waiting += 1
        try:
            async with AsyncExitStack() as stack:
                for line in lines:
                    await stack.enter_async_context(line.lock)
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(max(line.delay(now) for line in lines))

                def count_wrong() -> None:
                    for line in lines:
                        line.wrong += 1

                yield count_wrong
        finally:
            lines[0].waiting -= 1

    def _find(self, kind: str, what: str) -> _Line:
        line = self._lines.setdefault((kind, what), _Line())
        self._lines.move_to_end((kind, what))
        while len(self._lines) > MOST:
            self._lines.popitem(last=False)
        return line
