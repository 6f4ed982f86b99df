"""Files that could end the process, opened by another one first."""

import hashlib
import importlib.util
import json
import math
import shutil
import subprocess

import numpy as np
import pytest
from conftest import ROOT

from shared.bundles import trial
from shared.bundles.trial import try_files
from shared.errors import AppError

needs_litert = pytest.mark.skipif(
    not importlib.util.find_spec("ai_edge_litert"), reason="LiteRT is not installed"
)
pytestmark = pytest.mark.usefixtures("trials")
START, WEIGHTS = "litert/start.tflite", "model.weights.h5"


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """Files of the captioner that comes along, as if they were a stranger's."""
    monkeypatch.setattr(trial, "SHIPPED", [])
    source = ROOT / "captioner" / "bundle"
    (tmp_path / "bundle" / "litert").mkdir(parents=True)
    for name in (START, WEIGHTS):
        shutil.copy(source / name, tmp_path / "bundle" / name)
    return tmp_path / "bundle"


def digests(bundle, *names):
    return {
        name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in names
    }


def forbid(monkeypatch):
    def run(*args, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize("task", ["captioner", "rnn", "vqa"])
def test_what_comes_along_is_known_wherever_it_lies(tmp_path, monkeypatch, task):
    forbid(monkeypatch)
    folder = ROOT / task / "bundle"
    try_files(tmp_path, json.loads((folder / "manifest.json").read_text())["files"])


@needs_litert
def test_what_passed_once_is_not_tried_again(bundle, monkeypatch):
    known = digests(bundle, START, WEIGHTS)
    try_files(bundle, known)
    forbid(monkeypatch)
    try_files(bundle, known)
    assert {path.name for path in trial._cache().rglob("*")} >= {*known.values()}
    (bundle / WEIGHTS).write_bytes(b"other")
    with pytest.raises(AssertionError):
        try_files(bundle, digests(bundle, START, WEIGHTS))


@needs_litert
def test_a_cache_that_cannot_be_written_is_done_without(bundle, monkeypatch):
    (bundle / "file").touch()
    monkeypatch.setattr(trial, "_cache", lambda: bundle / "file")
    try_files(bundle, digests(bundle, START))


@needs_litert
@pytest.mark.parametrize("name", [START, WEIGHTS])
@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_what_cannot_be_used_is_told_and_not_remembered(bundle, name, content):
    path = bundle / name
    path.write_bytes(path.read_bytes()[:100_000] if content is None else content)
    other = {START, WEIGHTS} - {name}
    for _ in range(2):
        with pytest.raises(AppError, match=rf"{name} cannot be used: .+Get the bundle"):
            try_files(bundle, digests(bundle, *other, name))


@pytest.mark.parametrize(
    "deed",
    [
        "import os; os.kill(os.getpid(), 11)",
        "while True: pass",
        "import time; time.sleep(60)",
        "bytearray(2**34)",
    ],
)
def test_a_crash_or_no_end_is_told(bundle, monkeypatch, deed):
    # The cue to what is opened is printed as `main` does it.
    start = (
        "from shared.bundles import trial; trial._limit(2**29, 1); "
        "print('\\n> a.h5', flush=1)"
    )
    monkeypatch.setattr(
        trial, "_START", f"import sys; sys.path.append({{!r}}); {start}\n{deed}"
    )
    monkeypatch.setattr(trial, "SECONDS", 0.1)
    (bundle / "a.h5").write_bytes(b"")
    with pytest.raises(AppError, match=r"a\.h5 cannot be used: it crashes the program"):
        try_files(bundle, digests(bundle, "a.h5"))


def edit(change):
    """Change a graph as an object of its schema."""

    def edit_file(path):
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        content = path.read_bytes()
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        change(model, schema)
        builder = flatbuffers.Builder(len(content))
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(builder.Output())

    return edit_file


@edit
def goes_round(model, schema):
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.WHILE
    model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.WHILE


@edit
def custom(model, schema):
    # The higher of the two numbers counts.
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[0].customCode = b"FlexReadFile"


@edit
def reads_files(model, schema):
    group = schema.ExternalBufferGroupT()
    group.name = "/etc/passwd"
    model.externalBufferGroups = [group]


@edit
def not_finite(model, schema):
    floats = [
        t for t in model.subgraphs[0].tensors if t.type == schema.TensorType.FLOAT32
    ]
    for tensor in floats:
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data) >= 4:
            numbers = np.full(len(data) // 4, math.nan, np.float32)
            model.buffers[tensor.buffer].data = numbers.view(np.uint8)


@edit
def enormous(model, schema):
    for tensor in model.subgraphs[0].tensors:
        if tensor.shape is not None and len(tensor.shape) == 3:
            tensor.shape = np.array([1, 40_000, 40_000], np.int32)


@needs_litert
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (goes_round, "the operation WHILE, which no export makes"),
        (custom, "the operation CUSTOM"),
        (reads_files, "reads numbers from other files"),
        (not_finite, "(not finite|out of bounds)"),  # a place that is not a number
        (enormous, ""),
    ],
)
def test_graphs_do_what_exports_do(bundle, change, reason):
    change(bundle / START)
    with pytest.raises(AppError, match=rf"{START} cannot be used: .*{reason}.* Get"):
        try_files(bundle, digests(bundle, START))
