"""The page as people use it, in Chromium: what they see, hear, click and type."""

import base64
import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import IN_CHROMIUM, MORE
from PIL import Image

pytest.importorskip("playwright", reason="pip install 'playwright>=1.60,<2'")
pytest.importorskip("gradio", reason="pip install gradio")
pytest.importorskip("axe_playwright_python", reason="pip install '.[test]'")

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

SHOTS = os.environ.get("SIGHTREAD_SHOTS")  # folder for pictures of every state

pytestmark = IN_CHROMIUM

ROOT = Path(__file__).parents[1]
MAN, CAT, COFFEE = (
    ROOT / "examples" / f"{name}.jpg" for name in ("photographer", "cat", "coffee")
)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TABS = ("Describe", "Ask", "Search", "Folder", "Look inside", "About")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
HARMLESS = "Method not implemented."  # Gradio's, a warning


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos in an archive, `photos.db` beside them."""
    folder = tmp_path_factory.mktemp("archived")
    for path in (ROOT / "examples").glob("*.jpg"):
        shutil.copy(path, folder)
    command = [sys.executable, "-m", "captioner", "index", str(folder)]
    subprocess.run([*command, "--db", f"{folder}/photos.db"], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def address(archived: Path) -> Iterator[str]:
    command = [sys.executable, "app.py", "--port", "0", "--db", f"{archived}/photos.db"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        try:
            line = app.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, f"the page did not start: {line!r}"
            yield found[0].rstrip("/")
        finally:
            app.terminate()


class Watch(NamedTuple):
    """What a page must not do, and what it asks Python for."""

    wrong: list[str]
    asked: list[str]


def open_page(context: BrowserContext, address: str) -> tuple[Page, Watch]:
    page, watch = context.new_page(), Watch([], [])
    page.set_default_timeout(45_000)  # ms; others may keep the processors busy

    def hear(message: Any) -> None:
        if message.type == "error" or HARMLESS not in message.text:
            watch.wrong.append(f"console {message.type}: {message.text}")

    def see(request: Any) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            watch.wrong.append(f"another host: {request.url}")
        if "/queue/join" in request.url:
            watch.asked.append(request.post_data)

    page.on("console", hear)
    page.on("pageerror", lambda error: watch.wrong.append(f"script: {error}"))
    page.on("request", see)
    page.goto(address)
    page.get_by_role("button", name="Choose a photo").wait_for()
    page.locator("#photo input[type=file]").wait_for(state="attached")
    return page, watch


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One browser's window: what it has loaded once, it need not load again."""
    permissions = ["camera", "clipboard-read", "clipboard-write"]
    with browser.new_context(viewport=DESKTOP, permissions=permissions) as window:
        yield window


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """A new visitor's page; at the end of a test nothing may have gone wrong."""
    opened, watch = open_page(context, address)
    yield opened
    opened.close()
    assert watch.wrong == []


def choose(page: Page, photo: Path) -> None:
    """Choose a file in the browser's dialog."""
    with page.expect_file_chooser() as dialog:
        page.get_by_role("button", name="Choose a photo").click()
    dialog.value.set_files(photo)


BRING = """([kind, target, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const element = document.querySelector(target);
  const options = { bubbles: true, cancelable: true };
  if (kind === "paste") {
    element.dispatchEvent(
      new ClipboardEvent("paste", { ...options, clipboardData: transfer }));
    return;
  }
  for (const one of ["dragenter", "dragover", "drop"]) {
    element.dispatchEvent(new DragEvent(one, { ...options, dataTransfer: transfer }));
  }
}"""


def bring(page: Page, kind: str, photo: Path, target: str = "body") -> None:
    """Drop or paste a photo somewhere on the page."""
    data = base64.b64encode(photo.read_bytes()).decode()
    page.evaluate(BRING, [kind, target, photo.name, data])


def sentence(page: Page) -> Locator:
    return page.locator(".sr-sentence")


def describe(page: Page, act: Callable[[], Any]) -> str:
    """Do something that gives another caption, and wait for it."""
    before = sentence(page).inner_text()
    act()
    expect(sentence(page)).to_have_text(re.compile(r"\w.*\."))
    expect(sentence(page)).not_to_have_text(before)
    return sentence(page).inner_text()


def photo_shown(page: Page) -> str | None:
    return page.locator(".sr-photo").get_attribute("src")


def words(page: Page) -> list[str]:
    return page.locator(".sr-word > span:first-child").all_inner_texts()


def fill(page: Page, field: str, text: str) -> None:
    """Type into one of Gradio's fields, and say so by Enter."""
    box = page.locator(f"#{field} textarea, #{field} input")
    box.fill(text)
    expect(box).to_have_value(text)
    box.press("Enter")


