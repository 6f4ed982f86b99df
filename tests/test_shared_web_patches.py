"""The parts of Gradio that are exchanged are as they are known."""

import asyncio
import re
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="pip install gradio")

import gradio as gr
from fastapi import FastAPI
from gradio import processing_utils, routes
from jinja2 import Environment

from shared.web import patches

pytestmark = pytest.mark.slow


@pytest.fixture
def page(monkeypatch):
    """A page whose parts are exchanged, and are Gradio's own again at the end."""
    fetches = ("async_ssrf_protected_download", "async_ssrf_protected_get")
    for name in fetches:
        monkeypatch.setattr(processing_utils, name, vars(processing_utils)[name])
    monkeypatch.setattr(routes, "traceback", routes.traceback)
    loader = routes.templates.env.loader
    monkeypatch.setattr(routes.templates.env, "loader", loader)
    with gr.Blocks() as page:
        box = gr.Textbox()
        box.change(lambda text: text, box, box)
    gr.mount_gradio_app(FastAPI(), page, path="/")
    return page


def test_a_failure_is_a_line_of_the_log(page, monkeypatch):
    """No hook: what an endpoint raises is printed with its whole stack."""
    text = Path(routes.__file__).read_text("utf-8")
    assert set(re.findall(r"\btraceback\.(\w+)", text)) == {"print_exc"}
    error, told = KeyError("a"), []
    monkeypatch.setattr(patches, "note_failure", lambda *what: told.append(what))
    patches.patch(page)
    try:
        raise error
    except KeyError:
        routes.traceback.print_exc()
    assert told == [("An event", error)]


def test_uploads_are_not_listed_for_ever(page):
    """No hook: the set of all uploads grows, for a cleaning that is not used."""
    assert page.upload_file_set == set()
    patches.patch(page)
    page.upload_file_set.update(["a"])
    assert page.upload_file_set == set()


def test_its_own_queue_rests(page):
    """No option: it looks for events every millisecond."""
    waits = {"sleep_when_free", "progress_update_sleep_when_free"}
    assert waits <= vars(page._queue).keys()
    patches.patch(page)
    assert {vars(page._queue)[name] for name in waits} == {1.0}


def test_nothing_is_fetched_from_elsewhere(page):
    """No option: the address of any public server in the place of a file is read."""
    patches.patch(page)
    with pytest.raises(gr.Error, match="not a file that was uploaded"):
        asyncio.run(
            processing_utils.async_ssrf_protected_download("http://x.example/a", "/tmp")
        )
    with pytest.raises(gr.Error, match="not a file that was uploaded"):
        asyncio.run(processing_utils.async_ssrf_protected_get("http://x.example/a"))


def test_an_upload_is_found_by_its_address(page, tmp_path, monkeypatch):
    patches.patch(page)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a b.jpg").write_bytes(b"x")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "a.jpg").write_bytes(b"x")
    find = processing_utils.async_ssrf_protected_download
    url = f"http://x/gradio_api/file={tmp_path}/f/a%20b.jpg"
    assert asyncio.run(find(url, "")) == str(tmp_path / "f" / "a b.jpg")
    for name in ("%67/a.jpg", "f/..%2Fg%2Fa.jpg"):  # a folder goes by one name
        with pytest.raises(gr.Error):
            asyncio.run(find(f"http://x/gradio_api/file={tmp_path}/{name}", ""))


def test_links_are_relative(page):
    """No option: the manifest is asked of the top of the server."""
    env: Environment = routes.templates.env
    name = "frontend/index.html"
    source = env.loader.get_source(env, name)[0]
    assert '<link rel="manifest" href="/' in source
    patches.patch(page)
    source = env.loader.get_source(env, name)[0]
    assert '<link rel="manifest" href="./' in source
    assert '<link rel="icon" href="./favicon.ico" />' in source
