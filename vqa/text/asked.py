"""Which concepts questions and answers mention."""

from collections.abc import Sequence

import numpy as np

from shared.concepts.words import Mentions
from shared.text.vocabulary import split_words
from vqa.text.words import answer_words

MOST = 4  # concepts of a question that are looked up


class Concepts:
    """The concepts of a net, found in questions and answers.

    Args:
        words: V of them, in the net's order.

    Attributes:
        words: as given.
    """

    def __init__(self, words: Sequence[str]):
        self.words = tuple(words)
        self._places = {word: place for place, word in enumerate(words)}
        self._mentions = Mentions(words)

    def find(self, question: Sequence[str]) -> np.ndarray:
        """Give the concepts that a question mentions, from 1: int32 (4,), 0 is none.

        Those that are mentioned first count; "a hot dog" mentions no dog.

        Args:
            question: its words.
        """
        found = np.zeros(MOST, np.int32)
        said = dict.fromkeys(word for *_, word in self._mentions.places(question))
        for place, word in enumerate(list(said)[:MOST]):
            found[place] = 1 + self._places[word]
        return found

    def find_all(self, questions: Sequence[str]) -> np.ndarray:
        """Give those of several questions: int32 (N, 4)."""
        known: dict[str, np.ndarray] = {}
        for question in questions:
            if question not in known:
                known[question] = self.find(split_words(question))
        return np.stack([known[question] for question in questions])

    def mention(self, caption: Sequence[str]) -> list[int]:
        """Give the places of the concepts that a caption mentions, wider ones too.

        Args:
            caption: its words.
        """
        return [self._places[word] for word in sorted(self._mentions.find(caption))]

    def name(self, answers: Sequence[str]) -> np.ndarray:
        """Find the concept that each answer names: int32 (A,), -1 for none.

        "Dogs" names "dog", "playing with a dog" names none.
        """
        return np.array([self._named(answer) for answer in answers], np.int32)

    def names(self, answers: Sequence[str]) -> list[str]:
        """Give these concepts as words, "" for none."""
        return [self.words[i] if i >= 0 else "" for i in map(self._named, answers)]

    def _named(self, answer: str) -> int:
        words = answer_words(answer)
        for start, end, word in self._mentions.places(words):
            if (start, end) == (0, len(words)):
                return self._places[word]
        return -1