def unfold(page: Page, name: str) -> None:
    """Open one of Gradio's accordions, and wait until its fields keep what is typed.

    Gradio sets their first values once more in the frame after they are shown.
    """
    heading = page.get_by_role("button", name=name)
    heading.click()
    heading.locator("xpath=..").locator("input").last.wait_for()
    page.evaluate("new Promise((done) => setTimeout(requestAnimationFrame, 200, done))")


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.innerText")


def test_photo_is_described_word_by_word(page: Page) -> None:
    caption = describe(page, lambda: choose(page, MAN))
    assert " ".join(words(page)) == caption.lower().rstrip(".")
    assert page.locator(".sr-strip li").count() == len(words(page))
    assert page.locator(".sr-candidates li").count() > 1
    cover, legend = page.locator(".sr-cover"), page.locator(".sr-legend")
    assert not cover.is_visible()
    page.locator(".sr-word").nth(1).hover()
    expect(cover).to_be_visible()
    assert f"Where it looked for “{words(page)[1]}”: " in legend.inner_text()
    page.mouse.move(0, 0)
    expect(cover).to_be_hidden()
    drawn = page.evaluate(
        """[...document.querySelectorAll(".sr-strip canvas")].map((canvas) =>
          new Set(canvas.getContext("2d").getImageData(0, 0, 99, 99).data).size)"""
    )
    assert min(drawn) > 50  # different values: the photo, not an empty canvas


SHOW_TAGS = """(concepts) => {
  const shown = document.createElement("div");
  shown.id = "shown";
  document.getElementById("caption").append(shown);
  const caption = { text: "A dog.", confidence: 0.5 };
  const value = { captions: [caption], chosen: 0, words: [], concepts };
  Object.assign(value, { columns: 3, resize: "crop" });
  sightread.showCaption(shown, { value }, { trigger() {}, watch() {} });
}"""


def test_a_map_may_have_more_columns_than_rows(page: Page) -> None:
    hot = {"grid": [0, 0, 0, 0.9, 0, 0, 0, 0], "columns": 4}
    place = page.evaluate("(map) => sightread.whereabouts(map)", hot)
    assert place == "most at the top right"
    red = page.evaluate(
        """(map) => {
          const canvas = document.createElement("canvas");
          Object.assign(canvas, { width: 96, height: 96 });
          sightread.lay(canvas, map);
          const { data } = canvas.getContext("2d").getImageData(0, 0, 96, 96);
          const at = (x, y) => data[4 * (96 * y + x)];
          return [at(84, 24), at(84, 72), at(12, 24)];
        }""",
        {**hot, "resize": "squash"},
    )
    assert red[0] > 200 > 100 > max(red[1:])


def test_what_is_seen_is_pointed_out_by_pointer_keyboard_and_touch(page: Page) -> None:
    describe(page, lambda: choose(page, MAN))
    seen = [
        {"word": "dog", "there": 0.97, "grid": [0.9, *[0] * 8]},
        {"word": "tripod", "there": 0.5, "grid": []},
        {"word": "grass", "there": 0.304, "grid": [*[0] * 8, 0.2]},
    ]
    page.evaluate(SHOW_TAGS, seen)
    tags, legend = page.locator("#shown .sr-tags"), page.locator(".sr-legend")
    assert tags.get_by_role("listitem").count() == 3
    dog = tags.get_by_role("button", name="dog 97 % , most at the top left")
    grass = tags.get_by_role("button", name="grass 30 % , most at the bottom right")
    assert tags.get_by_role("button").count() == 2  # where the tripod is, is not known
    expect(tags.get_by_text("tripod 50 %")).to_be_visible()
    cover, below = page.locator(".sr-cover"), page.locator(".sr-taker")
    place = below.evaluate("taker => taker.offsetTop")
    dog.hover()
    expect(legend).to_contain_text("Where it sees “dog”: most at the top left")
    assert below.evaluate("taker => taker.offsetTop") == place  # nothing moves
    page.mouse.move(0, 0)
    expect(cover).to_be_hidden()
    dog.focus()
    page.keyboard.press("Tab")
    expect(grass).to_be_focused()
    expect(legend).to_contain_text("Where it sees “grass”: most at the bottom right")
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    expect(legend).to_contain_text("Where it sees “dog”")
    page.evaluate("document.activeElement.blur()")
    expect(legend).to_contain_text("Where it sees “grass”")  # it was chosen to stay
    assert grass.get_attribute("aria-pressed") == "true"
    dog.click()
    assert grass.get_attribute("aria-pressed") == "false"
    assert violations(page) == []
    page.evaluate("document.getElementById('shown').remove()")
    page.evaluate(SHOW_TAGS, [])
    assert page.locator("#shown .sr-tags").count() == 0


