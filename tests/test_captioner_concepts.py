"""The words that a photo shows, from Python and on the command line."""

import numpy as np
import pytest
from conftest import concept_captioner, photo

from captioner.concepts import rank
from captioner.config import DecodingConfig
from shared.concepts.table import Seen
from shared.errors import AppError

WORDS = ("cat", "dog", "red", "sit", "tree")
THERE = [0.1, 0.9, 0.5, 0.50001, 0.5]
SAID = [0.05, 0.3, 0.2, 0.1, 0.3]


@pytest.fixture
def captioner():
    there, said = (dict(zip(WORDS, p, strict=True)) for p in (THERE, SAID))
    return concept_captioner({"a dog": 0.9}, there, said)


def test_concepts_come_in_order_and_equal_ones_by_what_captions_mention():
    where = np.arange(45, dtype=np.float64).reshape(9, 5)
    found = rank(WORDS, Seen(np.array(SAID), np.array(THERE)), where)
    assert [one.word for one in found] == ["dog", "tree", "red", "sit", "cat"]
    assert [one.there for one in found] == [0.9, 0.5, 0.5, 0.50001, 0.1]
    assert [one.said for one in found] == [0.3, 0.3, 0.2, 0.1, 0.05]
    for one in found:
        assert one.where.dtype == np.float32
        column = WORDS.index(one.word)
        np.testing.assert_array_equal(one.where, where[:, column].reshape(3, 3))


def test_as_many_are_given_as_are_wanted_and_likely():
    seen = Seen(np.float32(SAID), np.float32(THERE))
    assert [one.word for one in rank(WORDS, seen, top=2)] == ["dog", "tree"]
    assert [one.word for one in rank(WORDS, seen, top=9, least=0.6)] == ["dog"]
    assert rank(WORDS, seen, least=0.95) == []
    assert rank(WORDS, seen, top=1)[0].where is None
    with pytest.raises(ValueError, match="top=0"):
        rank(WORDS, seen, top=0)


def test_a_captioner_tells_the_concepts_of_a_photo_and_where_they_are(captioner):
    found = captioner.concepts(photo(0), top=3)
    assert [(one.word, round(one.there, 4), round(one.said, 4)) for one in found] == [
        ("dog", 0.9, 0.3),
        ("tree", 0.5, 0.3),
        ("red", 0.5, 0.2),
    ]
    # The runtime of tests sees each concept most surely in the region of its number.
    assert [one.where.shape for one in found] == [(2, 2)] * 3
    assert [int(one.where.argmax()) for one in found] == [1, 0, 2]
    assert len(captioner.concepts(photo(0))) == len(WORDS)
    with pytest.raises(ValueError, match="top=-1"):
        captioner.concepts(photo(0), top=-1)
    with pytest.raises(AppError, match="not an image"):
        captioner.concepts(b"notes")


def test_many_photos_are_told_of_and_one_that_cannot_be_read_is_an_error(captioner):
    sources = [photo(0), b"notes", photo(1)]
    batches = captioner.tell_all(sources, lambda looked: captioner.see(looked, top=1))
    (_, first), (_, bad), (_, last) = [one for batch in batches for one in batch]
    assert [one.word for one in first + last] == ["dog", "dog"]
    assert first[0].where is None
    assert isinstance(bad, AppError)


def test_a_runtime_that_does_not_tell_where_gives_none(captioner, monkeypatch):
    monkeypatch.setattr(captioner.runtime, "where", lambda looked: None)
    assert [one.where for one in captioner.concepts(photo(0), top=2)] == [None, None]


def test_a_model_without_concepts_says_so(captioner):
    plain = concept_captioner({"a dog": 0.9}, {})
    with pytest.raises(AppError, match=r"no concepts.*--model.*\[concepts\]"):
        plain.concepts(photo(0))
    plain.runtime.seen = lambda looked: None
    assert plain.see(plain.look(plain.read(photo(0))[None])) == [[]]
    assert plain.caption(photo(0))
    assert captioner.config.decoding == DecodingConfig(max_words=6, bad_endings=())
