"""Photos as arrays: file, bytes or array -> uint8 (H, W, 3) RGB.

The one decode and resize for training, the command lines and the demo, so that
a model is asked about the same pixels that it was trained on. Colour profiles
are ignored: every photo is read as sRGB.
"""

import logging
import math
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, get_args

import numpy as np
from PIL import (
    ExifTags,
    Image,
    JpegImagePlugin,
    TiffImagePlugin,
)

from shared.addresses import is_address, no_address
from shared.errors import AppError
from shared.vision.image_files import is_lossless, lower_bytes, open_image
from shared.vision.pixels import to_rgb

Resize = Literal["squash", "crop"]  # ignore the aspect ratio, or cut the centre

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif",
    ".tiff", ".heic", ".heif",
})
# fmt: on

# A 108 megapixel phone camera fits. Pillow keeps 4 bytes a pixel and needs a
# second copy to rotate, so the largest photo takes about 1 GB for a moment.
MAX_PIXELS = 120_000_000
MAX_SIDE = 65_535  # JPEG's limit; a forged WebP 11 million wide took 37 s to decode
_TOO_MANY_PIXELS = (
    "too many pixels; at most {} megapixels can be read, " + f"{MAX_SIDE} a side."
)
_SCAN_SHARE = 20  # scans of a JPEG that take as long as decoding another format's photo

_TILE = (322, 323)  # TIFF's tags for the width and length of a tile
_UPRIGHT = {  # EXIF orientation -> what turns the stored pixels upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE = {"uint8": 255, "uint16": 65535, "bool": 1} | dict.fromkeys(
    ("float16", "float32", "float64"), 1
)

# Pillow remarks on broken EXIF, on sizes, on odd TIFF tags. What matters becomes
# an AppError here. Appended: it never outranks a filter that someone else set;
# and set once, because warnings.catch_warnings is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.", append=True)
logging.getLogger("PIL").addHandler(logging.NullHandler())

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


class StoredImage(Protocol):
    """An encoded image with a name, such as a record of a data set."""

    @property
    def name(self) -> str:
        """What to call the image in a message."""

    def read_bytes(self) -> bytes:
        """Return the bytes of the image file."""


View = tuple[int | None, Resize | Literal["fit"]]  # size in pixels, and how it is met
ImageSource = str | Path | bytes | StoredImage | np.ndarray | Image.Image


def image_name(source: ImageSource) -> str:
    """Name an image for a message: its path or name, else "the image"."""
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    name = getattr(source, "name", None) or getattr(source, "filename", None)
    return str(name or "the image")


def read_image(
    source: ImageSource, size: int | None = None, resize: Resize = "squash"
) -> np.ndarray:
    """Read one image: upright, first frame, transparent parts on white.

    Args:
        source: path, bytes of an image file, object with `name` and
            `read_bytes()`, PIL image, or array (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4) of uint8, uint16, bool or float in [0, 1].
        size: side of the result in pixels; None keeps the size of the image.
        resize: "squash" ignores the aspect ratio; "crop" scales the shorter
            side to `size`, then cuts the centre.

    Returns:
        uint8 (H, W, 3) RGB; (size, size, 3) if `size` is given. An image that
        already has that size keeps its pixels unchanged.

    Raises:
        AppError: if the image cannot be read; the message names it and says why.
        ValueError: if an array, `size` or `resize` is not one of the above.
        TypeError: if `source` is of another type.
    """
    if size is not None and size < 1:
        raise ValueError(f"`size` must be at least 1. Received: size={size}")
    if resize not in get_args(Resize):
        raise ValueError(
            f"`resize` must be one of {get_args(Resize)}. Received: resize={resize!r}"
        )
    (image,) = _read(source, (size, resize))
    return np.array(image)


def read_preview(source: ImageSource, longest: int) -> Image.Image:
    """Read one image to show it: as `read_image`, with its proportions.

    Args:
        source: see `read_image`.
        longest: its longer side is made so many pixels, unless it has fewer.

    Raises:
        AppError: if the image cannot be read; the message names it and says why.
    """
    (image,) = _read(source, (longest, "fit"))
    return image