def test_dropped_and_pasted_photos_take_the_place_of_the_last(page: Page) -> None:
    seen = [describe(page, lambda: bring(page, "drop", MAN)), photo_shown(page)]
    seen += [describe(page, lambda: bring(page, "drop", CAT, "h1")), photo_shown(page)]
    page.get_by_role("tab", name="About").click()
    seen += [describe(page, lambda: bring(page, "paste", COFFEE)), photo_shown(page)]
    assert len(set(seen)) == 6
    expect(page.get_by_role("tab", name="Describe")).to_have_attribute(
        "aria-selected", "true"
    )


def test_a_photo_is_described_once(context: BrowserContext, address: str) -> None:
    page, watch = open_page(context, address)
    describe(page, lambda: choose(page, MAN))
    describe(page, lambda: choose(page, CAT))
    page.wait_for_timeout(500)  # a second request would come by now
    page.close()
    assert len(watch.asked) == 2
    assert all('"path"' in asked for asked in watch.asked)


def test_the_camera_takes_a_photo(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    take = page.get_by_role("button", name="Take the photo")
    expect(take).to_be_focused()
    page.keyboard.press("Escape")
    expect(take).to_be_hidden()
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('video').videoWidth > 0")
    describe(page, take.click)
    running = "document.querySelector('video').srcObject"
    assert page.evaluate(running) is None  # the camera's light goes out
    assert photo_shown(page)


def test_a_camera_that_is_refused_is_explained(page: Page) -> None:
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(); }"
    )
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("Allow it for this page")


def test_examples(page: Page) -> None:
    examples = page.get_by_role("list", name="Example photos").get_by_role("button")
    names = [path.stem for path in sorted((ROOT / "examples").glob("*.jpg"))]
    for place, name in enumerate(names):
        example = page.get_by_role("button", name=f"Example: {name}")
        describe(page, example.click)
        expect(examples.nth(place)).to_be_focused()


def test_choose_another_caption(page: Page) -> None:
    describe(page, lambda: choose(page, MAN))
    second = page.locator(".sr-candidates button").nth(1)
    wanted = second.locator("span").first.inner_text()
    assert describe(page, second.click) == wanted
    expect(second).to_be_focused()
    expect(second).to_have_attribute("aria-pressed", "true")
    assert " ".join(words(page)) == wanted.lower().rstrip(".")


def test_choose_and_type_other_words(page: Page) -> None:
    describe(page, lambda: choose(page, MAN))
    first, second = (page.locator(".sr-word").nth(place) for place in (0, 1))
    second.click()
    expect(page.locator(".sr-cover")).to_be_visible()  # as long as it is open
    other = page.locator(".sr-choices button").filter(has_text="woman")
    assert describe(page, other.click).startswith("A woman")
    expect(second).to_be_focused()

    first.press("Enter")
    box = page.get_by_label("A word of your own")
    box.fill("two")
    assert describe(page, lambda: box.press("Enter")).startswith("Two ")
    expect(first).to_be_focused()

    second.click()
    box.fill("Xylophones")  # not among the model's words
    caption = describe(page, lambda: box.press("Enter"))
    assert caption.startswith("Two Xylophones")
    second = page.locator(".sr-candidates button").nth(1)
    wanted = second.locator("span").first.inner_text()
    assert wanted.startswith("Two Xylophones")
    assert describe(page, second.click) == wanted
    second = page.locator(".sr-word").nth(1)

    unfold(page, "How it is written")
    caption = describe(page, lambda: fill(page, "ban", "dogs"))
    second.click()
    box.fill("dogs")
    box.press("Enter")
    alert = page.locator("#caption").get_by_role("alert")
    expect(alert).to_contain_text("dogs")
    expect(box).to_be_focused()  # to try another
    assert sentence(page).inner_text() == caption


def test_escape_closes_the_other_words(page: Page) -> None:
    describe(page, lambda: choose(page, MAN))
    word = page.locator(".sr-word").nth(2)
    word.focus()
    page.keyboard.press("Enter")
    expect(word).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".sr-others button").first).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(word).to_have_attribute("aria-expanded", "false")
    expect(word).to_be_focused()
    expect(page.locator(".sr-others")).to_be_empty()
    word.click()
    word.click()
    expect(page.locator(".sr-others")).to_be_empty()


def test_copy_and_download(page: Page, tmp_path: Path) -> None:
    caption = describe(page, lambda: choose(page, MAN))
    page.get_by_role("button", name="Copy as alt text").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == caption
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as a picture").click()
    download.value.save_as(tmp_path / "strip.png")
    pixels = np.asarray(Image.open(tmp_path / "strip.png").convert("RGB"))
    assert pixels.shape[1] > 600
    assert pixels.std() > 20


