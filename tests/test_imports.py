"""The direction of imports, read from the syntax trees."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", "captioner", "vqa", "rnn")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
# What each package consists of, from the bottom up: each imports only those before it.
FLOORS = {
    "shared": "__init__ errors addresses included processors utf8 config console files "
    "text bundles vision data nets runs concepts scale web",
    "captioner": "search metrics config net photos describing files alt metadata jobs "
    "archive training page commands cli __main__ __init__",
    "vqa": "text layouts data questions metrics config net answering files jobs page "
    "training commands cli __main__ __init__",
    "rnn": "config net writing training cells errors flow comparing page_tab commands "
    "cli __main__ __init__",
}
# All others do without: what reads, checks and runs LiteRT starts at once.
WITH_KERAS = {
    f"{package}.{name}"
    for package, names in {
        "shared": "bundles.weights concepts.examples concepts.fitting "
        "concepts.gathering concepts.net concepts.own_words concepts.slots "
        "concepts.teach concepts.cross_fitting concepts.starting nets.attention "
        "nets.backends nets.cells nets.export nets.gated nets.lstm_along "
        "nets.peepholes nets.precision runs.checkpoints runs.clipping runs.devices "
        "runs.photos runs.reports runs.trainer runs.training "
        "vision.efficientnet_lite vision.encoders vision.features vision.small "
        "vision.yolox",
        "captioner": "jobs.export net.decoder net.losses net.model net.runtime_keras "
        "training.finish training.reports training.reward training.task "
        "training.train",
        "vqa": "jobs.export net.answerer net.evidence net.losses net.model "
        "net.reader net.runtime_keras training.few training.finish "
        "training.reports training.task training.train",
        "rnn": "cells.captions cells.questions cells.watching comparing.captions "
        "comparing.comparison comparing.copying comparing.tasks "
        "flow.gradients flow.trained net.model net.reader "
        "net.runtime_keras training.evaluate training.export training.finish "
        "training.task training.train",
    }.items()
    for name in names.split()
}
# What the page is made of, which nothing else gets to know.
WITH_GRADIO = {
    "captioner.page.api",
    "captioner.page.controls",
    "captioner.page.folder_tab",
    "captioner.page.describe_tab",
    "captioner.page.photo_column",
    "captioner.page.search_tab",
    "rnn.page_tab",
    "shared.web.components",
    "shared.web.connections",
    "vqa.page.api",
    "vqa.page.answer_tab",
}
BOTH = {
    "rnn.comparing.captions": "captioner",  # trains decoders of other cells
    "captioner.describing.checking": "vqa",  # asks the one about what the other says
    "captioner.page.assembly": "vqa rnn",  # puts together what all three show
    "rnn.cells.captions": "captioner",  # looks into its decoder
    "rnn.cells.questions": "vqa",  # looks into its encoder of questions
}


@cache
def imports(name, deep):
    """Names of the modules that one imports; deep: also later than at once."""
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    found, todo = set(), [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import, line {node.lineno}"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        later = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if deep or not later:
            todo += ast.iter_child_nodes(node)
    return frozenset(found)


@pytest.mark.parametrize("name", MODULES)
def test_imports_never_point_back(name):
    package = name.split(".")[0]
    tops = {module.split(".")[0] for module in imports(name, deep=True)}
    assert not tops & ({*PACKAGES, "app", "tests"} - {package}) - (
        {"shared", *BOTH.get(name, "").split()} if package != "shared" else set()
    )


@pytest.mark.parametrize("name", MODULES)
def test_a_floor_imports_only_what_is_below(name):
    package, floor = name.split(".")[:2]
    floors = FLOORS[package].split()
    below = floors[: floors.index(floor) + 1]
    found = [module.split(".") for module in imports(name, deep=True) & set(MODULES)]
    assert not {part for top, part, *_ in found if top == package and part not in below}


def assert_without(name, heavy):
    """Not even through others."""
    seen, todo = set(), [name]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        needed = imports(module, deep=False)
        found = {other for other in needed if other.split(".")[0] in heavy}
        assert not found, f"{name} gets {found} through {module}"
        todo += needed & set(MODULES)


@pytest.mark.parametrize("name", sorted(set(MODULES) - WITH_KERAS))
def test_plain_modules_import_no_keras(name):
    assert_without(name, {"keras", "tensorflow"})


@pytest.mark.parametrize("name", sorted(set(MODULES) - WITH_GRADIO))
def test_only_the_page_imports_gradio(name):
    assert_without(name, {"gradio", "gradio_client", "uvicorn"})


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_refers_to_is_there(name):
    text = MODULES[name].read_text("utf-8")
    for named in re.findall(r"`((?:shared|captioner|vqa|rnn)(?:\.\w+)+)`", text):
        module, parts = named, []
        while module not in MODULES and f"{module}.__init__" not in MODULES:
            module, _, part = module.rpartition(".")
            parts.append(part)
        path = MODULES.get(module) or MODULES[f"{module}.__init__"]
        other = path.read_text("utf-8")
        for part in parts:
            begins = rf"(?m)^ *(?:class |def |[A-Z_, ]+, )?{part}\b"
            assert re.search(begins, other), f"{name} refers to {named}"


def test_the_modules_named_here_are_there():
    assert set(MODULES) >= WITH_KERAS | WITH_GRADIO | set(BOTH)


def test_there_are_no_cycles():
    graph = {name: imports(name, deep=True) & set(MODULES) for name in MODULES}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them
