"""The <img> tags of HTML without an alt attribute, however broken the HTML is."""

import re
from html.parser import HTMLParser
from itertools import accumulate

from captioner.alt.islands import (
    BLANK,
    without_braces,
    without_front,
    without_islands,
)
from captioner.alt.places import Found, Place

SMALL = 32  # px; what is shown with a side of less is an icon or a spacer

# Where an address is kept until the picture is near; it goes before that in `src`.
_LAZY = ("data-src", "data-original", "data-lazy-src", "data-lazy")
_LAZY_SETS = ("data-srcset", "data-lazy-srcset")
_IN_SET = re.compile(r"[\s,]*(\S+?),*(?:\s|$)")
# An attribute that sets others when the page is built: of Vue, Angular, Thymeleaf, …
_DYNAMIC = re.compile(
    r"(?:.*[:.\[]|ng-(?:attr-)?|data-th-)(?:alt|src|attr)\]?|[vx]-bind(?:\..*)?|"
    r"(?:[vx]-bind)?:(?:\[.*)?|tal:attributes"
)
_TEMPLATE = re.compile(rf"[{{}}{BLANK}]|\[\[|\[%|(?<!^)<")
# Elements in which tags are text; the parser knows `script` and `style`.
_WITHOUT_TAGS = ("textarea", "title", "xmp", "iframe", "noembed", "noframes")
_NAMES = ("aria-label", "aria-labelledby", "title")
_PIXELS = re.compile(r"\s*(\d+)(?:\.\d*)?\s*(?:px)?\s*")

Attributes = dict[str, str | None]


def find_in_html(text: str) -> Found:
    """Find the images of a page of HTML, or of a template that is HTML with code in it.

    Code, comments, front matter, and elements that hold no tags are left alone.
    """
    return find_tags(without_islands(without_front(text)))


def find_in_svelte(text: str) -> Found:
    """Find the images of a component of Svelte, as `find_in_html`."""
    return find_tags(without_braces(text))


def find_tags(text: str) -> Found:
    """Find the images of HTML of which what is no markup was blanked."""
    finder = _Finder(text)
    # What no `>` follows is no tag; the parser would look for one again and again.
    finder.feed(text[: text.rfind(">") + 1])
    finder.close()
    return Found(finder.places, finder.described, finder.base)


class _Finder(HTMLParser):
    """Collect images."""

    def __init__(self, text: str):
        super().__init__()
        lines = text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in lines)]
        self.places: list[Place] = []
        self.described, self.base = 0, ""
        self._linked = self._english = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at a tag."""
        self.handle_startendtag(tag, attrs)
        if tag in _WITHOUT_TAGS:
            self.set_cdata_mode(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at a tag, even one that is closed by a slash."""
        given = dict(reversed(attrs))  # of two of a name, the first counts
        if tag == "img":
            self._add(given)
        elif tag == "a":
            self._linked = "href" in given
        elif tag == "base":
            self.base = self.base or given.get("href") or ""
        elif tag == "html":
            self._english = _is_english(given)

    def handle_endtag(self, tag: str) -> None:
        """Leave a link."""
        if tag == "a":
            self._linked = False

    def _add(self, given: Attributes) -> None:
        if (given.get("alt") or "").strip():
            self.described += 1
            return
        line, column = self.getpos()
        raw = self.get_starttag_text() or ""
        sources = _sources(given)
        self.places.append(
            Place(
                self._starts[line - 1] + column + len("<img"),
                sources,
                _why_left(given, raw, sources),
                self._linked,
                self._english or "lang" in given,
                is_tag=True,
            )
        )


def _is_english(given: Attributes) -> bool:
    lang = given.get("lang") or given.get("xml:lang") or ""
    return lang.lower().split("-")[0] == "en"


def _sources(given: Attributes) -> tuple[str, ...]:
    """Give the addresses of a picture; while one is to come, others stand in for it."""

    def of(names: tuple[str, ...], sets: tuple[str, ...]) -> list[str]:
        found = [given.get(name) or "" for name in names]
        firsts = [_IN_SET.match(given.get(name) or "") for name in sets]
        found += [first[1] for first in firsts if first]
        return [address.strip() for address in found if address.strip()]

    return tuple(of(_LAZY, _LAZY_SETS) or of(("src",), ("srcset",)))


def _why_left(given: Attributes, raw: str, sources: tuple[str, ...]) -> str:
    # <Img> is a component of Vue or Svelte, which may have no alt.
    if (
        raw[1:4] not in ("img", "IMG")
        or _TEMPLATE.search(raw)
        or any(map(_DYNAMIC.fullmatch, given))
    ):
        return "a template makes it, or its tag is broken"
    if "alt" in given:
        return 'decorative: alt=""'
    if (given.get("role") or "").strip().lower() in ("presentation", "none"):
        return f"decorative: role={given['role']}"
    if (given.get("aria-hidden") or "").strip().lower() == "true":
        return "decorative: aria-hidden"
    for name in _NAMES:
        if (given.get(name) or "").strip():
            return f"it has a name: {name}"
    for name in ("width", "height"):
        side = _PIXELS.fullmatch(given.get(name) or "")
        if side and int(side[1][:9]) < SMALL:
            return f"decorative: {name} {side[1]} px"
    return "" if sources else "it has no address"
