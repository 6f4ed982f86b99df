"""What flows back, recomputed in NumPy and by small changes; and `rnn gradients`."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from rnn.cli import main
from rnn.flow import gradients
from rnn.flow.gradients import Line, flow_back, measure_new, singular_values, starts_of
from rnn.flow.reports import draw_flow, format_clipping, format_flow
from rnn.flow.toy import backward, forward, run_toy
from rnn.flow.trained import cut, measure_bundle
from rnn.training.train import train
from shared.errors import AppError
from shared.nets.names import CELLS

T, B, U = 7, 3, 4
INPUTS = np.random.default_rng(0).normal(size=(T, B, U)).astype("float32")
ENDS = np.random.default_rng(1).normal(size=(B, U)).astype("float32")


def made(name, seed=0, **start):
    keras.utils.set_random_seed(seed)
    cell = CELLS[name].make(U, **start)
    cell.build((None, U))
    return cell


def end(h):
    return ops.sum(h * ENDS, axis=-1)


def test_of_the_simple_net_it_is_a_product_of_jacobians():
    cell = made("vanilla", recurrent_start="glorot_uniform")
    (found,) = flow_back([cell], tf.constant(INPUTS), end)
    w, u, b = cell.get_weights()
    h, kept = np.zeros((B, U)), []
    for x in INPUTS:
        h = np.tanh(x @ w + h @ u + b)
        kept.append(h)
    assert found.shape == (T, B)
    for sequence in range(B):
        gradient = ENDS[sequence].astype(float)
        for distance, h in enumerate(reversed(kept)):
            norm = np.linalg.norm(gradient)
            assert found[distance, sequence] == pytest.approx(norm, rel=1e-4)
            jacobian = np.diag(1 - h[sequence] ** 2) @ u.T  # of h_t by h_{t-1}
            gradient = jacobian.T @ gradient


@pytest.mark.parametrize("name", ["lstm", "gru", "fgr", "mut1"])
def test_of_other_cells_it_is_what_a_small_change_of_h_does(name):
    """Of two cells on one another, the lower one's."""
    low, high = made(name, seed=1), made(name, seed=2)
    found = flow_back([low, high], tf.constant(INPUTS), end)
    assert found.shape == (2, T, B)

    def loss(at, change):
        """The loss after the lower h of a step was changed."""
        states = [
            tuple(np.zeros((B, U), "float32") for _ in range(cell.state_count))
            for cell in (low, high)
        ]
        for t, x in enumerate(INPUTS):
            _, states[0] = low(x, states[0])
            if t == at:
                states[0] = (states[0][0] + change, *states[0][1:])
            seen, states[1] = high(states[0][0], states[1])
        return ops.convert_to_numpy(end(seen)).astype(float)

    for distance in (0, 3):
        slopes = np.zeros((B, U))
        for unit in range(U):
            change = np.zeros((B, U), "float32")
            change[:, unit] = 0.01
            at = T - 1 - distance
            slopes[:, unit] = (loss(at, change) - loss(at, -change)) / 0.02
        np.testing.assert_allclose(
            found[0, distance], np.linalg.norm(slopes, axis=1), rtol=0.02, atol=1e-4
        )


@pytest.mark.parametrize("name", ["vanilla", "lstm", "gru", "fgr", "mut2"])
def test_singular_values_are_of_each_matrix_between_states(name):
    cell = made(name)
    found = singular_values(cell)
    weights = {w.name: ops.convert_to_numpy(w) for w in cell.weights}
    counts = {
        "vanilla": {"recurrent_kernel": 1},
        "lstm": {"recurrent_kernel": 4},
        "gru": {"recurrent_kernel": 2, "candidate_kernel": 1},
        "fgr": {"recurrent_kernel": 4, "gate_kernel": 9},
        "mut2": {"recurrent_kernel": 2, "candidate_kernel": 1},
    }[name]
    assert {key: len(values) for key, values in found.items()} == counts
    for key, values in found.items():
        last = weights[key][-U:, -U:]
        largest = np.linalg.svd(last, compute_uv=False)[0]
        assert values[-1] == pytest.approx(largest, rel=1e-5)


