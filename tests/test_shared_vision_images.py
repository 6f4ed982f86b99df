import io
import os
import random
import stat
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from shared.errors import AppError
from shared.vision.images import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    MAX_SIDE,
    image_name,
    read_image,
    read_preview,
    read_with_preview,
    weigh_image,
)

RED, GREEN, BLUE, WHITE = (220, 40, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"] + ["AVIF"] * features.check(
    "avif"
)


# Shown by pytest only: it sets its own filters in place of the module's.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def corners(width=40, height=24):
    """Draw a red, a green, a blue and a white quarter."""
    pixels = np.empty((height, width, 3), np.uint8)
    y, x = height // 2, width // 2
    pixels[:y, :x], pixels[:y, x:] = RED, GREEN
    pixels[y:, :x], pixels[y:, x:] = BLUE, WHITE
    return Image.fromarray(pixels)


def photo(width, height):
    """Draw waves and a little noise, as hard to shrink as a photo."""
    y, x = np.mgrid[:height, :width] / 20.0
    waves = [np.sin(x + y / 3), np.sin(x * y / 9), np.cos(y - x / 2)]
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = 127 + 100 * np.stack(waves, -1) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encode(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_of_size(width, height):
    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def assert_corners(pixels, atol=12):
    height, width = pixels.shape[:2]
    assert pixels.dtype == np.uint8
    y, x = height // 4, width // 4
    seen = [pixels[y, x], pixels[y, -x], pixels[-y, x], pixels[-y, -x]]
    np.testing.assert_allclose(seen, [RED, GREEN, BLUE, WHITE], atol=atol)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_keeps_its_colours(format, tmp_path):
    data = encode(corners(), format)
    path = tmp_path / "photo.unknown"  # the content counts, not the suffix
    path.write_bytes(data)
    for source in (data, path, str(path)):
        assert read_image(source).shape == (24, 40, 3)
        assert_corners(read_image(source))
        assert read_image(source, size=16).shape == (16, 16, 3)
        assert_corners(read_image(source, size=16))


def test_heic_is_read_without_registering_anything():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(corners(64, 64)).save(file, quality=95)
    assert_corners(read_image(file.getvalue()))
    assert_corners(read_image(file.getvalue(), size=16))
    assert "HEIF" not in Image.OPEN


def test_heic_without_the_extra_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 50)
    with pytest.raises(AppError, match=r"phone\.heic.*pip install 'sightread\[heic\]'"):
        read_image(path)


