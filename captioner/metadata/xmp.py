"""XMP: descriptions put into a packet, of which all else stays byte for byte.

What is ours is marked by a property with the digests of what was written, so that a
text that somebody has changed since is theirs.

Source: ISO 16684-1 (XMP), IPTC Photo Metadata Standard 2021.1 for the alternative text.
"""

import hashlib
import re
from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from shared.errors import AppError

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_IPTC = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
_OWN = "urn:sightread:xmp:1#"
PADDING = b"\0 \t\r\n"  # may stand around a packet
DESCRIPTION = f"{_DC} description"
ALT = f"{_IPTC} AltTextAccessibility"
_MARKS = f"{_OWN} written"
_TAGS = {
    DESCRIPTION: "dc:description",
    ALT: "Iptc4xmpCore:AltTextAccessibility",
}
_ATTRIBUTE = re.compile(rb"\s[\w.-]+:written\s*=\s*(\"[0-9a-f ]*\"|'[0-9a-f ]*')")
_FRESH = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}">',
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>',
)


class _Block:
    """An <rdf:Description>: where it is, and what of it goes."""

    def __init__(self, start: int, bare: bool):
        self.start, self.end, self.bare = start, 0, bare
        self.spans: list[tuple[int, int]] = []


class _Element:
    """An element that is open: its name, where it began, whether it has content."""

    def __init__(self, name: str, start: int):
        self.name, self.start, self.full = name, start, False


class Packet:
    """A packet of XMP as it was read.

    Args:
        data: the packet; None for one that is to be made.

    Attributes:
        texts: descriptions that are in it, by `DESCRIPTION` and `ALT`.

    Raises:
        AppError: if it is damaged, or written in a way that cannot be added to.
    """

    def __init__(self, data: bytes | None):
        fresh = "".join(_FRESH).encode()
        self.data = (data or b"").strip(PADDING) or fresh
        self.texts: dict[str, str] = {}
        self._marks: set[str] = set()
        self._about: str | None = None
        self._end = -1
        self._blocks: list[_Block] = []
        self._open: list[_Element] = []
        self._spans: dict[str, tuple[_Block, int, int]] = {}
        self._parse()

    def is_ours(self, text: str) -> bool:
        """Whether a text was written by us and is as it was."""
        return digest(text) in self._marks

    def with_texts(self, texts: Mapping[str, str], lang: str, ours: bool) -> bytes:
        """Give the packet with texts in place of those that it has.

        Args:
            texts: by `DESCRIPTION` and `ALT`.
            lang: their language beside the default one; empty if that is not known.
            ours: whether to mark them as replaceable.
        """
        gone = [*texts, _MARKS]
        cuts = [span for name in gone if (span := self._spans.get(name))]
        left = {id(block): len(block.spans) for block in self._blocks}
        for block, *_ in cuts:
            left[id(block)] -= 1
        empty = {id(b): b for b, *_ in cuts if b.bare and not left[id(b)]}
        spans = [(b.start, b.end) for b in empty.values()]
        spans += [(start, end) for b, start, end in cuts if id(b) not in empty]
        parts, place = [], 0
        for start, end in [*sorted(spans), (self._end, self._end)]:
            parts.append(_ATTRIBUTE.sub(b"", self.data[place:start]))
            place = end
        new = _block(texts, lang, self._about or "", ours)
        return b"".join([*parts, new.encode(), self.data[place:]])

    def _parse(self) -> None:
        parser = self._parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text, parser.buffer_size = True, 1 << 20
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._finish
        parser.CharacterDataHandler = self._read
        parser.StartDoctypeDeclHandler = _refuse
        try:
            parser.Parse(self.data, True)
        except expat.ExpatError as error:
            raise AppError(f"its XMP is damaged: {error}.") from error
        if self._end < 0:
            raise AppError("its XMP is written in a way that cannot be added to.")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        start = self._parser.CurrentByteIndex
        if self._open:
            self._open[-1].full = True
        if self._open and self._in_rdf():
            about = attributes.get(f"{_RDF} about", attributes.get("about"))
            self._about = self._about or about
            others = set(attributes) - {f"{_RDF} about", "about", _MARKS}
            bare = name == f"{_RDF} Description" and not others
            if others & {DESCRIPTION, ALT}:
                raise AppError("its XMP is written in a way that cannot be added to.")
            self._marks |= set(attributes.get(_MARKS, "").split())
            self._blocks.append(_Block(start, bare))
        self._open.append(_Element(name, start))

    def _in_rdf(self) -> bool:
        return self._open[-1].name == f"{_RDF} RDF"

    def _finish(self, name: str) -> None:
        element, end = self._open.pop(), self._parser.CurrentByteIndex
        start = element.start
        # <a/> ends where its event is, <a></a> where the tag is that begins there.
        alone = not element.full and self.data[start:end].endswith(b"/>")
        if name == f"{_RDF} RDF":
            self._end = -1 if alone else end
        end = end if alone else self.data.find(b">", end) + 1
        if self._open and self._in_rdf():
            self._blocks[-1].end = end
        elif len(self._open) > 1 and self._open[-2].name == f"{_RDF} RDF":
            self._blocks[-1].spans.append((start, end))
            self._spans[name] = (self._blocks[-1], start, end)

    def _read(self, text: str) -> None:
        names = [element.name for element in self._open]
        self._open[-1].full = True
        if f"{_RDF} RDF" not in names:
            return
        depth = names.index(f"{_RDF} RDF") + 2  # of properties of the photo itself
        name = names[depth] if depth < len(names) else ""
        if name == _MARKS:
            self._marks |= set(text.split())
        elif name in _TAGS and text.strip():
            self.texts.setdefault(name, text.strip())


def digest(text: str) -> str:
    """Give 16 hexadecimal digits that tell a text from others."""
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()[:16]


def _refuse(*_: object) -> None:
    raise AppError("its XMP has a document type, which may be an attack.")


def _block(texts: Mapping[str, str], lang: str, about: str, ours: bool) -> str:
    lines = []
    for name, text in texts.items():
        langs = ["x-default", lang] if lang else ["x-default"]
        items = [f'<rdf:li xml:lang="{one}">{escape(text)}</rdf:li>' for one in langs]
        tag = _TAGS[name]
        lines.append(f"<{tag}><rdf:Alt>{''.join(items)}</rdf:Alt></{tag}>")
    if ours:
        marks = " ".join(sorted({digest(text) for text in texts.values()}))
        lines.append(f"<sightread:written>{marks}</sightread:written>")
    return (
        f'<rdf:Description rdf:about={quoteattr(about)} xmlns:rdf="{_RDF}" '
        f'xmlns:dc="{_DC}" xmlns:Iptc4xmpCore="{_IPTC}" xmlns:sightread="{_OWN}">'
        f"{''.join(lines)}</rdf:Description>"
    )
