"""Whose turn it is: visitors take turns, whatever sessions they have."""

import asyncio

import pytest

from shared.errors import AppError
from shared.web import turns
from shared.web.turns import Turns

AT_ONCE = 2


def call_in_order(owners, cancel=()):
    """Have visitors call while others are worked on; tell who had a turn, in order.

    Args:
        owners: of each call: the session, and whose it is.
        cancel: numbers of calls that are broken off while they wait.
    """

    async def work():
        line, order = Turns(AT_ONCE), []

        async def call(owner):
            async with line.turn(owner):
                order.append(owner)
                await asyncio.sleep(0)

        holds = [line.turn(("held", "first")) for _ in range(AT_ONCE)]
        for hold in holds:
            await hold.__aenter__()
        calls = [asyncio.create_task(call(owner)) for owner in owners]
        await asyncio.sleep(0)
        for number in cancel:
            calls[number].cancel()
        for hold in holds:
            await hold.__aexit__(None, None, None)
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert not line._working and not line._waiting
        return order, found

    return asyncio.run(work())


def test_the_second_call_of_a_session_comes_after_the_first_ones_of_others():
    order, _ = call_in_order([("one", "here")] * 3 + [("two", "here")] * 2)
    assert [session for session, _ in order][:2] == ["one", "two"]


def test_visitors_take_turns_whatever_sessions_they_have():
    order, _ = call_in_order([(n, "ann") for n in range(3)] + [(9, "bob")])
    assert [who for _, who in order] == ["ann", "bob", "ann", "ann"]


@pytest.mark.parametrize("cancel", [(0,), (1,), (0, 1), range(6)])
def test_a_call_that_is_broken_off_keeps_no_place(cancel):
    order, _ = call_in_order([(who, who) for who in "aaabbc"], cancel)
    assert len(order) == 6 - len(cancel)


def test_a_call_that_is_broken_off_as_its_turn_comes_gives_it_on():
    async def work():
        line = Turns(1)
        hold = line.turn(("a", "a"))
        await hold.__aenter__()

        async def call():
            async with line.turn(("b", "b")):
                pass

        calls = [asyncio.create_task(call()) for _ in range(2)]
        await asyncio.sleep(0)
        await hold.__aexit__(None, None, None)  # it is the first one's turn
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return calls[0].cancelled(), calls[1].exception(), line._working

    assert asyncio.run(work()) == (True, None, [])


def test_whoever_has_most_is_refused(monkeypatch):
    monkeypatch.setattr(turns, "MOST_WAITING", 4)
    order, found = call_in_order([(who, who) for who in "aaaaaabc"])
    assert sorted(who for _, who in order) == list("aabc")
    assert all(isinstance(one, AppError) for one in found[2:6])
    assert found[6:] == [None, None]