def test_avif_is_not_taken_for_heic(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(AppError, match=r"damaged|not an image"):
        read_image(b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf" + b"\0" * 50)


def test_suffixes_are_lower_case():
    assert {".jpg", ".png", ".heic", ".tif", ".avif"} <= IMAGE_SUFFIXES
    assert all(s == s.lower() and s.startswith(".") for s in IMAGE_SUFFIXES)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(format, orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = corners(240, 160)
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(stored, format, exif=exif)
    assert read_image(data).shape == (160, 240, 3)
    for pixels in (
        read_image(data),
        read_image(data, size=20),
        read_image(data, size=20, resize="crop"),
        read_image(Image.open(io.BytesIO(data))),
    ):
        assert_corners(pixels)


def test_broken_exif_does_not_lose_the_photo():
    # Big endian, one entry, of an unknown type, beyond the end.
    broken = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x63\xff\xff\xff\xff\xff"
    for exif in (broken, b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"nonsense"):
        assert_corners(read_image(encode(corners(), "JPEG", exif=exif)))


def test_nothing_is_printed_about_odd_files(tmp_path):
    broken = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\xff\xff\0\0\xff\xff"
    (tmp_path / "a.jpg").write_bytes(encode(corners(), "JPEG", exif=broken))
    (tmp_path / "b.png").write_bytes(png_of_size(10_000, 10_000))
    (tmp_path / "c.tif").write_bytes(encode(corners(), "TIFF")[:-60])
    code = (
        "import sys\n"
        "from shared.errors import AppError\n"
        "from shared.vision.images import read_image\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        read_image(path)\n"
        "    except AppError:\n"
        "        pass\n"
    )
    paths = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        [sys.executable, "-c", code, *paths],
        capture_output=True,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_transparent_parts_become_white():
    rgba = corners().convert("RGBA")
    rgba.putalpha(Image.new("L", rgba.size, 0))
    rgba.paste(corners().crop((0, 0, 20, 24)).convert("RGBA"), (0, 0))
    palette = rgba.convert("P")
    palette.info["transparency"] = palette.getpixel((30, 4))
    for image in (rgba, rgba.convert("RGBa"), rgba.convert("PA")):
        pixels = read_image(image)
        np.testing.assert_allclose(pixels[4, 4], RED, atol=30)
        assert (pixels[:, 20:] == 255).all()
    for data in (
        encode(rgba),
        encode(rgba, "WEBP", lossless=True),
        encode(rgba, "GIF"),
        encode(rgba, "TIFF"),
    ):
        pixels = read_image(data)
        np.testing.assert_allclose(pixels[4, 4], RED, atol=8)
        assert (pixels[:, 20:] == 255).all()
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (read_image(encode(half)) == 127).all()
    grey = Image.new("LA", (4, 4), (0, 51))
    assert (read_image(encode(grey)) == 204).all()


@pytest.mark.parametrize(
    ("mode", "colour"), [("RGB", BLUE), ("L", 90), ("1", 0), ("P", 1)]
)
def test_transparent_colour_of_png_becomes_white(mode, colour):
    image = Image.new(mode, (6, 6), colour)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 0, 0])
    assert (read_image(encode(image, transparency=colour)) == 255).all()


@pytest.mark.parametrize(
    ("mode", "format"),
    [
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("YCbCr", "JPEG"),
        ("LAB", "TIFF"),
        ("P", "PNG"),
        ("P", "BMP"),
        ("RGBX", "TIFF"),
    ],
)
def test_every_mode_becomes_rgb(mode, format):
    image = corners()
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    else:
        image = image.convert(mode)
    data = encode(image, format)
    assert Image.open(io.BytesIO(data)).mode in (mode, "RGB")
    assert_corners(read_image(data), atol=30)
    assert_corners(read_image(image), atol=30)
    assert_corners(read_image(data, size=10), atol=30)


def test_hsv_1_bit_and_grey_become_rgb():
    assert_corners(read_image(corners().convert("HSV")), atol=8)
    bits = Image.new("1", (4, 2))
    bits.putpixel((1, 0), 1)
    for format in ("PNG", "TIFF", "BMP", "GIF"):
        pixels = read_image(encode(bits, format))
        assert pixels[0, 1].tolist() == [255] * 3
        assert pixels[1, 1].tolist() == [0] * 3
    pixels = read_image(encode(Image.new("L", (3, 3), 77)))
    assert (pixels == 77).all()
    assert pixels.shape == (3, 3, 3)


RAMP = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
RAMP_8 = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(format):
    pixels = read_image(encode(Image.fromarray(RAMP), format))
    np.testing.assert_array_equal(pixels, np.stack([RAMP_8] * 3, -1))


@pytest.mark.parametrize(
    "values",
    [
        RAMP.astype(">u2"),
        RAMP.astype(np.int32),
        RAMP.astype(np.int32) * 100 - 9,
        RAMP_8.astype(np.float32),
        RAMP_8.astype(np.float32) / 255,
        RAMP_8.astype(np.float32) * 257,
        RAMP_8.astype(np.float32) * 1e9 - 1e7,
    ],
)
def test_wide_grey_is_scaled_from_its_range(values):
    image = Image.fromarray(values)
    for source in (image, encode(image, "TIFF")):
        pixels = read_image(source)
        np.testing.assert_allclose(pixels[:, :, 0], RAMP_8, atol=1)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_of_fewer_bits_in_16_is_as_bright_as_it_should_be(format, bits):
    values = RAMP >> (16 - bits)
    pixels = read_image(encode(Image.fromarray(values), format))
    np.testing.assert_allclose(pixels[:, :, 0], RAMP_8, atol=1)


def tiff(pixels, photometric, planar=1, extra=None, order="<", is_packed=False):
    """Write a TIFF of any array (H, W) or (H, W, samples)."""
    pixels = np.atleast_3d(pixels)
    height, width, samples = pixels.shape
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    data = pixels.astype(pixels.dtype.newbyteorder(order))
    data = (data if planar == 1 else data.transpose(2, 0, 1)).tobytes()
    data = zlib.compress(data) if is_packed else data
    each = samples if planar == 2 else 1
    tags = {256: [width], 257: [height], 258: [8 * pixels.itemsize] * samples}
    tags |= {
        259: [8 if is_packed else 1],
        262: [photometric],
        273: [0] * each,
        277: [samples],
    }
    tags |= {278: [height], 279: [len(data) // each] * each, 284: [planar]}
    tags |= {339: [kind] * samples} | ({338: [extra]} if extra is not None else {})
    start = 8 + 2 + 12 * len(tags) + 4
    lists = b""
    places = [start, start + 4 * sum(len(v) for v in tags.values() if len(v) > 1)]
    tags[273] = [places[1] + i * len(data) // each for i in range(each)]
    entries = b""
    for tag in sorted(tags):
        values = struct.pack(f"{order}{len(tags[tag])}I", *tags[tag])
        if len(values) > 4:
            place, lists = start + len(lists), lists + values
            values = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, 4, len(tags[tag])) + values
    start = b"II*\0" if order == "<" else b"MM\0*"
    head = start + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4) + lists + data


@pytest.mark.parametrize(
    "values",
    [
        RAMP_8.astype(np.uint8),
        RAMP,
        RAMP >> 4,
        RAMP.astype(np.float32),
        (RAMP_8 / 255).astype(np.float32),
    ],
)
def test_a_tiff_whose_white_is_zero_is_no_negative(values):
    white = 4095 if values.max() == 4095 else {255: 255, 1: 1}.get(values.max(), 65535)
    negative = (white - values).astype(values.dtype)
    for stored, photometric in ((negative, 0), (values, 1)):
        pixels = read_image(tiff(stored, photometric))
        np.testing.assert_allclose(pixels[:, :, 0], RAMP_8, atol=1)


def test_white_is_zero_whichever_byte_comes_first():
    for values in (RAMP, RAMP >> 4):
        white = 65535 if values is RAMP else 4095
        pixels = read_image(tiff(white - values, 0, order=">"))
        np.testing.assert_allclose(pixels[:, :, 0], RAMP_8, atol=1)


def test_large_unsigned_numbers_are_not_negative():
    pixels = read_image(tiff(RAMP.astype(np.uint32) * 65537, 1))
    np.testing.assert_allclose(pixels[:, :, 0], RAMP_8, atol=1)


@pytest.mark.parametrize(
    "data",
    [
        tiff(np.stack([RAMP, RAMP], -1), 1, extra=2),
        tiff(np.stack([RAMP_8.astype(np.uint8)] * 5, -1), 1),
        tiff(np.stack([RAMP.astype(np.float32)] * 3, -1), 2),
        tiff(RAMP.astype(np.float64), 1),
        tiff(RAMP.astype(np.uint64), 1),
        tiff(RAMP.astype(np.complex64), 1),
        tiff(np.stack([RAMP] * 3, -1), 2, planar=2),
    ],
    ids=["grey-alpha-16", "5-bands", "rgb-float", "64-bit", "u64", "complex", "planes"],
)
def test_a_kind_that_is_not_known_is_not_called_damaged(data):
    with pytest.raises(AppError, match="a kind of TIFF that cannot be read; save it"):
        read_image(data)
    with pytest.raises(AppError, match="cut off or damaged"):
        read_image(data[:70])


def test_other_unknown_kinds_are_named():
    jpeg = bytearray(encode(photo(20, 20), "JPEG"))
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12  # bits of a colour
    with pytest.raises(AppError, match="a kind of JPEG that cannot be read"):
        read_image(bytes(jpeg))
    bmp = bytearray(encode(photo(20, 20), "BMP"))
    bmp[30] = 9  # the compression
    with pytest.raises(AppError, match="a kind of image that cannot be read"):
        read_image(bytes(bmp))


def bmp(alpha, header):
    """A BMP of 32 bits a pixel with a mask for alpha, header bytes long."""
    pixels = np.asarray(corners())[::-1]
    data = np.dstack([pixels[..., ::-1], np.full_like(pixels[..., 0], alpha)]).tobytes()
    start = struct.pack("<IiiHHIIiiII", header, 40, 24, 1, 32, 3, len(data), 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    start = (start + masks).ljust(header, b"\0")
    size = 14 + len(start) + len(data)
    return b"BM" + struct.pack("<III", size, 0, 14 + len(start)) + start + data


@pytest.mark.parametrize("header", [56, 108, 124])  # V3, V4, V5
@pytest.mark.parametrize("alpha", [0, 255])
def test_alpha_that_is_zero_everywhere_is_no_alpha(alpha, header):
    assert_corners(read_image(bmp(alpha, header)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_colours_of_few_bits_stored_in_16_are_not_dark(
    tmp_path, bits, order, is_packed
):
    white = (1 << bits) - 1
    stored = np.random.default_rng(0).integers(0, white + 1, (6, 9, 3), np.uint16)
    stored[0, 0] = white
    content = tiff(stored, 2, order=order, is_packed=is_packed)
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with Image.open(path) as opened:
        for source in (content, path, opened):
            assert (read_image(source) == stored >> (bits - 8)).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_alpha_that_is_zero_in_some_places_hides_them(format):
    image = corners().convert("RGBA")
    image.paste((*GREEN, 0), (0, 0, 20, 12))
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    pixels = read_image(encode(image, format, **options))
    assert pixels[2, 2].tolist() == list(WHITE)
    image.putalpha(0)
    pixels = read_image(encode(image, format, **options))
    assert pixels[2, 2].tolist() == list(GREEN)


def png_with(*chunks, at_end=False):
    """A PNG of `corners` with chunks (kind, content) put in."""
    data = encode(corners())
    place = data.rindex(b"IEND") - 4 if at_end else 33
    added = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", 0)
        for kind, content in chunks  # even the checksums are wrong
    )
    return data[:place] + added + data[place:]


_BOMB = zlib.compress(bytes(80_000_000))


@pytest.mark.parametrize(
    "chunk",
    [
        (b"iCCP", b"icc\0\0" + zlib.compress(bytes(1_200_000))),
        (b"iCCP", b"no profile"),
        (b"zTXt", b"Comment\0\0" + _BOMB),
        (b"iTXt", b"Comment\0\1\0\0\0" + _BOMB),
        (b"tEXt", b"Comment\0" + b"x" * 3_000_000),
        (b"sPLT", bytes(2_000_000)),
        (b"gAMA", b""),
        (b"eXIf", b"II*\0" + bytes(2_000_000)),
        (b"prVt", bytes(1_000_000)),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
@pytest.mark.parametrize("at_end", [False, True])
def test_what_a_png_has_beside_its_pixels_does_not_refuse_it(chunk, at_end, tmp_path):
    data = png_with(chunk, at_end=at_end)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for source in (data, path):
        assert_corners(read_image(source))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_large_profile_does_not_refuse_a_photo(format):
    data = encode(corners(), format, icc_profile=bytes(1_200_000))
    assert_corners(read_image(data))


def test_wide_grey_without_a_range():
    flat = Image.fromarray(np.full((3, 3), -7.0, np.float32))
    assert (read_image(flat) == 0).all()
    holes = Image.fromarray(np.array([[np.nan, 0.5], [np.inf, 1.0]], np.float32))
    assert read_image(holes)[:, :, 0].tolist() == [[0, 128], [0, 255]]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_several(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(read_image(data)[4, 4], RED, atol=6)


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5), (225, 224)])
def test_any_shape_gives_a_square(shape, resize):
    image = Image.new("RGB", shape, RED)
    for data in (encode(image), encode(image, "JPEG")):
        pixels = read_image(data, size=24, resize=resize)
        assert pixels.shape == (24, 24, 3)
        assert pixels.dtype == np.uint8
        np.testing.assert_allclose(pixels, np.broadcast_to(RED, (24, 24, 3)), atol=3)


def test_crop_cuts_the_centre_and_squash_keeps_all():
    image = Image.new("RGB", (90, 30), RED)
    image.paste(GREEN, (30, 0, 60, 30))
    assert (read_image(image, 30, "crop") == GREEN).all()
    squashed = read_image(image, 30)
    assert squashed[15, 2].tolist() == list(RED)
    assert squashed[15, 15].tolist() == list(GREEN)
    assert squashed[15, 27].tolist() == list(RED)
    tall = image.transpose(Image.Transpose.ROTATE_90)
    assert (read_image(tall, 30, "crop") == GREEN).all()


def test_a_plain_cut_does_not_blur():
    image = photo(33, 24)
    cut = np.asarray(image)[:, 4:28]
    np.testing.assert_array_equal(read_image(image, 24, "crop"), cut)


def test_shrinking_anti_aliases():
    stripes = np.zeros((320, 320), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(read_image(stripes, size=32)) <= 12


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_an_image_of_the_right_size_is_unchanged(resize):
    image = photo(224, 224)
    data = encode(image, "JPEG")
    exact = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(read_image(data, 224, resize), exact)
    np.testing.assert_array_equal(read_image(data), exact)
    np.testing.assert_array_equal(
        read_image(encode(image), 224, resize), np.asarray(image)
    )


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("shape", [(1000, 700), (383, 901), (1600, 270), (129, 128)])
def test_the_fast_decode_of_jpeg_changes_little(shape, resize):
    data = encode(photo(*shape), "JPEG", quality=95)
    fast = read_image(data, 64, resize).astype(int)
    full = read_image(Image.fromarray(read_image(data)), 64, resize)
    assert np.abs(fast - full).mean() < 1.0
    assert np.abs(fast - full).max() < 12


@pytest.mark.parametrize("format", FORMATS)
def test_one_decoding_gives_the_image_and_its_preview(format):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    data = encode(photo(150, 90), format, exif=exif)
    image, preview = read_with_preview(data, 64, "squash", 100)
    np.testing.assert_array_equal(image, read_image(data, 64))
    np.testing.assert_array_equal(preview, np.array(read_preview(data, 100)))


def test_the_preview_of_a_large_jpeg_comes_from_the_decoding_of_the_image():
    data = encode(photo(1200, 900), "JPEG", quality=95)
    image, preview = read_with_preview(data, 64, "squash", 100)
    np.testing.assert_array_equal(image, read_image(data, 64))
    apart = preview.astype(int) - np.array(read_preview(data, 100))
    assert preview.shape == (75, 100, 3)
    assert np.abs(apart).mean() < 2
    # Decoded at an eighth it has 150 x 113 pixels, too few for a larger one.
    assert read_with_preview(data, 64, "squash", 151)[1] is None
    assert read_with_preview(data, 64, "squash", 150)[1].shape == (112, 150, 3)


def test_threads_read_the_same_pixels():
    encoded = [encode(photo(90, 70), format) for format in FORMATS]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(read_image, encoded * 4, [32] * len(encoded) * 4))
    for pixels, data in zip(read, encoded * 4, strict=True):
        np.testing.assert_array_equal(pixels, read_image(data, 32))


class Stored:
    name = "record 7"

    def __init__(self, data):
        self.data = data

    def read_bytes(self):
        if isinstance(self.data, Exception):
            raise self.data
        return self.data


def test_stored_images_are_read_and_named():
    assert_corners(read_image(Stored(encode(corners()))))
    with pytest.raises(AppError, match=r"^record 7: the file is empty\.$"):
        read_image(Stored(b""))
    with pytest.raises(AppError, match=r"^record 7: .*disk on fire"):
        read_image(Stored(OSError("disk on fire")))


def test_image_names():
    assert image_name(Path("a/b.jpg")) == "a/b.jpg"
    assert image_name(Stored(b"")) == "record 7"
    assert image_name(b"\xff") == image_name(corners()) == "the image"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((2, 3), 9, np.uint8), [9, 9, 9]),
        (np.full((2, 3, 1), 9, np.uint8), [9, 9, 9]),
        (np.full((2, 3, 3), RED, np.uint8), RED),
        (np.full((2, 3, 4), (*RED, 255), np.uint8), RED),
        (np.array([[[*RED, 255]] * 3, [[*RED, 0]] * 3], np.uint8), WHITE),
        (np.full((2, 3, 4), (*RED, 0), np.uint8), RED),
        (np.full((2, 3), True), WHITE),
        (np.full((2, 3), 65535, np.uint16), WHITE),
        (np.full((2, 3, 3), 257, ">u2"), [1, 1, 1]),
        (np.full((2, 3), 0.5), [128] * 3),
        (np.full((2, 3, 3), [1.0, 0.0, 0.2], np.float16), [255, 0, 51]),
        (np.full((3, 2, 3), GREEN, np.uint8).transpose(1, 0, 2), GREEN),
    ],
)
def test_arrays(array, expected):
    before = array.copy()
    pixels = read_image(array)
    assert pixels.shape == (2, 3, 3)
    assert pixels.dtype == np.uint8
    assert pixels[1, 1].tolist() == list(expected)
    assert read_image(array, size=5).shape == (5, 5, 3)
    pixels[:] = 0  # the result is the caller's to change
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 2), np.uint8), r"Received: \(2, 3, 2\)"),
        (np.zeros((1, 2, 3, 3), np.uint8), "Received"),
        (np.zeros(4, np.uint8), "Received"),
        (np.zeros((0, 3, 3), np.uint8), "not empty"),
        (np.zeros((2, 3), np.int64), "Received: int64"),
        (np.zeros((2, 3), complex), "Received: complex128"),
        (np.full((2, 3), 254.0), r"Received: 254\.0 to 254\.0"),
        (np.full((2, 3), -0.1), r"\[0, 1\]"),
        (np.full((2, 3), np.nan), "nan"),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        read_image(array)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="size=0"):
        read_image(corners(), size=0)
    with pytest.raises(ValueError, match="'stretch'"):
        read_image(corners(), size=8, resize="stretch")
    with pytest.raises(TypeError, match="Received: int"):
        read_image(3)


