"""Decoded pixels as 8-bit RGB: grey and colours of more bits, and what alpha hides."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from shared.vision.image_files import MULTIPLIED

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF's tags
_GREY_TOPS = (255, 1023, 4095, 16383, 65535)  # white of 8, 10, 12, 14 and 16 bits


def to_rgb(
    image: Image.Image, read_lower: Callable[[], Image.Image] | None = None
) -> Image.Image:
    """Give a decoded image as RGB, transparent parts on white.

    Grey, and colours of 16 bits, are brought to 8 from the range that they seem to
    use. Alpha that is zero everywhere is a field that the writer left empty.

    Args:
        image: of any mode.
        read_lower: see `shared.vision.image_files.lower_bytes`.
    """
    if read_lower and ((spare := _spare_bits(image)) or "transparency" in image.info):
        image = _join_bytes(image, read_lower(), spare)
    image = _grey_to_uint8(image)
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    is_multiplied = image.info.get(MULTIPLIED)
    names_colour = isinstance(image.info.get("transparency"), (int, tuple))
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema()[1] == 0 and not names_colour:
        return image.convert("RGB")
    if is_multiplied:
        image = Image.frombytes("RGBa", image.size, image.tobytes()).convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _join_bytes(upper: Image.Image, lower: Image.Image, spare: int) -> Image.Image:
    """Give 8 bits of colours of 16, of which some upper ones are never used.

    Alpha that uses all of them stays. Where a PNG names a colour that is not to be
    seen, alpha hides it.
    """
    high: np.ndarray = np.asarray(upper)
    low: np.ndarray = np.asarray(lower)
    joined = high << spare | low >> (8 - spare)
    if upper.mode == "RGBA" and high[..., 3].max() >> (8 - spare):
        joined[..., 3] = high[..., 3]
    found = Image.frombytes(upper.mode, upper.size, joined.tobytes())
    found.info = dict(upper.info)
    if isinstance(colour := found.info.get("transparency"), tuple):
        whole = high.astype(np.uint16) << 8 | low
        _hide(found, (whole == np.array(colour)).all(-1))
    return found


def _spare_bits(image: Image.Image) -> int:
    """Count the upper bits that no colour uses, by steps of two."""
    ranges: Any = image.getextrema()  # of each band
    pairs = zip(image.getbands(), ranges, strict=True)
    most = max(high for band, (_, high) in pairs if band != "A")
    return next(bits for bits in (8, 6, 4, 2, 0) if most < 1 << (8 - bits))


def _grey_to_uint8(image: Image.Image) -> Image.Image:
    """Bring grey of more than 8 bits to 8, where `convert` would clip it."""
    tags: Any = {}
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
    is_signed = tags.get(_SAMPLE_FORMAT) == (2,)
    if image.mode[0] not in "IF" and not (is_signed and image.mode == "L"):
        return image
    values = np.asarray(image)
    if is_signed and image.mode == "L":
        values = values.view(np.int8)
    elif tags and not is_signed and values.dtype == np.int32:
        values = values.view(np.uint32)
    grey = _scale_to_uint8(values, tags.get(_BITS, (32,))[0] if is_signed else 0)
    found = Image.fromarray(255 - grey if tags.get(_PHOTOMETRIC) == 0 else grey)
    if isinstance(hidden := image.info.get("transparency"), int):  # of a PNG
        _hide(found, values == hidden)
    return found


def _hide(image: Image.Image, hidden: np.ndarray) -> None:
    """Give an image alpha that is zero where it is not to be seen."""
    image.putalpha(Image.fromarray(np.where(hidden, 0, 255).astype(np.uint8)))


def _scale_to_uint8(values: np.ndarray, signed_bits: int = 0) -> np.ndarray:
    """Bring grey values to 0..255 from the range that they seem to use.

    The range is that of 8, 10, 12, 14 or 16 bits for integers, of signed ones up to
    their own largest; 0..1, 0..255 or 0..65535 for floats: the first that fits; from
    lowest to highest if none does. What is not finite is black.
    """
    is_float = values.dtype.kind == "f"
    values = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    tops: tuple[float, ...] = (1, 255, 65535) if is_float else _GREY_TOPS
    if signed_bits:
        most = (1 << (signed_bits - 1)) - 1
        tops = (*(top for top in tops if top < most), most)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        values, top = values - low, high - low or 1.0
    return np.rint(values * (255 / top)).astype(np.uint8)
