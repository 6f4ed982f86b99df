import re

import numpy as np
import pytest

from rnn.errors.braces import match_braces, study_braces
from rnn.errors.oracles import FAR, Oracle, find_words, make_oracles, peel


def known(symbols, training="", probs=None, by_order=None):
    """Which places each oracle knows, by its kind and name."""
    probs = np.full(len(symbols), 0.01) if probs is None else np.array(probs)
    words = find_words(symbols, training)
    oracles = make_oracles(symbols, words, np.log(probs), by_order or {})
    return {
        f"{oracle.kind} {oracle.name}".strip(): np.flatnonzero(oracle.knows).tolist()
        for oracle in oracles
    }


def places(text, *words):
    """All places of these words in a text, without their first symbols."""
    return [
        place
        for match in re.finditer("|".join(words), text)
        for place in range(match.start() + 1, match.end())
    ]


def test_words_are_found_with_what_was_known_of_them():
    found = find_words("Jon's cat, the cat's!", "the cat. the hat")
    assert found.starts.tolist() == [0, 6, 11, 15]
    assert found.ends.tolist() == [5, 9, 14, 20]
    assert found.known.tolist() == [0, 1, 2, 0]
    assert found.back.tolist() == [FAR] * 4


def test_the_order_is_that_of_the_paper():
    kinds = [name.split(" ")[0] for name in known("a", by_order={2: np.zeros(1)})]
    want = ["n-gram"] + ["memory"] * 4 + ["rare"] * 6 + ["word"] * 2
    assert kinds == [*want, "punctuation", *["boost"] * 6, "rest"]


def test_an_ngram_model_knows_what_it_gives_a_half():
    scores = np.log([0.49, 0.5, 0.51])
    found = known("abc", by_order={3: scores, 1: -scores * 0})
    assert found["n-gram order 3"] == [1, 2]
    assert list(found)[:2] == ["n-gram order 1", "n-gram order 3"]


def test_memory_knows_a_word_but_for_its_first_letter():
    text = "Mary had Mary"
    assert known(text)["memory in the last 100"] == places(text, "(?<=d )Mary")


@pytest.mark.parametrize(
    ("distance", "window"),
    [(100, 100), (101, 500), (500, 500), (501, 1000), (5000, 5000), (5001, None)],
)
def test_a_memory_ends_where_it_is_said_to(distance, window):
    text = "Mary" + "." * (distance - 4) + "Mary"
    found = known(text)
    for each in (100, 500, 1000, 5000):
        is_in = window is not None and each >= window
        want = [distance + 1, distance + 2, distance + 3] if is_in else []
        assert found[f"memory in the last {each:,}"] == want


def test_memories_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    words = ["a", "the", "then", "hen", "cat", "cats", "x"]
    text = " ".join(rng.choice(words, 900, p=[0.4, 0.2, 0.05, 0.05, 0.2, 0.05, 0.05]))
    found = known(text)
    for window in (100, 500):
        want = [
            place
            for match in re.finditer(r"\w+", text)
            if match[0] in text[max(0, match.start() - window) : match.start()]
            for place in range(match.start() + 1, match.end())
        ]
        assert found[f"memory in the last {window}"] == want


def test_rare_words_were_seldom_in_the_training():
    found = known("one two six", "one " + "two " * 2 + "six " * 6)
    assert found["rare word 0 times in training"] == []
    assert found["rare word 1 time in training"] == [0, 1, 2]
    assert found["rare word 2 times in training"] == [0, 1, 2, 4, 5, 6]
    assert found["rare word 5 times in training"] == [0, 1, 2, 4, 5, 6]


def test_words_begin_after_spaces_quotes_and_lines():
    text = 'a b "c\nd'
    found = known(text)
    assert found["word start after a space or a quote"] == [0, 2, 4, 5]
    assert found["word start after the end of a line"] == [7]
    assert found["punctuation"] == [4]


def test_a_boost_is_shared_with_all_symbols():
    # (0.3 + 0.4) / 1.4 is a half, and so is (0.05 + 0.9) / 1.9
    found = known("abcd", probs=[0.301, 0.299, 0.051, 0.049])
    assert found["boost by 0.4"] == [0]
    assert found["boost by 0.5"] == [0, 1]
    assert found["boost by 0.9"] == [0, 1, 2]
    assert found["rest"] == [0, 1, 2, 3]


def test_words_can_be_the_symbols():
    text, training = ["the", "cat", "the", "dog", "."], ["the"] * 9 + ["cat"]
    found = known(text, training)
    assert found["memory in the last 100"] == [2]
    assert found["rare word 0 times in training"] == [3, 4]
    assert found["rare word 1 time in training"] == [1, 3, 4]
    assert found["punctuation"] == [4]
    assert not [name for name in found if name.startswith("word start")]


@pytest.mark.parametrize("text", ["", [], " ", "..."])
def test_a_text_without_words_is_no_problem(text):
    assert not known(text)["rare word 0 times in training"]


def test_errors_go_to_the_first_that_knows():
    errors = np.array([True, True, True, False, True])
    oracles = [
        Oracle("n-gram", "", np.array([True, False, False, True, False])),
        Oracle("memory", "", np.array([True, True, False, True, False])),
    ]
    assert peel(errors, oracles).tolist() == [0, 1, -1, -1, -1]


def test_braces_are_matched_inside_one_another():
    text = "}{a{}b{{}}}"
    want = {(3, 4), (7, 8), (6, 9), (1, 10)}
    assert set(map(tuple, match_braces(text).tolist())) == want
    assert match_braces("(a) {}", "()").tolist() == [[0, 2]]
    assert match_braces("none").shape == (0, 2)


def test_braces_are_averaged_by_distance():
    pairs = np.array([[0, 10], [10, 21], [20, 40], [0, 2000]])
    probs = {"net": np.full(2001, 0.5), "20-gram": np.linspace(0.1, 0.9, 2001)}
    found = study_braces(pairs, {model: np.log(p) for model, p in probs.items()})
    shape = [(c.nearest, c.farthest, c.number) for c in found]
    assert shape == [(1, 10, 1), (11, 20, 2), (1001, None, 1)]
    assert found[1].probabilities["net"] == pytest.approx(0.5)
    assert found[1].probabilities["20-gram"] == pytest.approx(0.1 + 0.8 * 30.5 / 2000)
    assert study_braces(np.empty((0, 2), int), {}) == []
