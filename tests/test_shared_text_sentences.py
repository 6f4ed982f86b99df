"""Sentences as numbers: the same words and ids as one by one."""

from collections import Counter

import numpy as np
import pytest

from shared.text.sentences import Sentences
from shared.text.vocabulary import Vocabulary

SPLIT = [["a", "dog"], [], ["dog", "dog", "sees", "a", "zebra"], ["a"]]


def test_words_are_counted():
    said = Sentences(iter(SPLIT))
    assert len(said) == 4
    assert said.words == ("a", "dog", "sees", "zebra")
    assert said.lengths.tolist() == [2, 0, 5, 1]
    assert said.count() == Counter(word for words in SPLIT for word in words)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 6, 9])
@pytest.mark.parametrize("sentences", [SPLIT, SPLIT[1:2], []], ids=len)
def test_ids_are_those_of_each_sentence_alone(sentences, length):
    vocabulary = Vocabulary.from_sentences([["dog", "a", "cat"]])
    rows = Sentences(sentences).encode(vocabulary, length)
    alone = [vocabulary.encode(words, length) for words in sentences]
    assert (rows.shape, rows.dtype) == ((len(sentences), length), np.int32)
    assert rows.tolist() == [row.tolist() for row in alone]


def test_a_vocabulary_is_the_same_from_sentences_and_from_their_counts():
    for least in (1, 2, 3):
        whole = Vocabulary.from_sentences(SPLIT, least)
        assert Vocabulary.from_counts(Sentences(SPLIT).count(), least).words == (
            whole.words
        )
