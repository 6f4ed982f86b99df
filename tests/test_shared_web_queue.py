"""What programs ask for: worked on while somebody listens, and for nobody else."""

import asyncio
import json

import pytest

from shared.web import queue, requests
from shared.web.queue import WRONG_CALL, Queue
from shared.web.requests import USER, Refused

PARAMETERS = {
    "caption": [
        {"parameter_name": "photo", "parameter_has_default": False},
        {
            "parameter_name": "prefix",
            "parameter_has_default": True,
            "parameter_default": "",
        },
    ]
}


class Gradio:
    """An application whose endpoint gives back what it was asked, or fails."""

    def __init__(self):
        self.calls = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, scope, receive, send):
        asked = json.loads((await receive())["body"])
        self.calls.append((scope["path"], asked))
        await self.go_on.wait()
        if asked["data"] == "raise":
            raise KeyError("inside")
        content, status = {"data": [asked["data"]]}, 200
        if asked["data"] in ("fail", "say"):
            status = 500
            content = {"error": "It is so." if asked["data"] == "say" else None}
        start = {"type": "http.response.start", "status": status, "headers": []}
        await send(start)
        body = json.dumps(content).encode()
        await send({"type": "http.response.body", "body": body})


class Visitor:
    """Somebody who sends requests to a queue."""

    def __init__(self, line, user=None):
        self.line, self.user = line, user
        self.end = asyncio.Event()

    async def ask(self, method, path, asked=None):
        """Send a request; give the answer's status and text."""
        path, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "path": f"/gradio_api/{path}"}
        scope |= {"query_string": query.encode(), "headers": [], USER: self.user}
        body = json.dumps(asked).encode()
        messages = [{"type": "http.request", "body": body}]
        status, parts = 0, []

        async def receive():
            if messages and method == "POST":
                return messages.pop()
            await self.end.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        await self.line(scope, receive, send)
        return status, b"".join(parts).decode()

    async def join(self, data, session="s"):
        asked = {"data": data, "fn_index": 3, "session_hash": session}
        status, text = await self.ask("POST", "queue/join", asked)
        assert status == 200
        return json.loads(text)["event_id"]

    async def hear(self, session="s"):
        """Listen to a session; give the messages."""
        status, text = await self.ask("GET", f"queue/data?session_hash={session}")
        assert status == 200
        return [
            json.loads(one.removeprefix("data: ")) for one in text.split("\n\n")[:-1]
        ]


def run(work):
    """Have `work` done with a queue and its application."""

    async def begin():
        gradio = Gradio()
        return await asyncio.wait_for(work(Queue(gradio, PARAMETERS), gradio), 10)

    return asyncio.run(begin())


def test_an_event_is_worked_on_as_soon_as_somebody_listens():
    async def work(line, gradio):
        visitor = Visitor(line)
        event = await visitor.join("hello")
        await asyncio.sleep(0)
        assert gradio.calls == []
        done, end = await visitor.hear()
        assert done == {
            **{"msg": "process_completed", "event_id": event, "success": True},
            "output": {"data": ["hello"]},
        }
        assert end == {"msg": "close_stream"}
        ((path, asked),) = gradio.calls
        assert path == "/gradio_api/run/predict"
        assert (asked["fn_index"], asked["session_hash"]) == (3, "s")
        assert (await visitor.hear())[0]["session_not_found"]  # it is told once

    run(work)


@pytest.mark.parametrize(
    "data, told", [("say", "It is so."), ("fail", WRONG_CALL), ("raise", WRONG_CALL)]
)
def test_a_failure_is_told_as_far_as_it_may_be(data, told):
    async def work(line, gradio):
        visitor = Visitor(line)
        await visitor.join(data)
        done, _ = await visitor.hear()
        assert not done["success"]
        assert done["output"] == {"error": told}

    run(work)


def test_what_is_asked_while_somebody_listens_is_told_on_the_same_line():
    async def work(line, gradio):
        visitor = Visitor(line)
        gradio.go_on.clear()
        names = [await visitor.join("first")]
        hearing = asyncio.create_task(visitor.hear())
        await asyncio.sleep(0.01)
        names.append(await visitor.join("second"))
        gradio.go_on.set()
        *done, _ = await hearing
        assert {one["event_id"] for one in done} == {*names}

    run(work)


def test_work_is_broken_off_for_whoever_hangs_up():
    async def work(line, gradio):
        visitor, before = Visitor(line), asyncio.all_tasks()
        gradio.go_on.clear()
        await visitor.join("slow")
        hearing = asyncio.create_task(visitor.hear())
        called = {"data": ["slow"]}
        calling = asyncio.create_task(visitor.ask("POST", "run/caption", called))
        await asyncio.sleep(0.01)
        assert len(gradio.calls) == 2
        visitor.end.set()
        assert await hearing == []
        assert await calling == (0, "")
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        assert not line._streams and not line._waiting

    run(work)


