"""Photos that the page keeps: each read once, by many at once."""

import base64
import gc
import io
import struct
import threading
import time
import weakref
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import photo as draw
from PIL import Image

from shared.errors import AppError
from shared.vision import photo_cache as seen
from shared.vision.images import read_image
from shared.vision.photo_cache import Photos, Unread, Upload, grids

VIEWS = {(32, "squash"), (24, "crop")}


def stored(image, kind="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(file, kind, **options)
    return file.getvalue()


PHOTO = stored(draw(1))


def shown(photo):
    start, _, content = photo.preview.partition(",")
    assert start == "data:image/jpeg;base64"
    return base64.b64decode(content)


def run(threads, call, times):
    with ThreadPoolExecutor(threads) as people:
        return list(people.map(call, range(times)))


# ---- one photo


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_models_see_what_they_see_elsewhere(tmp_path, kind):
    path = tmp_path / "a.bin"
    path.write_bytes(stored(draw(2), kind))
    for source in (path, str(path), path.read_bytes()):
        found = Photos(VIEWS).add(source)
        assert found.images.keys() == VIEWS
        for view, image in found.images.items():
            np.testing.assert_array_equal(image, read_image(path, *view))


def test_a_small_jpeg_is_its_own_preview():
    assert shown(Photos(VIEWS).add(PHOTO)) == PHOTO


@pytest.mark.parametrize(
    "content",
    [
        stored(np.zeros((20, 1400, 3), np.uint8)),
        stored(draw(3), "PNG"),
        stored(draw(3), "WEBP"),
        PHOTO + bytes(seen.FEW),
    ],
    ids=["wide", "PNG", "WebP", "long"],
)
def test_other_photos_get_a_preview(content):
    preview = shown(Photos(VIEWS).add(content))
    assert len(preview) < 10_000
    with Image.open(io.BytesIO(preview)) as image:
        assert image.format == "JPEG"
        assert max(image.size) <= seen.PREVIEW


def test_a_preview_stands_upright():
    turned = Image.fromarray(draw(4))
    turned.getexif()[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "PNG", exif=turned.getexif())
    with Image.open(io.BytesIO(shown(Photos(VIEWS).add(file.getvalue())))) as image:
        assert image.size == turned.size[::-1]


def test_what_was_made_once_is_given_again():
    found, made = Photos(VIEWS).add(PHOTO), []
    for _ in range(3):
        assert found.once("a", lambda: made.append(1) or 5) == 5
    assert found.once(("a", 1), lambda: found.once("a", list)) == 5
    assert made == [1]


def test_many_who_ask_at_once_wait_for_the_first():
    found, made = Photos(VIEWS).add(PHOTO), []

    def make():
        time.sleep(0.05)
        made.append(1)
        return object()

    given = run(8, lambda _: found.once("a", make), 8)
    assert made == [1]
    assert len(set(map(id, given))) == 1


def test_a_failure_is_not_kept():
    found = Photos(VIEWS).add(PHOTO)
    with pytest.raises(ZeroDivisionError):
        found.once("a", lambda: 1 / 0)
    assert found.once("a", lambda: 1) == 1


# ---- many


def test_the_last_ones_are_kept():
    photos = Photos((), most=3)
    for session in "abc":
        photos.add(PHOTO, (session, session))
    photos.get(("a", "a"))  # so that it was used last
    for session in "de":
        photos.add(PHOTO, (session, session))
    for session in "ade":
        assert photos.get((session, session)).digest == seen.digest(PHOTO)
    for session, said in [("b", "no longer kept"), ("x", "no photo yet")]:
        assert photos.has_had((session, session)) == (session == "b")
        with pytest.raises(AppError, match=said):
            photos.get((session, session))


def test_the_oldest_goes_of_whoever_has_most():
    photos = Photos((), most=3)
    owners = [(1, "ann"), (2, "bob"), (3, "bob"), (4, "cy")]
    for owner in owners:
        photos.add(PHOTO, owner)
    assert [*photos._kept] == [owners[0], *owners[2:]]


def test_a_session_has_one_photo_and_what_somebody_has_shown_is_read_once(monkeypatch):
    photos, read = Photos(VIEWS), []
    monkeypatch.setattr(
        seen, "read_image", lambda *args: read.append(1) or read_image(*args)
    )
    first = photos.add(PHOTO, (1, "ann"))
    assert photos.add(PHOTO, (2, "ann")) is first
    assert len(read) == len(VIEWS)
    assert photos.add(PHOTO, (1, "bob")) is not first
    other = photos.add(PHOTO + bytes(1), (1, "ann"))
    assert photos.get((1, "ann")) is other
    assert photos.get((2, "ann")) is first


def test_those_that_are_not_kept_take_no_memory():
    photos = Photos(VIEWS, most=2)
    first = weakref.ref(photos.add(PHOTO, (0, 0)))
    first().once("features", lambda: np.zeros(1000))
    for number in (1, 2):
        photos.add(PHOTO, (number, number))
    gc.collect()
    assert first() is None


def test_64_photos_take_some_megabytes():
    photos = Photos({(224, "squash")})
    for number in range(70):
        photos.add(PHOTO + bytes(seen.FEW - len(PHOTO)), (number, number))
    kept = photos._kept.values()
    assert len(kept) == 64
    size = sum(
        len(one.preview) + sum(image.nbytes for image in one.images.values())
        for one in kept
    )
    assert size < 64e6


def test_many_add_and_get_at_once():
    photos = Photos(VIEWS, most=10)

    def use(number):
        photo = photos.add(PHOTO, (number, number))
        try:
            return photos.get((number, number)) is photo
        except AppError:  # others came meanwhile
            return True

    assert all(run(16, use, 300))
    assert len(photos._kept) == 10


def test_a_photo_that_takes_long_delays_no_other(monkeypatch):
    """Neither one that is read, nor one that is looked at."""
    photos, reading, go_on = Photos(VIEWS), threading.Event(), threading.Event()
    slow = stored(draw(5))

    def read(source, *view):
        if source.content == slow:
            reading.set()
            assert go_on.wait(10)
        return read_image(source, *view)

    monkeypatch.setattr(seen, "read_image", read)
    first = photos.add(PHOTO, (1, 1))
    with ThreadPoolExecutor(2) as people:
        adding = people.submit(photos.add, slow, (2, 2))
        looking = people.submit(first.once, "features", lambda: go_on.wait(10))
        assert reading.wait(10)
        second = photos.add(PHOTO + bytes(1), (3, 3))
        assert second.once("features", lambda: 1) == 1
        assert photos.get((1, 1)) is first
        assert not adding.done() and not looking.done()
        go_on.set()
        assert adding.result() is photos.get((2, 2))


def test_large_photos_take_turns_and_a_few_wait(monkeypatch):
    monkeypatch.setattr(seen, "MANY_PIXELS", 0)
    photos, at_once, most, refused = Photos(VIEWS), [], [], []
    content = stored(draw(6), "PNG")

    def read(*args):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.1)  # so that the others come meanwhile
        at_once.pop()
        return read_image(*args)

    monkeypatch.setattr(seen, "read_image", read)

    def add(_):
        try:
            photos.add(content)
        except AppError as error:
            refused.append(str(error))

    run(20, add, 20)
    assert max(most) == 1
    assert 1 <= len(refused) <= 20 - seen.QUEUE - 1
    assert "being read. Try again" in refused[0]
    refused.clear()
    add(0)  # and again, after all that
    assert refused == []


