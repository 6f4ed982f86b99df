import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from rnn.cli import main
from rnn.config import VocabularyConfig
from rnn.net.symbols import Symbols

SENTENCE = "The cat {sat} on Mary's hat, and Mary { smiled } at it.\n"


class StubReader:
    """Gives each symbol 0.9, but those in capitals 0.1; in pieces, not in order."""

    cell = "lstm"

    def __init__(self, symbols):
        self.symbols = symbols

    def read(self, ids, *, streams=1, outputs=False, gates=False):
        names = [self.symbols.name(index) for index in ids]
        log_probs = np.log([0.1 if n.isupper() else 0.9 for n in names])
        half = len(ids) // 2
        for part in (slice(half, None), slice(0, half)):
            yield SimpleNamespace(start=part.start, log_probs=log_probs[part])


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A text, and a model of it in place of any bundle."""
    path = tmp_path / "book.txt"
    path.write_text(SENTENCE * 100, "utf-8")
    learn(monkeypatch, "character")
    return path


def learn(monkeypatch, units):
    symbols = Symbols.of(SENTENCE, VocabularyConfig(units=units, min_count=1))
    stub = SimpleNamespace(load_reader=lambda source: StubReader(symbols))
    monkeypatch.setitem(sys.modules, "rnn.net.reader", stub)


def run(capsys, *argv):
    code = main(["errors", "runs/model", *map(str, argv)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_last_tenth_is_judged(book, capsys, tmp_path):
    output = tmp_path / "errors.json"
    code, out, err = run(capsys, "--text", book, "-o", output)
    assert (code, err) == (0, "")
    found = json.loads(output.read_text("utf-8"))
    assert found["judged"] == 10 * len(SENTENCE)
    assert found["learnt"] == 80 * len(SENTENCE)
    assert found["errors"]["net"] == 30  # T, M and M of each sentence
    assert found["title"] == "Errors of runs/model on book.txt"
    assert [closing["number"] for closing in found["closing"]] == [20]
    assert f"{10 * len(SENTENCE):,} characters were judged" in out


def test_all_is_judged_if_the_models_learn_from_another_text(book, capsys, tmp_path):
    output, other = tmp_path / "errors.json", tmp_path / "other.txt"
    other.write_text(SENTENCE * 7, "utf-8")
    options = ("--text", other, "--train", book, "-o", output, "--length", 300)
    assert run(capsys, *options)[0] == 0
    found = json.loads(output.read_text("utf-8"))
    assert (found["judged"], found["learnt"]) == (300, 100 * len(SENTENCE))


def test_words_keep_their_spelling(book, monkeypatch, capsys, tmp_path):
    learn(monkeypatch, "word")
    other, output = tmp_path / "other.txt", tmp_path / "errors.json"
    other.write_text("the dog, the hen\n" * 40, "utf-8")
    options = ("--text", other, "--train", book, "-o", output)
    assert run(capsys, *options)[0] == 0
    found = json.loads(output.read_text("utf-8"))
    assert (found["unit"], found["judged"]) == ("words", 200)
    assert found["errors"]["net"] == 0


def test_a_text_without_words_teaches_none(book, monkeypatch, capsys, tmp_path):
    learn(monkeypatch, "word")
    other = tmp_path / "other.txt"
    other.write_text("... !\n" * 100, "utf-8")
    code, _, err = run(capsys, "--text", book, "--train", other)
    assert code == 1 and "there are 0 words to learn n-grams from" in err


def test_two_files_are_written_and_kept(book, capsys, tmp_path):
    page, numbers = tmp_path / "errors.html", tmp_path / "errors.json"
    options = ("--text", book, "-o", page, "-o", numbers)
    assert run(capsys, *options)[0] == 0
    assert page.read_text("utf-8").startswith("<!doctype html>")
    code, _, err = run(capsys, *options)
    assert code == 1 and f"{page} exists" in err
    assert run(capsys, *options, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n" * 40, "is empty"),
        ("x", "there are 1 characters to judge; 100 is the least"),
        (SENTENCE, "there are 6 characters to judge; 100 is the least"),
    ],
)
def test_too_short_a_text_is_refused(text, message, book, capsys):
    book.write_text(text, "utf-8")
    code, out, err = run(capsys, "--text", book)
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pair", "{"), "two different characters"),
        (("--pair", "||"), "two different characters"),
        (("-o", "errors.txt"), "no output format goes by '.txt'"),
        (("--train", "nothing/*.txt"), "There is no text in nothing/*.txt"),
    ],
)
def test_wrong_options_are_refused(options, message, book, capsys):
    code, out, err = run(capsys, "--text", book, *options)
    assert (code, out) == (1, "")
    assert message in err


def test_a_text_without_braces_is_studied_but_for_them(book, capsys):
    code, out, _ = run(capsys, "--text", book, "--pair", "[]")
    assert code == 0
    assert "no ] that closes a [" in out
