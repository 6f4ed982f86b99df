"""The page's endpoints, as other programs call them."""

import contextlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, answer, serve_page

from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.describing.predict import load_captioner
from shared.errors import AppError
from shared.web.queue import WRONG_CALL
from vqa.answering.predict import load_vqa

pytestmark = pytest.mark.slow
NAMES = ["caption", "caption_candidates", "alternatives", "ask"]
NEEDED = {"ask": {"question": "what is it?"}}
PHOTO = ROOT / "examples" / "photographer.jpg"
NOT_UPLOADED = "not a file that was uploaded here"


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """The address of the page."""
    with serve_page(tmp_path_factory.mktemp("page")) as (_, where):
        yield where


@pytest.fixture(scope="module")
def page(where):
    from gradio_client import Client

    return Client(where, verbose=False)


@pytest.fixture(scope="module")
def photo():
    from gradio_client import handle_file

    return handle_file(PHOTO)


@pytest.fixture(scope="module")
def captioner():
    return load_captioner()


@pytest.fixture(scope="module")
def vqa():
    return load_vqa()


def post(url, value):
    """Status and text that is answered to JSON."""
    headers = {"Content-Type": "application/json"}
    return answer(url, headers, json.dumps(value).encode())


def call(where, name, **given):
    """Call an endpoint with JSON; give the event that comes of it, and its data."""
    status, text = post(f"{where}/gradio_api/call/v2/{name}", given)
    assert status == 200
    event = json.loads(text)["event_id"]
    text = answer(f"{where}/gradio_api/call/{name}/{event}")[1]
    return re.fullmatch(r"event: (\w+)\ndata: (.*)\n\n", text).groups()


def upload(where, name, content):
    """Upload a file; give its path there."""
    body = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"'
    body = body.encode() + b"\r\n\r\n" + content + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return json.loads(answer(f"{where}/gradio_api/upload", headers, body)[1])[0]


