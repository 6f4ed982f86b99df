"""Files of images: which kind one is, by its content, and why it cannot be read."""

import re
import sys
from io import SEEK_END, BytesIO
from typing import IO, Any, BinaryIO

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from shared.errors import AppError

# No other format of Pillow's is tried: some start programs (EPS, Ghostscript).
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
_NO_IMAGE = (
    "this is not an image that can be read "
    "(accepted: JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF, HEIC)."
)
_DAMAGED = "the image is cut off or damaged."
_SIGNATURES = {  # how files of a format start
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
_UNKNOWN_KIND = re.compile(r"unknown|unsupported|cannot handle|\d+$", re.IGNORECASE)
_HEIC_BRANDS = b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split()
# The optional parts of a PNG that are read: transparent colours, and the orientation.
_PNG_OPTIONAL = (b"tRNS", b"eXIf")
_MOST_EXIF = 1_000_000  # bytes
_TIFF_NEEDS = {256, 257, 258, 262}  # width, length, bits and what zero stands for
_TIFF_PLACES = {273, 324}  # where its strips or tiles are
_BITS, _PLANAR = 258, 284  # others of its tags
# 16-bit grey whose white is zero, high byte first: as with its low byte first, which
# Pillow knows.
TiffImagePlugin.OPEN_INFO.setdefault(
    (TiffImagePlugin.MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B")
)
# RGB of 16 bits a colour, of which Pillow keeps the upper 8: read the other way round,
# the lower 8. N is this computer's order.
_OTHER_ORDER = {"RGB;16L": "RGB;16B", "RGB;16B": "RGB;16L"}
_OTHER_ORDER["RGB;16N"] = "RGB;16B" if sys.byteorder == "little" else "RGB;16L"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's markers for them
_LOSSY_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)


def open_image(file: BinaryIO) -> Image.Image:
    """Read the header and refuse what is no image; the pixels come later."""
    head = file.read(256)
    file.seek(0)
    if not head:
        raise AppError("the file is empty.")
    if _is_heic(head):
        try:
            from pillow_heif import HeifImageFile  # optional, and seldom needed
        except ImportError as error:
            raise AppError(
                "this is a HEIC photo; to read it: pip install 'sightread[heic]'"
            ) from error
        return HeifImageFile(file)
    if head.startswith(_SIGNATURES["PNG"]):
        file = _without_extras(file)
    try:
        opened = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise AppError(_why_unidentified(file, head)) from error
    except OSError as error:  # a BMP
        raise AppError(
            _unknown_kind("image") if _is_unknown(error) else _DAMAGED
        ) from error
    if isinstance(opened, TiffImagePlugin.TiffImageFile) and _is_misread(opened):
        raise AppError(_unknown_kind("TIFF"))
    return opened


def _without_extras(file: BinaryIO) -> BinaryIO:
    """Leave out of a PNG what is not used: texts, profiles, and whatever is optional.

    Pillow refuses the photo if one of them is large or broken.
    """
    start, size = 8, file.seek(0, SEEK_END)
    kept, dropped = [(0, start)], False
    while start + 8 <= size:
        file.seek(start)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        end = min(start + 12 + length, size)
        if kind[:1].islower() and (kind not in _PNG_OPTIONAL or length > _MOST_EXIF):
            dropped = True
        else:
            kept.append((start, end))
        start = end
    if dropped:
        parts = []
        for start, end in kept:
            file.seek(start)
            parts.append(file.read(end - start))
        file = BytesIO(b"".join(parts))
    file.seek(0)
    return file


def _why_unidentified(file: BinaryIO, head: bytes) -> str:
    """Tell what is no image, a kind that Pillow does not know, and a damaged file."""
    if head[:4] + head[8:12] == b"RIFFWEBP":
        return _DAMAGED
    for kind, signatures in _SIGNATURES.items():
        if head.startswith(signatures):
            file.seek(0)
            try:
                Image.OPEN[kind][0](file, "")
            except Exception as error:
                whole = kind != "TIFF" or _has_whole_header(file, head)
                return _unknown_kind(kind) if _is_unknown(error) and whole else _DAMAGED
            return _DAMAGED
    return _NO_IMAGE


def _has_whole_header(file: BinaryIO, head: bytes) -> bool:
    """Whether a TIFF tells all about its pixels; one that is cut off may not."""
    size = 16 if head[2:4] in (b"+\0", b"\0+") else 8  # of a BigTIFF, and others
    directory = TiffImagePlugin.ImageFileDirectory_v2(head[:size])
    file.seek(directory.next)
    directory.load(file)
    return set(directory) >= _TIFF_NEEDS and not _TIFF_PLACES.isdisjoint(directory)


def _is_unknown(error: Exception) -> bool:
    return bool(_UNKNOWN_KIND.match(str(error)))


def _unknown_kind(name: str) -> str:
    return f"this is a kind of {name} that cannot be read; save it as 8-bit RGB."


def _is_misread(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether Pillow takes a TIFF's colours one after another for colours side by side.

    Or whether its libtiff lacks the compression.
    """
    bits = image.tag_v2.get(_BITS, (8,))
    in_planes = image.tag_v2.get(_PLANAR, 1) == 2 and len(bits) > 1 and max(bits) > 8
    return in_planes or image.info.get("compression") == "webp"


def read_lower_bytes(image: Image.Image) -> Image.Image | None:
    """Decode a TIFF of 16 bits a colour for the 8 lower bits, which Pillow drops.

    Args:
        image: of `open_image`, not yet decoded.

    Returns:
        RGB; None for all other images.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.fp is None:
        return None
    tiles: list[Any] = image.tile
    if not tiles or tiles[0].args[0] not in _OTHER_ORDER:
        return None
    image.fp.seek(0)
    lower = Image.open(image.fp, formats=["TIFF"])
    lower.seek(image.tell())
    lower.tile = [
        tile._replace(args=(_OTHER_ORDER[tile.args[0]], *tile.args[1:]))
        for tile in tiles
    ]
    lower.load()  # before the file is closed with the image
    return lower


def _is_heic(head: bytes) -> bool:
    """Tell HEIC from AVIF: the same container, listing its kinds at the start."""
    brands = head[8 : int.from_bytes(head[:4], "big")]
    is_avif = b"avif" in brands or b"avis" in brands
    return head[4:8] == b"ftyp" and brands[:4] in _HEIC_BRANDS and not is_avif


def is_lossless(file: IO[bytes]) -> bool:
    """Whether a JPEG is of a lossless kind, or starts in a way that nobody writes.

    These are decoded at full size even if a smaller one is asked for. Pillow has room
    for the smaller one only, and the rest would be written over other memory.
    """
    place = 2
    while True:
        file.seek(place)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return True
        if head[1] in _FRAMES:
            return head[1] not in _LOSSY_FRAMES
        place += 2 + int.from_bytes(head[2:], "big")
