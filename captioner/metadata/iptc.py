"""IPTC-IIM in a JPEG: the caption, in Photoshop's block of resources.

Source: IPTC-NAA Information Interchange Model 4.2; Adobe Photoshop File Formats.
"""

import hashlib
from collections.abc import Iterator

_IIM, _DIGEST = 0x0404, 0x0425  # resources: the data sets, and the MD5 of them
_CHARSET, _VERSION, _CAPTION = (1, 90), (2, 0), (2, 120)
_UTF8 = b"\x1b%G"
_LONGEST = 2000  # bytes of a caption


def read_caption(block: bytes) -> str:
    """Give the caption; empty if there is none.

    Args:
        block: what follows "Photoshop 3.0" and a zero byte.

    Raises:
        ValueError: if it is damaged.
    """
    sets = list(
        _data_sets(dict((n, c) for n, _, c in _resources(block)).get(_IIM, b""))
    )
    codec = "utf-8" if (_CHARSET, _UTF8) in sets else "latin-1"
    return " ".join(
        c.decode(codec, "replace") for n, c in sets if n == _CAPTION
    ).strip()


def with_caption(block: bytes, text: str) -> bytes:
    """Give the block with another caption, or as it is if that cannot be said in it.

    Raises:
        ValueError: if it is damaged.
    """
    resources = list(_resources(block))
    old = next((content for number, _, content in resources if number == _IIM), b"")
    sets = [one for one in _data_sets(old) if one[0] != _CAPTION]
    others = b"".join(content for _, content in sets)
    if not text.isascii() and (_CHARSET, _UTF8) not in sets:
        if not others.isascii() or any(number == _CHARSET for number, _ in sets):
            return block  # it would be read in the character set of the others
        sets.insert(0, (_CHARSET, _UTF8))
    if len(text.encode()) > _LONGEST:
        return block
    if not any(number == _VERSION for number, _ in sets):
        place = sum(number < _VERSION for number, _ in sets)
        sets.insert(place, (_VERSION, b"\0\4"))
    place = sum(number < _CAPTION for number, _ in sets)
    sets.insert(place, (_CAPTION, text.encode()))
    new = b"".join(
        bytes((0x1C, *number)) + len(content).to_bytes(2, "big") + content
        for number, content in sets
    )
    changed = {_IIM: new, _DIGEST: hashlib.md5(new, usedforsecurity=False).digest()}
    if not any(number == _IIM for number, *_ in resources):
        resources.append((_IIM, b"\0\0", b""))
    return b"".join(
        _store(number, name, changed.get(number, content))
        for number, name, content in resources
    )


def _resources(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Give the number of each, its name as it is stored, and its content."""
    place = 0
    while place + 12 <= len(block):
        if block[place : place + 4] != b"8BIM":
            raise ValueError("no resource")
        number = int.from_bytes(block[place + 4 : place + 6], "big")
        start = place + 6 + (block[place + 6] + 2) // 2 * 2
        name = block[place + 6 : start]
        end = start + 4 + int.from_bytes(block[start : start + 4], "big")
        if end > len(block):
            raise ValueError("cut off")
        yield number, name, block[start + 4 : end]
        place = end + (end - start) % 2
    if block[place:].strip(b"\0"):
        raise ValueError("more than resources")


def _store(number: int, name: bytes, content: bytes) -> bytes:
    size = len(content).to_bytes(4, "big")
    padding = b"\0" * (len(content) % 2)
    return b"8BIM" + number.to_bytes(2, "big") + name + size + content + padding


def _data_sets(iim: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    place = 0
    while place + 5 <= len(iim) and iim[place] == 0x1C:
        end = place + 5 + int.from_bytes(iim[place + 3 : place + 5], "big")
        if end > len(iim):  # or of the kind that is longer than 32 kB
            raise ValueError("cut off")
        yield (iim[place + 1], iim[place + 2]), iim[place + 5 : end]
        place = end
    if iim[place:].strip(b"\0"):
        raise ValueError("more than data sets")