def file_at(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


# ---- what they answer


@pytest.mark.parametrize(
    "given, changes",
    [
        ({}, {}),
        ({"prefix": "a man with"}, {"prefix": "a man with"}),
        ({"must": ["tripod"], "ban": ["man"]}, {"must": ["tripod"], "ban": ["man"]}),
        ({"beam_size": 1}, {"beam_size": 1}),
        ({"beam_size": 10, "model": "included"}, {"beam_size": 10}),
    ],
)
def test_a_caption_is_that_of_the_model(page, photo, captioner, given, changes):
    best = captioner.caption(PHOTO, **changes)[0]
    found = page.predict(photo, api_name="/caption", **given)
    assert found == {
        "text": best.text,
        "confidence": pytest.approx(best.confidence, abs=1e-4),
        "unsure": best.confidence < 0.24,
    }


def test_what_is_not_known_of_a_model_is_not_said(monkeypatch, captioner):
    from captioner.page.api import CaptionApi
    from shared.vision.photo_cache import Photos
    from shared.web import api

    monkeypatch.setattr(api, "sent", lambda photo: photo)
    config = captioner.config.model_copy(update={"unsure": 0.0})
    own = config.decoding.model_copy(update={"beam_size": 6, "groups": 3})
    config = config.model_copy(update={"decoding": own})
    other = PhotoCaptioner(config, captioner.vocabulary, captioner.runtime)
    endpoints = CaptionApi({"other": other}, Photos(set()))
    assert endpoints.caption(PHOTO)["unsure"] is None
    # Beams in groups of a number that does not share them.
    assert endpoints.caption(PHOTO, beam_size=5)["text"]
    assert len(endpoints.caption_candidates(PHOTO, count=7)) == 7


@pytest.mark.parametrize("count", [1, 3, 7])
def test_candidates_are_those_of_the_model(page, photo, captioner, count):
    beam = max(count, captioner.config.decoding.beam_size)
    best = captioner.caption(PHOTO, beam_size=beam)[:count]
    found = page.predict(photo, count=count, api_name="/caption_candidates")
    assert [one["text"] for one in found] == [one.text for one in best]
    for one, caption in zip(found, best, strict=True):
        assert one["confidence"] == pytest.approx(caption.confidence, abs=1e-4)
        words = [(word["word"], word["attention"]) for word in one["words"]]
        assert words == [(word, []) for word in caption.words]
        probs = [word["prob"] for word in one["words"]]
        assert probs == pytest.approx(caption.probs, abs=1e-4)


def test_attention_comes_if_it_is_wanted(page, photo, captioner):
    best = captioner.caption(PHOTO)[0]
    (found, *_) = page.predict(photo, attention=True, api_name="/caption_candidates")
    for word, alpha in zip(found["words"], best.attention, strict=True):
        assert word["attention"] == pytest.approx(alpha.tolist(), abs=1e-3)


def test_alternatives_are_those_of_the_model(page, photo, captioner):
    for words in ("", "a man is"):
        best = captioner.alternatives(PHOTO, words, 4)
        found = page.predict(photo, words, count=4, api_name="/alternatives")
        assert [one["word"] for one in found] == [one.word for one in best]
        probs = [one.prob for one in best]
        assert [one["prob"] for one in found] == pytest.approx(probs, abs=1e-4)


@pytest.mark.parametrize(
    "question, choices",
    [
        ("What is the man holding?", None),
        ("what is it", ["camera", "dog"]),
        ("is there a zebu?", None),
    ],
)
def test_answers_are_those_of_the_model(page, photo, vqa, question, choices):
    reply = vqa.ask(PHOTO, question, choices=choices or (), count=2, blind=True)
    found = page.predict(photo, question, choices, count=2, api_name="/ask")
    assert found["answer"] == reply.answer
    assert found["confidence"] == pytest.approx(reply.confidence, abs=1e-4)
    assert found["notes"] == list(reply.notes)
    for key, best in (("answers", reply.answers), ("guesses", reply.guesses)):
        assert [one["answer"] for one in found[key]] == [one.text for one in best]
        sure = [one.confidence for one in best]
        assert [one["confidence"] for one in found[key]] == pytest.approx(
            sure, abs=1e-4
        )


def test_many_are_answered_at_once(page, photo, captioner):
    jobs = [page.submit(photo, beam_size=1, api_name="/caption") for _ in range(40)]
    found = {job.result(timeout=60)["text"] for job in jobs}
    assert found == {captioner.caption(PHOTO, beam_size=1)[0].text}


# ---- what goes wrong


@pytest.mark.parametrize(
    "name, given, message",
    [
        ("caption", {"must": ["camra"]}, 'Words near it .* "camera"'),
        ("caption", {"must": "tripod"}, "must: .*list. Received: 'tripod'"),
        ("caption", {"prefix": "a " * 300}, "prefix: .* at most 400 characters"),
        ("caption", {"ban": ["a"] * 101}, "ban: .* at most 100"),
        ("caption", {"beam_size": 0}, "beam_size: .* 1. Received: 0"),
        ("caption", {"beam_size": 11}, "beam_size: .* 10. Received: 11"),
        ("caption", {"model": "best"}, "no model 'best' here. There is: included"),
        ("caption_candidates", {"count": 11}, "count: .* 10. Received: 11"),
        ("caption_candidates", {"attention": "?"}, "attention: .* boolean"),
        ("alternatives", {"count": 0}, "count: .* 1. Received: 0"),
        ("alternatives", {"words_so_far": 5}, "words_so_far: .* string"),
        ("ask", {"question": ""}, "question"),
        ("ask", {"question": "what?", "choices": ["dog"]}, "two different choices"),
        ("ask", {"question": "what?", "choices": ["a"] * 21}, "choices: .* at most 20"),
    ],
)
def test_an_error_is_a_sentence(page, photo, name, given, message):
    from gradio_client.exceptions import AppError as Refused

    with pytest.raises(Refused, match=message) as caught:
        page.predict(photo, api_name=f"/{name}", **given)
    assert not re.search(r"Traceback|pydantic|File \"|/tmp", str(caught.value))


def test_what_is_no_photo_is_named_without_its_folder(where):
    path = upload(where, "notes.jpg", b"no photo")
    kind, data = call(where, "caption", photo=file_at(path))
    assert kind == "error"
    message = json.loads(data)["error"]
    assert message.startswith("notes.jpg: this is not an image that can be read")


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_that_would_take_hours_is_refused(where, name):
    scan = b"\xff\xda" * 3_000_000  # and each would be gone through
    content = PHOTO.read_bytes()[:-2] + scan
    path = upload(where, "slow.jpg", content)
    kind, data = call(where, name, photo=file_at(path), **NEEDED.get(name, {}))
    assert kind == "error"
    assert "slow.jpg: it has too many scans" in json.loads(data)["error"]


@pytest.mark.parametrize(
    "name, given, message",
    [
        ("caption", {"photos": 1}, "Parameter `photos` is not a valid"),
        ("ask", {"photo": 1}, "No value provided for required argument: question"),
        ("describe", {}, "There is no endpoint '/describe'."),
    ],
)
def test_a_call_that_cannot_be_is_refused(where, name, given, message):
    status, text = post(f"{where}/gradio_api/call/v2/{name}", given)
    assert status == 400
    assert json.loads(text)["error"].startswith(message)


@pytest.mark.parametrize("values", [[], [None], ["a"] * 3])
def test_a_call_with_too_few_values_is_told_where_it_is_said(where, values):
    status, text = post(f"{where}/gradio_api/run/caption", {"data": values})
    assert status == 400
    assert "/gradio_api/openapi.json" in json.loads(text)["error"]
    event = json.loads(post(f"{where}/gradio_api/call/caption", {"data": values})[1])
    text = answer(f"{where}/gradio_api/call/caption/{event['event_id']}")[1]
    assert text.startswith("event: error")
    assert "/gradio_api/openapi.json" in text


@pytest.mark.parametrize(
    "given",
    [
        *(str(PHOTO), {"path": str(PHOTO)}, {"path": str(PHOTO), "meta": {}}),
        *(None, 5, [], {}, {"meta": {"_type": "gradio.FileData"}}),
        *(file_at("https://example.com/a.jpg"), file_at("http://127.0.0.1:1/a.jpg")),
        file_at("http://x/gradio_api/file=/etc/hostname"),
        file_at(f"http://x/gradio_api/file={PHOTO}"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["caption", "ask"])
def test_only_uploads_are_looked_at(where, name, given):
    kind, data = call(where, name, photo=given, **NEEDED.get(name, {}))
    assert kind == "error"
    assert NOT_UPLOADED in json.loads(data)["error"]


@pytest.mark.parametrize("name", NAMES)
def test_files_of_the_server_are_out_of_reach(where, tmp_path, name):
    uploads = Path(upload(where, "cat.jpg", PHOTO.read_bytes())).parents[1]
    inside = shutil.copy(PHOTO, tmp_path / "inside.jpg")
    places = [PHOTO, inside, "/etc/hostname", uploads / ".." / "x.jpg"]
    places += [uploads, uploads / "nothing.jpg", "\0", "a" * 5000]
    for place in places:
        kind, data = call(where, name, photo=file_at(place), **NEEDED.get(name, {}))
        assert kind == "error"
        assert json.loads(data)["error"] == WRONG_CALL or NOT_UPLOADED in data
    assert len([*uploads.rglob("hostname")]) == 0  # nor copied to where it is served


def test_the_page_itself_takes_no_files_of_the_server(where):
    config = json.loads(answer(f"{where}/config")[1])
    for event in config["dependencies"]:
        given = [file_at("/etc/hostname")] * len(event["inputs"])
        asked = {"data": given, "fn_index": event["id"], "session_hash": "x"}
        for name in ("any", event["api_name"]):
            assert post(f"{where}/gradio_api/run/{name}", asked)[0] in (400, 404)
        assert post(f"{where}/gradio_api/queue/join", asked)[0] == 200
        text = answer(f"{where}/gradio_api/queue/data?session_hash=x")[1]
        message = json.loads(text.partition("data: ")[2].partition("\n")[0])
        if not message["success"]:
            assert message["output"] == {"error": WRONG_CALL}
        assert "hostname" not in text


def test_the_address_of_an_upload_stands_for_it(where, captioner):
    path = upload(where, "cat.jpg", PHOTO.read_bytes())
    given = file_at(f"{where}/gradio_api/file={path}")
    kind, data = call(where, "caption", photo=given)
    assert kind == "complete"
    assert json.loads(data)[0]["text"] == captioner.caption(PHOTO)[0].text


# ---- what is listed


def test_the_endpoints_are_all_that_is_listed(where):
    schema = json.loads(answer(f"{where}/gradio_api/openapi.json")[1])
    posted = [path for path, kinds in schema["paths"].items() if "post" in kinds]
    calls = [f"/gradio_api/call/v2/{name}" for name in NAMES]
    assert posted == ["/gradio_api/upload", *calls]
    info = json.loads(answer(f"{where}/gradio_api/info")[1])
    assert [*info["named_endpoints"]] == [f"/{name}" for name in NAMES]
    assert info["unnamed_endpoints"] == {}
    assert answer(f"{where}/openapi.json")[0] == 404


def test_the_schema_says_what_is_taken_and_given(where):
    schema = json.loads(answer(f"{where}/gradio_api/openapi.json")[1])
    posted = schema["paths"]["/gradio_api/call/v2/caption"]["post"]
    assert posted["summary"].startswith("Describe a photo in a sentence.")
    taken = posted["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert taken["photo"]["format"] == "filepath"
    assert taken["must"]["oneOf"][1] == {"type": "array", "items": {"type": "string"}}
    assert taken["must"]["description"] == "words that it has, up to 4 of them."
    info = json.loads(answer(f"{where}/gradio_api/info")[1])["named_endpoints"]
    for endpoint in info.values():
        assert all(one["type"]["description"] for one in endpoint["parameters"][1:])
    (given,) = info["/caption"]["returns"]
    assert [*given["type"]["properties"]] == ["text", "confidence", "unsure"]
    (given,) = info["/caption_candidates"]["returns"]
    word = given["type"]["items"]["properties"]["words"]["items"]["properties"]
    assert word["attention"] == {"type": "array", "items": {"type": "number"}}


def test_agents_are_not_let_in_unless_asked_for(where):
    for path in ("mcp", "mcp/", "mcp/sse", "mcp/schema"):
        assert answer(f"{where}/gradio_api/{path}")[0] == 404


# ---- the docs


def blocks(language):
    """Code of a language in the docs of the page's endpoints."""
    text = (ROOT / "docs" / "page.md").read_text("utf-8")
    part = text[text.index("## From other programs\n") :]
    return re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)


def test_the_python_of_the_docs_runs(where, monkeypatch, captioner):
    monkeypatch.chdir(ROOT)
    (code,) = blocks("python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.replace("http://127.0.0.1:7860", where), {})
    text = captioner.caption(PHOTO, prefix="a man with")[0].text
    assert f"'text': '{text}'" in printed.getvalue()
    assert printed.getvalue().endswith("\ncamera\n")


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="curl")
def test_the_commands_of_the_docs_print_what_they_say(where):
    (code,) = blocks("sh")
    said = next(block for block in blocks("console") if block.startswith("event:"))
    code = code.replace("http://127.0.0.1:7860", where)
    found = subprocess.run(
        ["bash", "-eu", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert found.stderr == ""
    kind, data = found.stdout.split("\n")[:2]
    told, shown = (json.loads(s.partition("data: ")[2]) for s in (said, data))
    assert kind == "event: complete"
    assert told[0]["text"] == shown[0]["text"]
    assert told[0]["confidence"] == pytest.approx(shown[0]["confidence"], abs=0.02)


def test_every_endpoint_is_in_the_docs():
    text = (ROOT / "docs" / "page.md").read_text("utf-8")
    assert all(f"| `/{name}` |" in text for name in NAMES)


# ---- without a server


def test_models_are_chosen_by_name():
    from shared.web.api import choose

    models = {"a": 1, "b": 2}
    assert [choose(models, name) for name in (None, "a", "b")] == [1, 1, 2]
    with pytest.raises(AppError, match=r"no model 'c' here. There is: a, b"):
        choose(models, "c")
