"""Which precision of an export is kept, and what is written, with small functions."""

from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from shared.bundles import folder as bundles
from shared.bundles.litert import Graph, try_graph
from shared.errors import AppError
from shared.nets import export
from shared.nets.export import export_part, read_typical, share_of_same, to_try


class Check(NamedTuple):
    before: float
    after: float

    def __str__(self):
        return f"{self.after} against {self.before}."


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Export where the scores of int8 and of float16 are given."""

    def run(scores, precision="auto", max_loss=1.0):
        added, said = [], []
        monkeypatch.setattr(bundles, "add_part", lambda *words: added.append(words))

        def check(made):
            way = (made / "light" / "in" / "net.bin").read_text()
            return Check(50.0, scores[way])

        try:
            found = export_part(
                tmp_path,
                "light",
                to_try(precision),
                lambda way: {"in/net.bin": way.encode()},
                check,
                about="Encoder in {}.",
                unit="points",
                max_loss=max_loss,
                announce=said.append,
            )
        except AppError as error:
            found = str(error)
        return found, added, said

    return run


def test_the_first_precision_that_is_good_enough_is_added(run, tmp_path):
    found, added, said = run({"int8": 49.0})
    assert found == (50.0, 49.0)
    card = "## As light\n\nEncoder in int8. 49.0 against 50.0.\n"
    assert added == [(tmp_path, "light", {"in/net.bin": b"int8"}, card)]
    assert said == ["writing light, encoder in int8", "49.0 against 50.0."]


def test_float16_is_tried_where_int8_loses_too_much(run):
    found, added, said = run({"int8": 48.9, "float16": 49.1})
    assert found == (50.0, 49.1)
    assert [files for _, _, files, _ in added] == [{"in/net.bin": b"float16"}]
    assert len(said) == 4
    assert run({"int8": 48.9}, max_loss=1.2)[0] == (50.0, 48.9)


@pytest.mark.parametrize("precision", ["auto", "int8", "float16"])
def test_what_loses_too_much_is_not_added(run, precision):
    found, added, said = run({"int8": 47.0, "float16": 47.9}, precision, max_loss=2)
    lost = "3.0" if precision == "int8" else "2.1"
    advice = "try --precision float16, or " if precision == "int8" else ""
    assert found == (
        f"The exported model loses {lost} points; 2 may be lost, so nothing was "
        f"written. If that is too strict, {advice}allow more with --max-loss."
    )
    assert added == []
    assert len(said) == 2 * len(to_try(precision))


def test_the_share_of_the_same_texts():
    assert share_of_same(["a", "b", "c", "d"], ["a", "x", "c", "d"]) == 0.75
    with pytest.raises(ValueError):
        share_of_same(["a"], ["a", "b"])


def test_photos_to_calibrate_with_are_evenly_chosen(monkeypatch):
    monkeypatch.setattr(export, "CALIBRATION_PHOTOS", 3)
    sources = [np.full((9, 7, 3), level, np.uint8) for level in range(9)]
    sources[3] = b"no picture"
    found = read_typical(sources, 4, "squash", "rnn")
    assert found.shape == (2, 4, 4, 3)
    assert [image.max() for image in found] == [0, 6]
    assert len(read_typical(sources[:2], 4, "squash", "rnn")) == 2
    with pytest.raises(AppError, match=r"calibrate with can be read. `rnn data` says"):
        read_typical([b"no", b"nothing"], 4, "squash", "rnn")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_litert_computes_what_was_traced(tmp_path, precision):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    net = keras.layers.Dense(3)
    net.build((None, 3))

    def encode(images):
        return {"features": net(tf.cast(images, "float32") / 255)}

    def double(numbers):
        return {"twice": 2 * numbers}

    specs = (
        tf.TensorSpec((1, 8, 8, 3), tf.uint8, "images"),
        tf.TensorSpec((None, 2), tf.float32, "numbers"),
    )
    graphs = {
        "encoder": export.trace(encode, specs[0]),
        "double": export.trace(double, specs[1]),
    }
    files = export.write_litert(graphs, net.weights, images, precision)
    assert list(files) == ["encoder.tflite", "double.tflite"]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    encoder, twice = (Graph(tmp_path / name, 1, "Export it again.") for name in files)
    kernel, bias = map(np.asarray, net.get_weights())
    expected = images[1:2] / 255 @ kernel + bias
    found = encoder(images=images[1:2])["features"]
    np.testing.assert_allclose(found, expected, atol=0.03)
    numbers = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    np.testing.assert_array_equal(twice(numbers=numbers)["twice"], 2 * numbers)


@pytest.mark.slow
def test_signatures_of_one_file_share_its_weights(tmp_path):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(64)
    layer.build((None, 128))
    rows = tf.TensorSpec((None, 128), tf.float32, "rows")

    def more(rows):
        return {"sums": layer(rows), "less": -layer(rows)}

    graphs = {
        "plain": export.trace(lambda rows: {"sums": layer(rows)}, rows),
        "more": export.trace(more, rows),
    }
    alone, both = (
        export.write_litert(given, layer.weights, np.zeros(0), "", inside)
        for given, inside in (
            ({"plain": graphs["plain"]}, {}),
            (graphs, {"more": "plain"}),
        )
    )
    assert alone.keys() == both.keys() == {"plain.tflite"}
    assert len(both["plain.tflite"]) < 1.5 * len(alone["plain.tflite"])
    path = tmp_path / "plain.tflite"
    path.write_bytes(both["plain.tflite"])
    values = np.random.default_rng(0).normal(size=(3, 128)).astype(np.float32)
    found = {name: Graph(path, 1, "", name)(rows=values) for name in graphs}
    np.testing.assert_allclose(found["plain"]["sums"], found["more"]["sums"], atol=1e-5)
    np.testing.assert_allclose(found["more"]["less"], -found["more"]["sums"], atol=1e-5)
    try_graph(path)


@pytest.mark.slow
def test_each_signature_of_a_strangers_file_is_tried(tmp_path):
    rows = tf.TensorSpec((None, 3), tf.float32, "rows")
    graphs = {
        "a": export.trace(lambda rows: {"twice": 2 * rows}, rows),
        "b": export.trace(lambda rows: {"logs": tf.math.log(-1 - rows)}, rows),
    }
    files = export.write_litert(graphs, [], np.zeros(0), "", {"b": "a"})
    path = tmp_path / "a.tflite"
    path.write_bytes(files["a.tflite"])
    with pytest.raises(ValueError, match="numbers in logs that are not finite"):
        try_graph(path)
