"""Files of photos as parts, one of which is a packet of XMP; pixels are never touched.

Source: XMP Specification Part 3 (Adobe 2020); WebP Container Specification.
"""

import zlib
from collections.abc import Iterator
from typing import ClassVar, Literal, Protocol

from captioner.metadata.iptc import read_caption, with_caption


class CannotHoldError(Exception):
    """A file that cannot take the words without harm; a sidecar can."""


class Container(Protocol):
    """A photo's file, taken apart.

    Attributes:
        xmp: its packet of XMP, if it has one.
        caption: what else in it describes the photo; empty if nothing does.
    """

    xmp: bytes | None
    caption: str

    def put(self, packet: bytes, text: str) -> bytes:
        """Give the file with other words.

        Args:
            packet: of XMP.
            text: the description, for where it stands a second time.

        Raises:
            CannotHoldError: if that is impossible without harm.
        """


class Jpeg:
    """A JPEG: segments before the first scan, then the rest."""

    _XMP: ClassVar = b"http://ns.adobe.com/xap/1.0/\0"
    _PHOTOSHOP: ClassVar = b"Photoshop 3.0\0"

    def __init__(self, data: bytes):
        self._parts = list(self._segments(data))
        self._tail = data[2 + sum(map(len, self._parts)) :]
        packet = self._find(b"\xff\xe1", self._XMP)
        self.xmp = packet[4 + len(self._XMP) :] if packet else None
        self._block: bytes | None = self._content(self._find_photoshop())
        try:
            self.caption = read_caption(self._block or b"")
        except ValueError:
            self._block, self.caption = None, ""

    def put(self, packet: bytes, text: str) -> bytes:
        """See `Container`."""
        parts = self._parts[:]
        if self._find(b"\xff\xe1", b"http://ns.adobe.com/xmp/extension/\0"):
            raise CannotHoldError("its XMP goes on in other parts of the file")
        self._replace(
            parts, self._find(b"\xff\xe1", self._XMP), 0xE1, self._XMP, packet
        )
        if self._block is not None:
            block = with_caption(self._block, text)
            old = self._find_photoshop()
            self._replace(parts, old, 0xED, self._PHOTOSHOP, block)
        if self._more(parts) != self._more(self._parts):
            raise CannotHoldError("it holds several pictures, which would move")
        return b"".join([b"\xff\xd8", *parts, self._tail])

    @staticmethod
    def _segments(data: bytes) -> Iterator[bytes]:
        place = 2
        while data[place : place + 1] == b"\xff" and data[place + 1] not in (
            0xDA,
            0xD9,
        ):
            end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
            if data[place + 1] == 0xFF or end > len(data) or end < place + 4:
                break
            yield data[place:end]
            place = end
        if data[place : place + 2] != b"\xff\xda":
            raise ValueError("no scan where one should be")

    def _find(self, marker: bytes, begin: bytes) -> bytes | None:
        found = (p for p in self._parts if p[:2] == marker and p.startswith(begin, 4))
        return next(found, None)

    def _find_photoshop(self) -> bytes | None:
        return self._find(b"\xff\xed", self._PHOTOSHOP)

    def _content(self, part: bytes | None) -> bytes | None:
        """Give Photoshop's block; None if it goes on in a second segment."""
        several = sum(p.startswith(self._PHOTOSHOP, 4) for p in self._parts) > 1
        return None if several else part[4 + len(self._PHOTOSHOP) :] if part else b""

    @staticmethod
    def _replace(
        parts: list[bytes], old: bytes | None, marker: int, begin: bytes, content: bytes
    ) -> None:
        size = 2 + len(begin) + len(content)
        if size > 0xFFFF:
            raise CannotHoldError("its words would not fit into 64 kB")
        new = bytes((0xFF, marker)) + size.to_bytes(2, "big") + begin + content
        if old is not None:
            parts[parts.index(old)] = new
            return
        place = 0
        while place < len(parts) and parts[place][1] in (0xE0, 0xE1):
            place += 1
        parts.insert(place, new)

    @staticmethod
    def _more(parts: list[bytes]) -> bytes:
        """Give what comes after an index of pictures, which counts bytes from there."""
        for place, part in enumerate(parts):
            if part[:2] == b"\xff\xe2" and part.startswith(b"MPF\0", 4):
                return b"".join(parts[place:])
        return b""


