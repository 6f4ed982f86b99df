"""Who waits for what on the page: Gradio's queue and sessions, shared out fairly.

Gradio serves requests as they come, refuses more when its line is full, and forgets the
oldest sessions when there are too many: one visitor can use all of that up. Here, who
has most requests in the line waits longest, those whose answer nobody listens for are
not worked on, and no new visitor is refused because of them. Gradio has no hooks for
this, so some of its lists and dicts are replaced: `tests/test_shared_visitors.py` says
which.
"""

import asyncio
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs

from shared.web.requests import API, Receive, Scope, Send
from shared.web.shell import note_failure

SESSIONS = 256  # pages of which Gradio keeps the state
WAITING = 200  # events in a line
UNREAD = 32  # messages kept for a page that does not fetch them
PROGRESS = 1000  # uploads whose progress is kept
GLANCE = 0.005  # seconds between looks at the line: Gradio's 0.001 took 5 % of a core
BUSY = "Too many photos are waiting here. Try again in a minute."


def limit_sessions(page: Any) -> "Visitors":
    """Share out what Gradio keeps for visitors, and keep it from idle work.

    It keeps the last photo of 10,000 visitors, and all answers that 2,000 of them never
    fetched.

    Args:
        page: a `gradio.Blocks` with its queue, after it was mounted.
    """
    from gradio import queueing, routes

    queue, visitors = page._queue, Visitors(page._queue)
    queue.max_size = None  # see `Line`
    queue.pending_messages_per_session = _Mailboxes(visitors)
    queue.event_queue_per_concurrency_id = _Lines(visitors)
    queue.sleep_when_free = queue.progress_update_sleep_when_free = GLANCE
    page.state_holder.session_data = _States(visitors)
    page.state_holder.capacity = SESSIONS
    # Its list of uploads is for its own cleaning alone; see `shared.web.uploads`.
    page.upload_file_set = _Forgetful()
    uploads: Any = routes.file_upload_statuses
    uploads._statuses, uploads._signals = _Recent(None), _Recent(asyncio.Event)
    # It writes down each request that is not as it should be: whole, and how it fared.
    for module in (queueing, routes):
        vars(module)["traceback"] = _Brief
    return visitors


class Visitors:
    """The sessions of those who are here.

    Args:
        queue: Gradio's.
    """

    def __init__(self, queue: Any):
        self._queue = queue
        self._watched: Counter[str] = Counter()  # by pages that are open, too
        self._heard: Counter[str] = Counter()

    def is_watched(self, session: str) -> bool:
        """Whether somebody listens to what happens in a session, or has it open."""
        return session in self._watched

    def is_heard(self, session: str) -> bool:
        """Whether somebody listens for the answers of a session."""
        return session in self._heard

    def is_waiting(self, session: str) -> bool:
        """Whether something was asked for in a session, and not fetched yet."""
        return bool(self._queue.pending_event_ids_session.get(session))

    @contextmanager
    def watching(self, session: str, hears: bool = True) -> Iterator[None]:
        """Count somebody who listens, or just has the page open."""
        counters = [self._watched, *([self._heard] if hears else [])]
        for counter in counters:
            counter[session] += 1
        for line in self._lines() if hears else []:
            line.wake(session)
        try:
            yield
        finally:
            for counter in counters:
                counter[session] -= 1
                if not counter[session]:
                    del counter[session]

    def session_of(self, event: str) -> str:
        """Find the session of an event; one that came without has the event's name."""
        found = self._queue.event_ids_to_events.get(event)
        return str(found.session_hash) if found else event

    def drop(self, event: Any, reason: str) -> None:
        """Take an event out of the line, and say why."""
        from gradio.server_messages import ProcessCompletedMessage

        with suppress(KeyError):  # its session is gone, too
            failed = {"output": {"error": reason}, "success": False}
            self._queue.send_message(event, ProcessCompletedMessage(**failed))
        event.alive = False
        self._queue.event_ids_to_events.pop(event._id, None)

    def forget(self, session: str) -> None:
        """Take what a session waits for out of the line: nobody will fetch it."""
        self._queue.pending_event_ids_session.pop(session, None)
        for line in self._lines():
            for event in line.of(session):
                line.remove(event)
                self.drop(event, BUSY)

    def _lines(self) -> "list[Line]":
        lines = self._queue.event_queue_per_concurrency_id.values()
        return [line.queue for line in lines]


class Watching:
    """ASGI middleware: notes which sessions somebody listens to.

    Args:
        app: the application.
        visitors: of `limit_sessions`.
    """

    def __init__(self, app: Any, visitors: Visitors):
        self.app, self.visitors = app, visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        session = self._session(scope) if scope["type"] == "http" else ""
        if not session or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        hears = not scope["path"].startswith(f"{API}heartbeat/")
        with self.visitors.watching(session, hears):
            await self.app(scope, receive, send)

    def _session(self, scope: Scope) -> str:
        call, _, rest = scope["path"].removeprefix(API).partition("/")
        if call == "heartbeat":
            return str(rest)
        if call == "call":
            return self.visitors.session_of(rest.rpartition("/")[2])
        if (call, rest) == ("queue", "data"):
            asked = parse_qs(scope["query_string"].decode("latin-1"))
            return asked.get("session_hash", [""])[0]
        return ""


