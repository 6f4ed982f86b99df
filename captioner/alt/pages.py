"""Pages of a site: read with the places of their images, written with new texts.

A page is changed by insertions alone. Every other byte stays: ends of lines, encoding,
byte order mark, entities, whatever is broken.
"""

import codecs
import os
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

from captioner.alt.addresses import find_photo
from captioner.alt.markdown import find_in_markdown
from captioner.alt.places import Place
from captioner.alt.tags import find_in_html, find_in_svelte
from shared.data.walking import walk
from shared.errors import AppError
from shared.files.atomic import cannot_write, check_writable, replace_file

FINDERS = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), find_in_html),
    **dict.fromkeys((".php", ".phtml", ".erb", ".ejs", ".vue"), find_in_html),
    **dict.fromkeys((".twig", ".njk", ".liquid"), find_in_html),
    **dict.fromkeys((".hbs", ".handlebars", ".mustache"), find_in_html),
    ".svelte": find_in_svelte,
    **dict.fromkeys((".md", ".markdown"), find_in_markdown),
}
NO_PAGES = ".blade.php"  # whose @directives are code of which no mark tells the end
LARGEST = 20_000_000  # bytes of a page
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_PROBE = "<img src='a.jpg'>![](b.jpg)"


class Image(NamedTuple):
    """An image of a page that has no alternative text, or needs none.

    Attributes:
        place: where it is.
        line: the same, from 1.
        photo: the file that it shows; None if there is none to describe.
        left: why it is left as it is; empty if it is to be described.
    """

    place: Place
    line: int
    photo: Path | None
    left: str


class Page(NamedTuple):
    """A page as it was read.

    Attributes:
        path: the file.
        data: its bytes.
        text: the same, decoded; what is wrong stays as surrogates.
        encoding: name of the codec.
        images: in order.
        described: how many others have an alternative text.
    """

    path: Path
    data: bytes
    text: str
    encoding: str
    images: list[Image]
    described: int


def find_pages(site: Path) -> list[Path]:
    """List the pages of a site, each once; hidden ones and `node_modules` are none."""
    home = Path(os.path.realpath(site))
    found: dict[Path, Path] = {}
    for folder, names in walk(site):
        if "node_modules" in Path(folder).relative_to(site).parts:
            continue
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() not in FINDERS or name.startswith("."):
                continue
            if name.lower().endswith(NO_PAGES):
                continue
            real = Path(os.path.realpath(path))
            if real.is_relative_to(home) and real.is_file():
                found.setdefault(real, path)
    return sorted(found.values())


def read_page(path: Path, site: Path) -> Page:
    """Read a page and find its images.

    Raises:
        AppError: if it cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise AppError(
                f"{path} has more than {LARGEST // 10**6} MB, too many for a page."
            )
        data = path.read_bytes()
    except OSError as error:
        raise AppError(f"{path} cannot be read: {error.strerror}.") from error
    encoding = _find_encoding(data)
    try:
        text = data.decode(encoding, "surrogateescape")
    except ValueError as error:
        raise AppError(f"{path} is not the {encoding} that it begins as.") from error
    found = FINDERS[path.suffix.lower()](text)
    ends = [end.start() for end in re.finditer(r"\r\n?|\n", text)]
    photos = {  # each looked for once
        sources: find_photo(sources, path, site, found.base)
        for sources in {place.sources for place in found.places if not place.left}
    }
    images = []
    for place in found.places:
        photo, left = (None, place.left) if place.left else photos[place.sources]
        images.append(Image(place, bisect_left(ends, place.offset) + 1, photo, left))
    return Page(path, data, text, encoding, images, found.described)


def _find_encoding(data: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    declared = _CHARSET.search(data[:1024])
    name = declared[1].decode() if declared else "utf-8"
    try:  # one that says it is UTF-16 in plain letters is not
        if _PROBE.encode().decode(name) == _PROBE:
            return name
    except (LookupError, ValueError):
        pass
    return "utf-8"


def add_texts(page: Page, texts: Mapping[Path, str], lang: bool) -> bytes:
    """Insert alternative texts into a page.

    Args:
        page: as it was read.
        texts: by photo; an image whose photo has none stays as it is.
        lang: whether to say that they are English, where the page does not.

    Raises:
        AppError: if its encoding has no fixed bytes for a character.
    """
    old: list[bytes] = []
    new: list[bytes] = []
    start = 0
    try:
        for end, inserted in [*_insertions(page, texts, lang), (len(page.text), "")]:
            kept = page.text[start:end].encode(page.encoding, "surrogateescape")
            old.append(kept)
            new += [kept, inserted.encode(page.encoding, "xmlcharrefreplace")]
            start = end
    except UnicodeEncodeError:  # a broken character that is not decoded both ways
        old.clear()
    if b"".join(old) != page.data:
        raise AppError(f"{page.path} cannot be changed safely: it is {page.encoding}.")
    return b"".join(new)


def write_page(
    path: Path, site: Path, texts: Mapping[Path, str], lang: bool = False
) -> None:
    """Insert alternative texts into a page as it is now, whole or not at all.

    Args:
        path, site: see `read_page`.
        texts, lang: see `add_texts`.

    Raises:
        AppError: if it cannot be read or written.
    """
    page = read_page(path, site)
    data = add_texts(page, texts, lang)
    if data == page.data:
        return
    try:
        check_writable(path)
        with replace_file(path) as new:
            new.write_bytes(data)
    except OSError as error:
        raise cannot_write(path, error) from error


def _insertions(
    page: Page, texts: Mapping[Path, str], lang: bool
) -> Iterator[tuple[int, str]]:
    for image in page.images:
        text = texts.get(image.photo) if image.photo else None
        if not text:
            continue
        if not image.place.is_tag:
            yield image.place.offset, re.sub(r"([\\\[\]*_`<>&|~$!])", r"\\\1", text)
            continue
        value = re.sub(r"[^ -z|~]", lambda odd: f"&#{ord(odd[0])};", escape(text))
        mark = ' lang="en"' if lang and not image.place.lang else ""
        yield image.place.offset, f' alt="{value}"{mark}'