def test_how_it_is_written(page: Page) -> None:
    usual = describe(page, lambda: choose(page, MAN))
    unfold(page, "How it is written")

    def method(name: str) -> None:
        page.get_by_role("radio", name=name).click()

    describe(page, lambda: method("Sampling"))
    expect(page.get_by_label("Seed")).to_be_visible()
    describe(page, lambda: method("Greedy"))
    method("Diverse beams")
    expect(page.locator(".sr-candidates li")).to_have_count(4)
    openings = page.locator(
        ".sr-candidates button > span:first-child"
    ).all_inner_texts()
    assert len(set(openings)) == 4
    method("Beam search")
    expect(sentence(page)).to_have_text(usual)

    assert "tripod" in describe(page, lambda: fill(page, "must", "tripod"))
    caption = describe(page, lambda: fill(page, "prefix", "a photo of"))
    assert caption.startswith("A photo of")
    assert "tripod" in caption
    without = describe(page, lambda: fill(page, "ban", "man, camera"))
    assert not {"man", "camera"} & set(without.lower().rstrip(".").split())


def test_passing_by_the_options_changes_nothing(page: Page) -> None:
    describe(page, lambda: choose(page, MAN))
    page.locator(".sr-word").nth(1).click()
    other = page.locator(".sr-choices button").filter(has_text="woman")
    steered = describe(page, other.click)
    unfold(page, "How it is written")
    page.get_by_label("It starts with").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.wait_for_timeout(500)
    expect(sentence(page)).to_have_text(steered)
    slider = page.get_by_role("slider", name="Words at least")
    slider.focus()
    for _ in range(11):
        slider.press("ArrowRight")
    expect(sentence(page)).to_have_text(re.compile(r"(\S+ ){11,}\S+"))


def test_what_cannot_be_is_said_in_words(page: Page) -> None:
    usual = describe(page, lambda: choose(page, MAN))
    unfold(page, "How it is written")
    fill(page, "must", "camra")
    alert = page.locator("#caption").get_by_role("alert")
    expect(alert).to_contain_text("camera")  # that is what was meant
    fill(page, "must", "camera")
    expect(alert).to_have_count(0)
    expect(sentence(page)).to_contain_text("camera")
    fill(page, "ban", "camera")
    expect(alert).to_contain_text("camera")
    fill(page, "ban", "")
    fill(page, "must", "")
    expect(sentence(page)).to_have_text(usual)


def test_questions_make_a_list(page: Page) -> None:
    page.get_by_role("tab", name="Ask").click()
    fill(page, "question", "is there a dog?")
    problem = page.locator("#answers").get_by_role("alert")
    expect(problem).to_have_text("There is no photo yet. Drop one on the page.")

    bring(page, "drop", MAN)
    expect(sentence(page)).not_to_be_empty()
    replies, questions = page.locator(".sr-reply"), page.locator(".sr-reply h2")
    fill(page, "question", "what is the man holding?")
    expect(questions).to_have_text(["what is the man holding?"])
    expect(problem).to_have_count(0)
    expect(replies.first.locator(".sr-answer")).to_have_text("camera")
    status = page.locator("#answers").get_by_role("status")
    expect(status).to_have_text("what is the man holding? camera")

    fill(page, "question", "is there a dgo?")
    expect(questions).to_have_text(["is there a dgo?", "what is the man holding?"])
    expect(replies.first).to_contain_text("does not know the word 'dgo'; it knows dog")
    page.get_by_role("button", name="How many people are there?").click()
    expect(replies).to_have_count(3)
    expect(questions.first).to_have_text("How many people are there?")

    page.get_by_role("button", name="Choose among answers").click()
    fill(page, "choices", "dog, cat, umbrella")
    expect(replies).to_have_count(4)
    ranked = replies.first.locator(".sr-ranked").first.locator("li > span:first-child")
    assert set(ranked.all_inner_texts()) <= {"dog", "cat", "umbrella"}
    fill(page, "choices", "")
    expect(replies).to_have_count(5)
    fill(page, "question", "")
    expect(problem).to_be_visible()
    expect(replies).to_have_count(5)

    cover, look = page.locator(".sr-cover"), replies.first.locator(".sr-look").first
    look.focus()
    expect(cover).to_be_visible()
    expect(page.locator(".sr-legend")).to_contain_text(look.inner_text())
    look.press("Enter")
    page.get_by_role("tab", name="Ask").focus()
    expect(cover).to_be_visible()  # it stays, until it is chosen again
    look.press("Enter")

    describe(page, lambda: bring(page, "drop", CAT))
    expect(replies).to_have_count(0)
    expect(page.get_by_role("tab", name="Ask")).to_have_attribute(
        "aria-selected", "true"
    )


def search(page: Page, text: str) -> Locator:
    """Search the archive, and give the photos that are shown."""
    page.get_by_role("tab", name="Search").click()
    fill(page, "query", text)
    heading = page.get_by_role("heading", name=f"for “{text}”")
    heading.wait_for()
    return page.locator(".sr-found > li")


