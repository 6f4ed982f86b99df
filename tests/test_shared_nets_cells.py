import keras
import numpy as np
import pytest
from keras import ops

from shared.nets.cells import LSTMCell
from shared.nets.names import CELLS

B, K, X, U = 3, 2, 5, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(inputs, h, c, kernel, recurrent_kernel, bias):
    i, f, g, o = np.split(inputs @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def made(seed=0):
    cell = LSTMCell(U)
    cell.build((None, X))
    cell.set_weights(
        [normal(*w.shape, seed=seed + i) for i, w in enumerate(cell.weights)]
    )
    return cell


@pytest.mark.parametrize("axes", [(B,), (B, K)])
def test_equals_numpy(axes):
    cell = made()
    x, h, c = (normal(*axes, n, seed=9 + i) for i, n in enumerate((X, U, U)))
    output, (new_h, new_c) = cell(x, (h, c))
    true_h, true_c = lstm(x, h, c, *cell.get_weights())
    np.testing.assert_allclose(ops.convert_to_numpy(new_h), true_h, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(new_c), true_c, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(output), true_h, atol=1e-5)


def test_equals_keras_cell_with_the_same_weights():
    cell, theirs = made(), keras.layers.LSTMCell(U)
    theirs.build((None, X))
    theirs.set_weights(cell.get_weights())
    x, h, c = normal(B, X, seed=7), normal(B, U, seed=8), normal(B, U, seed=9)
    for mine, other in zip(cell(x, (h, c))[1], theirs(x, [h, c])[1], strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(mine), ops.convert_to_numpy(other), atol=1e-5
        )


def test_only_the_forget_gate_starts_with_a_bias():
    cell = LSTMCell(U)
    cell.build((None, X))
    bias = np.split(ops.convert_to_numpy(cell.bias), 4)
    assert [gate.tolist() for gate in bias] == [[0] * U, [1] * U, [0] * U, [0] * U]


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_has_the_sizes_that_its_name_tells(name):
    source = CELLS[name]
    cell = source.make(U)
    cell.build((None, X))
    assert cell.state_count == source.states
    products = [weight for weight in cell.weights if len(weight.shape) == 2]
    assert sum(weight.shape[1] for weight in products) == 2 * source.gates * U
    state = tuple(normal(B, U, seed=i) for i in range(source.states))
    output, new = cell(normal(B, X), state)
    assert len(new) == source.states
    np.testing.assert_array_equal(
        ops.convert_to_numpy(output), ops.convert_to_numpy(new[0])
    )


@pytest.mark.parametrize("name", CELLS)
def test_weights_survive_a_file(name, tmp_path):
    def model():
        cell = CELLS[name].make(U)
        x = keras.Input((X,))
        state = tuple(keras.Input((U,)) for _ in range(cell.state_count))
        return keras.Model([x, *state], cell(x, state)[0])

    first, second = model(), model()
    first.save_weights(tmp_path / "a.weights.h5")
    second.load_weights(tmp_path / "a.weights.h5")
    inputs = [normal(B, X), *(normal(B, U) for _ in first.inputs[1:])]
    np.testing.assert_array_equal(
        first.predict_on_batch(inputs), second.predict_on_batch(inputs)
    )


@pytest.mark.parametrize("name", CELLS)
def test_units_are_at_least_one(name):
    with pytest.raises(ValueError, match=r"at least 1\. Received: units=0"):
        CELLS[name].make(0)
