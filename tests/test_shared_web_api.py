"""The line of those who call the page's endpoints."""

import asyncio

import pytest

from shared.errors import AppError
from shared.web import api
from shared.web.api import Turns


def call_in_order(visitors, cancel=()):
    """Have visitors call while one call is worked on; tell who had a turn, in order."""

    async def work():
        turns, order = Turns(), []

        async def call(visitor):
            async with turns.turn(visitor):
                order.append(visitor)
                await asyncio.sleep(0)

        holds = [turns.turn("first") for _ in range(api.AT_ONCE)]
        for hold in holds:
            await hold.__aenter__()
        calls = [asyncio.create_task(call(visitor)) for visitor in visitors]
        await asyncio.sleep(0)
        for hold in holds:
            await hold.__aexit__(None, None, None)
        for number in cancel:
            calls[number].cancel()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert turns._free == api.AT_ONCE
        assert not turns._lines
        return order, found

    return asyncio.run(work())


def test_visitors_take_turns():
    order, _ = call_in_order("aaaabcb")
    assert order == list("abcabaa")


@pytest.mark.parametrize("cancel", [(0,), (1,), (0, 1), range(6)])
def test_a_call_that_is_broken_off_keeps_no_place(cancel):
    order, _ = call_in_order("aaabbc", cancel)
    assert len(order) == 6 - len(cancel)


def test_whoever_has_most_is_refused(monkeypatch):
    monkeypatch.setattr(api, "MOST_WAITING", 4)
    order, found = call_in_order("aaaaaabc")
    assert sorted(order) == list("aabc")
    assert all(isinstance(one, AppError) for one in found[2:6])
    assert found[6:] == [None, None]
