"""Captions: sentences about a photo, with all that the model says of each."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from captioner.describing.confidence import Evidence
from captioner.search.decoding import Sequences
from captioner.search.strategy import FOUND
from shared.text.vocabulary import Vocabulary


class Caption(NamedTuple):
    """A sentence about an image.

    Attributes:
        text: the sentence; a prefix stands in it as it was typed.
        words: its words, as the model read and wrote them.
        log_prob: natural log of the model's probability of these words and of the
            end after them.
        probs: of each word, its probability after the words before it.
        attention: float32 (words, R), for each word how much the model looked at
            each region, row by row of their grid; uniform without attention, and 1 at a
            single region with hard attention.
        evidence: what speaks for it, if the model has concepts.
        right: the probability that it is right about its main thing, of models that
            have learnt to judge that.
        unsure: whether its confidence is so little that it should not be relied on;
            None if that is not known of the model.
        original: what the model wrote, if `text` claims less instead; all but `text`
            and `right` is of the original.
    """

    text: str
    words: tuple[str, ...]
    log_prob: float
    probs: tuple[float, ...]
    attention: np.ndarray
    evidence: Evidence | None = None
    right: float | None = None
    unsure: bool | None = None
    original: "Caption | None" = None

    def __str__(self) -> str:
        return self.text

    @property
    def confidence(self) -> float:
        """How sure the model is of it, 0 to 1.

        The probability that it is right about its main thing. Where that is not known,
        the geometric mean of the probabilities of the words and of the end after them.
        """
        return math.exp(self.mean_log_prob) if self.right is None else self.right

    @property
    def mean_log_prob(self) -> float:
        """The mean of `log_prob` over the words and the end after them."""
        return self.log_prob / (len(self.words) + 1)


class Alternative(NamedTuple):
    """A word that may come next.

    Attributes:
        word: the word; empty for the end of the sentence.
        prob: its probability, 0 to 1.
    """

    word: str
    prob: float


def to_captions(
    found: Sequences, vocabulary: Vocabulary, prefix: str = ""
) -> list[list[Caption]]:
    """Write sequences as sentences, best first, those of one image in a list.

    Args:
        prefix: how they start, as it was typed: the model has read its words, of which
            the vocabulary may not know all; it is shown as it is.
    """
    typed = vocabulary.split(prefix)
    tokens, log_probs, word_log_probs, alpha = map(np.asarray, found)
    return [
        [
            _caption(
                vocabulary,
                typed,
                prefix,
                vocabulary.decode(row.tolist())[len(typed) :],
                float(log_probs[image, place]),
                word_log_probs[image, place],
                alpha[image, place],
            )
            for place, row in enumerate(rows)
            if log_probs[image, place] > FOUND
        ]
        for image, rows in enumerate(tokens)
    ]


def _caption(
    vocabulary: Vocabulary,
    typed: Sequence[str],
    prefix: str,
    found: Sequence[str],
    log_prob: float,
    log_probs: np.ndarray,
    alpha: np.ndarray,
) -> Caption:
    words = (*typed, *found)
    probs = np.exp(log_probs[: len(words)]).tolist()
    return Caption(
        vocabulary.join(found, prefix),
        words,
        log_prob,
        tuple(probs),
        alpha[: len(words)],
    )