def test_photos_are_found_described_and_asked_about(page: Page) -> None:
    found = search(page, "a cat looking up")
    expect(found.first).to_contain_text("cat.jpg")
    expect(found.first).to_contain_text(re.compile(r"cat \d\d%.*likelier by \d"))
    describe(page, found.first.get_by_role("button", name="Describe cat.jpg").click)
    expect(page.get_by_role("tab", name="Describe")).to_be_focused()
    first = photo_shown(page)
    found = search(page, "a man with a camera")
    man = found.get_by_role("button", name="Ask about photographer.jpg")
    describe(page, man.click)
    expect(page.get_by_role("tab", name="Ask")).to_be_focused()
    assert photo_shown(page) != first
    fill(page, "question", "what is the man holding?")
    expect(page.locator(".sr-answer")).to_have_text("camera")
    search(page, "zzz qqq")
    alert = page.locator("#found").get_by_role("alert")
    expect(alert).to_contain_text("No photo is found by 'zzz qqq'")
    expect(page.locator(".sr-found > li")).to_have_count(0)
    search(page, "a cat looking up")
    page.get_by_role("button", name="Similar to cat.jpg").click()
    heading = page.get_by_role("heading", name="for a photo like it, the best first")
    expect(heading).to_be_focused()
    expect(page.get_by_role("button", name="Describe cat.jpg")).to_have_count(0)
    unfold(page, "Conditions")
    fill(page, "without", "?")
    expect(alert).to_contain_text("Without '?': there is no word in it")
    fill(page, "without", "man, woman, cat")
    fill(page, "query", "a man " * 2000)
    expect(alert).to_contain_text("This is a text of 12,000 letters.")
    assert page.get_by_role("button", name="Describe cat.jpg").count() == 0


def test_a_caption_is_corrected_by_keyboard_and_found(page: Page) -> None:
    found = search(page, "a rocket")
    correct = page.get_by_role("button", name="Correct the caption of rocket.jpg")
    correct.focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("Caption of rocket.jpg", exact=True)
    expect(field).to_be_focused()
    field.fill("?!")
    page.keyboard.press("Control+Enter")
    expect(found.get_by_role("alert")).to_contain_text("A caption is a sentence")
    expect(field).to_be_focused()
    field.fill("Zebulon's <b>lander</b>.")
    page.keyboard.press("Control+Enter")
    expect(correct).to_be_focused()
    found = search(page, "Zebulon")
    expect(found.first.locator(".sr-says")).to_have_text("Zebulon's <b>lander</b>.")
    expect(found.first.get_by_role("status")).to_have_text("in a person's words")
    expect(found.first).to_contain_text("in its words: zebulon")
    found.first.get_by_role("button", name="Correct").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Save").click()
    expect(found.first.get_by_role("status")).to_be_empty(timeout=15_000)
    expect(found.first.locator(".sr-says")).not_to_be_empty()


def test_only_photos_of_the_archive_can_be_reached(
    page: Page, address: str, archived: Path
) -> None:
    for path in (archived / "cat.jpg", archived / "photos.db"):
        reply = page.request.get(f"{address}/gradio_api/file={path}")
        assert reply.status in (403, 404) and str(archived) not in reply.text()
    found = search(page, "a cat")
    hidden = archived / "cat.moved"
    (archived / "cat.jpg").rename(hidden)
    try:
        found.first.get_by_role("button", name="Ask about cat.jpg").click()
        alert = page.locator("#stage").get_by_role("alert")
        expect(alert).to_contain_text("This photo is no longer where it was")
        again = search(page, "the cat")
        expect(again.first).to_contain_text("This photo is no longer where it was")
        expect(again.first.get_by_role("button")).to_have_text(["Correct"])
    finally:
        hidden.rename(archived / "cat.jpg")


def look_inside(page: Page) -> Locator:
    """Open the tab that looks inside, and give the colored text."""
    page.get_by_role("tab", name="Look inside").click()
    passage = page.locator(".cells-text")
    passage.wait_for()
    return passage


def colors(page: Page) -> list[str]:
    return page.eval_on_selector_all(
        "[data-at]", "nodes => nodes.map(node => node.style.background)"
    )


