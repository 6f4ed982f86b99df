"""The page's tab that looks inside: what it is asked, and what it answers."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

pytest.importorskip("gradio", reason="pip install gradio")

from rnn.config import NetConfig, VocabularyConfig
from rnn.net.bundles import INCLUDED, find_bundle
from rnn.net.runtime import load_runtime
from rnn.net.symbols import Symbols
from rnn.page_tab import (
    HOTTEST,
    LENGTHS,
    MOST_LETTERS,
    MOST_SEED,
    NO_GATES,
    OPENING,
    WORTH,
    LookTab,
    Writer,
    _read_caption,
)
from rnn.writing.sampling import sample
from shared.bundles.litert import is_installed
from shared.errors import AppError
from shared.text.vocabulary import BOS

LITERT = pytest.mark.skipif(not is_installed(), reason="pip install ai-edge-litert")
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TEXT = "a cat sat on the mat.\n"
LAYERS, UNITS = 2, 3


class Planted:
    """An LSTM whose memory c is the number of symbols so far, and of each cell."""

    name = "planted"

    def __init__(self, symbols, gates=True):
        self.symbols, self.gates, self.read = symbols, gates, []

    def begin(self, count):
        return np.zeros((count, LAYERS * 2 * UNITS), np.float32)

    def look(self, ids, states):
        self.read += ids.tolist()
        after = states.copy().reshape(LAYERS, 2, UNITS)
        after[:, 1] += np.arange(1, LAYERS * UNITS + 1).reshape(LAYERS, UNITS) / 100
        log_probs = np.full((1, len(self.symbols)), -np.log(8), np.float32)
        gate = np.tanh(after[:, 1]).reshape(1, -1)
        gates = {"f": gate, "o": 1 - gate} if self.gates else {}
        return log_probs, after.reshape(1, -1), gates

    def step(self, ids, states):
        return self.look(ids, states)[:2]


def make_tab(units="character", gates=True, cell="lstm"):
    symbols = Symbols.of(TEXT, VocabularyConfig(units=units))
    cells = NetConfig(cell=cell, layers=LAYERS, units=UNITS)
    return LookTab({"mine": Writer(cells, symbols, Planted(symbols, gates))}, None)


def asked(**more):
    return {"text": "a cat\n", "model": "mine", "layer": 2, "number": 3, **more}


def values(line, least=-1, most=1):
    return [least + DIGITS.index(digit) / 63 * (most - least) for digit in line]


def test_a_text_is_colored_by_the_cell_that_was_chosen():
    reply = make_tab().look(asked())
    assert reply["symbols"] == "a cat\n"
    assert reply["cell"] == {
        **{"kind": "lstm", "layers": 2, "units": 3, "layer": 2, "number": 3}
    }
    # Two symbols, bos and a new line, were read before.
    expected = np.tanh(0.06 * (2 + np.arange(1, 7)))
    assert values(reply["lines"]["activity"]) == pytest.approx(expected, abs=0.02)
    assert values(reply["lines"]["f"], 0) == pytest.approx(expected, abs=0.02)
    assert values(reply["lines"]["o"], 0) == pytest.approx(1 - expected, abs=0.02)
    assert values(reply["lines"]["surprise"], 0, 8) == pytest.approx([3] * 6, abs=0.1)
    assert reply["lines"].keys() == {view["key"] for view in reply["views"]}
    assert reply["moves"][0] == [2, 3]
    assert len(reply["moves"]) == 6
    assert reply["nats"] == pytest.approx(np.log(8), abs=1e-3)
    assert reply["notes"] == []


def test_beyond_the_last_cell_is_the_last_one():
    found = make_tab().look(asked(layer=9, number=512))["cell"]
    assert (found["layer"], found["number"]) == (2, 3)


def test_the_whole_text_is_read_in_its_order():
    tab = make_tab()
    tab.look(asked())
    (writer,) = tab.writers.values()
    start = [BOS, *writer.symbols.encode("\n")]
    assert writer.runtime.read == [*start, *writer.symbols.encode("a cat\n")]


def test_words_are_symbols_of_a_model_by_words():
    reply = make_tab("word").look(asked(text="The cat sat\nnear the mat"))
    assert reply["unit"] == "word"
    assert reply["symbols"][:4] == ["the ", "cat ", "sat ", "↵\n"]
    assert len(reply["lines"]["activity"]) == len(reply["symbols"]) == 7
    assert "'near'" in reply["notes"][0]


@pytest.mark.parametrize(
    ("cell", "notes"), [("lstm", [NO_GATES]), ("vanilla", [])], ids=str
)
def test_an_export_without_gates_is_said_to_have_none(cell, notes):
    tab = make_tab(gates=False)
    (writer,) = tab.writers.values()
    if cell == "vanilla":  # a cell that has none
        tab.writers["mine"] = writer._replace(
            cells=NetConfig(cell=cell, layers=4, units=UNITS)
        )
    reply = tab.look(asked())
    assert [view["key"] for view in reply["views"]] == ["activity", "surprise"]
    assert reply["notes"] == notes


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"text": ""}, "There is no text to read"),
        ({"text": "a" * (MOST_LETTERS + 1)}, "up to 2,000 characters"),
        ({"text": None}, "up to 2,000 characters"),
        ({"text": ["a"]}, "up to 2,000 characters"),
        ({"model": "yours"}, "no such model"),
        ({"model": ["mine"]}, "no such model"),
        ({"number": 0}, "2 layers of 3 cells, counted from 1"),
        ({"number": None}, "2 layers of 3 cells"),
        ({"layer": True}, "2 layers of 3 cells"),
        ({"number": 1.5}, "2 layers of 3 cells"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(changes, match):
    with pytest.raises(AppError, match=match):
        make_tab().look(asked(**changes))


@pytest.mark.parametrize("caption", [[], "a dog", [1], ["a"] * 61, ["a" * 3000], None])
def test_what_is_no_caption_is_refused(caption):
    with pytest.raises(AppError, match="no caption yet"):
        _read_caption({"caption": caption})


def test_the_longest_text_and_odd_characters_are_read():
    tab = make_tab()
    assert len(tab.look(asked(text="a" * MOST_LETTERS))["symbols"]) == MOST_LETTERS
    reply = tab.look(asked(text="a \ud800😀é"))
    assert len(reply["lines"]["activity"]) == len(reply["symbols"]) == 5
    json.dumps(reply, ensure_ascii=False).encode()  # no lone half of a character
    assert "does not know '�' '😀' 'é'" in reply["notes"][0]


def heated(**more):
    return {"text": "a cat", "model": "mine", "temperature": 0.5, "seed": 3, **more}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"temperature": -0.1}, "from 0 to 2"),
        ({"temperature": HOTTEST + 1}, "from 0 to 2"),
        ({"temperature": float("nan")}, "from 0 to 2"),
        ({"temperature": "hot"}, "from 0 to 2"),
        ({"seed": -1}, "whole number"),
        ({"seed": MOST_SEED + 1}, "whole number"),
        ({"seed": None}, "whole number"),
        ({"text": "é"}, "does not know: 'é'"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(changes, match):
    with pytest.raises(AppError, match=match):
        make_tab().write(heated(**changes))


def test_who_types_what_is_unknown_is_told_of_no_command(monkeypatch):
    monkeypatch.setattr("rnn.page_tab.event_data", lambda event: heated(text="aé"))
    told = make_tab()._write(None)
    assert told["turn"] == 1
    assert told["problem"].startswith("The text has characters that the model")
    assert told["problem"].endswith("leave the others out.")


@pytest.mark.parametrize("text", ["", "a cat", "a cat\n"])
@pytest.mark.parametrize("units", LENGTHS)
def test_what_is_written_comes_after_the_text(units, text):
    reply = make_tab(units).write(heated(text=text))
    assert reply["prime"] == text
    if units == "character":
        assert len(reply["written"]) == LENGTHS[units]


@pytest.fixture(scope="module")
def included():
    config, symbols, runtime = load_runtime(find_bundle(INCLUDED))
    return LookTab({INCLUDED: Writer(config.net, symbols, runtime)}, None)


@LITERT
def test_the_page_writes_what_the_command_writes(included):
    reply = included.write(heated(text=OPENING, model=INCLUDED))
    said = "".join(sample(INCLUDED, OPENING, 300, temperature=0.5, seed=3))
    assert reply["prime"] + reply["written"] == said


@LITERT
def test_cells_do_what_is_said_of_them(included):
    text = OPENING + '"Really?" he said.\n' + OPENING
    quoted = np.cumsum([char == '"' for char in text]) % 2 == 1
    places = np.zeros(len(text))
    for i, char in enumerate(text[:-1]):
        places[i + 1] = 0 if char == "\n" else places[i] + 1
    told = {what: (layer, cell) for layer, cell, what in WORTH[INCLUDED]}

    def activity(what):
        layer, number = told[what]
        request = {"text": text, "model": INCLUDED, "layer": layer, "number": number}
        reply = included.look(request)
        assert reply["views"][1]["name"] == "forget gate f"
        return np.array(values(reply["lines"]["activity"]))

    for what, sign in (("on inside quotes", 1), ("off inside quotes", -1)):
        found = sign * activity(what)
        assert np.mean(found[quoted] > found[~quoted].mean()) > 0.85
        assert np.median(found[quoted]) > np.median(found[~quoted]) + 0.5
    assert np.corrcoef(activity("falls along a line"), places)[0, 1] < -0.6
    assert np.corrcoef(activity("rises along a line"), places)[0, 1] > 0.6
    spaces = np.array([char == " " for char in text])
    found = activity("on at a space")
    assert found[spaces].mean() > found[~spaces].mean() + 0.3


ALONE = """
import sys
from rnn.net.bundles import find_bundle
from rnn.page_tab import LookTab, Writer
from rnn.net.runtime import load_runtime
config, symbols, runtime = load_runtime(find_bundle(None))
tab = LookTab({"included": Writer(config.net, symbols, runtime)}, None)
asked = {"text": "War", "model": "included", "layer": 1, "number": 1}
print(len(tab.look(asked)["symbols"]), "tensorflow" in sys.modules)
"""


@LITERT
def test_the_tab_needs_no_tensorflow():
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["3", "False"], done.stderr