def read_with_preview(
    source: ImageSource, size: int, resize: Resize, longest: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read one image, and a preview of it if one decoding is enough for both.

    Args:
        source, size, resize: see `read_image`.
        longest: see `read_preview`.

    Returns:
        what `read_image` gives; and a preview, uint8 (H, W, 3), or None for a JPEG of
        which too few pixels were decoded. Of a large one it has a little less detail
        than that of `read_preview`.

    Raises:
        AppError: if the image cannot be read; the message names it and says why.
    """
    image, *more = _read(source, (size, resize), (longest, "fit"))
    return np.array(image), np.array(more[0]) if more else None


def weigh_image(
    photo: bytes, most_pixels: int = MAX_PIXELS, name: str = "the image"
) -> int:
    """Tell how long a photo takes to read, by its header and the number of its scans.

    For photos of strangers: a JPEG of 20 MB can have so many scans that it would take
    hours.

    Args:
        photo: the image file.
        most_pixels: refuse those with more, or that take longer than any with so many.
        name: what to call it in a message.

    Returns:
        the pixels that have to be decoded. A JPEG is decoded at a smaller scale, and
        counts a twentieth for each of its scans. 0 if it is not an image; to read it
        tells why.

    Raises:
        AppError: if it is refused.
    """
    with _damage_as_app_error(name):
        try:
            opened = open_image(BytesIO(photo))
        except Image.DecompressionBombError as error:
            raise AppError(_TOO_MANY_PIXELS.format(most_pixels // 10**6)) from error
        except Exception:
            return 0
        _check_pixels(opened, most_pixels)
        if not isinstance(opened, JpegImagePlugin.JpegImageFile):
            return _pixels(opened)
        work = _pixels(opened) * photo.count(b"\xff\xda") // _SCAN_SHARE
        if work > most_pixels:
            raise AppError("it has too many scans; save it as an ordinary JPEG.")
        return work


def _read(source: ImageSource, first: View, *more: View) -> list[Image.Image]:
    """Decode for the first view; of others, leave out what would be enlarged then."""
    name = image_name(source)
    if isinstance(source, np.ndarray):
        return _finish(_from_array(source), None, [first, *more])
    if isinstance(source, Image.Image):
        with _damage_as_app_error(name):
            _check_pixels(source)
            return _finish(source, None, [first, *more])
    if isinstance(source, (str, Path, bytes)) or hasattr(source, "read_bytes"):
        with _open_file(source, name) as file, _damage_as_app_error(name):
            opened = open_image(file)
            _check_pixels(opened)
            whole = opened.size
            box = _draft(opened, first[0])
            if opened.size != whole:
                more = tuple(v for v in more if max(opened.size) >= (v[0] or 0))
            return _finish(opened, box, [first, *more])
    raise TypeError(
        "an image is a path, bytes, an array, a PIL image, or has `name` and "
        f"`read_bytes()`. Received: {type(source).__name__}"
    )


def _open_file(source: str | Path | bytes | StoredImage, name: str) -> BinaryIO:
    is_web = isinstance(source, (str, Path)) and is_address(name)
    try:
        if isinstance(source, bytes):
            return BytesIO(source)
        if not isinstance(source, (str, Path)):
            return BytesIO(source.read_bytes())
        mode = Path(source).stat().st_mode
        if stat.S_ISDIR(mode) and not os.access(source, os.R_OK | os.X_OK):
            raise AppError(f"{name}: no permission to read this folder.")
        if stat.S_ISDIR(mode):
            raise AppError(f"{name}: this is a folder, not an image file.")
        if not stat.S_ISREG(mode):  # a pipe would wait for ever
            raise AppError(f"{name}: this is not an ordinary file.")
        return Path(source).open("rb")
    except FileNotFoundError as error:
        problem = no_address("photos") if is_web else "there is no such file."
        raise AppError(f"{name}: {problem}") from error
    except PermissionError as error:
        raise AppError(f"{name}: no permission to read this file.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        problem = f"the file cannot be read: {reason}."
        problem = no_address("photos") if is_web else problem
        raise AppError(f"{name}: {problem}") from error


@contextmanager
def _damage_as_app_error(name: str) -> Iterator[None]:
    """Report whatever Pillow raises on a bad file; on random bytes, anything."""
    try:
        yield
    except AppError as error:
        raise AppError(f"{name}: {error}") from error.__cause__
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason = _TOO_MANY_PIXELS.format(MAX_PIXELS // 10**6)
        raise AppError(f"{name}: {reason}") from error
    except Exception as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise AppError(f"{name}: the image is cut off or damaged: {reason}.") from error


def _check_pixels(image: Image.Image, most: int = MAX_PIXELS) -> None:
    if _pixels(image) > most or max(image.size) > MAX_SIDE:
        raise AppError(_TOO_MANY_PIXELS.format(most // 10**6))
    if not image.width * image.height:
        raise AppError("the image has no pixels.")


def _pixels(image: Image.Image) -> int:
    """Count what is decoded; a TIFF of 64 x 64 may be cut out of a tile of 2 GB."""
    tile = 0
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        sides = [image.tag_v2.get(tag, 0) for tag in _TILE]
        width, height = (side if isinstance(side, int) else MAX_SIDE for side in sides)
        tile = width * height
    return max(image.width * image.height, tile)


def _draft(image: Image.Image, size: int | None) -> Box | None:
    """Let a JPEG decode at 1/2, 1/4 or 1/8; return the part that is the photo.

    Never below one and a half times `size`: to there, pixels stay within 50 dB of
    those of a full decode, and 12 megapixels take three quarters of the time that
    twice `size` takes; at `size` itself they part by 40 dB. The last row and column
    may lie partly outside.
    """
    if not size or not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    if image.fp is None or is_lossless(image.fp):
        return None
    enough = math.ceil(1.5 * size)
    drafted = image.draft(None, (enough, enough))
    return drafted and drafted[1]


def _finish(
    image: Image.Image, box: Box | None, views: Sequence[View]
) -> list[Image.Image]:
    """Decode, make RGB, resize, turn upright. Turning the small image is faster."""
    read_lower = lower_bytes(image)
    image.load()  # a TIFF turns itself upright here
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken EXIF must not lose the photo
        orientation = None
    rgb = to_rgb(image, read_lower)
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    resized = (
        _resize(rgb, box or (0, 0, *rgb.size), size, resize) if size else rgb
        for size, resize in views
    )
    return [one if turn is None else one.transpose(turn) for one in resized]


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not is_image or not array.size:
        raise ValueError(
            "an image array is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not empty. "
            f"Received: {array.shape}"
        )
    white = _WHITE.get(array.dtype.name)
    if white is None:
        raise ValueError(
            f"an image array is of {', '.join(_WHITE)}. Received: {array.dtype}"
        )
    if not (array.min() >= 0 and array.max() <= white):  # false for NaN too
        raise ValueError(
            "a float image array has values in [0, 1]. "
            f"Received: {array.min()} to {array.max()}"
        )
    if white != 255:
        array = np.rint(array * (255 / white)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


def _resize(
    image: Image.Image, box: Box, size: int, resize: Resize | Literal["fit"]
) -> Image.Image:
    shape = (size, size)
    if resize == "fit":
        _, _, width, height = box
        scale = min(1.0, size / max(width, height))
        shape = (max(1, round(scale * width)), max(1, round(scale * height)))
    if resize == "crop":
        _, _, width, height = box
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        if side == size:  # a plain cut, on whole pixels so that nothing blurs
            left, top = left // 1, top // 1
        box = (left, top, left + side, top + side)
    # Pillow's bicubic filter widens as it shrinks, so that it anti-aliases.
    return image.resize(shape, Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
