"""Photos as a training sees them."""

import io

import numpy as np
import pytest
from PIL import Image

from shared.data.mixing import choose_mirrored
from shared.errors import AppError
from shared.runs.photos import Viewer, _augment, look_up
from shared.vision.features import Features, PhotosLost
from shared.vision.images import read_image

SIZE = 32


class Photo:
    def __init__(self, pixels, name="a.png"):
        self.name = name
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        self.content = file.getvalue()

    def read_bytes(self):
        return self.content


def photo(seed):
    rng = np.random.default_rng(seed)
    return Photo(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8), f"{seed}.png")


class Eye:
    """In place of an encoder that is only asked for its size."""

    image_size = SIZE


@pytest.fixture
def viewer(tmp_path):
    return Viewer(Eye(), "squash", tmp_path)


@pytest.fixture
def features():
    array = np.arange(7 * 2 * 3 * 4).reshape(7, 2, 3, 4).astype(np.float16)
    return Features(array, {})


def rng():
    return np.random.default_rng(0)


def test_mirrored_photos_have_the_features_of_the_second_view(features):
    rows, mirrored = np.array([3, 0, 3]), np.array([False, True, True])
    found = look_up(features)(rows, mirrored, rng())["features"]
    assert (found.shape, found.dtype) == ((3, 3, 4), np.float16)
    for one, row, view in zip(found, rows, (0, 1, 1), strict=True):
        np.testing.assert_array_equal(one, features.array[row, view])


def test_what_is_told_of_photos_comes_with_them_and_some_are_hidden(features):
    said = np.arange(14).reshape(7, 2).astype(np.float16)
    look, random = look_up(features, {"said": said}, blind=0.25), rng()
    rows, straight = np.array([3, 0, 3]), np.zeros(3, bool)
    found = [look(rows, straight, random) for _ in range(400)]
    assert all((one["said"] == said[rows]).all() for one in found)
    assert found[0]["said"].dtype == np.float32
    seen = np.concatenate([one["seen"] for one in found])
    assert set(seen) == {0, 1}
    assert 0.7 < seen.mean() < 0.8
    batch = look_up(features, {"said": said})(rows, straight, random)
    assert batch.keys() == {"features", "said"}


def test_photos_are_read_as_they_are_or_mirrored(viewer):
    photos = [photo(i) for i in range(3)]
    look = viewer.look_anew(photos)
    images = look(np.array([2, 0]), np.array([False, True]), rng())["images"]
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[0], read_image(photos[2]))
    np.testing.assert_array_equal(images[1], read_image(photos[0])[:, ::-1])


def test_photos_are_changed_a_little_and_never_twice_alike(viewer):
    look = viewer.look_anew([photo(0)], augment=True)
    rows, straight = np.zeros(50, int), np.zeros(50, bool)
    images = look(rows, straight, rng())["images"]
    assert (images.shape, images.dtype) == ((50, SIZE, SIZE, 3), np.uint8)
    assert len({image.tobytes() for image in images}) == 50
    np.testing.assert_array_equal(images, look(rows, straight, rng())["images"])


def test_augmented_photos_are_the_same_a_little_otherwise():
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20] = (200, 40, 40)
    for seed in range(8):
        found = _augment(image, np.random.default_rng(seed))
        assert (found.dtype, found.shape) == (np.uint8, (40, 40, 3))
        assert found[20, 5, 0] > 3 * found[20, 5, 1] > 60
        assert not found[:, 32:].any()


def test_half_of_the_photos_are_mirrored_if_asked():
    assert 150 < choose_mirrored(400, True, rng()).sum() < 250
    assert not choose_mirrored(400, False, rng()).any()


def test_a_photo_that_went_bad_is_named(viewer):
    bad = photo(0)
    bad.content = b"no picture"
    with pytest.raises(PhotosLost, match="can no longer be read"):
        viewer.read([photo(1), bad])


def test_features_of_a_photo_that_went_bad_are_not_learnt_from(viewer, monkeypatch):
    broken = Features(np.zeros((2, 1, 3, 4), np.float16), {1: "it is no picture."})
    monkeypatch.setattr("shared.runs.photos.extract_features", lambda *_, **__: broken)
    with pytest.raises(AppError, match=r"1 of the photos .*it is no picture\."):
        viewer.encode([photo(0), photo(1)])
