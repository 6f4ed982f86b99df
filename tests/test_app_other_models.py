"""The page in Chromium with models of the user's own, beside the included ones."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import IN_CHROMIUM, serve_page

pytest.importorskip("playwright", reason="pip install 'playwright>=1.60,<2'")

from playwright.sync_api import expect
from test_app_browser import (  # noqa: F401  # fixtures among them
    MAN,
    choose,
    context,
    describe,
    open_page,
    sentence,
    unfold,
)

from captioner.describing.predict import SHIPPED, load_captioner

pytestmark = [
    *IN_CHROMIUM,
    pytest.mark.skipif(not SHIPPED.exists(), reason="no model is shipped"),
]


def change_bundle(folder, name, change):
    """Change a text of a bundle, and say so in its manifest."""
    text = change((folder / name).read_text("utf-8"))
    (folder / name).write_text(text, "utf-8")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


CARD = """# A card

<script>window.taken = 1</script><img src=x onerror="window.taken = 2">
<style>body { display: none }</style><iframe src="https://example.com/"></iframe>
<form action="https://example.com/"><input name="password"></form>

![a picture](https://example.com/a.png) [a link](javascript:window.taken=3)
<svg/onload=window.taken=4> <a href="javascript:window.taken=5">another</a>

| score | value |
|---|---|
| less than | 3 < 5 |
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A bundle that searches in a way of its own, and is never unsure."""
    folder = tmp_path_factory.mktemp("own") / "terse"
    shutil.copytree(SHIPPED, folder)
    change_bundle(
        folder,
        "config.toml",
        lambda text: (
            re.sub("(?m)^unsure = .*", "unsure = 0.001", text)
            .replace("beam_size = 4", "beam_size = 6")
            .replace("groups = 1", "groups = 2")
            .replace("max_words = 20", "max_words = 4")
        ),
    )
    change_bundle(folder, "card.md", lambda _: CARD)
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory, own):
    folder = tmp_path_factory.mktemp("served")
    options = ["--captioner", str(SHIPPED), "--captioner", str(own)]
    with serve_page(folder, *options) as (_, where):
        yield where


def test_each_model_is_searched_as_its_bundle_says(context, address, own):  # noqa: F811
    written = load_captioner(own).caption(MAN, min_words=3)
    page, watch = open_page(context, address)
    describe(page, lambda: choose(page, MAN))
    unfold(page, "How it is written")

    def shown(label):
        return page.get_by_role("slider", name=label)

    expect(shown("Captions considered at once")).to_have_value("4")
    expect(shown("Words at most")).to_have_value("20")
    shown("Words at least").focus()
    shown("Words at least").press("ArrowRight")
    shown("Words at least").press("ArrowRight")
    page.get_by_label("Model").first.click()
    describe(page, page.get_by_role("option", name="terse").click)
    expect(shown("Words at most")).to_have_value("4")
    expect(shown("Words at least")).to_have_value("3")  # as it was set by hand
    expect(shown("Captions considered at once")).to_have_value("6")
    expect(page.get_by_role("radio", name="Diverse beams")).to_be_checked()
    expect(sentence(page)).to_have_text(re.compile(r"^(\S+ ){2,3}\S+$"))
    expect(page.locator(".sr-candidates li")).to_have_count(len(written))
    expect(page.get_by_text("The model is not sure of this.")).to_have_count(0)
    page.get_by_label("Model").first.click()
    page.get_by_role("option", name="included").click()
    expect(shown("Words at most")).to_have_value("20")
    expect(sentence(page)).to_have_text(re.compile(r"^(\S+ ){4,}\S+$"))
    page.close()
    assert watch.wrong == []


def test_a_card_cannot_do_anything_on_the_page(context, address):  # noqa: F811
    page, watch = open_page(context, address)
    page.get_by_role("tab", name="About").click()
    page.get_by_role("button", name="Captions: terse").click()
    expect(page.get_by_role("heading", name="A card")).to_be_visible()
    expect(page.get_by_role("cell", name="3 < 5")).to_be_visible()
    expect(page.get_by_text("onerror=")).to_be_visible()  # as words
    about = page.get_by_role("tabpanel", name="About")
    for selector in ("iframe", "form", "input", "img", "style"):
        expect(about.locator(selector)).to_have_count(0)
    for link in page.get_by_text("a link", exact=True).all():
        link.click()
    assert page.evaluate("window.taken") is None
    page.close()
    assert watch.wrong == []
