"""Graphs as functions, in what threads and damaged files make of them."""

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import dense_model

from shared import included
from shared.bundles.folder import add_part, write_bundle
from shared.bundles.litert import PART, Graph, Spec, open_graph, why_not_litert
from shared.errors import AppError

ADVICE = "Get another one."
needs_litert = pytest.mark.skipif(
    not importlib.util.find_spec("ai_edge_litert"), reason="LiteRT is not installed"
)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The file of a graph that scales rows, and gives their sums as well."""
    import tensorflow as tf

    rows = tf.TensorSpec((None, 3), tf.float32, "rows")
    factor = tf.TensorSpec((1,), tf.float32, "factor")

    class Scale(tf.Module):
        @tf.function(input_signature=[rows, factor])
        def __call__(self, rows, factor):
            scaled = rows * factor
            return {"scaled": scaled, "sums": tf.reduce_sum(scaled, -1, keepdims=True)}

    module = Scale()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    )
    path = tmp_path_factory.mktemp("graphs") / "scale.tflite"
    path.write_bytes(converter.convert())
    return path


@needs_litert
def test_a_graph_is_a_function_of_named_arrays(graph):
    scale = Graph(graph, 1, ADVICE)
    assert sorted(scale.inputs) == ["factor", "rows"]
    assert scale.inputs["rows"] == Spec("float32", (-1, 3))
    assert scale.outputs["sums"] == Spec("float32", (-1, 1))
    for count in (1, 4, 2):  # rows, which may change from call to call
        rows = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
        found = scale(rows=rows, factor=np.float32([2]))
        np.testing.assert_allclose(found["scaled"], 2 * rows)
        np.testing.assert_allclose(found["sums"], 2 * rows.sum(1, keepdims=True))


@needs_litert
def test_threads_may_share_a_graph(graph):
    scale = Graph(graph, 2, ADVICE)

    def total(count):
        rows = np.ones((count, 3), np.float32)
        return scale(rows=rows, factor=np.float32([count]))["sums"].sum()

    counts = list(range(1, 30)) * 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(total, counts)) == [3 * n * n for n in counts]


@needs_litert
@pytest.mark.parametrize("content", [b"", b"no graph", None], ids=str)
def test_a_file_that_is_no_graph_says_what_to_do(graph, tmp_path, content):
    path = tmp_path / "graph.tflite"
    if content is not None:  # None is a missing one
        path.write_bytes(content)
    match = r"graph\.tflite cannot be loaded by LiteRT: .* Get another one\.$"
    with pytest.raises(AppError, match=match):
        Graph(path, 1, ADVICE)


@needs_litert
def test_what_to_do_about_a_graph_depends_on_where_it_came_from(tmp_path, monkeypatch):
    (tmp_path / "a.tflite").write_bytes(b"no graph")
    with pytest.raises(AppError, match=r"`app export`, or give --runtime keras\.$"):
        open_graph(Graph, tmp_path, "a.tflite", 1, "app export")
    monkeypatch.setattr(included, "included_model", lambda task: tmp_path)
    with pytest.raises(AppError, match=r"Install sightread again\.$"):
        open_graph(Graph, tmp_path, "a.tflite", 1, "app export")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    texts = {"config": "", "vocabulary": "", "card": ""}
    write_bundle(folder, task="vqa", model=dense_model(2, 2), **texts)
    return folder


@needs_litert
def test_a_bundle_must_have_been_exported(bundle):
    expected = (
        f"{bundle} was not exported for it; `app export {bundle} --data DIR` does that."
    )
    assert why_not_litert([bundle], "app export") == expected
    add_part(bundle, PART, {"a.tflite": b""}, "## LiteRT")
    assert why_not_litert([bundle], "app export") == ""
    assert why_not_litert([], "app export") == ""


def test_litert_may_be_missing_or_broken(bundle, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert why_not_litert([bundle], "app export") == (
        "it is not installed (pip install ai-edge-litert)."
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "found")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)  # as if half there
    monkeypatch.delitem(sys.modules, "ai_edge_litert.interpreter", raising=False)
    assert why_not_litert([bundle], "app export").startswith("it cannot be loaded here")
