"""Gradio's line and sessions, shared out: who waits for whom, and who is dropped."""

import asyncio
import re
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="pip install gradio")

from shared.web import visitors
from shared.web.visitors import Line, Visitors, Watching, _Mailboxes, _States


class Queue:
    """As much of Gradio's as is used."""

    def __init__(self):
        self.pending_event_ids_session = {}
        self.event_ids_to_events = {}
        self.event_queue_per_concurrency_id = {}
        self.told = []

    def send_message(self, event, message):
        self.told.append((event._id, message.output["error"]))


@pytest.fixture
def here():
    found = Visitors(Queue())
    line = SimpleNamespace(queue=Line(found))
    found._queue.event_queue_per_concurrency_id["x"] = line
    found.line = line.queue
    return found


def join(here, name, session, address="a", user=None, heard=True):
    """Let an event wait, for whose answer somebody listens or not."""
    if heard:
        here._heard[session] = here._watched[session] = 1
    client = SimpleNamespace(host=address)
    event = SimpleNamespace(
        _id=name,
        session_hash=session,
        username=user,
        request=SimpleNamespace(client=client),
        enqueue_time=float(len(here._queue.event_ids_to_events)) / 1000,
        alive=True,
    )
    here._queue.event_ids_to_events[name] = event
    here.line.append(event)
    return event


def names(here):
    return [event._id for event in here.line]


def test_a_second_event_waits_for_the_first_ones_of_others(here):
    for number in range(4):
        join(here, f"many{number}", "many")
    join(here, "ann", "ann")
    join(here, "bob", "bob")
    join(here, "ann2", "ann")
    assert names(here) == ["many0", "ann", "bob", "many1", "ann2", "many2", "many3"]


@pytest.mark.parametrize("by", ["address", "user"])
def test_visitors_take_turns_whatever_sessions_they_have(here, by):
    for number in range(4):
        join(here, f"many{number}", f"session{number}", **{by: "many"})
    join(here, "ann", "ann", **{by: "ann"})
    join(here, "bob", "bob", **{by: "bob"})
    assert names(here) == ["many0", "ann", "bob", "many1", "many2", "many3"]


def test_nothing_is_done_for_whoever_does_not_listen(here):
    for name in ("a", "b", "c"):
        join(here, name, name, heard=False)
    assert names(here) == []
    with here.watching("c"):
        assert names(here) == ["c"]
        with here.watching("b"), here.watching("a", hears=False):
            assert names(here) == ["b", "c"]
    event = join(here, "d", "d", heard=False)
    here.line.remove(event)  # as Gradio does when it is cancelled
    with here.watching("d"), here.watching("a"):
        assert names(here) == ["a", "b", "c"]


def test_nobody_new_is_refused_for_the_sake_of_one_who_has_many(here, monkeypatch):
    monkeypatch.setattr(visitors, "WAITING", 10)
    for number in range(50):
        join(here, f"many{number}", "many")
    for number in range(8):
        join(here, f"new{number}", f"new{number}")
    assert set(names(here)) == {f"new{n}" for n in range(8)} | {"many0", "many1"}
    dropped = [event for event, _ in here._queue.told]
    assert dropped == [f"many{n}" for n in (*range(10, 50), *range(9, 1, -1))]
    assert {reason for _, reason in here._queue.told} == {visitors.BUSY}
    assert here._queue.event_ids_to_events.keys() == {*names(here)}


def test_many_sessions_that_nobody_listens_to_make_way(here, monkeypatch):
    monkeypatch.setattr(visitors, "WAITING", 10)
    join(here, "ann", "ann")
    for number in range(50):
        join(here, f"many{number}", f"session{number}", heard=False)
    join(here, "bob", "bob", heard=False)  # and listens a moment later
    join(here, "one more", "another", heard=False)
    with here.watching("bob"):
        for number in range(50, 100):
            join(here, f"many{number}", f"session{number}", heard=False)
        assert names(here) == ["ann", "bob"]
        assert len(here._queue.event_ids_to_events) == 10


def test_mailboxes_that_nobody_listens_to_make_way(here, monkeypatch):
    monkeypatch.setattr(visitors, "SESSIONS", 4)
    boxes = _Mailboxes(here)
    with here.watching("ann"):
        boxes["ann"] = None
        event = join(here, "many", "many0", heard=False)
        here._queue.pending_event_ids_session["many0"] = {"many"}
        for number in range(10):
            boxes[f"many{number}"] = None
        assert {*boxes} == {"ann", "many0", "many8", "many9"}
        here._queue.pending_event_ids_session |= {f"many{n}": {n} for n in (8, 9)}
        boxes["bob"] = None
    assert {*boxes} == {"ann", "many8", "many9", "bob"}
    assert not event.alive  # nobody would fetch it
    assert here.line.of("many0") == []
    assert "many0" not in here._queue.pending_event_ids_session


