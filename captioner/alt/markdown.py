"""The images of Markdown without an alternative text."""

import re
from collections.abc import Iterator
from html import unescape

from captioner.alt.islands import BLANK, blank, without_front, without_islands
from captioner.alt.places import Found, Place
from captioner.alt.tags import find_tags

_NEWLINE = re.compile(r"\r\n?|\n")
_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.S)
# ![](address "title"), where the address may stand in < > or hold pairs of ( ).
_IMAGE = re.compile(
    r"""(?<!\\)(?:\\\\)*!\[(?P<alt>[ \t]*)\]\(\s*
    (?:<(?P<quoted>[^<>\r\n]*)>|(?P<bare>(?:[^\s()<>]|\([^\s()<>]*\))+))
    (?:\s+(?P<title>"[^"]*"|'[^']*'|\([^()]*\)))?\s*\)""",
    re.X,
)
_DESCRIBED = re.compile(r"!\[(?=[^\[\]]*[^\[\]\s])[^\[\]]*\][(\[]")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def find_in_markdown(text: str) -> Found:
    """Find the images of Markdown, and of the HTML in it.

    Front matter, code, and images by reference (`![][name]`) are left alone.
    """
    text = without_front(text)
    places: list[Place] = []
    described = 0
    for start, end, is_html in dict.fromkeys(_blocks(text)):  # cells share a line
        block = text[start:end]
        if not is_html:
            block = without_islands(_CODE.sub(blank, block))
            places += [_place(image, start) for image in _IMAGE.finditer(block)]
            described += len(_DESCRIBED.findall(block))
        found = find_tags(without_islands(block))
        described += found.described
        places += [p._replace(offset=p.offset + start) for p in found.places]
    return Found(sorted(places), described)


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Give where text and HTML stand, code left out: begin, end, whether it is HTML."""
    from markdown_it import MarkdownIt

    starts = [0, *(end.end() for end in _NEWLINE.finditer(text)), len(text)]
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in ("inline", "html_block") and token.map:
            first, last = token.map
            end = starts[min(last, len(starts) - 1)]
            yield starts[first], end, token.type == "html_block"


def _place(image: re.Match[str], start: int) -> Place:
    address = unescape(_ESCAPE.sub(r"\1", image["quoted"] or image["bare"] or ""))
    left = "" if address.strip() else "it has no address"
    if re.search(rf"[{{}}{BLANK}]", image[0]):
        left = "a template makes it"
    elif image["title"] and image["title"][1:-1].strip():
        left = "it has a name: title"
    linked = image.string[: image.start("alt") - 2].endswith("[")
    offset = start + image.start("alt")
    return Place(offset, (address.strip(),), left, linked, lang=False, is_tag=False)
