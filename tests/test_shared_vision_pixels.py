"""Odd kinds of pixels look as the colours that went into them."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from test_shared_vision_images import encode, tiff

from shared.errors import AppError
from shared.vision.images import read_image

GREY = np.arange(256).reshape(16, 16).astype(np.uint8)
RGB = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
RGB[0, 0], RGB[0, 1] = 255, 0
LEFT = np.arange(16)[None, :, None] < 8  # what is not hidden
ORDERS = pytest.mark.parametrize(
    ("order", "is_packed"), [("<", False), ("<", True), (">", False), (">", True)]
)


def with_alpha(colours, alpha):
    return np.dstack([colours, np.broadcast_to(alpha, colours.shape[:2])])


def looks_like(content, expected, atol=0):
    expected = np.broadcast_to(np.atleast_3d(expected), (16, 16, 3))
    np.testing.assert_allclose(read_image(content).astype(int), expected, atol=atol)


def png(pixels, kind, *chunks):
    """A PNG: kind is 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha."""
    depth = 8 * pixels.itemsize
    head = struct.pack(">IIBBBBB", 16, 16, depth, kind, 0, 0, 0)
    rows = b"".join(
        b"\0" + row.astype(f">u{pixels.itemsize}").tobytes() for row in pixels
    )
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data
        + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        (GREY.astype(np.int32) * 257 >> 1).astype(np.int16),
        (GREY.astype(np.int32) * 257 - 32768).astype(np.int16),
        (GREY.astype(np.int16) << 4) - 1024,  # Hounsfield's units
        GREY.astype(np.int16),
        (GREY >> 1).astype(np.int8),
        (GREY.astype(np.int16) - 128).astype(np.int8),
        GREY.astype(np.int32) * 8421504,
        GREY.astype(np.int32) * 257,
        GREY.astype(np.float32) / 255,
        np.where(GREY == 0, np.nan, GREY).astype(np.float32),
    ],
    ids=lambda values: f"{values.dtype}-{values.max()}",
)
@ORDERS
def test_signed_numbers_and_floats_fill_their_range(values, order, is_packed):
    content = tiff(values, 1, order=order, is_packed=is_packed)
    looks_like(content, GREY, atol=1)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extra", [0, 1, 2])  # nobody says, multiplied, not multiplied
@ORDERS
def test_alpha_of_a_tiff_that_is_zero_everywhere_is_none(bits, extra, order, is_packed):
    stored = RGB if bits == 8 else RGB.astype(np.uint16) * 257
    rules = {"extra": extra, "order": order, "is_packed": is_packed}
    looks_like(tiff(with_alpha(stored, 0).astype(stored.dtype), 2, **rules), RGB)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extra", [1, 2])
@ORDERS
def test_alpha_of_a_tiff_hides_parts(bits, extra, order, is_packed):
    colours = np.where(LEFT, RGB, 0 if extra == 1 else 77)
    stored = with_alpha(colours, np.where(LEFT[..., 0], 255, 0)).astype(np.uint8)
    stored = stored if bits == 8 else stored.astype(np.uint16) * 257
    content = tiff(stored, 2, extra=extra, order=order, is_packed=is_packed)
    looks_like(content, np.where(LEFT, RGB, 255))


def test_colours_that_were_multiplied_by_half_are_half_hidden():
    half = with_alpha(RGB // 2, 128).astype(np.uint8)
    looks_like(tiff(half, 2, extra=1), RGB // 2 + 127, atol=2)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize(
    ("kind", "extra", "whites"),
    [("RGBA", 2, "as"), ("RGBA", 2, "all"), ("RGBX", 0, "none"), ("CMYK", None, "")],
)
@ORDERS
def test_few_bits_in_16_with_a_fourth_band(bits, kind, extra, whites, order, is_packed):
    stored = (RGB.astype(np.uint16) * 257) >> (16 - bits)
    fourth = {"as": (1 << bits) - 1, "all": 65535}.get(whites, 0)
    stored = with_alpha(stored, fourth).astype(np.uint16)
    photometric, expected = (5, 255 - RGB) if kind == "CMYK" else (2, RGB)
    rules = {"extra": extra, "order": order, "is_packed": is_packed}
    looks_like(tiff(stored, photometric, **rules), expected, atol=1)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_few_bits_in_a_png_of_16(bits, tmp_path):
    white = (1 << bits) - 1
    rgb = (RGB.astype(np.uint16) * 257) >> (16 - bits)
    grey = (GREY.astype(np.uint16) * 257) >> (16 - bits)
    path = tmp_path / "a.png"
    for pixels, kind, expected in (
        (rgb, 2, RGB),
        (grey, 0, GREY),
        (with_alpha(rgb, white), 6, RGB),
        (with_alpha(rgb, 65535), 6, RGB),
        (with_alpha(rgb, 0), 6, RGB),
        (with_alpha(grey, white), 4, GREY),
        (with_alpha(grey, 65535), 4, GREY),
        (with_alpha(grey, 0), 4, GREY),
    ):
        content = png(pixels.astype(np.uint16), kind)
        path.write_bytes(content)
        looks_like(content, expected, atol=1)
        looks_like(path, expected, atol=1)


@pytest.mark.parametrize("kind", [0, 2])
@pytest.mark.parametrize("bits", [8, 16])
def test_the_colour_that_a_png_hides_is_hidden_exactly(kind, bits):
    pixels = GREY if kind == 0 else RGB
    stored = pixels if bits == 8 else pixels.astype(np.uint16) * 257
    hidden = np.atleast_1d(stored[3, 4])
    if bits == 16:  # as alike as two colours can be
        stored[5, 5] = stored[3, 4] ^ 1
    chunk = (b"tRNS", hidden.astype(">u2").tobytes())
    expected = np.atleast_3d(stored if bits == 8 else stored >> 8)
    is_hidden = (np.atleast_3d(stored) == hidden).all(-1, keepdims=True)
    assert is_hidden.sum() == 1
    looks_like(png(stored, kind, chunk), np.where(is_hidden, 255, expected))


def test_a_palette_that_is_hidden_everywhere_is_not_hidden():
    palette = np.random.default_rng(1).integers(0, 256, (256, 3), np.uint8)
    colours = (b"PLTE", palette.tobytes())
    looks_like(png(GREY, 3, colours, (b"tRNS", bytes(256))), palette[GREY])
    half = (b"tRNS", bytes(128) + b"\xff" * 128)
    expected = np.where(GREY[..., None] < 128, 255, palette[GREY])
    looks_like(png(GREY, 3, colours, half), expected)


@pytest.mark.parametrize("is_packed", [False, True])
def test_luma_and_chroma_are_no_red_green_and_blue(is_packed):
    image = Image.fromarray(np.broadcast_to(np.uint8([200, 40, 30]), (16, 16, 3)))
    packing = {"compression": "tiff_lzw"} if is_packed else {}
    content = encode(image.convert("YCbCr"), "TIFF", **packing)
    if is_packed:
        looks_like(content, np.uint8([200, 40, 30])[None, None], atol=4)
        return
    with pytest.raises(AppError, match="a kind of TIFF that cannot be read; save it"):
        read_image(content)
