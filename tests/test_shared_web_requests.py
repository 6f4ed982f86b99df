"""Which requests are refused; see also `test_app_limits`, where there is a page."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web import requests
from shared.web.hosts import Hosts
from shared.web.requests import Refused, check_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


HOSTS = Hosts("0.0.0.0", ["here", "photos.example"])


def check_headers(asked):
    return requests.check_headers(asked, HOSTS)


def scope(path="/", method="GET", **headers):
    given = {"host": "here:7860"} | {k.replace("_", "-"): v for k, v in headers.items()}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    return {"path": path, "method": method, "headers": pairs}


def refusal(check, *args):
    with pytest.raises(Refused) as caught:
        check(*args)
    return caught.value


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/config", "/config/", "/login", "/assets/a.js", "/sightread/page.js"),
        *("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/call/caption"),
        *("/gradio_api/call/caption/1", "/gradio_api/file=/tmp/a", "/gradio_api/mcp/"),
        *("/gradio_api/heartbeat/x", "/gradio_api/component_server", "/theme.css"),
    ],
)
def test_what_the_page_needs_passes(path):
    assert check_headers(scope(path)) == 0


@pytest.mark.parametrize(
    "path",
    [
        *("", "//", "/x", "/assets", "/gradio_api", "/gradio_api/", "/pwa_icon/9"),
        *("/gradio_api/proxy=http://x", "/gradio_api/stream/x", "/gradio_api/token"),
        *("/gradio_api/uploads", "/GRADIO_API/info", "/gradio_api//info", "/docs"),
    ],
)
def test_all_else_is_nowhere(path):
    assert path in ("", "//") or refusal(check_headers, scope(path)).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "get", "X"])
def test_methods(method):
    assert refusal(check_headers, scope(method=method)).status == 405
    assert check_headers(scope("/gradio_api/mcp/", method)) == 0  # it ends a session


@pytest.mark.parametrize("host", ["here", "HERE.:80", "[::1]:7860", "127.0.0.1"])
def test_hosts(host):
    assert check_headers(scope(host=host)) == 0


@pytest.mark.parametrize(
    "host", ["", "a b", "a:b", "a:123456", "<b>", "a@b", "a/b", "x" * 300, "é"]
)
def test_what_is_no_host(host):
    assert refusal(check_headers, scope(host=host)).status == 400


@pytest.mark.parametrize(
    "length, status", [("-1", 400), ("1e3", 400), ("", 400), ("²", 400), ("0x1", 400)]
)
def test_lengths(length, status):
    assert refusal(check_headers, scope(content_length=length)).status == status
    assert check_headers(scope(content_length="012")) == 12


def test_what_comes_in_chunks_has_no_length():
    assert check_headers(scope(transfer_encoding="chunked")) is None
    both = scope(transfer_encoding="chunked", content_length="2")
    assert refusal(check_headers, both).status == 400


@pytest.mark.parametrize("name", ["host", "origin", "content-length"])
def test_a_header_that_is_there_twice_is_refused(name):
    asked = scope(origin="http://here:7860", content_length="2")
    (value,) = (value for key, value in asked["headers"] if key == name.encode())
    asked["headers"].append((name.encode(), value))
    assert refusal(check_headers, asked).status == 400


@pytest.mark.parametrize("host", ["evil.example", "here.evil.example", "2130706433"])
def test_other_names_are_refused_with_the_way_out(host):
    refused = refusal(check_headers, scope(host=host, origin=f"http://{host}"))
    assert refused.status == 403
    assert "--host-name" in refused.reason


def test_a_name_that_a_server_before_it_says_must_be_known():
    told = {"x_forwarded_for": "10.0.0.1", "x_forwarded_host": "evil.example"}
    asked = scope(origin="https://evil.example", **told)
    assert refusal(check_headers, asked).status == 403
    asked = scope(**told)
    check_headers(asked)  # and Gradio must not take it for ours
    assert b"x-forwarded-host" not in dict(asked["headers"])


@pytest.mark.parametrize("origin", ["http://here:7860", "https://here:7860"])
def test_the_page_itself(origin):
    assert check_headers(scope(origin=origin)) == 0


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://here",
        "http://there:7860",
        "http://here:1",
        "here:7860",
        "x://",
        "x://here:7860",
    ],
)
def test_other_pages(origin):
    assert refusal(check_headers, scope(origin=origin)).status == 403


def test_a_server_before_it_may_change_the_host():
    told = {"x_forwarded_for": "10.0.0.1", "x_forwarded_host": "photos.example"}
    assert check_headers(scope(origin="https://photos.example", **told)) == 0
    assert check_headers(scope(origin="https://photos.example:8443", **told)) == 0
    assert (
        refusal(check_headers, scope(origin="https://x.example", **told)).status == 403
    )


def test_headers_that_gradio_should_not_see_go():
    asked = scope(x_gradio_server="http://x", range="bytes=1-2-3", accept="*/*")
    check_headers(asked)
    assert [name for name, _ in asked["headers"]] == [b"host", b"accept"]


@given(JSON)
def test_json_of_a_page_passes(value):
    check_json(json.dumps({"data": [value], "session_hash": "a-b_1"}).encode())


def nested(levels, inner="1"):
    return f'{{"data": {"[" * levels}{inner}{"]" * levels}}}'


@pytest.mark.parametrize(
    "content, status",
    [
        ("", 400),
        ("[]", 400),
        ("1", 400),
        ("{", 400),
        ('{"data": NaN}', 400),
        ('{"data": [-Infinity]}', 400),
        (f'{{"data": {"9" * 5000}}}', 400),
        ('{"session_hash": 1}', 400),
        ('{"session_hash": ""}', 400),
        ('{"session_hash": "a b"}', 400),
        ('{"session_hash": "é"}', 400),
        (f'{{"session_hash": "{"a" * 65}"}}', 400),
        (nested(requests.DEEPEST), 400),
        (nested(100_000), 413),
        (nested(20_000), 400),
        (nested(1, "1," * requests.MOST_PARTS + "1"), 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_json_that_is_refused(content, status):
    assert refusal(check_json, content.encode()).status == status


@pytest.mark.parametrize(
    "content",
    [
        *("{}", '{"session_hash": "x"}', '{"data": ["[[[[,,,,"]}'),
        nested(requests.DEEPEST - 1),
        nested(1, "1," * (requests.MOST_PARTS - 5) + "1"),
    ],
    ids=lambda value: value[:30],
)
def test_json_that_passes(content):
    check_json(content.encode())


def test_which_requests_are_json():
    kinds = {
        ("POST", "/gradio_api/queue/join"): True,
        ("POST", "/gradio_api/component_server"): True,
        ("POST", "/gradio_api/upload"): False,
        ("POST", "/gradio_api/upload/"): False,
        ("POST", "/gradio_api/mcp/"): False,
        ("POST", "/login"): False,
        ("GET", "/gradio_api/info"): False,
    }
    for (method, path), expected in kinds.items():
        assert requests.is_json(scope(path, method)) is expected
