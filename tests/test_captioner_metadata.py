import io
import json
import os
import random
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from captioner.files.outputs import open_output
from captioner.metadata.containers import Jpeg, Png
from captioner.metadata.target import Described
from captioner.metadata.writing import sidecar_of, write_description
from captioner.metadata.xmp import ALT, DESCRIPTION, Packet
from shared.errors import AppError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
TEXT = 'A dog & a "cat" <on> a bed.'
PERSONS = "Zoë and Rex ]]> 狗."
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- mine --><r:RDF '
    'xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description '
    'r:about="uuid:1" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5">{}'
    "</r:Description>\n</r:RDF></x:xmpmeta>"
)
THEIRS = (
    '<dc:description xmlns:dc="http://purl.org/dc/elements/1.1/"><r:Alt>'
    '<r:li xml:lang="x-default">Rex</r:li></r:Alt></dc:description>'
)
EMPTY = "<d:description xmlns:d='http://purl.org/dc/elements/1.1/'/>"
NESTED = "r:parseType='Resource'"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(mode="RGB"):
    values = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
    return Image.fromarray(values).convert(mode)


def save(path, mode="RGB", xmp=None, camera=None, **options):
    """Write a photo with EXIF and a colour profile, where the format has them."""
    exif = Image.Exif()
    exif[0x0110] = "Camera"
    if camera:
        exif[0x010E] = camera
    options |= {"exif": exif, "icc_profile": ICC}
    if xmp and path.suffix == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp, zip=True)
    elif xmp and path.suffix in (".tif", ".tiff"):
        options["tiffinfo"] = {700: xmp.encode()}
    elif xmp:
        options["xmp"] = xmp if isinstance(xmp, bytes) else xmp.encode()
    picture(mode).save(path, **options)
    return path


def look(path):
    """Give the pixels and what else is in a photo, but its words."""
    with Image.open(path) as image:
        kept = (image.info.get("icc_profile"), dict(image.getexif()).get(0x0110))
        return np.asarray(image.convert("RGBA")).tobytes(), kept


def packet_of(path):
    """Read the words as Pillow finds them."""
    with Image.open(path) as image:
        found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
        if image.format == "TIFF":
            found = image.tag_v2[700]
    return Packet(found.encode() if isinstance(found, str) else found)


