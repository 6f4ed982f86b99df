"""A fake encoder stands for the net: the mean colour of each quarter of an image."""

import errno
import hashlib
import io
import os
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

import shared.vision.features
from shared.errors import AppError
from shared.files.locks import hold
from shared.vision.features import extract_features
from shared.vision.images import read_image

SIZE = 8


class FakeEncoder:
    image_size, regions, feature_size = SIZE, 4, 3

    def __init__(self, weight=1.0):
        self.weight = weight
        self.batches = 0
        self.fail_at = None

    def predict_on_batch(self, images):
        self.batches += 1
        if self.batches == self.fail_at:
            raise KeyboardInterrupt
        halves = images.reshape(len(images), 2, SIZE // 2, 2, SIZE // 2, 3)
        return self.weight * halves.mean((2, 4)).reshape(len(images), 4, 3) / 255

    def fingerprint(self):
        return hashlib.sha256(str(self.weight).encode()).hexdigest()


class Photo:
    def __init__(self, name, content):
        self.name, self.content = name, content

    def read_bytes(self):
        if self.content is None:
            raise FileNotFoundError(2, "No such file", self.name)
        return self.content


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PHOTOS = [Photo(f"{i}.png", png(i)) for i in range(7)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(shared.vision.features, "BATCH", 2)


def extract(photos, encoder, folder, **options):
    options = {"resize": "squash", "mirrored": False, "announce": str, **options}
    return extract_features(photos, encoder, folder, **options)


def direct(photos, encoder, mirror=False):
    images = np.stack([read_image(photo, SIZE, "squash") for photo in photos])
    if mirror:
        images = np.stack([np.fliplr(image) for image in images])
    return encoder.predict_on_batch(images).astype(np.float16)


def test_features_are_those_of_the_encoder_in_order(tmp_path):
    encoder = FakeEncoder()
    features = extract(PHOTOS, encoder, tmp_path)
    assert features.array.dtype == np.float16
    assert features.array.shape == (len(features), 1, 4, 3) == (7, 1, 4, 3)
    assert features.broken == {}
    np.testing.assert_array_equal(features.array[:, 0], direct(PHOTOS, encoder))


def test_the_second_view_is_the_mirrored_photo(tmp_path):
    encoder = FakeEncoder()
    features = extract(PHOTOS, encoder, tmp_path, mirrored=True)
    np.testing.assert_array_equal(features.array[:, 0], direct(PHOTOS, encoder))
    np.testing.assert_array_equal(
        features.array[:, 1], direct(PHOTOS, encoder, mirror=True)
    )


def test_every_batch_has_one_shape(tmp_path, monkeypatch):
    encoder, shapes = FakeEncoder(), []
    monkeypatch.setattr(
        encoder,
        "predict_on_batch",
        lambda images: shapes.append(images.shape) or np.zeros((len(images), 4, 3)),
    )
    extract(PHOTOS, encoder, tmp_path)
    assert shapes == [(2, SIZE, SIZE, 3)] * 4


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    encoder = FakeEncoder()
    encoder.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        extract(PHOTOS, encoder, tmp_path)
    encoder, heard = FakeEncoder(), []
    features = extract(PHOTOS, encoder, tmp_path, announce=heard.append)
    assert encoder.batches == 2  # photos 4 and 5, then 6
    assert heard == ["Features of 4 photos are there already."]
    np.testing.assert_array_equal(features.array[:, 0], direct(PHOTOS, encoder))


def test_a_full_cache_is_only_opened(tmp_path):
    first = extract(PHOTOS, FakeEncoder(), tmp_path)
    encoder, heard = FakeEncoder(), []
    again = extract(PHOTOS, encoder, tmp_path, announce=heard.append)
    assert (encoder.batches, heard) == (0, [])
    np.testing.assert_array_equal(first.array, again.array)


def test_what_features_depend_on_makes_another_cache(tmp_path):
    def caches():
        return {path.name for path in tmp_path.iterdir()}

    extract(PHOTOS, FakeEncoder(), tmp_path)
    for photos, weight, options in [
        (PHOTOS, 2.0, {}),
        (PHOTOS, 1.0, {"resize": "crop"}),
        (PHOTOS, 1.0, {"mirrored": True}),
        (PHOTOS[:-1], 1.0, {}),
        (PHOTOS[::-1], 1.0, {}),
        ([*PHOTOS[:-1], Photo("6.png", png(99))], 1.0, {}),
    ]:
        before = caches()
        extract(photos, FakeEncoder(weight), tmp_path, **options)
        assert len(caches()) == len(before) + 1


def test_other_names_for_the_same_photos_share_a_cache(tmp_path):
    extract(PHOTOS, FakeEncoder(), tmp_path)
    encoder = FakeEncoder()
    extract([Photo(f"b/{p.name}", p.content) for p in PHOTOS], encoder, tmp_path)
    assert encoder.batches == 0


def test_a_cache_says_what_it_holds(tmp_path):
    extract(PHOTOS, FakeEncoder(), tmp_path)
    (home,) = tmp_path.iterdir()
    lines = (home / "photos.txt").read_text("utf-8").splitlines()
    digest = hashlib.sha256(PHOTOS[2].content).hexdigest()[:32]
    assert lines[2] == f"{digest} 2.png"
    assert np.load(home / "done.npy").all()


def test_broken_photos_are_reported_each_time_and_the_others_kept(tmp_path):
    photos = [*PHOTOS]
    photos[0] = Photo("empty.png", b"")
    photos[1] = Photo("text.png", b"not an image")
    photos[3] = Photo("gone.png", None)
    good = [2, 4, 5, 6]
    for _ in range(2):
        encoder = FakeEncoder()
        features = extract(photos, encoder, tmp_path)
        assert sorted(features.broken) == [0, 1, 3]
        for index, reason in features.broken.items():
            assert photos[index].name in reason
        assert not features.array[[0, 1, 3]].any()
        np.testing.assert_array_equal(
            features.array[good, 0], direct([photos[i] for i in good], encoder)
        )


def test_a_disk_too_small_is_noticed_before_the_work(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(200, 100, 100))
    encoder = FakeEncoder()
    with pytest.raises(AppError, match=r"(?s)features need .* GB free.*--cache"):
        extract(PHOTOS, encoder, tmp_path)
    assert encoder.batches == 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(200, 0, 200))
    assert len(extract(PHOTOS, encoder, tmp_path)) == 7  # 168 bytes fit


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AppError, match=r"cache .*file.* cannot be written.*--cache"):
        extract(PHOTOS, FakeEncoder(), tmp_path / "file")


