import keras
import numpy as np
import pytest
from keras import ops

from shared.nets.names import CELLS
from shared.nets.precision import dtype_policy

B, K, X, U = 3, 2, 5, 4


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def made(name):
    cell = CELLS[name].make(U)
    cell.build((None, X))
    cell.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(cell.weights)])
    return cell


def given(name, *axes):
    states = [normal(*axes, U, seed=20 + i) for i in range(CELLS[name].states)]
    return normal(*axes, X, seed=9), tuple(states)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def same(x):
    return x


def relu(x):
    return np.maximum(0, x)


def columns(weight):
    """The matrices (…, U) or vectors (U,) that lie side by side in a weight."""
    return np.split(weight, weight.shape[-1] // U, axis=-1)


# The equations of the papers, a function a cell: its weights by name, x, the states.


def vanilla(w, x, h, squash=np.tanh):
    h = squash(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"])
    return (h,)


def lstm(w, x, h, c):
    (Wi, Wf, Wg, Wo), (Ui, Uf, Ug, Uo), (bi, bf, bg, bo) = (
        columns(w[n]) for n in ("kernel", "recurrent_kernel", "bias")
    )
    i = sigmoid(x @ Wi + h @ Ui + bi)
    f = sigmoid(x @ Wf + h @ Uf + bf)
    o = sigmoid(x @ Wo + h @ Uo + bo)
    c = f * c + i * np.tanh(x @ Wg + h @ Ug + bg)
    return o * np.tanh(c), c


def greff(parts="ifgo", g=np.tanh, out=np.tanh, coupled=False, recurrent=False):
    """Greff et al. 2015, section 3 and appendix."""

    def step(w, x, h, c, *gates):
        W, R, b = (
            dict(zip(parts, columns(w[n]), strict=True))
            for n in ("kernel", "recurrent_kernel", "bias")
        )
        more = dict.fromkeys("ifo", 0.0)
        if recurrent:
            rows = np.split(w["gate_kernel"], 3)
            for target, gate in enumerate("ifo"):
                more[gate] = sum(
                    last @ columns(row)[target]
                    for last, row in zip(gates, rows, strict=True)
                )

        def gate(n, c):
            if n not in parts:
                return np.ones_like(h)
            seen = x @ W[n] + h @ R[n] + w[f"peephole_{n}"] * c + b[n] + more[n]
            return sigmoid(seen)

        z = g(x @ W["g"] + h @ R["g"] + b["g"])
        i = gate("i", c)
        f = 1 - i if coupled else gate("f", c)
        c = z * i + c * f
        o = gate("o", c)
        h = out(c) * o
        return (h, c, i, f, o) if recurrent else (h, c)

    return step


def gru(w, x, h):
    (Wz, Wr, Wg), (Uz, Ur) = columns(w["kernel"]), columns(w["recurrent_kernel"])
    bz, br, bg = columns(w["bias"])
    z = sigmoid(x @ Wz + h @ Uz + bz)
    r = sigmoid(x @ Wr + h @ Ur + br)
    return (z * h + (1 - z) * np.tanh(x @ Wg + (r * h) @ w["candidate_kernel"] + bg),)


def mut1(w, x, h):
    x, (Wz, Wr) = x @ w["embedding"], columns(w["kernel"])
    bz, br, bg = columns(w["bias"])
    z = sigmoid(x @ Wz + bz)
    r = sigmoid(x @ Wr + h @ w["recurrent_kernel"] + br)
    new = np.tanh((r * h) @ w["candidate_kernel"] + np.tanh(x) + bg)
    return (new * z + h * (1 - z),)


def mut2(w, x, h):
    x, (Wz, Wg) = x @ w["embedding"], columns(w["kernel"])
    bz, br, bg = columns(w["bias"])
    Uz, Ur = columns(w["recurrent_kernel"])
    z = sigmoid(x @ Wz + h @ Uz + bz)
    r = sigmoid(x + h @ Ur + br)
    new = np.tanh((r * h) @ w["candidate_kernel"] + x @ Wg + bg)
    return (new * z + h * (1 - z),)


def mut3(w, x, h):
    (Wz, Wr, Wg), (bz, br, bg) = columns(w["kernel"]), columns(w["bias"])
    Uz, Ur = columns(w["recurrent_kernel"])
    z = sigmoid(x @ Wz + np.tanh(h) @ Uz + bz)
    r = sigmoid(x @ Wr + h @ Ur + br)
    new = np.tanh((r * h) @ w["candidate_kernel"] + x @ Wg + bg)
    return (new * z + h * (1 - z),)


STEPS = {
    "lstm": lstm,
    "gru": gru,
    "vanilla": vanilla,
    "relu": lambda w, x, h: vanilla(w, x, h, relu),
    "irnn": lambda w, x, h: vanilla(w, x, h, relu),
    "peephole": greff(),
    "nig": greff("fgo"),
    "nfg": greff("igo"),
    "nog": greff("ifg"),
    "niaf": greff(g=same),
    "noaf": greff(out=same),
    "np": lstm,
    "cifg": greff("igo", coupled=True),
    "fgr": greff(recurrent=True),
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
}


def test_the_equations_of_all_cells_are_here():
    assert list(STEPS) == list(CELLS)


@pytest.mark.parametrize(
    ("policy", "atol"),
    [("float32", 1e-5), ("mixed_float16", 5e-3), ("mixed_bfloat16", 5e-2)],
)
@pytest.mark.parametrize("axes", [(B,), (B, K)])
@pytest.mark.parametrize("name", CELLS)
def test_equals_its_equations(name, axes, policy, atol):
    with dtype_policy(policy):
        cell = made(name)
    x, state = given(name, *axes)
    output, new = cell(x, state)
    weights = {w.name: ops.convert_to_numpy(w).astype(float) for w in cell.weights}
    expected = STEPS[name](weights, x, *state)
    for part in (output, *new):
        assert keras.backend.standardize_dtype(part.dtype) == cell.compute_dtype
    for found, true in zip((output, *new), (expected[0], *expected), strict=True):
        found = ops.convert_to_numpy(ops.cast(found, "float32"))
        np.testing.assert_allclose(found, true, atol=atol)


GATES = {
    **dict.fromkeys(("vanilla", "relu", "irnn"), ""),
    **dict.fromkeys(("gru", "mut1", "mut2", "mut3"), "zr"),
    **{"nig": "fo", "nfg": "io", "nog": "if"},
}


@pytest.mark.parametrize("name", CELLS)
def test_gates_are_named_and_between_0_and_1(name):
    cell = made(name)
    gates = cell.gates(*given(name, B))
    assert "".join(gates) == GATES.get(name, "ifo")
    for gate in gates.values():
        gate = ops.convert_to_numpy(gate)
        assert gate.shape == (B, U)
        assert 0 < gate.min() < gate.max() < 1


def test_gates_of_an_lstm_equal_its_equations():
    cell, (x, (h, c)) = made("lstm"), given("lstm", B)
    W, R, b = (columns(ops.convert_to_numpy(w)) for w in cell.weights)
    for place, name in ((0, "i"), (1, "f"), (3, "o")):
        expected = sigmoid(x @ W[place] + h @ R[place] + b[place])
        found = ops.convert_to_numpy(cell.gates(x, (h, c))[name])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_lstm_equals_that_of_keras_with_the_same_weights():
    cell, theirs = made("lstm"), keras.layers.LSTMCell(U)
    theirs.build((None, X))
    theirs.set_weights(cell.get_weights())
    x, state = given("lstm", B)
    for mine, other in zip(cell(x, state)[1], theirs(x, [*state])[1], strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(mine), ops.convert_to_numpy(other), atol=1e-5
        )


def test_gru_equals_that_of_keras_with_the_same_weights():
    cell, theirs = made("gru"), keras.layers.GRUCell(U, reset_after=False)
    theirs.build((None, X))
    kernel, gates, candidate, bias = cell.get_weights()
    theirs.set_weights([kernel, np.concatenate([gates, candidate], -1), bias])
    x, state = given("gru", B)
    mine, other = cell(x, state)[0], theirs(x, [*state])[0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(mine), ops.convert_to_numpy(other), atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("lstm", [0, 1, 0, 0]),
        ("peephole", [0, 1, 0, 0]),
        ("nig", [1, 0, 0]),
        ("nfg", [0, 0, 0]),
        ("cifg", [-1, 0, 0]),
        ("vanilla", [0]),
        ("gru", [0, 0, 0]),
    ],
)
def test_a_new_cell_remembers(name, starts):
    cell = CELLS[name].make(U)
    cell.build((None, X))
    bias = np.split(ops.convert_to_numpy(cell.bias), len(starts))
    assert [gate.tolist() for gate in bias] == [[start] * U for start in starts]


def test_new_peepholes_change_nothing():
    cell, plain = CELLS["peephole"].make(U), CELLS["np"].make(U)
    cell.build((None, X))
    plain.build((None, X))
    plain.set_weights(cell.get_weights()[:3])
    x, state = given("lstm", B)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(cell(x, state)[0]),
        ops.convert_to_numpy(plain(x, state)[0]),
    )