def test_who_listens_long_is_told_that_there_is_nothing_new(monkeypatch):
    monkeypatch.setattr(queue, "QUIET", 0.01)

    async def work(line, gradio):
        visitor = Visitor(line)
        gradio.go_on.clear()
        await visitor.join("slow")
        asyncio.get_running_loop().call_later(0.05, gradio.go_on.set)
        *quiet, done, _ = await visitor.hear()
        assert quiet[0] == {"msg": "heartbeat"}
        assert done["success"]

    run(work)


def test_of_what_nobody_listens_for_the_last_goes_of_the_session_with_most(monkeypatch):
    monkeypatch.setattr(queue, "WAITING", 4)

    async def work(line, gradio):
        visitor = Visitor(line)
        for number in range(6):
            await visitor.join(number, "many")
        await visitor.join("mine", "mine")
        assert len(await visitor.hear("mine")) == 2
        found = [one["output"]["data"][0] for one in (await visitor.hear("many"))[:-1]]
        assert sorted(found) == [0, 1, 2]

    run(work)


def test_of_many_sessions_the_oldest_goes(monkeypatch):
    monkeypatch.setattr(queue, "WAITING", 3)

    async def work(line, gradio):
        visitor = Visitor(line)
        for session in "abcd":
            await visitor.join(session, session)
        assert [key for _, key in line._waiting] == [*"bcd"]

    run(work)


def test_one_listener_has_only_so_much_worked_on_at_once(monkeypatch):
    monkeypatch.setattr(queue, "AT_ONCE", 2)

    async def work(line, gradio):
        visitor = Visitor(line)
        gradio.go_on.clear()
        await visitor.join(0)
        hearing = asyncio.create_task(visitor.hear())
        await asyncio.sleep(0.01)
        await visitor.join(1)
        with pytest.raises(Refused) as refused:
            await visitor.join(2)
        assert refused.value is requests.BUSY
        gradio.go_on.set()
        assert len(await hearing) == 3

    run(work)


def test_a_session_is_its_users_own():
    async def work(line, gradio):
        ann, bob = Visitor(line, "ann"), Visitor(line, "bob")
        await ann.join("hers")
        assert (await bob.hear())[0]["session_not_found"]
        assert (await ann.hear())[0]["success"]

    run(work)


# ---- endpoints, for programs


@pytest.mark.parametrize(
    "path, asked, data",
    [
        ("call/caption", {"data": ["a", "b"]}, ["a", "b"]),
        ("call/v2/caption", {"photo": "a"}, ["a", ""]),
        ("call/v2/caption", {"prefix": "b", "photo": "a"}, ["a", "b"]),
    ],
)
def test_a_call_has_a_name_that_its_user_alone_can_use(path, asked, data):
    async def work(line, gradio):
        ann, bob = Visitor(line, "ann"), Visitor(line, "bob")
        _, text = await ann.ask("POST", path, asked)
        call = f"{path}/{json.loads(text)['event_id']}"
        with pytest.raises(Refused) as refused:
            await bob.ask("GET", call)
        assert refused.value is requests.NOTHING
        _, text = await ann.ask("GET", call)
        assert text == f"event: complete\ndata: {json.dumps([data])}\n\n"
        assert gradio.calls[0][0] == "/gradio_api/run/caption"

    run(work)


def test_a_call_that_fails_says_why():
    async def work(line, gradio):
        visitor = Visitor(line)
        _, text = await visitor.ask("POST", "call/caption", {"data": "say"})
        event = json.loads(text)["event_id"]
        _, text = await visitor.ask("GET", f"call/caption/{event}")
        assert text == 'event: error\ndata: {"error": "It is so."}\n\n'
        assert (await visitor.ask("POST", "run/caption", {"data": "say"}))[0] == 400

    run(work)


@pytest.mark.parametrize(
    "path, asked, said",
    [
        ("call/v2/caption", {}, "No value provided for required argument: photo"),
        ("call/v2/caption", {"photo": 1, "x": 1}, "Parameter `x` is not a valid"),
        ("call/v2/describe", {}, "There is no endpoint '/describe'."),
        ("call/describe", {"data": []}, "There is no endpoint '/describe'."),
        ("run/predict", {"data": [], "fn_index": 3}, "There is no endpoint"),
        ("run/caption", {"data": [], "fn_index": 3}, "No page has this address"),
        ("run/caption", [], "cannot be understood"),
        ("queue/join", {"data": []}, "cannot be understood"),
        ("queue/join", {"data": [], "session_hash": 5}, "cannot be understood"),
    ],
)
def test_what_cannot_be_asked_is_refused(path, asked, said):
    async def work(line, gradio):
        with pytest.raises(Refused) as refused:
            await Visitor(line).ask("POST", path, asked)
        assert said in refused.value.reason
        assert gradio.calls == [] and not line._waiting

    run(work)