def test_a_text_is_colored_as_it_is_typed(page: Page) -> None:
    passage = look_inside(page)
    expect(passage).to_contain_text("Well, Prince, so Genoa")
    field = page.get_by_label("Text", exact=True)
    field.fill('He bowed. "Yes, my dear')
    expect(passage).to_have_text('He bowed. "Yes, my dear')
    field.press("End")
    field.press_sequentially(' friend," he said. ')
    text = 'He bowed. "Yes, my dear friend," he said. '
    expect(passage).to_have_text(text)
    page.get_by_role("button", name="289 off inside quotes").click()
    within, after = text.index("friend"), text.index("said")
    page.wait_for_function(
        """(at) => {
          const [inside, after] = at.map((place) =>
            document.querySelector(`[data-at="${place}"]`).style.background);
          return inside.includes("cold") && after.includes("warm");
        }""",
        arg=[within, after],
    )
    before = colors(page)
    page.get_by_role("radio", name="forget gate f").check()
    assert colors(page) != before
    expect(page.locator(".cells-scale")).to_have_text("01")
    number = page.get_by_label("Cell", exact=True)
    number.fill("21")
    expect(page.get_by_role("button", name="21 falls along a line")).to_have_attribute(
        "aria-pressed", "true"
    )
    here = page.locator(".sr-here")
    passage.focus()
    expect(here).to_have_text(re.compile(r"“H”: forget gate f \d\.\d\d\."))
    passage.press("End")
    passage.press("ArrowLeft")
    expect(here).to_have_text(re.compile(r"“\.”: forget gate f \d"))
    field.fill("naïve")
    note = page.locator("#inside").get_by_text("The model does not know 'ï'")
    expect(note).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(passage).to_have_count(0)
    expect(page.get_by_text("Type or paste a text above.")).to_be_visible()


def test_the_model_goes_on_with_the_text(page: Page) -> None:
    look_inside(page)
    written, slider = page.locator(".sr-goes-on"), page.get_by_label("Temperature")
    done = page.locator(".sr-goes-on[aria-busy=false]")
    expect(written).to_contain_text(re.compile(r"in French\. .{9}", re.DOTALL))
    expect(done).to_be_visible()
    first = written.inner_text()
    seed = page.get_by_label("Seed")
    drawn = seed.input_value()
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    expect(written).not_to_have_text(first)
    expect(seed).to_have_value(drawn)
    for _ in range(20):
        slider.press("ArrowLeft")
    expect(written).to_have_text(first, use_inner_text=True)  # the same seed again
    page.get_by_role("button", name="Write another").click()
    expect(done).not_to_have_text(first)
    expect(seed).not_to_have_value(drawn)
    seed.fill("")
    alert = page.locator("#goes-on").get_by_role("alert")
    expect(alert).to_contain_text("The seed is a whole number")
    seed.fill(drawn)
    expect(done).to_have_text(first, use_inner_text=True)
    field = page.get_by_label("Text", exact=True)
    field.fill("Prince Andrew ")
    expect(written).to_contain_text(re.compile(r"^Prince Andrew .{9}", re.DOTALL))
    field.fill("naïve")
    expect(alert).to_contain_text("The text has characters that the model does not")
    expect(written).to_be_hidden()


def test_what_is_written_appears_letter_by_letter(page: Page) -> None:
    page.evaluate(
        """() => {
          globalThis.lengths = [];
          new MutationObserver(() => {
            const shown = document.querySelector(".sr-goes-on");
            if (shown) lengths.push(shown.lastChild.data.length);
          }).observe(document.body, { characterData: true, subtree: true });
        }"""
    )
    look_inside(page)
    done = page.locator(".sr-goes-on[aria-busy=false]")
    expect(done).to_be_visible()
    lengths = page.evaluate("lengths")
    assert lengths == sorted(lengths)
    assert lengths[-1] == 300
    assert len(set(lengths)) > 10


def test_the_cells_that_wrote_the_caption_are_shown(page: Page) -> None:
    passage = look_inside(page)
    page.get_by_role("radio", name="The caption just made").check()
    expect(page.get_by_text("There is no caption now")).to_be_visible()
    describe(page, lambda: bring(page, "paste", MAN))  # which shows that tab
    said = words(page)
    page.get_by_role("tab", name="Look inside").click()
    expect(passage).to_have_text(f"(start) {' '.join(said)} ", use_inner_text=False)
    page.get_by_role("radio", name="forget gate f").check()
    assert len(set(colors(page))) > 1
    rows = page.locator(".sr-means tbody th")
    expect(rows).to_have_text(["(start)", *said])
    expect(page.locator("#goes-on section")).to_be_hidden()
    page.get_by_role("radio", name="A text of yours").check()
    page.get_by_role("button", name="Take the caption just made").click()
    expect(passage).to_have_text(re.compile(" ".join(said), re.IGNORECASE))


def write_broken_photos(folder: Path) -> list[Path]:
    stored = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(stored, "JPEG")
    broken = {
        "notes.jpg": b"no photo at all",
        "half.jpg": stored.getvalue()[: len(stored.getvalue()) // 2],
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        "empty.png": b"",
        "large.jpg": bytes(21_000_000),
    }
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in broken]


def test_what_is_no_photo_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    caption = describe(page, lambda: choose(page, MAN))
    alert = page.locator("#stage").get_by_role("alert")
    for path in write_broken_photos(tmp_path):
        choose(page, path)
        expect(alert).to_contain_text(path.name)
        told = alert.inner_text()
        assert re.fullmatch(r"[^/\\]{20,300}\.", told), told  # no path of the server
        expect(sentence(page)).to_have_text(caption)  # the last photo stays
    describe(page, lambda: choose(page, CAT))
    expect(alert).to_have_count(0)