def test_a_pil_image_stays_as_it_was():
    image = Image.open(io.BytesIO(encode(photo(600, 400), "JPEG")))
    assert read_image(image, size=16).shape == (16, 16, 3)
    assert (image.size, image.mode) == ((600, 400), "RGB")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "not an image that can be read.*JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"P6 2 2 255 " + bytes(12), "not an image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "cut off or damaged"),
        (encode(photo(90, 80), "JPEG")[:-400], "cut off or damaged: .*truncated"),
        (encode(photo(60, 40))[:900], "cut off or damaged"),
        (encode(photo(60, 40), "WEBP")[:200], "cut off or damaged"),
        (png_of_size(50, 50), "cut off or damaged"),
        (png_of_size(60_000, 60_000), "too many pixels; at most 120 megapixels"),
        (png_of_size(MAX_PIXELS // 10_000 + 1, 10_000), "too many pixels"),
        (png_of_size(MAX_SIDE + 1, 1), "too many pixels.* 65535 a side"),
    ],
)
def test_bad_files_are_named_with_the_reason(data, reason, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(AppError, match=rf"^{path}: .*{reason}"):
        read_image(path)
    with pytest.raises(AppError, match=rf"^the image: .*{reason}"):
        read_image(data, size=8)


def tiff_cut_from(tile, side=64):
    """A grey TIFF of one packed tile, of which all but a corner is cut off."""
    data = zlib.compress(bytes(min(tile, 200) ** 2))
    tags = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile}
    tags |= {324: 8 + 2 + 12 * 10 + 4, 325: len(data)}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags)
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def test_a_tile_that_is_larger_than_its_photo_counts_whole():
    assert read_image(tiff_cut_from(64)).shape == (64, 64, 3)
    assert weigh_image(tiff_cut_from(200)) == 200 * 200
    for read in (read_image, weigh_image):
        with pytest.raises(AppError, match="too many pixels"):
            read(tiff_cut_from(40_000))


