"""The page's queue: what is asked for is worked on while somebody listens for it.

Browsers and Gradio's clients ask for an event in one request, and listen for its answer
in another. Gradio's own queue works on whatever was asked for, and keeps answers that
nobody fetches, without limits for one visitor. This one stands before it and speaks the
same protocol; for the work it calls Gradio's plain endpoint, /gradio_api/run/.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from secrets import token_hex
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs

from shared.web import requests
from shared.web.requests import (
    API,
    USER,
    Receive,
    Refused,
    Scope,
    Send,
    answer,
    read_body,
)
from shared.web.shell import note_failure

WAITING = 200  # events that nobody listens for yet
AT_ONCE = 100  # events of one listener
QUIET = 15  # seconds after which a listener is told that there is nothing new
WRONG_CALL = (
    "This call is not as it should be: /gradio_api/openapi.json says what each takes."
)

Key = tuple[str | None, str]  # a user's name, and that of one of his sessions


class Event(NamedTuple):
    """Something that was asked for.

    Attributes:
        name: nobody can guess it.
        scope: of the request that asked.
        endpoint: of Gradio.
        asked: for the endpoint.
    """

    name: str
    scope: Scope
    endpoint: str
    asked: dict[str, Any]


class Dialect(NamedTuple):
    """What a listener is told.

    Attributes:
        write: tells of an event whether it worked, and what came of it as JSON.
        quiet: nothing new.
        end: that was all.
        unknown: nothing was asked for.
    """

    write: Callable[[Event, bool, str], str]
    quiet: str
    end: str = ""
    unknown: str = ""


def _write_message(event: Event, worked: bool, output: str) -> str:
    told = f'{{"msg":"process_completed","event_id":"{event.name}","output":{output}'
    return f'data: {told},"success":{json.dumps(worked)}}}\n\n'


def _write_event(_: Event, worked: bool, output: str) -> str:
    if not worked:
        return f"event: error\ndata: {output}\n\n"
    return f"event: complete\ndata: {json.dumps(json.loads(output)['data'])}\n\n"


MESSAGES = Dialect(
    _write_message,
    'data: {"msg":"heartbeat"}\n\n',
    'data: {"msg":"close_stream"}\n\n',
    'data: {"msg":"unexpected_error","message":"There is nothing to listen for here. '
    'Ask again.","success":false,"session_not_found":true}\n\n',
)
EVENTS = Dialect(_write_event, "event: heartbeat\ndata: null\n\n")
UPLOADED = 'data: {"msg":"done"}\n\n'  # the page shows no progress


class Queue:
    """ASGI middleware: takes in events, and works on those that somebody listens for.

    If too many wait for that, the last one goes of the session that has most.

    Args:
        app: Gradio's application.
        parameters: of the endpoints that programs may call, as Gradio describes them.
    """

    def __init__(self, app: Any, parameters: Mapping[str, Any]):
        self.app, self._parameters = app, parameters
        self._waiting: dict[Key, list[Event]] = {}
        self._streams: dict[Key, _Stream] = {}
        self._actions = {
            ("POST", "queue/join"): self._join,
            ("POST", "call"): self._begin_call,
            ("POST", "run"): self._run,
            ("POST", "api"): self._run,
            ("GET", "queue/data"): self._listen_to_session,
            ("GET", "call"): self._listen_to_call,
            ("GET", "upload_progress"): self._tell_progress,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        act = None
        if scope["type"] == "http" and scope["path"].startswith(API):
            call = scope["path"].removeprefix(API).rstrip("/")
            for name in (call, call.partition("/")[0]):
                act = act or self._actions.get((scope["method"], name))
        await (act or self.app)(scope, receive, send)

    # ---- asking

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await _read(receive)
        session = asked.get("session_hash")
        if not session or not isinstance(session, str):
            raise requests.UNCLEAR
        event = Event(token_hex(16), scope, "predict", {**asked, "event_id": None})
        self._add((scope.get(USER), session), event)
        await answer(send, 200, {"event_id": event.name})

    async def _begin_call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take in the call of an endpoint, with its arguments in a list or by name."""
        asked, name = await _read(receive), _rest(scope)
        parameters = self._find(name.removeprefix("v2/"))
        data = _bind(parameters, asked) if name.startswith("v2/") else asked.get("data")
        asked = {"data": data, "simple_format": True}
        event = Event(token_hex(16), scope, name.removeprefix("v2/"), asked)
        self._add((scope.get(USER), event.name), event)
        await answer(send, 200, {"event_id": event.name})

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have an endpoint called at once, unless whoever calls hangs up."""
        event = Event("", scope, _rest(scope), await _read(receive))
        self._find(event.endpoint)
        if "fn_index" in event.asked:  # of the page's own events, which join the queue
            raise requests.NOTHING
        async with _Stream(receive) as stream:
            stream.start(event, self._work(event))
            if done := await stream.next():
                _, worked, output = done
                await answer(send, 200 if worked else 400, json.loads(output))

    def _find(self, endpoint: str) -> Any:
        """Find the parameters of an endpoint that programs may call."""
        if endpoint not in self._parameters:
            raise Refused(400, f"There is no endpoint {'/' + endpoint!r:.100}.")
        return self._parameters[endpoint]

    def _add(self, key: Key, event: Event) -> None:
        if stream := self._streams.get(key):
            if len(stream.events) >= AT_ONCE:
                raise requests.BUSY
            stream.start(event, self._work(event))
            return
        self._waiting.setdefault(key, []).append(event)
        if sum(map(len, self._waiting.values())) > WAITING:
            most = max(self._waiting, key=lambda one: len(self._waiting[one]))
            self._waiting[most].pop()
            if not self._waiting[most]:
                del self._waiting[most]

    # ---- listening

    async def _listen_to_session(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        key = scope.get(USER), asked.get("session_hash", [""])[0]
        await self._listen(key, MESSAGES, receive, send)

    async def _listen_to_call(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope.get(USER), _rest(scope).rpartition("/")[2]
        if key not in self._waiting:
            raise requests.NOTHING
        await self._listen(key, EVENTS, receive, send)

    async def _tell_progress(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _begin_stream(send)
        await send({"type": "http.response.body", "body": UPLOADED.encode()})

    async def _listen(
        self, key: Key, dialect: Dialect, receive: Receive, send: Send
    ) -> None:
        """Work on the events of a session, and tell what comes of them."""

        async def say(text: str, more: bool = True) -> None:
            body = {"type": "http.response.body", "body": text.encode()}
            await send({**body, "more_body": more})

        async with _Stream(receive) as stream:
            for event in self._waiting.pop(key, []):
                stream.start(event, self._work(event))
            if stream.events:
                self._streams[key] = stream  # for what is asked meanwhile
            try:
                await _begin_stream(send)
                if not stream.events:
                    await say(dialect.unknown, more=False)
                    return
                while stream.events:
                    try:
                        async with asyncio.timeout(QUIET):
                            done = await stream.next()
                    except TimeoutError:
                        await say(dialect.quiet)
                        continue
                    if not done:
                        return
                    await say(dialect.write(*done))
            finally:
                if self._streams.get(key) is stream:
                    del self._streams[key]
        await say(dialect.end, more=False)

    async def _work(self, event: Event) -> tuple[bool, str]:
        """Call Gradio's endpoint; tell whether it worked, and its answer as JSON."""
        body = json.dumps(event.asked).encode()
        path = f"{API}run/{event.endpoint}"
        kept = [one for one in event.scope["headers"] if one[0] not in _OWN_HEADERS]
        kept.append((b"content-type", b"application/json"))
        headers = [*kept, (b"content-length", str(len(body)).encode())]
        scope = {**event.scope, "path": path, "raw_path": path.encode()}
        scope |= {"query_string": b"", "headers": headers}
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        start: dict[str, Any] = {"status": 500}
        parts = []

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            start.update(message)
            parts.append(message.get("body", b""))

        try:
            await self.app(scope, receive, send)
        except Exception as error:
            note_failure("An event", error)
        content = b"".join(parts)
        if start["status"] == 200:
            return True, content.decode()
        try:
            has_reason = json.loads(content).get("error")
        except (ValueError, AttributeError):
            has_reason = False
        return False, content.decode() if has_reason else json.dumps(
            {"error": WRONG_CALL}
        )