def test_a_cache_that_another_process_fills_is_refused(tmp_path):
    extract(PHOTOS, FakeEncoder(), tmp_path)
    (home,) = tmp_path.iterdir()
    encoder = FakeEncoder()
    with hold(home, "a test"), pytest.raises(AppError, match="in use by a test"):
        extract(PHOTOS, encoder, tmp_path)
    assert encoder.batches == 0
    extract(PHOTOS[:3], encoder, tmp_path)  # another cache in the same folder


@pytest.mark.parametrize("name", ["features.npy", "done.npy"])
@pytest.mark.parametrize("content", [None, b"", b"no array", "other"])
def test_a_damaged_cache_says_what_to_delete(tmp_path, name, content):
    extract(PHOTOS, FakeEncoder(), tmp_path)
    (home,) = tmp_path.iterdir()
    if content is None:
        (home / name).unlink()
    elif content == "other":
        np.save(home / name, np.zeros((7, 1)))
    else:
        (home / name).write_bytes(content)
    with pytest.raises(AppError, match=r"is damaged: .*Delete this folder.*same comm"):
        extract(PHOTOS, FakeEncoder(), tmp_path)


def test_a_disk_that_fills_up_is_noticed_before_the_work(tmp_path, monkeypatch):
    def refuse(file, start, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    encoder = FakeEncoder()
    with pytest.raises(AppError, match=r"No space left.*--cache"):
        extract(PHOTOS, encoder, tmp_path)
    assert encoder.batches == 0
    monkeypatch.undo()
    monkeypatch.setattr(shared.vision.features, "BATCH", 2)
    assert len(extract(PHOTOS, encoder, tmp_path)) == 7


def test_names_of_any_bytes_are_listed(tmp_path):
    photos = [Photo(os.fsdecode(b"a\xff.png"), png(0)), *PHOTOS]
    extract(photos, FakeEncoder(), tmp_path)
    (home,) = tmp_path.iterdir()
    assert b"a\xff.png" in (home / "photos.txt").read_bytes()
