"""Turns at the processor: a few calls are worked on at once, visitors take turns."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial, wraps
from typing import Any, NamedTuple

from shared.errors import AppError
from shared.vision.photo_cache import Owner, owner_of

MOST_WAITING = 200
BUSY = "Too many requests are waiting. Try again in a moment."


class _Call(NamedTuple):
    owner: Owner
    begin: "asyncio.Future[None]"


class Turns:
    """Calls that are worked on, a few at once, while the others wait.

    Whoever has fewest calls that are worked on or wait before comes first: of sessions,
    and then of visitors, whatever sessions they have. If too many wait, the one that
    would come last is refused.

    Args:
        at_once: calls that are worked on.
    """

    def __init__(self, at_once: int):
        self._at_once = at_once
        self._working: list[Owner] = []
        self._waiting: list[_Call] = []  # in the order in which they came

    @property
    def are_waited_for(self) -> bool:
        """Whether somebody waits for his turn."""
        return bool(self._waiting)

    @asynccontextmanager
    async def turn(self, owner: Owner) -> AsyncIterator[None]:
        """Wait until it is somebody's turn.

        Raises:
            AppError: if too many wait.
        """
        if len(self._working) < self._at_once:
            self._working.append(owner)
        else:
            await self._wait(owner)
        try:
            yield
        finally:
            self._give_on(owner)

    def taking(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Have each call of a page's function wait for its turn; it runs in a thread.

        `function` knows Gradio's request, or one that calls it for MCP does.
        """
        import gradio as gr
        from anyio import to_thread
        from gradio.context import LocalContext

        @wraps(function)
        async def waiting(*given: Any) -> Any:
            request = LocalContext.request.get(None)
            try:
                async with self.turn(owner_of(request) if request else (None, None)):
                    return await to_thread.run_sync(partial(function, *given))
            except AppError as error:
                raise gr.Error(str(error), print_exception=False) from None

        return waiting

    async def _wait(self, owner: Owner) -> None:
        call = _Call(owner, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if len(self._waiting) > MOST_WAITING:
            last = self._take(max).begin
            if not last.done():
                last.set_exception(AppError(BUSY))
        try:
            await call.begin
        except asyncio.CancelledError:
            if call in self._waiting:
                self._waiting.remove(call)
            elif not call.begin.cancelled() and not call.begin.exception():
                self._give_on(owner)  # nobody comes for this turn
            raise

    def _give_on(self, owner: Owner) -> None:
        """Let the next call begin in the place of an owner's."""
        while self._waiting:
            call = self._take(min)
            if not call.begin.done():  # it was not broken off
                call.begin.set_result(None)
                self._working.append(call.owner)
                break
        self._working.remove(owner)

    def _take(self, which: Callable[[list[Any]], Any]) -> _Call:
        """Take out the call whose turn is next, by `min`, or last, by `max`."""
        sessions = Counter(self._working)
        people: Counter[Hashable] = Counter(who for _, who in self._working)
        turns = []
        for place, call in enumerate(self._waiting):
            turns.append((sessions[call.owner], people[call.owner[1]], place))
            sessions[call.owner] += 1
            people[call.owner[1]] += 1
        return self._waiting.pop(which(turns)[-1])
