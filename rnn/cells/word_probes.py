"""What holds at each word of captions and of questions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np

from rnn.cells.probes import Probes
from shared.text.english import read_word

BEGIN = "▸"  # stands for the mark that begins a sentence


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ARTICLES = _set("a an the")
_PLURAL = _set("these those some two three four five several")
_BEFORE_NOUNS = ARTICLES | _PLURAL | _set("his her its their my your this")
_PLACES = _set(
    "in on at of with by to for from into onto near under over through behind beside "
    "between along across around above below against"
)
_COLORS = _set(
    "black white red blue green yellow brown orange pink purple gray grey tan"
)
_PEOPLE = _set(
    "man men woman women boy boys girl girls child children person people lady guy "
    "baby kid kids toddler player"
)
_YES_OR_NO = _set("is are was were do does did can could has have will would")


class Sentences:
    """Sentences one after the other, with what of them several probes need.

    Attributes:
        words: all of them; the mark that begins a sentence, where there is one, is "".
        starts: int (N,), where the sentence of each word begins in `words`.
        last: bool (N,), whether a word is its sentence's last.
    """

    def __init__(self, sentences: Iterable[Sequence[str]]):
        kept = [list(sentence) for sentence in sentences if sentence]
        self.words = [word for sentence in kept for word in sentence]
        lengths = np.array([len(sentence) for sentence in kept], int)
        ends = np.cumsum(lengths)
        self.starts = np.repeat(ends - lengths, lengths)
        self.last = np.zeros(len(self.words), bool)
        self.last[ends - 1] = True

    def shown(self) -> list[str]:
        """Give the words as a page shows them, a sentence a line."""
        return [
            (word or BEGIN) + ("\n" if last else " ")
            for word, last in zip(self.words, self.last, strict=True)
        ]

    def each(self, test: Callable[[str], bool]) -> np.ndarray:
        """Ask a question about each word: bool (N,)."""
        known: dict[str, bool] = {}
        for word in self.words:
            if word not in known:
                known[word] = test(word)
        return np.fromiter(map(known.__getitem__, self.words), bool, len(self.words))

    def among(self, words: Collection[str]) -> np.ndarray:
        """Whether each word is one of these: bool (N,)."""
        return self.each(words.__contains__)

    def since(self, flags: np.ndarray) -> np.ndarray:
        """Whether it was so at this word of a sentence or before: bool (N,)."""
        sums = np.cumsum(flags)
        before = np.concatenate([[0], sums])[self.starts]
        found: np.ndarray = sums > before
        return found

    def position(self) -> np.ndarray:
        """Count the words before each word in its sentence: int (N,)."""
        return np.arange(len(self.words)) - self.starts

    def opening(self, *words: str) -> np.ndarray:
        """Whether a sentence began with these words, once they are read: bool (N,)."""
        size = len(words)
        found = np.zeros(len(self.words), bool)
        for start in np.unique(self.starts):
            end = start + size
            if tuple(self.words[start:end]) == words:
                found[end - 1] = True
        return self.since(found & (self.position() == size - 1))

    def noun_to_come(self) -> np.ndarray:
        """Whether an article, or a word like it, waits for its noun: bool (N,).

        The noun is the first word after it that can be one, and that none follows
        which can: that of "the brown dog runs" is "dog", as "runs" is taken for a verb.
        """
        return np.fromiter(self._waiting(), bool, len(self.words))

    def _waiting(self) -> Iterator[bool]:
        before = ""
        for word, after, last in zip(
            self.words, [*self.words[1:], ""], self.last, strict=True
        ):
            if word in _BEFORE_NOUNS:
                before = word
            elif before and read_word(word).noun:
                goes_on = not last and not _is_plural(word) and _can_follow(after)
                if not goes_on or (_is_plural(after) and before not in _PLURAL):
                    before = ""
            if last:
                before = ""
            yield bool(before)


def first_sentences(sentences: list[list[str]], most: int) -> list[list[str]]:
    """Give the first sentences, none of them empty, that begin within so many words."""
    starts = Sentences(sentences).starts
    return sentences[: len(np.unique(starts[:most]))]


def _is_plural(word: str) -> bool:
    return word.endswith("s") and read_word(word).base != word


def _can_follow(word: str) -> bool:
    """Whether a word after a noun can be part of it, as in "fire truck"."""
    if word in _PLACES | _BEFORE_NOUNS | _YES_OR_NO or word.endswith(("ing", "ed")):
        return False
    return bool(word) and read_word(word).noun


_BOTH: Probes = {
    "an article was just written": lambda s: s.among(ARTICLES),
    "the noun is still to come": Sentences.noun_to_come,
    "a preposition was just written": lambda s: s.among(_PLACES),
    "a word in -ing was just written": lambda s: s.each(lambda w: w.endswith("ing")),
    "a color was just written": lambda s: s.among(_COLORS),
    "a person was named": lambda s: s.since(s.among(_PEOPLE)),
}
OF_CAPTIONS: Probes = {
    "position in the caption": Sentences.position,
    "about to stop": lambda s: s.last,
    **_BOTH,
}
OF_QUESTIONS: Probes = {
    "position in the question": Sentences.position,
    "the question ends here": lambda s: s.last,
    "asks for yes or no": lambda s: s.since(s.among(_YES_OR_NO) & (s.position() == 0)),
    "asks how many": lambda s: s.opening("how", "many"),
    "asks for a color": lambda s: s.opening("what", "color"),
    "asks where": lambda s: s.opening("where"),
    "asks who": lambda s: s.opening("who"),
    **{name.replace("written", "read"): probe for name, probe in _BOTH.items()},
}