def progressive(scans):
    """A JPEG whose last scan comes again."""
    data = encode(photo(64, 64), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


def test_photos_are_weighed_by_what_is_decoded():
    assert weigh_image(encode(photo(60, 40))) == 60 * 40
    assert weigh_image(encode(photo(60, 40), "JPEG")) == 60 * 40 // 20
    assert weigh_image(progressive(40)) == 64 * 64 * 2
    assert weigh_image(b"hello") == weigh_image(b"") == 0
    assert weigh_image(encode(photo(60, 40))[:100]) == 60 * 40


def test_photos_that_weigh_too_much_are_refused():
    assert weigh_image(encode(photo(60, 40)), 2400) == 2400
    with pytest.raises(AppError, match=r"^the image: too many pixels; at most 0 mega"):
        weigh_image(encode(photo(60, 40)), 2399)
    with pytest.raises(AppError, match=r"^a\.jpg: .* at most 50 megapixels .* 65535 a"):
        weigh_image(png_of_size(60_000, 60_000), 50_000_000, "a.jpg")
    assert weigh_image(progressive(400), 20 * 64 * 64) == 20 * 64 * 64
    with pytest.raises(AppError, match=r"^a\.jpg: it has too many scans; save"):
        weigh_image(progressive(421), 21 * 64 * 64 - 1, "a.jpg")


def test_a_zero_size_is_refused():
    with pytest.raises(AppError, match=r"no pixels|damaged"):
        read_image(png_of_size(0, 5))
    with pytest.raises(AppError, match="the image: the image has no pixels"):
        read_image(Image.new("RGB", (0, 5)))


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(AppError, match=r"none\.jpg: there is no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(AppError, match="this is a folder"):
        read_image(tmp_path)
    with pytest.raises(AppError, match="cannot be read"):
        read_image("a\0b.jpg")
    with pytest.raises(AppError, match="cannot be read"):
        read_image("a" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(AppError, match="not an ordinary file"):
        read_image(tmp_path / "pipe.jpg")


def test_an_unreadable_file(tmp_path, monkeypatch):
    path = tmp_path / "private.jpg"
    path.write_bytes(encode(corners(), "JPEG"))
    path.chmod(stat.S_IWUSR)
    if os.access(path, os.R_OK):  # root reads everything
        pytest.skip("permissions do not bind this user")
    with pytest.raises(AppError, match="no permission"):
        read_image(path)


def heic_bytes():
    try:
        import pillow_heif
    except ImportError:
        return None
    file = io.BytesIO()
    pillow_heif.from_pillow(photo(64, 48)).save(file, quality=40)
    return file.getvalue()


@pytest.mark.parametrize("format", [*FORMATS, "TIFF_LZW", "HEIC"])
def test_random_damage_gives_an_image_or_an_app_error(format):
    if format == "HEIC":
        data = heic_bytes()
        if data is None:
            pytest.skip("needs pillow-heif")
    elif format == "TIFF_LZW":
        data = encode(photo(64, 48), "TIFF", compression="tiff_lzw")
    else:
        exif = Image.Exif()
        exif[0x0112] = 6
        options = {} if format in ("GIF", "BMP") else {"exif": exif}
        data = encode(photo(64, 48), format, **options)
    dice = random.Random(format)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(dice.randint(0, 6)):
            # Headers, where damage does most, are at the start.
            end = dice.choice([40, 400, len(damaged)])
            damaged[dice.randrange(min(end, len(damaged)))] = dice.randrange(256)
        if dice.random() < 0.5:
            del damaged[dice.randrange(len(damaged)) :]
        try:
            pixels = read_image(bytes(damaged), size=dice.choice([None, 16]))
        except AppError as error:
            assert str(error).startswith("the image: ")
        else:
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
            assert pixels.dtype == np.uint8


def lossless_jpeg(side):
    """A grey lossless JPEG (Annex H of its standard), every pixel as the one before."""
    frame = struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"
    table = b"\0" + bytes([1] + [0] * 15) + b"\0"  # one code, "0": no difference
    scan = b"\1\1\0\1\0\0"
    data = b"\xff\xd8"
    for marker, content in ((0xC3, frame), (0xC4, table), (0xDA, scan)):
        data += struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content
    return data + bytes(side * side // 8) + b"\xff\xd9"


@pytest.mark.skipif(features.version("libjpeg_turbo") is None, reason="another libjpeg")
def test_a_lossless_jpeg_is_not_decoded_into_a_smaller_room():
    data = lossless_jpeg(512)
    code = "import sys; from shared.vision.images import read_image\n"
    code += "read_image(sys.stdin.buffer.read(), size=16)"
    for _ in range(3):  # what is overwritten does not end the process every time
        subprocess.run([sys.executable, "-c", code], input=data, check=True)
    pixels = read_image(data)
    np.testing.assert_array_equal(read_image(data, size=16), pixels[:16, :16])