def test_an_irnn_starts_by_keeping_what_it_has():
    cell = CELLS["irnn"].make(U)
    cell.build((None, X))
    h = np.abs(normal(B, U))
    kept, _ = cell(np.zeros((B, X), "float32"), (h,))
    np.testing.assert_array_equal(ops.convert_to_numpy(kept), h)


@pytest.mark.parametrize("name", [name for name in CELLS if name != "irnn"])
def test_other_recurrent_matrices_start_orthogonal(name):
    cell = CELLS[name].make(U)
    cell.build((None, X))
    rows = ops.convert_to_numpy(cell.recurrent_kernel)
    np.testing.assert_allclose(rows @ rows.T, np.eye(U), atol=1e-5)


def between_states(cell):
    """The matrices (U, U) of a cell that states go through."""
    return [
        part
        for w in cell.weights
        if len(w.shape) == 2 and w.name not in ("kernel", "embedding")
        for rows in np.split(ops.convert_to_numpy(w), w.shape[0] // U)
        for part in columns(rows)
    ]


@pytest.mark.parametrize(
    ("name", "start"),
    [(n, start) for n, cell in CELLS.items() for start in cell.starts],
)
def test_each_matrix_between_states_starts_as_a_recipe_says(name, start):
    cell = CELLS[name].make(U, recurrent_start=start)
    cell.build((None, X))
    found = between_states(cell)
    assert found
    for matrix in found:
        if start == "identity":
            np.testing.assert_array_equal(matrix, np.eye(U))
        elif start == "orthogonal":
            np.testing.assert_allclose(matrix @ matrix.T, np.eye(U), atol=1e-5)
        else:
            assert np.abs(matrix).max() <= (6 / (U + U)) ** 0.5
            assert np.linalg.matrix_rank(matrix) == U
    if start != "identity":  # each was drawn for itself
        assert len({matrix.tobytes() for matrix in found}) == len(found)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_without_such_keys_starts_as_before(name):
    """The same numbers are drawn as by the names of Keras alone."""
    keras.utils.set_random_seed(3)
    cell = CELLS[name].make(U, recurrent_start=None, forget_bias=None)
    cell.build((None, X))
    keras.utils.set_random_seed(3)
    for weight in cell.weights:
        if weight.name in ("kernel", "embedding"):
            start = "glorot_uniform"
        elif len(weight.shape) == 2:
            start = "identity" if name == "irnn" else "orthogonal"
        else:
            continue
        expected = keras.initializers.get(start)(weight.shape)
        np.testing.assert_array_equal(
            ops.convert_to_numpy(weight), ops.convert_to_numpy(expected)
        )


@pytest.mark.parametrize("name", CELLS)
def test_a_forget_bias_is_where_the_forget_gate_starts(name):
    if not CELLS[name].forgets:
        with pytest.raises(ValueError, match=r"no forget gate.*forget_bias=2\.5"):
            CELLS[name].make(U, forget_bias=2.5)
        return
    cell = CELLS[name].make(U, forget_bias=2.5)
    cell.build((None, X))
    starts = dict(
        zip(cell.parts, columns(ops.convert_to_numpy(cell.bias)), strict=True)
    )
    for part, start in starts.items():
        expected = {"f": 2.5, "i": -2.5 if name == "cifg" else 0}.get(part, 0)
        assert start.tolist() == [expected] * U


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_has_the_sizes_that_its_name_tells(name, layers):
    source = CELLS[name]
    matrices = 0
    for size in [X] + [U] * (layers - 1):
        cell = source.make(U)
        cell.build((None, size))
        matrices += sum(w.size for w in cell.get_weights() if w.ndim == 2)
    assert cell.state_count == source.states
    assert matrices == source.count_weights(X, U, layers)
    output, new = made(name)(*given(name, B))
    assert len(new) == source.states
    np.testing.assert_array_equal(
        ops.convert_to_numpy(output), ops.convert_to_numpy(new[0])
    )


@pytest.mark.parametrize("name", CELLS)
def test_all_weights_learn(name):
    cell = made(name)
    inputs, states = given(name, B)
    before = cell.get_weights()
    entries = [keras.Input((X,)), *(keras.Input((U,)) for _ in states)]
    first, again = cell(entries[0], tuple(entries[1:]))
    model = keras.Model(entries, cell(entries[0], again)[0] + first)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.train_on_batch([inputs, *states], normal(B, U, seed=4))
    for weight, old, new in zip(cell.weights, before, cell.get_weights(), strict=True):
        assert (old != new).any(), weight.name


@pytest.mark.parametrize("name", CELLS)
def test_weights_survive_a_file(name, tmp_path):
    def model():
        cell = CELLS[name].make(U)
        x = keras.Input((X,))
        state = tuple(keras.Input((U,)) for _ in range(cell.state_count))
        return keras.Model([x, *state], cell(x, state)[0])

    first, second = model(), model()
    first.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(first.weights)])
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
