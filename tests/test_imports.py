"""The direction of imports, read from the syntax trees."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in ("shared", "captioner", "vqa")
    for path in sorted((ROOT / package).rglob("*.py"))
}
# All other rooms do without: what reads, checks and runs LiteRT starts at once.
WITH_KERAS = {
    f"{package}.{room}"
    for package, rooms in {
        "shared": "attention cells encoders features training weights",
        "captioner": "batches export model reports runtime_keras train trainer",
        "vqa": "batches export model reports runtime_keras train trainer",
    }.items()
    for room in rooms.split()
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
    assert not tops & ({"shared", "captioner", "vqa", "app", "tests"} - {package}) - (
        {"shared"} if package != "shared" else set()
    )


@pytest.mark.parametrize("name", sorted(set(ROOMS) - WITH_KERAS))
def test_plain_rooms_import_no_keras_not_even_through_others(name):
    seen, todo = set(), [name]
    while todo:
        room = todo.pop()
        if room in seen:
            continue
        seen.add(room)
        modules = imports(room, deep=False)
        heavy = {m for m in modules if m.split(".")[0] in ("keras", "tensorflow")}
        assert not heavy, f"{name} gets {heavy} through {room}"
        todo += modules & set(ROOMS)


def test_rooms_with_keras_are_there():
    assert set(ROOMS) >= WITH_KERAS


def test_there_are_no_cycles():
    graph = {name: imports(name, deep=True) & set(ROOMS) for name in ROOMS}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the rooms