FORMATS = {
    "a.jpg": {},
    "progressive.jpg": {"progressive": True},
    "grey.jpg": {"mode": "L"},
    "xmp.jpg": {"xmp": XMP.format("")},
    "a.png": {},
    "xmp.png": {"xmp": XMP.format("")},
    "alpha.png": {"mode": "RGBA"},
    "a.webp": {},
    "xmp.webp": {"xmp": XMP.format(""), "mode": "RGBA"},
    "lossless.webp": {"lossless": True, "mode": "RGBA"},
    "a.tif": {},
    "xmp.tiff": {"xmp": XMP.format(""), "compression": "tiff_lzw"},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Photos of all kinds with a description; what was in them before."""
    folder = tmp_path_factory.mktemp("photos")
    before = {}
    for name, options in FORMATS.items():
        path = save(folder / name, **options)
        before[name] = (path.read_bytes(), look(path))
        shutil.copy(path, folder / f"before-{name}")
        assert write_description(path, TEXT) == "photo"
    return folder, before


@pytest.mark.parametrize("name", FORMATS)
def test_words_go_in_and_all_else_stays(written, name):
    folder, before = written
    path, (data, looked) = folder / name, before[name]
    assert look(path) == looked
    packet = packet_of(path)
    assert packet.texts == {DESCRIPTION: TEXT, ALT: TEXT.rstrip(".")}
    if name.startswith("xmp"):
        start, end = XMP.encode().split(b"\n</r:RDF>")[0].split(b"{}")
        assert start + end in packet.data and b"<!-- mine -->" in packet.data
        assert b'rdf:about="uuid:1"' in packet.data
    assert write_description(path, TEXT) == "same"
    new = path.read_bytes()
    if path.suffix in (".jpg", ".png"):  # all parts that were there, in their order
        rest = iter([*parts(new), None])
        old = [part for part in parts(data) if b"adobe." not in part[:40]]
        assert all(part in rest for part in old)


def parts(data):
    """Cut a file into what it consists of, by its own rules, pixels last."""
    if data.startswith(b"\xff\xd8"):
        jpeg = Jpeg(data)
        return [*jpeg._parts, jpeg._tail]
    return Png(data)._parts


def test_simple_webp_becomes_the_kind_that_holds_words(tmp_path):
    for i, options in enumerate(({}, {"lossless": True}, {"mode": "RGBA"})):
        path = tmp_path / f"{i}.webp"
        mode = options.pop("mode", "RGB")
        picture(mode).resize((300, 17)).save(path, **options)
        before = look(path)
        assert write_description(path, TEXT) == "photo"
        assert look(path) == before
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((300, 17), mode)
        assert packet_of(path).texts[DESCRIPTION] == TEXT


def exiftool(*words):
    if not shutil.which("exiftool"):
        pytest.skip("needs exiftool (Debian: libimage-exiftool-perl)")
    done = subprocess.run(
        ["exiftool", *map(str, words)], capture_output=True, text=True
    )
    return done.stdout


def test_another_program_reads_the_words(written):
    folder, _ = written
    paths = [folder / name for name in FORMATS]
    paths += [folder / f"before-{name}" for name in FORMATS]
    asked = ["-json", "-G1", "-a", "-XMP:all", "-IPTC:all", "-Validate"]
    told = json.loads(exiftool(*asked, *paths))
    for tags, before in zip(told[: len(FORMATS)], told[len(FORMATS) :], strict=True):
        name = Path(tags["SourceFile"]).name
        assert tags["XMP-dc:Description"] == TEXT, name
        assert tags["XMP-dc:Description-en"] == TEXT
        assert tags["XMP-iptcCore:AltTextAccessibility"] == TEXT.rstrip(".")
        assert tags.get("XMP-xmp:Rating") == (5 if name.startswith("xmp") else None)
        if name.endswith(".jpg"):
            assert tags["IPTC:Caption-Abstract"] == TEXT
        assert tags["ExifTool:Validate"] == before["ExifTool:Validate"], name


def test_what_another_program_writes_is_a_persons(tmp_path):
    mine, rated, both = (save(tmp_path / f"{n}.jpg") for n in "abc")
    for path in (mine, rated, both):
        write_description(path, TEXT)
    exiftool("-overwrite_original", "-XMP-dc:Description=Rex", mine)
    exiftool("-overwrite_original", "-XMP-xmp:Rating=3", rated)
    exiftool("-overwrite_original", "-IPTC:Caption-Abstract=Rex", both)
    said = [write_description(path, "A cow.") for path in (mine, rated, both)]
    assert said == ["kept", "photo", "kept"]
    tags = json.loads(exiftool("-json", "-G1", "-IPTC:all", "-XMP:all", rated))[0]
    assert (tags["XMP-dc:Description"], tags["XMP-xmp:Rating"]) == ("A cow.", 3)
    assert tags["IPTC:Caption-Abstract"] == "A cow."
    assert write_description(mine, "A cow.", replace=True) == "photo"
    tags = json.loads(exiftool("-json", "-G1", "-a", "-XMP:all", "-Warning", mine))[0]
    assert tags["XMP-dc:Description"] == "A cow." and "ExifTool:Warning" not in tags


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.gif"])
def test_a_persons_words_are_kept_until_told_otherwise(tmp_path, name):
    path = save(tmp_path / name)
    where = "sidecar" if name == "a.gif" else "photo"
    assert write_description(path, TEXT) == where
    assert write_description(path, PERSONS, by_person=True) == where
    data = path.read_bytes()
    assert write_description(path, "A cow.") == "kept"
    assert path.read_bytes() == data
    assert write_description(path, PERSONS, by_person=True, replace=True) == "same"
    assert write_description(path, "A cow.", replace=True) == where
    assert write_description(path, TEXT) == where  # it is ours again
    if name == "a.gif":
        texts = Packet(sidecar_of(path).read_bytes()).texts
    else:
        texts = packet_of(path).texts
    assert texts[DESCRIPTION] == TEXT


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"xmp": XMP.format(THEIRS)}, "kept"),
        ({"camera": "Rex on the beach"}, "kept"),
        ({"camera": "OLYMPUS DIGITAL CAMERA"}, "photo"),
        ({"camera": "   "}, "photo"),
        ({"xmp": XMP.format(EMPTY)}, "photo"),
        ({"xmp": XMP.format(f"<p:x xmlns:p='p' {NESTED}>{THEIRS}</p:x>")}, "photo"),
    ],
)
def test_descriptions_of_other_programs_are_seen(tmp_path, options, expected):
    path = save(tmp_path / "a.jpg", **options)
    data = path.read_bytes()
    assert write_description(path, TEXT) == expected
    if expected == "kept":
        assert path.read_bytes() == data
    assert write_description(path, TEXT, sidecar=True) == (
        "kept" if expected == "kept" else "sidecar"
    )


def test_a_text_chunk_of_a_png_is_a_description(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", "Rex")
    picture().save(tmp_path / "a.png", pnginfo=info)
    assert write_description(tmp_path / "a.png", TEXT) == "kept"


def test_what_was_written_can_be_taken_back_without_a_trace():
    data = XMP.format("").encode()
    once = Packet(data).with_texts({DESCRIPTION: TEXT, ALT: "x"}, "en", True)
    twice = Packet(once).with_texts({DESCRIPTION: "y", ALT: "z"}, "", True)
    again = Packet(twice).with_texts({DESCRIPTION: TEXT, ALT: "x"}, "en", True)
    assert once == again
    assert once.count(b"<rdf:Description") == 1
    assert Packet(once).is_ours(TEXT) and not Packet(twice).is_ours(TEXT)


def segment(marker, content):
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


EXTENDED = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"x" * 60_000)
LARGE = XMP.format(f"<p:x xmlns:p='urn:p'>{'x' * 65_000}</p:x>")
SEVERAL = segment(0xE2, b"MPF\0" + bytes(20)) + segment(
    0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.format("").encode()
)


@pytest.mark.parametrize("extra", [EXTENDED, LARGE, SEVERAL])
def test_where_it_would_do_harm_a_sidecar_is_written(tmp_path, extra):
    path = save(tmp_path / "a.jpg", xmp=extra if extra is LARGE else None)
    if extra is not LARGE:
        data = path.read_bytes()
        path.write_bytes(data[:2] + extra + data[2:])
    data = path.read_bytes()
    assert write_description(path, TEXT) == "sidecar"
    assert path.read_bytes() == data
    assert Packet(sidecar_of(path).read_bytes()).texts[DESCRIPTION] == TEXT
    assert write_description(path, TEXT) == "same"


def test_an_index_of_pictures_keeps_its_distances(tmp_path):
    path = save(tmp_path / "a.jpg")
    data = path.read_bytes()
    index = segment(0xE2, b"MPF\0" + bytes(20))
    cut = data.index(b"\xff\xdb")
    path.write_bytes(data[:cut] + index + data[cut:] + b"second picture")
    assert write_description(path, TEXT) == "photo"
    assert path.read_bytes().endswith(index + data[cut:] + b"second picture")


def test_heic_gets_a_sidecar(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(picture()).save(path)
    data = path.read_bytes()
    assert write_description(path, TEXT) == "sidecar"
    assert path.read_bytes() == data
    assert Packet((tmp_path / "a.heic.xmp").read_bytes()).texts[ALT] == TEXT[:-1]


def test_raw_photos_are_not_touched(tmp_path):
    path = tmp_path / "a.nef"
    picture().save(path, "TIFF")
    assert write_description(path, TEXT) == "sidecar"


def test_a_text_may_be_anything_that_people_type(tmp_path):
    path = save(tmp_path / "a.png")
    for typed, text in (
        ("\0a\x0b b\udc80", "a b"),
        ("two\nlines ]]>", "two\nlines ]]>"),
    ):
        assert write_description(path, typed, by_person=True, replace=True) == "photo"
        assert packet_of(path).texts[DESCRIPTION] == text
    with pytest.raises(AppError, match="the description is empty"):
        write_description(path, " \n")


def test_times_and_permissions_are_kept(tmp_path):
    path = save(tmp_path / "a.jpg")
    os.utime(path, (1, 2))
    path.chmod(0o640)
    write_description(path, TEXT, keep_times=True)
    assert (path.stat().st_mtime, path.stat().st_mode & 0o777) == (2, 0o640)
    write_description(path, "A cow.")
    assert path.stat().st_mtime > 2


BAD = {
    "cut.jpg": lambda data: data[:100],
    "cut.png": lambda data: data[:200],
    "cut.webp": lambda data: data[:100],
    "cut.tif": lambda data: data[:6],
    "empty.jpg": lambda data: data[:3],
}


@pytest.mark.parametrize("name", BAD)
def test_broken_photos_are_refused_and_stay(tmp_path, name):
    path = save(tmp_path / name)
    path.write_bytes(BAD[name](path.read_bytes()))
    data = path.read_bytes()
    with pytest.raises(AppError, match=rf"{name}: the image is cut off or damaged"):
        write_description(path, TEXT)
    assert path.read_bytes() == data
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("xmp", "message"),
    [
        ("<x", "its XMP is damaged"),
        (XMP.format("").replace("5", "\xfc").encode("latin-1"), "its XMP is damaged"),
        (XMP.format("").encode("utf-16"), "its XMP is damaged"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "document type"),
        ("<x/>", "cannot be added to"),
        (
            XMP.format("").replace(
                "xmp:Rating", "xmlns:d='http://purl.org/dc/elements/1.1/' d:description"
            ),
            "cannot be added to",
        ),
    ],
)
def test_odd_xmp_is_refused_and_stays(tmp_path, xmp, message):
    path = save(tmp_path / "a.jpg", xmp=xmp)
    data = path.read_bytes()
    with pytest.raises(AppError, match=message):
        write_description(path, TEXT)
    assert path.read_bytes() == data


def test_files_that_may_not_be_written_say_so(tmp_path):
    path = save(tmp_path / "a.jpg")
    path.chmod(0o444)
    with pytest.raises(
        AppError, match=r"a.jpg: its words cannot be written: it is read"
    ):
        write_description(path, TEXT)
    with pytest.raises(AppError, match="there is no such file"):
        write_description(tmp_path / "gone.jpg", TEXT)
    with pytest.raises(AppError, match="there is no such file"):
        write_description(tmp_path, TEXT)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_damage_ends_in_a_sentence_or_leaves_the_pixels(tmp_path, kind):
    path = save(tmp_path / f"a.{kind}", xmp=XMP.format(""))
    whole, draws = path.read_bytes(), random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(3):
            data[draws.randrange(min(len(data), 700))] = draws.randrange(256)
        path.write_bytes(data[: draws.choice([len(data), draws.randrange(len(data))])])
        before = pixels(path)
        try:
            write_description(path, TEXT)
        except AppError:
            continue
        assert before is None or pixels(path) == before


def pixels(path):
    try:
        return look(path)[0]
    except Exception:
        return None


def test_an_old_caption_of_iptc_keeps_its_neighbours(tmp_path):
    path = save(tmp_path / "a.jpg")
    sets = b"\x1c\x02\x00\0\2\0\2" + b"\x1c\x02\x19\0\3dog" + b"\x1c\x02\x78\0\3Rex"
    block = (
        b"8BIM\x04\x04\0\0"
        + len(sets).to_bytes(4, "big")
        + sets
        + b"\0" * (len(sets) % 2)
    )
    block += b"8BIM\x03\xed\0\0\0\0\0\x03abc\0"
    data = path.read_bytes()
    path.write_bytes(data[:2] + segment(0xED, b"Photoshop 3.0\0" + block) + data[2:])
    assert write_description(path, TEXT) == "kept"
    assert write_description(path, PERSONS, by_person=True, replace=True) == "photo"
    new = path.read_bytes()
    assert b"\x1c\x02\x19\0\3dog" in new and b"8BIM\x03\xed\0\0\0\0\0\x03abc\0" in new
    assert b"\x1c\x01\x5a\0\3\x1b%G" in new and b"Rex\x1c" not in new
    assert Jpeg(new).caption == PERSONS


def test_a_run_keeps_captions_in_photos_and_goes_on(tmp_path, capsys):
    photos = [save(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.jpg", "d.png")]
    write_description(photos[1], PERSONS, by_person=True)
    photos[2].chmod(0o444)
    sure = {"caption": TEXT, "confidence": 0.9, "log_prob": -1.0, "unsure": False}

    def record(photo, **other):
        best = sure | other
        return {"image": photo.as_posix(), **best, "captions": [best]}

    batch = [(i, record(p, unsure=i == 3)) for i, p in enumerate(photos)]

    def run(**rules):
        file = open_output(tmp_path / "out.jsonl", photos, dict, batch=4, **rules)
        with Described(photos, file) as target:
            todo = list(target.todo)
            for place in todo:
                target.note(place)
            if todo:
                target.append([batch[place] for place in todo])
            target.finish()
        return todo

    assert run() == [0, 1, 2, 3]
    records = [json.loads(x) for x in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert ["error" in one for one in records] == [False, False, True, False]
    assert "it is read-only" in records[2]["error"]
    said = capsys.readouterr().err
    assert "1 photo described by a person" in said
    assert "1 photo not described: the model is not sure" in said
    assert packet_of(photos[0]).texts[DESCRIPTION] == TEXT
    assert Png(photos[3].read_bytes()).xmp is None
    photos[2].chmod(0o644)
    assert run(resume=True) == [2]  # what we wrote is no change of the photo
    assert packet_of(photos[2]).texts[DESCRIPTION] == TEXT


def test_a_png_may_not_unpack_to_gigabytes(tmp_path):
    path = save(tmp_path / "a.png")
    data = path.read_bytes()
    packed = zlib.compress(bytes(1 << 25))
    content = b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + packed
    size = (len(content) - 4).to_bytes(4, "big")
    chunk = size + content + zlib.crc32(content).to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + data[33:])
    with pytest.raises(AppError, match="damaged"):
        write_description(path, TEXT)
    assert io.BytesIO(path.read_bytes()).read(8) == data[:8]
