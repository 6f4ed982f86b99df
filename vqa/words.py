"""Answers as words, and words as ids."""

from collections.abc import Sequence

import numpy as np

from shared.text import PAD, UNK, Vocabulary, split_words

ANSWERS = "answers.txt"  # of a bundle, see `vqa.answers`
MAX_ANSWER_WORDS = 12


def answer_words(answer: str) -> list[str]:
    """Split an answer into words, as questions are; "desk_lamp" is two."""
    return split_words(answer.replace("_", " "))


def encode_answers(answers: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """Give the words of answers as ids: int32 (A, L), padded, at least one each.

    L is 2 or more: of one word each, LiteRT's converter makes a table of A x A vectors.
    """
    rows = [
        [vocabulary.ids.get(word, UNK) for word in answer_words(answer)] or [UNK]
        for answer in answers
    ]
    longest = max(map(len, rows), default=2)
    length = min(MAX_ANSWER_WORDS, max(2, longest))
    encoded = np.full((len(rows), length), PAD, np.int32)
    for ids, row in zip(encoded, rows, strict=True):
        ids[: len(row)] = row[:length]
    return encoded
