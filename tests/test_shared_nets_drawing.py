"""Drawing by probabilities, on both kinds of operations."""

import keras
import numpy as np
import pytest

from captioner.search import numpy_ops
from shared.nets.drawing import LEVELS, draw, to_unit

BOTH = pytest.mark.parametrize("ops", [numpy_ops, keras.ops], ids=["numpy", "keras"])


@BOTH
def test_each_is_drawn_as_often_as_it_is_probable(ops):
    probs = np.array([[0.0, 0.25, 0.0, 0.5, 0.25, 0.0]], np.float32)
    noise = (np.arange(400, dtype=np.float32) / 400)[:, None]
    places = np.asarray(draw(np.tile(probs, (400, 1, 1)), noise, ops))
    assert (places.shape, places.dtype) == ((400, 1), np.int32)
    assert (np.diff(places[:, 0]) >= 0).all()
    np.testing.assert_array_equal(
        np.bincount(places[:, 0], minlength=6), [0, 100, 0, 200, 100, 0]
    )


@BOTH
@pytest.mark.parametrize("noise", [0.0, 1 - 1 / LEVELS, 1.0])
@pytest.mark.parametrize("scale", [1, 1e-6, 100])
def test_what_is_impossible_is_never_drawn(ops, noise, scale):
    rng = np.random.default_rng(0)
    probs = (scale * rng.random((50, 9))).astype(np.float32)
    probs[rng.random(probs.shape) < 0.5] = 0
    probs[:, 4] += scale
    places = np.asarray(draw(probs, np.full(50, noise, np.float32), ops))
    assert (probs[np.arange(50), places] > 0).all()


def test_noise_has_as_many_levels_as_float32_can_tell_apart():
    noise = np.array([0, 1, LEVELS // 2, LEVELS - 1], np.int32)
    expected = [0, 2**-24, 0.5, 1 - 2**-24]
    assert np.asarray(to_unit(noise, numpy_ops)).tolist() == expected