_OWN_HEADERS = (b"content-type", b"content-length", b"accept-encoding")


class _Stream:
    """Somebody who listens, and the events that are worked on for him.

    At the end of its block what is left of them is broken off.

    Args:
        receive: tells when he hangs up.

    Attributes:
        events: by the tasks that work on them.
    """

    def __init__(self, receive: Receive):
        self.events: dict[asyncio.Task[tuple[bool, str]], Event] = {}
        self._done: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
        self._gone = asyncio.create_task(_wait_for_end(receive))
        self._gone.add_done_callback(self._done.put_nowait)

    def start(self, event: Event, work: Coroutine[Any, Any, tuple[bool, str]]) -> None:
        """Begin to work on an event."""
        task = asyncio.create_task(work)
        self.events[task] = event
        task.add_done_callback(self._done.put_nowait)

    async def next(self) -> tuple[Event, bool, str] | None:
        """Wait until an event is done, and give what came of it; None: he is gone."""
        task = await self._done.get()
        if task is self._gone:
            return None
        return self.events.pop(task), *task.result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (self._gone, *self.events):
            task.cancel()


async def _wait_for_end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _bind(parameters: Any, asked: dict[str, Any]) -> list[Any]:
    """Put arguments that are given by name in their order."""
    from gradio_client.utils import construct_args

    try:
        return list(construct_args(parameters, (), asked))
    except (TypeError, ValueError) as error:
        raise Refused(400, str(error).partition(" Please")[0]) from None


def _rest(scope: Scope) -> str:
    """Give what follows the first name of a call's path."""
    return scope["path"].removeprefix(API).strip("/").partition("/")[2]


async def _read(receive: Receive) -> dict[str, Any]:
    try:
        found = json.loads(await read_body(receive))
    except (ValueError, RecursionError):
        raise requests.UNCLEAR from None
    if not isinstance(found, dict):
        raise requests.UNCLEAR
    return found


async def _begin_stream(send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