def test_the_bound_holds_and_is_of_cells_without_gates():
    lines = [*measure_new(["vanilla", "relu", "irnn", "lstm"], 8, 12, seed=3)]
    bounded = [line for line in lines if line.bound is not None]
    assert {line.cell for line in bounded} == {"vanilla", "relu", "irnn"}
    for line in bounded:
        assert line.bound == pytest.approx(line.largest)
        for distance, norm in enumerate(line.norms):
            assert norm <= line.norms[0] * line.bound**distance * (1 + 1e-4)


def test_cells_start_in_all_the_ways_that_they_can(monkeypatch):
    monkeypatch.setattr(gradients, "SEQUENCES", 2)
    assert list(starts_of("irnn")) == ["as usual"]
    assert list(starts_of("vanilla")) == ["as usual", "glorot_uniform", "identity"]
    ways = ["as usual", "orthogonal", "glorot_uniform", "forget bias 0"]
    assert list(starts_of("cifg")) == [*ways, "forget bias 3"]
    names = ["irnn", "nfg", "cifg", "mut3"]
    lines = [*measure_new(names, 3, 2, seed=0)]
    assert [(line.cell, line.start) for line in lines] == [
        (name, start) for name in names for start in starts_of(name)
    ]
    for line in lines:
        assert line.norms[0] == pytest.approx(1, rel=1e-4)


def test_a_higher_forget_bias_lets_more_flow_back():
    lines = {line.start: line for line in measure_new(["lstm"], 16, 40, seed=0)}
    far = [lines[f"forget bias {bias}"].norms[-1] for bias in (0, 3)]
    usual = lines["as usual"].norms[-1]
    assert far[0] < usual / 10 < usual * 10 < far[1]


# The lectures' toy.


