"""Files of images: which kind one is, by its content, and why it cannot be read."""

import re
import sys
from collections.abc import Callable
from io import SEEK_END, BytesIO
from typing import IO, Any, BinaryIO

from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

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
_BITS, _COLOURS, _PLANAR = 258, 262, 284  # others of its tags
_YCBCR = 6  # a value of the second
MULTIPLIED = "multiplied"  # key of `Image.info`: colours were multiplied by alpha
# 16-bit grey whose white is zero, high byte first: as with its low byte first, which
# Pillow knows.
TiffImagePlugin.OPEN_INFO.setdefault(
    (TiffImagePlugin.MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B")
)
# Colours of 16 bits, of which Pillow keeps the upper 8: read the other way round, the
# lower 8. N is this computer's order.
_OTHER_ORDER = {
    f"{bands};16{order}": f"{bands};16{other}"
    for bands in ("RGB", "RGBA", "RGBX", "CMYK")
    for order, other in ("LB", "BL", "NB" if sys.byteorder == "little" else "NL")
}
_GREY_ALPHA = "LA;16B"  # of a PNG: as many bytes as four colours
_WIDE = re.compile(r"([FI];(?:16|32))B?([FS])")  # signed numbers, and floats
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
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        if _is_misread(opened):
            raise AppError(_unknown_kind("TIFF"))
        _correct_kind(opened)
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
    """Whether Pillow takes a TIFF's colours for others.

    For colours side by side if they stand one after another; for RGB if they are YCbCr
    without compression. Or whether its libtiff lacks the compression.
    """
    bits = image.tag_v2.get(_BITS, (8,))
    in_planes = image.tag_v2.get(_PLANAR, 1) == 2 and len(bits) > 1 and max(bits) > 8
    packing = image.info.get("compression")
    plain = image.tag_v2.get(_COLOURS) == _YCBCR and packing == "raw" and len(bits) > 1
    return in_planes or plain or packing == "webp"


def _correct_kind(image: TiffImagePlugin.TiffImageFile) -> None:
    """Say anew how a TIFF's pixels are stored, where Pillow loses some.

    Colours that were multiplied by alpha are taken as stored, see `MULTIPLIED`: to
    divide them by an alpha of zero would leave nothing. And libtiff unpacks numbers in
    this computer's order, whatever that of the file.
    """
    tiles = []
    for tile in image.tile:
        kind = _kind(tile)
        if kind.startswith("RGBa"):
            image.info[MULTIPLIED] = True
            kind = kind.replace("RGBa", "RGBA")
        elif tile.codec_name == "libtiff":
            kind = _WIDE.sub(r"\1N\2", kind)
        tiles.append(tile._replace(args=_with_kind(tile, kind)))
    image.tile = tiles


def lower_bytes(image: Image.Image) -> Callable[[], Image.Image] | None:
    """Give what decodes the 8 lower bits of colours of 16 bits, which Pillow drops.

    Args:
        image: a TIFF or PNG of `open_image`, not yet decoded; it may be before the
            lower bits are.

    Returns:
        a function that gives them as an image of the same mode; None if there are none.
    """
    kinds = (TiffImagePlugin.TiffImageFile, PngImagePlugin.PngImageFile)
    if not isinstance(image, kinds):
        return None
    tiles: list[Any] = [*image.tile]
    kind = _kind(tiles[0]) if tiles and image.fp is not None else ""
    if kind not in (*_OTHER_ORDER, _GREY_ALPHA):
        return None
    file, frame = image.fp, image.tell()
    assert file is not None

    def read() -> Image.Image:
        # Pillow closes the files that it opened itself.
        again: Any = image.filename if file.closed else file
        if not file.closed:
            file.seek(0)
        lower = Image.open(again, formats=["TIFF", "PNG"])
        lower.seek(frame)
        wanted = _OTHER_ORDER.get(kind, "RGBA")
        lower.tile = [tile._replace(args=_with_kind(tile, wanted)) for tile in tiles]
        lower.load()
        if kind == _GREY_ALPHA:  # upper and lower bytes of grey, then those of alpha
            grey, alpha = lower.getchannel("G"), lower.getchannel("A")
            return Image.merge("RGBA", (grey, grey, grey, alpha))
        return lower

    return read


def _kind(tile: Any) -> str:
    """How a tile's pixels are stored: the only argument of a PNG's, else the first."""
    return tile.args if isinstance(tile.args, str) else str(tile.args[0])


def _with_kind(tile: Any, kind: str) -> Any:
    return kind if isinstance(tile.args, str) else (kind, *tile.args[1:])


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