def test_a_failure_gives_its_turn_on(monkeypatch):
    monkeypatch.setattr(seen, "MANY_PIXELS", 0)
    photos, content = Photos(VIEWS), stored(draw(6), "PNG")
    for _ in range(2 * seen.QUEUE + 2):
        with pytest.raises(AppError, match="cut off"):
            photos.add(content[:-40])
    photos.add(content)


# ---- what cannot be read


def test_a_file_is_named_without_its_folder(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_bytes(b"hello")
    with pytest.raises(AppError, match=r"^notes\.jpg: this is not an image"):
        Photos(VIEWS).add(path)
    for gone in (tmp_path / "gone.jpg", f"{tmp_path}/gone.jpg"):
        with pytest.raises(AppError, match=r"^gone\.jpg: .* no longer here"):
            Photos(VIEWS).add(gone)
    with pytest.raises(AppError, match="no longer here"):
        Photos(VIEWS).add(str(tmp_path))
    with pytest.raises(AppError, match="no longer here"):
        Photos(VIEWS).add("a\0b")


@pytest.mark.parametrize("source", [None, 5, [], {"path": "a"}])
def test_nothing_is_no_photo(source):
    with pytest.raises(AppError, match="There is no photo"):
        Photos(VIEWS).add(source)


def png_of_size(width, height):
    size = struct.pack(">II", width, height)
    whole = stored(np.zeros((8, 8), np.uint8), "PNG")
    changed = b"IHDR" + size + whole[24:29]
    check = struct.pack(">I", zlib.crc32(changed))
    return whole[:12] + changed + check + whole[33:]


def test_photos_of_strangers_have_fewer_pixels(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_of_size(8192, 6400))
    for read in (Photos(VIEWS).add, lambda path: Unread(str(path)).read_bytes()):
        with pytest.raises(AppError, match=r"a\.png: .* at most 52 megapixels"):
            read(path)


def test_uploads_are_read_from_memory():
    assert Upload("a", PHOTO).read_bytes() == PHOTO
    np.testing.assert_array_equal(read_image(Upload("a", PHOTO)), read_image(PHOTO))


def test_grids_are_short():
    assert grids(np.float32([[0.12345, 0.5]])) == [[0.123, 0.5]]
