"""Many sentences, split into words once, and kept as numbers."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from shared.text.vocabulary import EOS, PAD, Vocabulary


class Sentences:
    """Sentences in a few bytes a word, where lists of words take sixty.

    Args:
        sentences: as words, such as `split_words` gives; each is looked at once.

    Attributes:
        words: the different ones, in the order in which they occur first.
        lengths: int32 (N,), words of each sentence.
        running: int32, the numbers of all words, one sentence after the other.
    """

    def __init__(self, sentences: Iterable[Sequence[str]]):
        numbers: defaultdict[str, int] = defaultdict()
        numbers.default_factory = numbers.__len__  # a new word gets the next number
        running, lengths = array("i"), array("i")
        for words in sentences:
            running.extend(map(numbers.__getitem__, words))
            lengths.append(len(words))
        self.words = tuple(numbers)
        self.lengths = np.array(lengths, np.int32)
        self.running = np.array(running, np.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def count(self) -> Counter[str]:
        """Count how often each word occurs."""
        counts = np.bincount(self.running, minlength=len(self.words))
        return Counter(dict(zip(self.words, counts.tolist(), strict=True)))

    def encode(self, vocabulary: Vocabulary, max_length: int) -> np.ndarray:
        """Turn each into ids, see `Vocabulary.encode`: int32 (N, max_length)."""
        ids = np.array(vocabulary.to_ids(self.words), np.int32)
        starts = np.cumsum(self.lengths) - self.lengths
        places = np.arange(len(self.running)) - np.repeat(starts, self.lengths)
        rows = np.full((len(self), max_length), PAD, np.int32)
        filled = np.arange(max_length) < self.lengths[:, None]
        rows[filled] = ids[self.running[places < max_length]]
        whole = np.flatnonzero(self.lengths < max_length)
        rows[whole, self.lengths[whole]] = EOS
        return rows
