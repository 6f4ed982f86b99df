import json

import numpy as np
import pytest

from rnn.errors.formats import as_text, write_report
from rnn.errors.ngrams import NGramModel
from rnn.errors.study import NET, Text, study_errors

TRAINING = "void f(int a) { if (a) { g(a); } }\nint g(int b) { return b; } <b>\n" * 30
JUDGED = "int h(int a) { return g(a); }\nvoid Mary(int b) { if (b) { Mary(b); } }\n" * 9
SYMBOLS = sorted({*TRAINING, *JUDGED})


def text(symbols):
    return Text(symbols, np.array([SYMBOLS.index(symbol) for symbol in symbols]))


@pytest.fixture(scope="module")
def probs():
    return np.random.default_rng(0).uniform(0.01, 0.99, len(JUDGED))


@pytest.fixture(scope="module")
def report(probs):
    return study_errors(np.log(probs), text(JUDGED), text(TRAINING), len(SYMBOLS))


def test_errors_are_counted_for_each_model(report, probs):
    assert report.judged == len(JUDGED) and report.learnt == len(TRAINING)
    assert report.errors[NET] == (probs < 0.5).sum()
    assert report.nats[NET] == pytest.approx(-np.log(probs).mean())
    model = NGramModel(text(TRAINING).ids, len(SYMBOLS), longest=4)
    scores = model.log_probs(text(JUDGED).ids, [4])[4]
    assert report.errors["4-gram"] == (scores < np.log(0.5)).sum()
    assert report.nats["4-gram"] == pytest.approx(-scores.mean())
    assert [*report.nats] == [NET, *(f"{n}-gram" for n in (*range(1, 10), 20))]


def test_every_error_goes_to_one_oracle(report):
    assert sum(share.errors for share in report.shares) == report.errors[NET]
    assert sum(report.kinds().values()) == report.errors[NET]
    assert report.kinds()["n-gram"] > 0 < report.kinds()["memory"]


def test_overlap_has_every_symbol_once(report):
    for overlap in report.overlap:
        assert sum(overlap[1:]) == report.judged
        assert overlap.both + overlap.net_only == report.errors[NET]
        name = f"{overlap.order}-gram"
        assert overlap.both + overlap.ngram_only == report.errors[name]


def test_symbols_are_compared_by_their_mean_probability(report, probs):
    found = {score.symbol: score for score in report.by_symbol}
    places = np.array([symbol == " " for symbol in JUDGED])
    assert found[" "].number == places.sum()
    assert found[" "].probabilities[NET] == pytest.approx(probs[places].mean())
    gains = [s.probabilities[NET] - s.probabilities["20-gram"] for s in found.values()]
    assert gains == sorted(gains, reverse=True)


def test_closing_braces_are_all_there(report):
    assert sum(closing.number for closing in report.closing) == JUDGED.count("}")


def test_what_is_before_the_start_is_context_alone(probs):
    start = 73  # the first of nine repetitions
    late = study_errors(
        np.log(probs), text(JUDGED), text(TRAINING), len(SYMBOLS), start=start
    )
    assert late.judged == len(JUDGED) - start
    assert late.errors[NET] == (probs[start:] < 0.5).sum()
    assert sum(closing.number for closing in late.closing) == JUDGED[start:].count("}")
    assert "".join(late.shown.symbols) == JUDGED[start:]
    is_error = probs[start:] < 0.5
    np.testing.assert_array_equal(np.array(late.shown.given) >= 0, is_error)


def test_words_are_studied_alike(probs):
    words, training = JUDGED.split(), TRAINING.split()
    size = sorted({*words, *training})
    both = (
        Text(symbols, np.array([size.index(symbol) for symbol in symbols]))
        for symbols in (words, training)
    )
    report = study_errors(np.log(probs[: len(words)]), *both, len(size))
    assert report.unit == "words"
    assert sum(share.errors for share in report.shares) == report.errors[NET]
    assert "word start" not in report.kinds()


@pytest.mark.parametrize("start", [-1, len(JUDGED)])
def test_a_start_outside_of_the_text_is_refused(start, probs):
    with pytest.raises(ValueError, match=f"start={start}"):
        study_errors(np.log(probs), text(JUDGED), text(TRAINING), 99, start=start)


@pytest.fixture(scope="module")
def perfect():
    """A study of a text without errors and braces."""
    plain = text("int a" * 20)
    return study_errors(np.zeros(100), plain, text(TRAINING), len(SYMBOLS))


def test_text_lists_the_oracles(report):
    lines = as_text(report).split("\n")
    row = next(line for line in lines if line.startswith("n-gram "))
    share = report.kinds()["n-gram"] / report.errors[NET]
    assert row.split() == ["n-gram", f"{share:.1%}"]
    assert any(line.startswith("  in the last 5,000 ") for line in lines)
    assert any(line.startswith("The closing } by its distance") for line in lines)


def test_text_says_what_is_not_there(perfect):
    told = as_text(perfect)
    assert "It makes none: it gives each of the characters" in told
    assert "no } that closes a {" in told


@pytest.mark.parametrize(
    ("which", "ending"),
    [
        *(("report", ".html"), ("report", ".json"), ("report", ".png")),
        *(("perfect", ".html"), ("perfect", ".png")),
    ],
)
def test_every_format_is_written(which, ending, request, tmp_path):
    report = request.getfixturevalue(which)
    path = tmp_path / f"errors{ending.upper()}"
    write_report(report, "<net> on $text$.c", path)
    content = path.read_bytes()
    if ending == ".json":
        found = json.loads(content)
        assert found["errors"] == report.errors
        assert [tuple(s.values()) for s in found["shares"]] == report.shares
    elif ending == ".html":
        page = content.decode()
        assert "<title>&lt;net&gt; on $text$.c</title>" in page
        assert "src=" not in page and "<script" not in page
        assert ('<mark class="k' in page) == (which == "report")
    else:
        assert content.startswith(b"\x89PNG")
