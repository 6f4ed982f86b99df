"""Looking inside a net: what is found while it reads, and the page about it."""

import json
import re
from typing import NamedTuple

import numpy as np
import pytest

from rnn.cells.gates_plot import draw_gates
from rnn.cells.html_page import make_page, name_cell
from rnn.cells.inspecting import Subject, choose_excerpts, look_inside
from rnn.cells.probes import OF_CHARACTERS, ask
from rnn.cells.scoring import to_levels
from rnn.cells.syntax import Writing

LINE = 'x = f("a <b> </script>", 3)  # say & see http://a.b\n'
TEXT = (LINE + "# short\n" + "    longer_name = 1  # ['x']\n" + "'quoted'\n") * 40
LAYERS, UNITS, PIECE = 2, 4, 300
QUOTES, COLUMN = 2, 5  # the cells, of all, that were planted


class Planted(NamedTuple):
    """What a net would give, see `rnn.net.reader.Piece`."""

    start: int
    log_probs: np.ndarray
    outputs: list
    gates: list


def activities(text=TEXT):
    """Noise, but for a cell of the first layer and one of the second: (N, C)."""
    random = np.random.default_rng(5)
    cells = np.tanh(random.normal(size=(len(text), LAYERS * UNITS)))
    writing = Writing(text, "python")
    cells[:, QUOTES] = np.where(writing.strings, -0.5, 0.25)
    column = OF_CHARACTERS["position in the line"](writing)
    cells[:, COLUMN] = np.tanh(column / 100 + 0.05 * random.normal(size=len(text)))
    return cells.astype(np.float32)


def subject(order=1, gates=True, cell="lstm", name="a/<net>", scale=1):
    cells = activities() * scale

    def read():
        for start in list(range(0, len(TEXT), PIECE))[::order]:
            part = cells[start : start + PIECE]
            layers = np.split(part, LAYERS, axis=1)
            opened = [{"f": (x + 1) / 2, "o": 1 - (x + 1) / 2} for x in layers]
            chances = np.full(len(part), -0.5, np.float32)
            yield Planted(start, chances, layers, opened if gates else [{}, {}])

    marks = ask(OF_CHARACTERS, Writing(TEXT, "python"))
    starts = np.array([i + 1 for i, c in enumerate(TEXT) if c == "\n"])
    about = "a text & more"
    return Subject(
        name, about, "character", TEXT, starts, marks, cell, LAYERS, UNITS, read
    )


@pytest.fixture(scope="module")
def found():
    return look_inside(subject())


def test_planted_cells_are_found(found):
    scores = found.scores
    for cell, name in ((QUOTES, "inside quotes"), (COLUMN, "position in the line")):
        assert scores.probes[scores.best[cell]] == name
        assert scores.strength[cell] > 0.9
    others = set(range(LAYERS * UNITS)) - {QUOTES, COLUMN}
    assert max(scores.strength[list(others)]) < 0.2
    assert found.nats == pytest.approx(0.5)


def test_pieces_may_come_in_any_order(found):
    other = look_inside(subject(order=-1))
    np.testing.assert_array_equal(other.activities, found.activities)
    np.testing.assert_allclose(
        other.scores.strengths, found.scores.strengths, atol=1e-5
    )
    np.testing.assert_array_equal(other.opened["f"], found.opened["f"])


def test_excerpts_and_gates_are_what_was_read(found):
    cells = activities()
    np.testing.assert_array_equal(found.activities, to_levels(cells[found.places]))
    gate = (cells + 1) / 2
    np.testing.assert_allclose(found.gates["f"] / 255, gate[found.places], atol=0.002)
    np.testing.assert_allclose(found.closed["f"], (gate < 0.1).mean(0))
    np.testing.assert_allclose(found.opened["f"], (gate > 0.9).mean(0))
    np.testing.assert_allclose(found.opened["o"], found.closed["f"], atol=1e-3)


def test_activities_without_limit_keep_their_order():
    found = look_inside(subject(cell="relu", scale=1000))
    assert found.scores.strength[QUOTES] > 0.99


def test_excerpts_are_of_the_second_half_and_show_each_probe():
    size = 10_000
    flags = {
        "often": np.arange(size) % 7 == 0,
        "late": np.arange(size) > size - 20,
        "early": np.arange(size) < 20,
        "here": (np.arange(size) > 7000) & (np.arange(size) < 7040),
    }
    flags["early"][-15:] = True  # where "late" is shown already
    starts = np.arange(0, size, 30)
    chosen = choose_excerpts(size, flags, starts, 1000, 200)
    assert [one.reason for one in chosen] == ["the middle of the text", "late", "here"]
    for one in chosen:
        assert size // 2 <= one.start < one.end <= size
        assert one.start % 30 == 0
    assert flags["here"][chosen[2].start : chosen[2].end].sum() > 30
    (only,) = choose_excerpts(500, {}, np.array([0]), 1000, 200)
    assert (only.start, only.end) == (250, 500)  # one line, which began before


def read_data(page):
    data = re.search(r'<script type="application/json" id="data">(.*)</script>', page)
    assert data
    return json.loads(data[1])


def test_the_page_shows_the_best_explained_cells_first(found):
    page = make_page(subject(), found)
    data = read_data(page)
    first = {cell["name"] for cell in data["cells"][:2]}
    assert (
        first
        == {name_cell(c, UNITS).capitalize() for c in (QUOTES, COLUMN)}
        == {"Cell 3 of layer 1", "Cell 2 of layer 2"}
    )
    (quotes,) = (cell for cell in data["cells"] if "quotes" in cell["told"])
    assert quotes["told"] == "inside quotes, 1.00 balanced accuracy"
    assert quotes["rule"].startswith("Yes is below")
    assert {cell["group"] for cell in data["cells"][2:]} == {"Not explained"}
    symbols = sum(len(one["symbols"]) for one in data["excerpts"])
    holds = data["holds"][quotes["probe"]]
    assert symbols == len(holds) == len(found.places)
    assert {len(line) for line in quotes["lines"].values()} == {symbols}
    assert "".join(data["excerpts"][0]["symbols"]).startswith(("x =", "# short"))
    assert set(quotes["lines"]) == {"activity", "f", "o"}
    low, high = sorted(set(quotes["lines"]["activity"]))
    marked = {("1", low), ("0", high)}
    assert set(zip(holds, quotes["lines"]["activity"], strict=True)) == marked


def test_the_page_is_safe_and_asks_nobody(found):
    page = make_page(subject(), found)
    assert page.count("</script>") == 2 and "a/&lt;net&gt;" in page
    assert "a text &amp; more" in page
    assert not re.search(r"""(?:src|href)=|url\(|@import""", page)
    assert "default-src 'none'" in page and "script-src 'sha256-" in page


def test_the_page_says_what_no_probe_explains_and_what_never_occurs(found):
    page = make_page(subject(), found)
    assert "Of 8 cells, a probe explains 2 (25%)" in page
    assert "the other 6 (75%)" in page
    assert "inside braces (never occurs)" in page


def test_gates_are_drawn_where_they_exist(found):
    drawn = draw_gates(subject(), found)
    assert drawn.count("<svg") == 2 * LAYERS
    assert drawn.count("h0") == 2 * LAYERS * UNITS
    without = subject(gates=False, cell="relu")
    assert (
        draw_gates(without, look_inside(without)) == "<p>A relu cell has no gates.</p>"
    )
