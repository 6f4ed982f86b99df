"""The direction of imports, read from the syntax trees."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", "captioner", "vqa", "rnn")
ROOMS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
# What `shared` consists of, from the bottom up: each imports only those before it.
FLOORS = [
    *(
        "__init__",
        "errors",
        "addresses",
        "included",
        "processors",
        "utf8",
        "config",
        "console",
    ),
    *(
        "files",
        "text",
        "bundles",
        "vision",
        "data",
        "nets",
        "runs",
        "concepts",
        "scale",
        "web",
    ),
]
# All other rooms do without: what reads, checks and runs LiteRT starts at once.
WITH_KERAS = {
    f"{package}.{room}"
    for package, rooms in {
        "shared": "bundles.weights concepts.examples concepts.fitting "
        "concepts.gathering concepts.net concepts.own_words concepts.slots "
        "concepts.teach concepts.cross_fitting concepts.starting nets.attention "
        "nets.backends nets.cells nets.export nets.gated nets.lstm_along "
        "nets.peepholes nets.precision runs.checkpoints runs.clipping runs.devices "
        "runs.photos runs.reports runs.trainer runs.training "
        "vision.efficientnet_lite vision.encoders vision.features vision.small "
        "vision.yolox",
        "captioner": "decoder export finish losses model reports reward "
        "runtime_keras task train",
        "vqa": "answerer evidence export few losses model reader reports "
        "finish runtime_keras task train",
        "rnn": "captions compare compare_captions compare_tasks copying evaluate "
        "export finish gradients model questions reader runtime_keras task train "
        "trained watching",
    }.items()
    for room in rooms.split()
}
# The rooms of the page, which nothing else gets to know.
WITH_GRADIO = {
    "captioner.api",
    "captioner.controls",
    "captioner.folder",
    "captioner.page",
    "captioner.photo_column",
    "captioner.search_tab",
    "rnn.page_tab",
    "shared.web.components",
    "shared.web.connections",
    "vqa.api",
    "vqa.page",
}
BOTH = {
    "rnn.compare_captions": "captioner",  # trains decoders of other cells
    "captioner.checking": "vqa",  # asks the one about what the other says
    "captioner.demo_page": "vqa rnn",  # puts together what all three show
    "rnn.captions": "captioner",  # looks into its decoder
    "rnn.questions": "vqa",  # looks into its encoder of questions
}


def imports(name, deep):
    """Names of the modules that a room imports; deep: also later than at once."""
    tree = ast.parse(ROOMS[name].read_text("utf-8"))
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
    return found


@pytest.mark.parametrize("name", ROOMS)
def test_imports_never_point_back(name):
    package = name.split(".")[0]
    tops = {module.split(".")[0] for module in imports(name, deep=True)}
    assert not tops & ({*PACKAGES, "app", "tests"} - {package}) - (
        {"shared", *BOTH.get(name, "").split()} if package != "shared" else set()
    )


@pytest.mark.parametrize("name", [name for name in ROOMS if name.startswith("shared.")])
def test_shared_imports_only_what_is_below(name):
    below = FLOORS[: FLOORS.index(name.split(".")[1]) + 1]
    found = imports(name, deep=True) & set(ROOMS)
    assert not {module for module in found if module.split(".")[1] not in below}


def assert_without(name, heavy):
    """Not even through others."""
    seen, todo = set(), [name]
    while todo:
        room = todo.pop()
        if room in seen:
            continue
        seen.add(room)
        modules = imports(room, deep=False)
        found = {module for module in modules if module.split(".")[0] in heavy}
        assert not found, f"{name} gets {found} through {room}"
        todo += modules & set(ROOMS)


@pytest.mark.parametrize("name", sorted(set(ROOMS) - WITH_KERAS))
def test_plain_rooms_import_no_keras(name):
    assert_without(name, {"keras", "tensorflow"})


@pytest.mark.parametrize("name", sorted(set(ROOMS) - WITH_GRADIO))
def test_only_the_rooms_of_the_page_import_gradio(name):
    assert_without(name, {"gradio", "gradio_client", "uvicorn"})


@pytest.mark.parametrize("name", ROOMS)
def test_what_a_room_refers_to_is_there(name):
    text = ROOMS[name].read_text("utf-8")
    for named in re.findall(r"`((?:shared|captioner|vqa|rnn)(?:\.\w+)+)`", text):
        room, parts = named, []
        while room not in ROOMS and f"{room}.__init__" not in ROOMS:
            room, _, part = room.rpartition(".")
            parts.append(part)
        other = ROOMS.get(room, ROOMS.get(f"{room}.__init__")).read_text("utf-8")
        for part in parts:
            begins = rf"(?m)^ *(?:class |def |[A-Z_, ]+, )?{part}\b"
            assert re.search(begins, other), f"{name} refers to {named}"


def test_the_rooms_named_here_are_there():
    assert set(ROOMS) >= WITH_KERAS | WITH_GRADIO | set(BOTH)


def test_there_are_no_cycles():
    graph = {name: imports(name, deep=True) & set(ROOMS) for name in ROOMS}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the rooms
