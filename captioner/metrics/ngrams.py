"""The n-grams of many sentences as numbers, in a few bytes each."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from shared.text.sentences import Sentences

LONGEST = 4  # words of an n-gram
NOWHERE = -1  # in place of a number
LAST = np.iinfo(np.int64).max  # a key after all others
LOW = (1 << 32) - 1  # the lower half of a key


class NGrams:
    """The different n-grams of sentences, for n = 1 to 4, numbered from 0.

    First come the words, as `said` numbers them, then the pairs, and so on; each in the
    order of their keys:

        key = number of all words but the last << 32 | number of the last word

    Args:
        said: the sentences.

    Attributes:
        starts: int32 (4, words), for n = 1 to 4 the n-gram that begins at each running
            word of the sentences, or -1 where it would not end in the same one.
    """

    def __init__(self, said: Sentences):
        running = said.running
        ends = np.repeat(np.cumsum(said.lengths), said.lengths)
        left = ends - np.arange(len(running))  # from each on to its sentence's end
        self.starts = np.full((LONGEST, len(running)), NOWHERE, np.int32)
        self.starts[0] = running
        size, keys = len(said.words), list[np.ndarray]()
        self._firsts = [size]  # numbers of n-grams, for n = 2, 3, 4 and 5
        for n in range(1, LONGEST):
            (places,) = np.nonzero(left > n)
            before = self.starts[n - 1, places].astype(np.int64)
            different, numbers = np.unique(
                before << 32 | running[places + n], return_inverse=True
            )
            self.starts[n, places] = size + numbers
            size += len(different)
            keys.append(different)
            self._firsts.append(size)
        self._words = {word: number for number, word in enumerate(said.words)}
        self._keys = np.concatenate([*keys, [LAST]])

    def __len__(self) -> int:
        return self._firsts[-1]

    def order(self, numbers: np.ndarray) -> np.ndarray:
        """Give n - 1 of each n-gram."""
        return np.searchsorted(self._firsts, numbers, side="right")

    def find(self, others: "NGrams") -> np.ndarray:
        """Give the numbers that other n-grams have here, -1 if none: int64 (N,)."""
        found = np.full(len(others), NOWHERE)
        words = [self._words.get(word, NOWHERE) for word in others._words]
        found[: len(words)] = words
        for first, end in pairwise(others._firsts):
            pairs = others._keys[first - len(words) : end - len(words)]
            keys = found[pairs >> 32] << 32 | found[pairs & LOW]  # < 0: a part of it
            places = self._keys.searchsorted(keys)
            there = self._keys[places] == keys
            found[first:end] = np.where(there, places + len(self._words), NOWHERE)
        return found


class Counted(NamedTuple):
    """The different n-grams of each sentence.

    Attributes:
        owners: int64 (G,), sentences from 0 on, sorted.
        numbers: int64 (G,), of n-grams; sorted in each sentence.
        counts: int64 (G,), how often they are in it.
    """

    owners: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray


def count_ngrams(starts: np.ndarray, lengths: np.ndarray) -> Counted:
    """Count the n-grams of each sentence.

    Args:
        starts: see `NGrams`; of some sentences, one after the other.
        lengths: int (N,), their words.
    """
    owners = np.repeat(np.arange(len(lengths)), lengths)
    pairs = (owners << 32 | starts)[starts != NOWHERE]
    pairs, counts = np.unique(pairs, return_counts=True)
    return Counted(pairs >> 32, pairs & LOW, counts)
