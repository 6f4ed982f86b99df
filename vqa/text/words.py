"""Answers as words, and words as ids."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from shared.text.vocabulary import PAD, SPECIAL_WORDS, UNK, Vocabulary, split_words
from vqa.text.answers import AnswerSpace

ANSWERS = "answers.txt"  # of a bundle, see `vqa.text.answers`
MAX_ANSWER_WORDS = 12


class Words(NamedTuple):
    """What a model knows by name.

    Attributes:
        vocabulary: words of questions and answers.
        space: the answers that it can give; None where they come with the question.
    """

    vocabulary: Vocabulary
    space: AnswerSpace | None


def answer_words(answer: str) -> list[str]:
    """Split an answer into words, as questions are; "desk_lamp" is two."""
    return split_words(answer.replace("_", " "))


def choose_vocabulary(
    questions: Iterable[str],
    answers: Iterable[str],
    min_count: int,
    known: Sequence[str] = SPECIAL_WORDS,
) -> Vocabulary:
    """Choose the words that are learnt from the training questions.

    Args:
        questions: a rarer word than `min_count` times is left out.
        answers: those that can be given, and choices; all their words are kept.
        min_count: at least 1.
        known: words that a model to start from knows already, which keep their ids.
    """
    asked = Vocabulary.from_sentences(map(split_words, questions), min_count, known)
    return Vocabulary.from_sentences(map(answer_words, answers), 1, asked.words)


def encode_answers(answers: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """Give the words of answers as ids: int32 (A, L), padded, at least one each.

    L is 2 or more: of one word each, LiteRT's converter makes a table of A x A vectors.
    """
    rows = [vocabulary.to_ids(answer_words(answer)) or [UNK] for answer in answers]
    longest = max(map(len, rows), default=2)
    length = min(MAX_ANSWER_WORDS, max(2, longest))
    encoded = np.full((len(rows), length), PAD, np.int32)
    for ids, row in zip(encoded, rows, strict=True):
        ids[: len(row)] = row[:length]
    return encoded