def test_states_that_nobody_listens_to_make_way(here):
    states = _States(here)
    assert isinstance(states, OrderedDict)
    for name in ("ann", "many0", "many1"):
        states[name] = name
    with here.watching("ann"):
        assert states.popitem(last=False) == ("many0", "many0")
        assert states.popitem(last=False) == ("many1", "many1")
        assert states.popitem(last=False) == ("ann", "ann")


@pytest.mark.parametrize(
    "path, query, session",
    [
        ("/gradio_api/queue/data", b"session_hash=ann&x=1", "ann"),
        ("/gradio_api/heartbeat/ann", b"", "ann"),
        ("/gradio_api/call/caption/known", b"", "ann"),
        ("/gradio_api/call/v2/caption/known", b"", "ann"),
        ("/gradio_api/call/caption/other", b"", "other"),
        ("/gradio_api/queue/data", b"", None),
        ("/gradio_api/queue/join", b"session_hash=ann", None),
        ("/", b"session_hash=ann", None),
    ],
)
def test_who_listens_is_known(here, path, query, session):
    found = []
    here._queue.event_ids_to_events["known"] = SimpleNamespace(session_hash="ann")

    async def app(scope, receive, send):
        found.extend(here._watched)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
    asyncio.run(Watching(app, here)(scope, None, None))
    assert found == ([session] if session else [])
    assert not here._watched


@pytest.mark.slow
def test_gradio_is_as_it_is_known(monkeypatch, caplog):
    """Its hooks that are missing: all of these are parts of its own."""
    gr = pytest.importorskip("gradio")
    from fastapi import FastAPI
    from gradio import queueing, routes

    used = {"print_exc"}  # of the module traceback
    for module in (queueing, routes):
        text = Path(module.__file__).read_text("utf-8")
        assert set(re.findall(r"\btraceback\.(\w+)", text)) == used
        monkeypatch.setattr(module, "traceback", module.traceback)  # as it was, later
    for name in ("_statuses", "_signals"):
        kept = vars(routes.file_upload_statuses)[name]
        monkeypatch.setattr(routes.file_upload_statuses, name, kept)
    with gr.Blocks() as page:
        box = gr.Textbox()
        box.change(lambda text: text, box, box)
    page.queue()
    gr.mount_gradio_app(FastAPI(), page, path="/")
    names = ("pending_messages_per_session", "sleep_when_free", "max_size")
    names += ("progress_update_sleep_when_free", "event_queue_per_concurrency_id")
    names += ("pending_event_ids_session", "event_ids_to_events")
    assert {*names} <= vars(page._queue).keys()
    assert {"session_data", "capacity"} <= vars(page.state_holder).keys()
    assert "upload_file_set" in vars(page)
    here = visitors.limit_sessions(page)
    for module in (queueing, routes):
        try:
            raise KeyError("a" * 1000)
        except KeyError:
            module.traceback.print_exc()
    assert caplog.text.count("An event failed: KeyError") == 2
    assert len(caplog.text) < 1000
    page.upload_file_set.update(["a"])
    assert page.upload_file_set == set()
    page._queue.create_event_queue_for_fn(next(iter(page.fns.values())))
    (line,) = page._queue.event_queue_per_concurrency_id.values()
    assert isinstance(line.queue, Line)
    for number in range(visitors.SESSIONS + 10):
        page.state_holder[str(number)]
    assert len(page.state_holder.session_data) == visitors.SESSIONS
    statuses = routes.file_upload_statuses
    for number in range(visitors.PROGRESS + 10):
        statuses.track(str(number))
    assert len(statuses._statuses) == len(statuses._signals) == visitors.PROGRESS
    mailboxes = page._queue.pending_messages_per_session
    with here.watching("0"):
        for number in range(visitors.SESSIONS + 10):
            mailboxes[str(number)] = asyncio.Queue()
            mailboxes["0"].put_nowait(number)
    assert len(mailboxes) == visitors.SESSIONS
    kept = [mailboxes["0"].get_nowait() for _ in range(visitors.UNREAD)]
    assert kept == [*range(number - visitors.UNREAD + 1, number + 1)]
    assert mailboxes["0"].empty()
