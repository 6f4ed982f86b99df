"""The page of `rnn inspect` as people use it, in Chromium."""

import re
from importlib.resources import files

import pytest
from conftest import IN_CHROMIUM

pytest.importorskip("playwright", reason="pip install 'playwright>=1.60,<2'")
pytest.importorskip("axe_playwright_python", reason="pip install '.[test]'")

from playwright.sync_api import expect
from test_rnn_inspect import subject

from rnn.cells.html_page import make_page
from rnn.cells.inspecting import look_inside

LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}

pytestmark = IN_CHROMIUM


@pytest.fixture(params=LOOKS)
def page(request, browser, tmp_path):
    net = subject()
    path = tmp_path / "page.html"
    path.write_text(make_page(net, look_inside(net)), "utf-8")
    wrong = []
    with browser.new_context(**LOOKS[request.param]) as context:
        opened = context.new_page()
        opened.on("console", lambda message: wrong.append(message.text))
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.goto(path.as_uri())
        yield opened
    assert wrong == []


def colors(page):
    return page.eval_on_selector_all(
        "[data-at]", "nodes => nodes.map(node => node.style.background)"
    )


def test_everybody_can_use_it(page):
    """By axe: WCAG 2.1, levels A and AA, and nothing wider than the screen."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    found = page.evaluate("(runOnly) => axe.run(document, { runOnly })", rules)
    assert [rule["id"] for rule in found["violations"]] == []
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def test_keys_choose_the_cell_and_the_gate_and_read_the_text(page):
    expect(page.locator("#told")).to_contain_text("inside quotes, 1.00 balanced")
    before = colors(page)
    page.get_by_role("radio", name="Cell 3 of layer 1").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#told")).to_contain_text("position in the line")
    assert colors(page) != before
    before = colors(page)
    page.get_by_role("radio", name="forget gate f").check()
    assert colors(page) != before
    page.locator(".cells-text").first.focus()
    expect(page.locator("#here")).to_have_text(re.compile(r"“.*”: forget gate f \d"))
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    place = page.locator(".at").get_attribute("data-at")
    assert place == "1"


def test_quotations_are_marked_where_they_are(page):
    marked = page.eval_on_selector_all(
        ".holds", "nodes => nodes.map(node => node.textContent).join('')"
    )
    assert '"a <b> </script>' in marked
    assert "".join(marked).count('"') == marked.count('"a')