class Png:
    """A PNG: chunks."""

    _HEAD: ClassVar = b"\x89PNG\r\n\x1a\n"
    _KEY: ClassVar = b"XML:com.adobe.xmp\0"

    def __init__(self, data: bytes):
        self._parts: list[bytes] = []
        place = 8
        while place + 12 <= len(data):
            end = place + 12 + int.from_bytes(data[place : place + 4], "big")
            self._parts.append(data[place:end])
            place = end
        self._tail = data[place:]
        if len(data) < place or self._index(b"IDAT") is None:
            raise ValueError("cut off")
        self.xmp: bytes | None = None
        self.caption = ""
        found = self._index(b"iTXt", self._KEY)
        if found is not None:
            content = self._parts[found][8 + len(self._KEY) : -4]
            text = content[2:].split(b"\0", 2)[2]
            self.xmp = _inflate(text) if content[0] else text
        for kind in (b"tEXt", b"zTXt", b"iTXt"):
            if self._index(kind, b"Description\0") is not None:
                self.caption = "a text of the key Description"

    def put(self, packet: bytes, text: str) -> bytes:
        """See `Container`."""
        if self._index(b"zTXt", b"Raw profile type xmp\0") is not None:
            raise CannotHoldError("its XMP is written in ImageMagick's way")
        content = b"iTXt" + self._KEY + b"\0\0\0\0" + packet
        size = (len(content) - 4).to_bytes(4, "big")
        new = size + content + zlib.crc32(content).to_bytes(4, "big")
        parts, old = self._parts[:], self._index(b"iTXt", self._KEY)
        if old is None:
            parts.insert(self._index(b"IDAT") or 0, new)
        else:
            parts[old] = new
        return b"".join([self._HEAD, *parts, self._tail])

    def _index(self, kind: bytes, begin: bytes = b"") -> int | None:
        for place, part in enumerate(self._parts):
            if part[4:8] == kind and part.startswith(begin, 8):
                return place
        return None


def _inflate(data: bytes, most: int = 1 << 24) -> bytes:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, most)
    if unpacker.unconsumed_tail:
        raise ValueError("too much to unpack")
    return text


class WebP:
    """A WebP: chunks in a RIFF."""

    caption = ""

    def __init__(self, data: bytes):
        end = 8 + int.from_bytes(data[4:8], "little")
        if data[8:12] != b"WEBP" or end > len(data):
            raise ValueError("cut off")
        self._parts: list[tuple[bytes, bytes]] = []
        place = 12
        while place + 8 <= end:
            size = int.from_bytes(data[place + 4 : place + 8], "little")
            content = data[place + 8 : place + 8 + size]
            if len(content) < size:
                raise ValueError("cut off")
            self._parts.append((data[place : place + 4], content))
            place += 8 + size + size % 2
        self._tail = data[end:]
        self.xmp = dict(self._parts).get(b"XMP ")

    def put(self, packet: bytes, text: str) -> bytes:
        """See `Container`."""
        parts = [one for one in self._parts if one[0] != b"XMP "]
        if parts[0][0] != b"VP8X":
            parts.insert(0, (b"VP8X", self._extended(*parts[0])))
        head = parts[0][1]
        parts[0] = (b"VP8X", bytes((head[0] | 4,)) + head[1:])
        parts.append((b"XMP ", packet))
        body = b"WEBP" + b"".join(
            kind
            + len(content).to_bytes(4, "little")
            + content
            + b"\0" * (len(content) % 2)
            for kind, content in parts
        )
        return b"RIFF" + len(body).to_bytes(4, "little") + body + self._tail

    @staticmethod
    def _extended(kind: bytes, content: bytes) -> bytes:
        """Make the header that only files with more than pixels have."""
        if kind == b"VP8L":
            bits = int.from_bytes(content[1:5], "little")
            width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF  # less 1
            alpha = bits >> 28 & 1
        elif kind == b"VP8 ":
            width = (int.from_bytes(content[6:8], "little") & 0x3FFF) - 1
            height = (int.from_bytes(content[8:10], "little") & 0x3FFF) - 1
            alpha = 0
        else:
            raise CannotHoldError("it is of a kind that is not known")
        sides = width.to_bytes(3, "little") + height.to_bytes(3, "little")
        return bytes((alpha << 4, 0, 0, 0)) + sides


class Tiff:
    """A TIFF: the directory of its first picture; a new one goes to the end."""

    caption = ""
    _XMP: ClassVar = 700

    def __init__(self, data: bytes):
        self._order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        self._data = data
        start = self._int(4, 4)
        end = start + 2 + 12 * self._int(start, 2)
        if end + 4 > len(data) or start < 8:
            raise ValueError("cut off")
        self._entries = [
            data[place : place + 12] for place in range(start + 2, end, 12)
        ]
        self._next = data[end : end + 4]
        self.xmp: bytes | None = None
        for place in range(start + 2, end, 12):
            if self._int(place, 2) == self._XMP:
                size, at = self._int(place + 4, 4), self._int(place + 8, 4)
                self.xmp = data[at : at + size]

    def put(self, packet: bytes, text: str) -> bytes:
        """See `Container`."""
        start = len(self._data) + len(self._data) % 2
        place = start + len(packet) + len(packet) % 2

        def store(number: int, size: int) -> bytes:
            return number.to_bytes(size, self._order)

        if place > 0xF0000000:
            raise CannotHoldError("it is too large")
        own = (
            store(self._XMP, 2) + store(1, 2) + store(len(packet), 4) + store(start, 4)
        )
        tag = store(self._XMP, 2)
        entries = [entry for entry in self._entries if entry[:2] != tag]
        entries.append(own)
        entries.sort(key=lambda entry: int.from_bytes(entry[:2], self._order))
        return b"".join(
            [
                *(
                    self._data[:4],
                    store(place, 4),
                    self._data[8:].ljust(start - 8, b"\0"),
                ),
                packet.ljust(place - start, b"\0"),
                *(store(len(entries), 2), *entries, self._next),
            ]
        )

    def _int(self, place: int, size: int) -> int:
        return int.from_bytes(self._data[place : place + size], self._order)
