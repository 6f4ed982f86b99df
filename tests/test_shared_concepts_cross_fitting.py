"""What is told of photos, those that taught the concept net and others."""

import io

import numpy as np
from conftest import photo, write_concepts
from keras import ops
from PIL import Image

from shared.concepts.cross_fitting import predict_photos, read_taught
from shared.files.fingerprints import digest_photos

WORDS = ("cat", "dog", "person")


class Stored:
    """A photo in memory."""

    def __init__(self, seed):
        file = io.BytesIO()
        Image.fromarray(photo(seed)).save(file, "PNG")
        self.read_bytes = file.getvalue


def test_a_photo_that_taught_is_told_of_as_if_it_were_new(tmp_path):
    photos = [Stored(seed) for seed in range(3)]
    digests = digest_photos(photos)
    folder = write_concepts(tmp_path, WORDS, digests[1:2])
    net, fitted = read_taught("here", folder, wanted=True)
    array = np.random.default_rng(0).normal(size=(3, 2, 9, 16)).astype(np.float16)
    told = predict_photos(net, array, photos, fitted)
    expected = net(array[:, 0].astype(np.float32))
    for part, known, new in zip(told, fitted[digests[1]], expected, strict=True):
        assert (part.shape, part.dtype) == ((3, 3), np.float16)
        np.testing.assert_array_equal(part[1], known)
        others = ops.convert_to_numpy(new)[[0, 2]]
        np.testing.assert_allclose(part[[0, 2]], others, atol=1e-3)
        assert abs(part[1] - ops.convert_to_numpy(new)[1]).max() > 0.01


def test_more_photos_than_are_looked_at_at_once(tmp_path):
    net, _ = read_taught("here", write_concepts(tmp_path, WORDS), wanted=True)
    array = np.random.default_rng(0).normal(size=(150, 1, 4, 16)).astype(np.float16)
    told = predict_photos(net, array, [None] * 150, {})
    last = ops.convert_to_numpy(net(array[-1:, 0].astype(np.float32)).said)[0]
    np.testing.assert_allclose(told.said[-1], last, atol=1e-3)