class Line(list):
    """Events that wait, the next one first.

    The second event of a session comes after the first ones of all others. Where
    visitors have names or addresses, these take turns in the same way. For whoever does
    not listen for the answer, nothing is done until he does: Gradio does not see his
    events. If there are too many, one is dropped: the last of those that have several,
    else the one whose answer nobody has listened for the longest.

    Args:
        visitors: that it is for.
    """

    def __init__(self, visitors: Visitors):
        super().__init__()
        self._visitors = visitors
        self._unheard: list[Any] = []  # in the order in which they came

    def append(self, event: Any) -> None:
        """Let an event wait for its turn."""
        is_heard = self._visitors.is_heard(event.session_hash)
        (super().append if is_heard else self._unheard.append)(event)
        if len(self) + len(self._unheard) > WAITING:
            victim = self._most_dispensable()
            self.remove(victim)
            self._visitors.drop(victim, BUSY)
        self._arrange()

    def remove(self, event: Any) -> None:
        """Take an event out."""
        remove = self._unheard.remove if event in self._unheard else super().remove
        remove(event)

    def wake(self, session: str) -> None:
        """Let the events of a session take their turns, as somebody listens."""
        for event in [x for x in self._unheard if x.session_hash == session]:
            self._unheard.remove(event)
            super().append(event)
        self._arrange()

    def of(self, session: str) -> list[Any]:
        """List the events of a session."""
        return [x for x in (*self, *self._unheard) if x.session_hash == session]

    def _arrange(self) -> None:
        if len(self) > 1:
            turns = _count_turns(self)
            self.sort(key=lambda event: turns[event._id])

    def _most_dispensable(self) -> Any:
        events = [*self, *self._unheard]
        turns = _count_turns(events)
        last = max(events, key=lambda event: turns[event._id])
        if turns[last._id][0] > 0 or not self._unheard:
            return last
        return self._unheard[0]


def _count_turns(events: Iterable[Any]) -> dict[str, tuple[int, int, float]]:
    """Count for each event those before it of its session, and of its visitor."""
    sessions: Counter[str] = Counter()
    people: Counter[Hashable] = Counter()
    turns = {}
    for event in sorted(events, key=lambda event: event.enqueue_time):
        session, who = event.session_hash, _visitor(event)
        turns[event._id] = (sessions[session], people[who], event.enqueue_time)
        sessions[session] += 1
        people[who] += 1
    return turns


def _visitor(event: Any) -> Hashable:
    """Who has sent an event: a name, or an address."""
    client = event.request.client if event.request else None
    return event.username or (client.host if client else None)


class _Lines(dict):
    """Gradio's lines by the kind of event, each of them a `Line`."""

    def __init__(self, visitors: Visitors):
        super().__init__()
        self._visitors = visitors

    def __setitem__(self, kind: str, line: Any) -> None:
        line.queue = Line(self._visitors)
        super().__setitem__(kind, line)


class _Mailbox(asyncio.Queue):
    """Messages for a page, of which the oldest are dropped.

    Estimates of how long others wait come in such numbers that they would drive out
    answers before anybody could fetch them: they go first.
    """

    def put_nowait(self, message: Any) -> None:
        if self.qsize() >= UNREAD:
            kept = [self.get_nowait() for _ in range(self.qsize())]
            kept = [one for one in kept if getattr(one, "msg", "") != "estimation"]
            for one in kept[1 - UNREAD :]:
                super().put_nowait(one)
        super().put_nowait(message)


class _Mailboxes(dict):
    """Mailboxes by session, of which those that nobody listens to go first."""

    def __init__(self, visitors: Visitors):
        super().__init__()
        self._visitors = visitors

    def __setitem__(self, session: str, _: Any) -> None:
        while len(self) >= SESSIONS:
            victim = self._most_dispensable()
            self._visitors.forget(victim)
            self.pop(victim, None)
        super().__setitem__(session, _Mailbox())

    def __getitem__(self, session: str) -> _Mailbox:
        mailbox = self.pop(session)
        super().__setitem__(session, mailbox)
        return mailbox

    def _most_dispensable(self) -> str:
        """Find the session that is idle, else unheard, and was not used for longest."""
        is_watched, is_waiting = self._visitors.is_watched, self._visitors.is_waiting
        return min(self, key=lambda one: (is_watched(one), is_waiting(one)))


class _States(OrderedDict):
    """The state of sessions, of which those that nobody listens to go first."""

    def __init__(self, visitors: Visitors):
        super().__init__()
        self._visitors = visitors

    def popitem(self, last: bool = True) -> tuple[str, Any]:
        if last:
            return super().popitem()
        victim = min(self, key=self._visitors.is_watched)
        return victim, self.pop(victim)


class _Recent(OrderedDict):
    """A dict that keeps what was put into it last.

    Args:
        make: what is not in it, if anything.
    """

    def __init__(self, make: Callable[[], Any] | None):
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> Any:
        if self._make is None:
            raise KeyError(key)
        self[key] = made = self._make()
        return made

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > PROGRESS:
            super().popitem(last=False)


class _Forgetful(set):
    def update(self, *_: Any) -> None:
        pass


class _Brief:
    """The part of the module `traceback` that Gradio's server uses."""

    @staticmethod
    def print_exc() -> None:
        error = sys.exception()
        if error is not None:
            note_failure("An event", error)