def test_a_folder_is_described_corrected_and_taken_along(
    page: Page, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(MAN.read_bytes()[:2000])
    page.get_by_role("tab", name="Folder").click()
    files = page.locator("#folder input[type=file]").first
    files.set_input_files([MAN, CAT, broken])
    page.get_by_role("button", name="Describe all").click()
    rows = page.locator("#folder .sr-rows")
    expect(rows.locator("textarea")).to_have_count(2)
    expect(rows).to_contain_text("cut off or damaged")
    first = rows.locator("textarea").first  # in natural order: cat.jpg
    first.fill('A "cat",\nlooking up.')
    first.blur()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "captions.csv")
    with (tmp_path / "captions.csv").open(encoding="utf-8", newline="") as file:
        table = {row["image"]: row for row in csv.DictReader(file)}
    assert table["cat.jpg"]["caption"] == 'A "cat", looking up.'
    assert "cut off or damaged" in table["broken.jpg"]["error"]
    assert table[MAN.name]["caption"] == rows.locator("textarea").nth(1).input_value()


def test_all_can_be_done_by_keyboard(page: Page) -> None:
    describe(page, lambda: choose(page, MAN))
    unfold(page, "How it is written")
    expect(page.get_by_label("It starts with")).to_be_visible()
    for tab in ("Describe", "Ask", "Search", "Look inside"):
        page.get_by_role("tab", name=tab).click()
        if tab == "Search":
            search(page, "a person")
        if tab == "Look inside":
            look_inside(page)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        unreached = page.evaluate(
            """() => {
              const wanted = [...document.querySelectorAll(
                "main button, main input, main textarea")];
              globalThis.left = new Set(wanted.filter((element) =>
                element.checkVisibility({ visibilityProperty: true })
                && element.type !== "radio" && !element.disabled
                && element.tabIndex >= 0));
              return left.size;
            }"""
        )
        assert unreached > 15
        dim = []
        for _ in range(unreached + 20):
            page.keyboard.press("Tab")
            look = page.evaluate(
                """() => {
                  const element = document.activeElement;
                  left.delete(element);
                  const style = getComputedStyle(element);
                  const seen = parseFloat(style.outlineWidth) >= 1
                    && style.outlineStyle !== "none" || style.boxShadow !== "none";
                  return element === document.body || seen ? "" : element.outerHTML;
                }"""
            )
            dim += [look] if look else []
        never = page.evaluate("[...left].map((element) => element.outerHTML)")
        assert never == []
        assert dim == []


def test_what_a_screen_reader_is_told(page: Page) -> None:
    assert page.title() == "Sightread"
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.get_by_role("main").count() == 1
    status = page.locator("#caption").get_by_role("status").first
    expect(status).to_be_empty()
    page.evaluate("globalThis.spoken = document.querySelector('.sr-sentence')")
    describe(page, lambda: choose(page, MAN))
    page.locator(".sr-word").nth(1).click()
    describe(page, page.locator(".sr-choices button").first.click)
    # The same element all the time: a new one would not be read aloud.
    assert page.evaluate("spoken === document.querySelector('.sr-sentence')")
    assert page.evaluate("spoken.isConnected")
    assert page.locator(".sr-bar:not([aria-hidden=true])").count() == 0
    pictures = page.locator(".sr-strip").get_by_role("img")
    assert pictures.first.get_attribute("aria-label").startswith("Where it looked for")
    page.get_by_role("tab", name="Ask").click()
    fill(page, "question", "is it outdoors?")
    page.locator(".sr-reply").wait_for()
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        levels = [
            int(heading.evaluate("(element) => element.tagName[1]"))
            for heading in page.get_by_role("heading").all()
        ]
        assert levels[0] == 1
        steps = np.diff(levels)
        assert steps.max(initial=0) <= 1, (tab, levels)


def test_the_photo_stays_in_sight(page: Page) -> None:
    describe(page, lambda: choose(page, MAN))
    unfold(page, "How it is written")
    page.get_by_label("Other forms of these words count, too").wait_for()
    page.mouse.move(900, 500)
    page.mouse.wheel(0, 600)
    page.wait_for_function("scrollY > 300")
    box = page.locator(".sr-photo").bounding_box()
    assert box and box["y"] >= 0


