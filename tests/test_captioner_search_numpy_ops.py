"""Every operation gives what Keras' operation of the same name gives."""

import keras
import numpy as np
import pytest

from captioner.search import numpy_ops

rng = np.random.default_rng(0)
FLOATS = rng.normal(0, 3, (2, 3, 5)).astype("float32")
INTS = rng.integers(0, 5, (2, 3, 5)).astype("int32")
BOOLS = rng.random((2, 3, 5)) < 0.5
HOLES = np.where(rng.random((2, 3, 5)) < 0.4, -np.inf, FLOATS).astype("float32")
HOLES[..., 2] = -np.inf
ROW = np.array([4, 0, 0, 2], "int32")

CASES = [
    ("all", (BOOLS,), {"axis": -1}),
    ("any", (BOOLS,), {"axis": 1}),
    ("any", (BOOLS,), {}),
    ("arange", (5,), {"dtype": "int32"}),
    ("argsort", (FLOATS,), {"axis": -1}),
    ("argsort", (INTS,), {"axis": -1}),  # ties
    ("cast", (INTS, "float32"), {}),
    ("cast", (BOOLS, "int32"), {}),
    ("concatenate", ([FLOATS, FLOATS],), {"axis": 1}),
    ("convert_to_tensor", (FLOATS,), {}),
    ("cumsum", (FLOATS,), {"axis": -1}),
    ("equal", (INTS, 3), {}),
    ("exp", (HOLES,), {}),
    ("expand_dims", (FLOATS, 2), {}),
    ("full", ((2, 3), 7, "int32"), {}),
    ("full_like", (FLOATS, 2, "int32"), {}),
    ("log", (abs(FLOATS),), {}),
    ("logical_and", (BOOLS, BOOLS[:, :1]), {}),
    ("logical_not", (BOOLS,), {}),
    ("logical_or", (BOOLS, BOOLS[:, :1]), {}),
    ("logsumexp", (FLOATS,), {"axis": 0}),
    ("logsumexp", (HOLES,), {"axis": -1}),
    ("logsumexp", (HOLES,), {"axis": 0}),
    ("matmul", (FLOATS[0], FLOATS[0].T), {}),
    ("max", (FLOATS,), {"axis": 1}),
    ("maximum", (FLOATS, 0.5), {}),
    ("minimum", (INTS, INTS[:, :1]), {}),
    ("not_equal", (INTS, 3), {}),
    ("reshape", (FLOATS, (-1, 3)), {}),
    ("round", (FLOATS,), {}),
    ("scatter_update", (FLOATS[0, 0], ROW[[0, 1, 3], None], FLOATS[1, 0, :3]), {}),
    ("scatter_update", (FLOATS[0], INTS[0, :2, :2] % 3, FLOATS[1, 0, :2]), {}),
    ("stack", ([FLOATS, FLOATS],), {"axis": -1}),
    ("sum", (FLOATS,), {"axis": 1}),
    ("take", (FLOATS, ROW), {"axis": 2}),
    ("take", (FLOATS, INTS % 3), {"axis": 1}),
    ("take_along_axis", (FLOATS, INTS), {"axis": -1}),
    ("tile", (FLOATS[:1], (4, 1, 1)), {}),
    ("where", (BOOLS, FLOATS, -1e9), {}),
    ("where", (BOOLS, INTS, 0), {}),
    ("zeros", ((2, 3), "int32"), {}),
]


def check_same(mine, keras_):
    mine, keras_ = np.asarray(mine), keras.ops.convert_to_numpy(keras_)
    assert mine.shape == keras_.shape
    # how wide an int is differs between Keras' backends
    assert mine.dtype == keras_.dtype or mine.dtype.kind == keras_.dtype.kind == "i"
    np.testing.assert_allclose(mine, keras_, atol=1e-5)


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_it_is_the_operation_of_keras(name, args, kwargs):
    with np.errstate(all="raise", under="ignore"):
        mine = getattr(numpy_ops, name)(*args, **kwargs)
    check_same(mine, getattr(keras.ops, name)(*args, **kwargs))


def test_no_operation_is_untested():
    others = {"shape", "top_k", "while_loop"}
    assert {name for name, _, _ in CASES} | others == set(numpy_ops.__all__)


def test_the_shape_is_a_tuple():
    assert numpy_ops.shape(FLOATS) == tuple(keras.ops.shape(FLOATS)) == (2, 3, 5)


@pytest.mark.parametrize("size", [5, 64, 192])
@pytest.mark.parametrize("k", [1, 4, 64, 65, 192])
@pytest.mark.parametrize("kind", ["floats", "ties", "holes", "nothing"])
def test_the_largest_come_first_and_ties_in_order(size, k, kind):
    x = np.random.default_rng(size + k).normal(size=(2, 3, size)).astype("float32")
    if kind == "ties":
        x = np.round(x)
    if kind == "holes":
        x[x < 0] = -np.inf
    if kind == "nothing":
        x[:] = -np.inf
    k, before = min(k, size), x.copy()
    values, index = numpy_ops.top_k(x, k)
    assert index.dtype == np.int32
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(index, np.argsort(-x, kind="stable")[..., :k])
    expected, places = keras.ops.top_k(x, k)
    np.testing.assert_array_equal(values, keras.ops.convert_to_numpy(expected))
    if keras.backend.backend() != "torch":  # which leaves the order of ties open
        np.testing.assert_array_equal(index, keras.ops.convert_to_numpy(places))


def test_a_loop_repeats_while_the_condition_holds():
    def cond(i, x):
        return i < 3

    def body(i, x):
        return i + 1, x * 2

    for ops in (numpy_ops, keras.ops):
        start = (ops.zeros((), "int32"), ops.convert_to_tensor(FLOATS))
        i, x = ops.while_loop(cond, body, start)
        assert int(i) == 3
        check_same(FLOATS * 8, x)


def test_what_is_updated_is_a_copy():
    before = FLOATS[0, 0].copy()
    numpy_ops.scatter_update(FLOATS[0, 0], ROW[:1, None], FLOATS[1, 0, :1])
    np.testing.assert_array_equal(FLOATS[0, 0], before)