def test_the_toys_gradient_is_what_a_small_change_of_h_does():
    rng = np.random.default_rng(4)
    weights, h = rng.normal(size=(3, 3)), np.abs(rng.normal(size=3))
    last = rng.normal(size=3)
    norms = backward(weights, forward(weights, h, 4), last)

    def run(change, at):
        now = h
        for t in range(4):
            now = np.maximum(0, weights @ now)
            now = now + change if t == at else now
        return now @ last

    for distance, norm in enumerate(norms):
        at = 3 - distance
        slopes = [(run(step, at) - run(-step, at)) / 2e-6 for step in 1e-6 * np.eye(3)]
        assert np.linalg.norm(slopes) == pytest.approx(norm, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_toy_vanishes_below_one_and_explodes_above(seed):
    toys = run_toy(seed=seed)
    assert [toy.rate for toy in toys] == [0.8, 1.0, 1.25]
    for toy in toys:
        assert len(toy.norms) == 50
        assert toy.norms[-1] == pytest.approx(toy.norms[0] * toy.rate**49)
        np.testing.assert_allclose(
            toy.norms, toys[1].norms * toy.rate ** np.arange(50), rtol=1e-6
        )


def test_a_toy_of_nothing_is_refused():
    with pytest.raises(ValueError, match="units=0"):
        run_toy(units=0)


# The command.


def run(capsys, *words):
    status = main(["gradients", *map(str, words)])
    output = capsys.readouterr()
    return status, output.out.splitlines(), output.err.splitlines()


def test_the_toy_is_a_table_a_picture_and_numbers(capsys, tmp_path):
    picture = tmp_path / "toy.png"
    status, out, err = run(capsys, "--toy", "-o", picture)
    assert (status, len(out)) == (0, 4)
    assert out[1].split()[0] == "0.80"
    assert str(tmp_path / "toy.json") in err[-1]
    numbers = json.loads((tmp_path / "toy.json").read_text())
    assert [len(toy["norms"]) for toy in numbers["toy"]] == [50] * 3
    with Image.open(picture) as image:
        assert image.width > 300
    status, _, err = run(capsys, "--toy", "-o", picture)
    assert (status, err) == (
        1,
        [f"error: {picture} exists. Add --overwrite to replace it."],
    )


def test_new_cells_are_measured_without_any_text(capsys, tmp_path):
    words = ("--cell", "vanilla", "--units", 4, "--steps", 12)
    status, out, _ = run(capsys, *words, "-o", tmp_path / "a.svg")
    assert status == 0
    assert [row.split()[0] for row in out] == ["cell", *["vanilla"] * 3]
    numbers = json.loads((tmp_path / "a.json").read_text())
    assert [line["start"] for line in numbers["flow"]] == [*starts_of("vanilla")]
    assert numbers["clipping"] == []


@pytest.mark.parametrize(
    ("words", "status", "match"),
    [
        (["--cell", "LSTM"], 2, "there is no cell 'LSTM'. There are lstm, gru"),
        (["--toy", "--cell", "lstm"], 2, "--toy is a net of its own"),
        (["--text", "a.txt"], 2, "--text is for a trained model to read"),
        (["runs/a", "--cell", "gru"], 2, "leave out --cell"),
        (
            ["--toy", "-o", "a.txt"],
            1,
            "no output format goes by '.txt'. Accepted are .png",
        ),
        (["no-such-folder"], 1, "no-such-folder"),
    ],
)
def test_what_makes_no_sense_is_refused(words, status, match, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    found, out, err = run(capsys, *words)
    assert (found, out) == (status, [])
    assert match in " ".join(err)
    assert "Traceback" not in " ".join(err)


RECIPE = """
[net]
cell = "gru"
units = 6
layers = 2

[[stages]]
name = "text"
epochs = 1
batch_size = 2
chunk = 8
learning_rate = 0.01
"""


def test_a_trained_model_is_measured_beside_its_start(tmp_path, capsys):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "text.txt").write_text("so it goes, and so on. " * 30)
    out = tmp_path / "run"
    train(str(tmp_path / "recipe.toml"), str(tmp_path / "text.txt"), out)
    for text in ([], [str(tmp_path / "text.txt")]):
        lines, history = measure_bundle(str(out), text, 20, seed=0)
        assert [(line.start, line.layer) for line in lines] == [
            (start, layer)
            for start in ("at the start", "after training")
            for layer in (1, 2)
        ]
        assert all(len(line.norms) == 20 and line.cell == "gru" for line in lines)
        assert history[0]["clipped"] is not None
    capsys.readouterr()
    status, rows, _ = run(capsys, out / "bundle", "--steps", 15)
    assert status == 0
    assert rows[-2].split() == ["stage", "epoch", "mean", "norm", "largest", "clipped"]
    assert rows[-1].endswith("%")
    short = tmp_path / "short.txt"
    short.write_text("too short\n")
    status, _, err = run(capsys, out, "--text", short)
    assert status == 1
    assert "has 10 symbols, and one of 101 is needed" in err[-1]


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(AppError, match="fewer --steps"):
        cut(np.arange(5), 5, np.random.default_rng(0))
    found = cut(np.arange(6), 5, np.random.default_rng(0))
    assert found.shape == (6, gradients.SEQUENCES)
    assert (np.diff(found, axis=0) == 1).all()


def test_odd_numbers_do_not_stop_the_reports():
    line = Line("gru", "as usual", 1, [0.0, float("nan")], {"a": [1.0]}, None)
    assert "nan" in format_flow([line])
    draw_flow([line, line._replace(layer=2, norms=[1e300, 0.0])])
    epoch = {"stage": "a", "epoch": 1, "gradient_norm": None, "clipped": 1.0}
    assert "nan" in format_clipping([{"stage": "a"}, epoch])
    assert format_clipping([{"stage": "a", "epoch": 1}]) == ""