def test_caption_and_maps_within_a_second(page: Page, tmp_path: Path) -> None:
    """From the choice of a photo of a megapixel until the strip is drawn."""
    page.evaluate(
        """() => {
          const draw = CanvasRenderingContext2D.prototype.drawImage;
          CanvasRenderingContext2D.prototype.drawImage = function (...what) {
            draw.apply(this, what);
            globalThis.drawn = performance.now();
          };
          document.addEventListener("change", () => {
            globalThis.chosen = performance.now();
          }, true);
        }"""
    )
    taken = []
    for photo in (MAN, CAT, COFFEE):
        large = tmp_path / photo.name
        Image.open(photo).convert("RGB").resize((1000, 1000)).save(large, quality=90)
        describe(page, lambda large=large: choose(page, large))
        page.wait_for_timeout(400)
        taken.append(page.evaluate("drawn - chosen"))
    assert min(taken) < 1000, taken


# ---- every state of the page, light and dark, wide and narrow


class State(NamedTuple):
    name: str
    overflow: int
    violations: list[str]


LOOKS = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "has_touch": True},
}


def walk(page: Page) -> Iterator[str]:
    """Go through what can be seen of the page, and name where it is."""
    yield "start"
    for tab in TABS[1:]:
        page.get_by_role("tab", name=tab).click()
        yield f"start-{tab.lower()}"
    page.get_by_role("tab", name="Describe").click()
    describe(page, lambda: bring(page, "drop", MAN))
    yield "described"
    page.locator(".sr-word").nth(1).click()
    yield "other-words"
    unfold(page, "How it is written")
    page.get_by_role("radio", name="Sampling").click()
    page.get_by_role("spinbutton", name="Seed").wait_for()
    yield "options"
    fill(page, "must", "camra")
    page.locator("#caption").get_by_role("alert").wait_for()
    bring(page, "drop", ROOT / "app.py")
    page.locator("#stage").get_by_role("alert").wait_for()
    yield "problems"
    page.get_by_role("tab", name="Ask").click()
    for question in ("what is in the sky?", "is there a dgo?", ""):
        fill(page, "question", question)
        page.wait_for_timeout(200)
    page.locator("#answers").get_by_role("alert").wait_for()
    page.get_by_role("button", name="Choose among answers").click()
    yield "asked"
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the photo").wait_for()
    yield "camera"
    page.keyboard.press("Escape")
    search(page, "a cat")
    unfold(page, "Conditions")
    page.get_by_role("button", name=re.compile("^Correct")).first.click()
    yield "found"
    page.get_by_role("tab", name="Describe").click()
    describe(page, lambda: fill(page, "must", ""))
    look_inside(page).focus()
    page.locator(".sr-before").wait_for()
    yield "inside"
    page.get_by_role("radio", name="The caption just made").check()
    page.locator(".sr-means").wait_for()
    page.get_by_role("radio", name="output gate o").check()
    yield "inside-caption"
    page.get_by_role("tab", name="About").click()
    for card in page.locator("#about-tab button.label-wrap").all():
        card.click()
    yield "about"


@pytest.fixture(scope="module", params=LOOKS if MORE else ("light", "phone-dark"))
def states(
    request: pytest.FixtureRequest, browser: Browser, address: str
) -> tuple[list[State], list[str]]:
    """Every state of the page in one look, and what went wrong on the way."""
    found = []
    context = browser.new_context(
        **LOOKS[request.param], permissions=["camera"], reduced_motion="reduce"
    )
    page, watch = open_page(context, address)
    for name in walk(page):
        page.wait_for_timeout(100)  # for what Gradio does a moment later
        if SHOTS:
            path = Path(SHOTS, f"{request.param}-{name}.png")
            page.screenshot(path=path, full_page=True)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found.append(State(name, overflow, violations(page)))
    context.close()
    return found, watch.wrong


def violations(page: Page) -> list[str]:
    if not page.evaluate("Boolean(globalThis.axe)"):
        script = files("axe_playwright_python") / "axe.min.js"
        page.evaluate(script.read_text("utf-8"))
    report = page.evaluate("(runOnly) => axe.run(document, { runOnly })", RULES)
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in report["violations"]
        for node in rule["nodes"]
    ]


def test_nothing_is_wider_than_the_screen(states: Any) -> None:
    found, wrong = states
    assert [(state.name, state.overflow) for state in found if state.overflow > 0] == []
    assert wrong == []


def test_no_barrier_is_found(states: Any) -> None:
    """By axe: WCAG 2.1, levels A and AA."""
    found, _ = states
    assert {state.name: state.violations for state in found if state.violations} == {}


def test_a_phone_shows_the_photo_first(browser: Browser, address: str) -> None:
    with browser.new_context(**LOOKS["phone"]) as context:
        page, _ = open_page(context, address)
        describe(page, lambda: bring(page, "drop", MAN))
        photo, told = page.locator(".sr-photo"), sentence(page)
        tops = [one.bounding_box()["y"] for one in (photo, told)]
        assert tops[0] < tops[1] < PHONE["height"]
        page.locator(".sr-word").nth(1).tap()
        expect(page.locator(".sr-legend")).to_contain_text("Where it looked for")
