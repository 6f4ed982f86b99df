"""Which errors of a model something else would have spared it: oracles in turn."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from shared.console.progress import counted

ENOUGH = 0.5  # a symbol that gets less is an error
ORDERS = range(1, 10)
WINDOWS = (100, 500, 1000, 5000)
RARITIES = range(6)
BOOSTS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUOTES = [*"\"'`", *"\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"]
FAR = np.iinfo(np.int64).max
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


class Oracle(NamedTuple):
    """One who would have known some symbols.

    Attributes:
        kind: "n-gram", "memory", "rare word", "word start", "punctuation", "boost" or
            "rest".
        name: which of its kind, in words.
        knows: bool (T,), True for a symbol that it would have known.
    """

    kind: str
    name: str
    knows: np.ndarray


class Words(NamedTuple):
    """The words of a text.

    Attributes:
        starts, ends: int (W,), places of the first symbol and behind the last.
        back: int (W,), how many symbols before a word's start it is to be found
            already; `FAR` if not within the longest of `WINDOWS`.
        known: int (W,), how often it was in the text of training.
    """

    starts: np.ndarray
    ends: np.ndarray
    back: np.ndarray
    known: np.ndarray


def find_words(symbols: Sequence[str], training: Sequence[str]) -> Words:
    """Find the words of a text, and what was known of each.

    Args:
        symbols: of the text; a str where symbols are characters, else a word each.
            Words of characters are letters, digits and apostrophes between them.
        training: symbols of the text of training, in the same way.
    """
    longest = max(WINDOWS)
    texts: Sequence[str]
    if isinstance(symbols, str) and isinstance(training, str):
        spans = [match.span() for match in _WORD.finditer(symbols)]
        texts = [symbols[start:end] for start, end in spans]
        found = [
            symbols.rfind(text, max(0, start - longest), start)
            for text, (start, _) in zip(texts, spans, strict=True)
        ]
        counts = Counter(_WORD.findall(training))
    else:
        spans = [(place, place + 1) for place in range(len(symbols))]
        texts, found, last = symbols, [], dict[str, int]()
        for place, text in enumerate(texts):
            place_before = last.get(text, -1)
            found.append(place_before if place - place_before <= longest else -1)
            last[text] = place
        counts = Counter(training)
    starts, ends = np.array(spans, int).reshape(-1, 2).T
    places = np.array(found, int)
    known = np.array([counts[text] for text in texts], int)
    return Words(starts, ends, np.where(places < 0, FAR, starts - places), known)


def make_oracles(
    symbols: Sequence[str],
    words: Words,
    log_probs: np.ndarray,
    by_order: Mapping[int, np.ndarray],
) -> Iterator[Oracle]:
    """Give the oracles in the order of the paper.

    - n-gram: a model of this order gives the symbol at least 0.5.
    - memory: the symbol is in a word, but not its first, that is a part of the so many
      symbols before the word.
    - rare word: it is in a word that was so often in the text of training, or less.
    - word start: it follows a space, a quote or the end of a line.
    - punctuation: it is neither letter nor digit nor white space.
    - boost: with b added to its probability, and all divided by 1 + b, it has 0.5.
    - rest: whatever is left.

    Where symbols are words, there is no "word start", and memory knows all of a word.

    Args:
        symbols, words: see `find_words`.
        log_probs: float (T,), those that the model gave.
        by_order: float (T,), the same of n-gram models, by their order.

    Source: Karpathy, Johnson & Fei-Fei 2016, arXiv:1506.02078, section 4.4.
    """
    is_text = isinstance(symbols, str)
    for order, scores in sorted(by_order.items()):
        yield Oracle("n-gram", f"order {order}", scores >= np.log(ENOUGH))
    length, seconds = len(symbols), words.starts + is_text
    for window in WINDOWS:
        near = words.back <= window
        covered = _cover(length, seconds[near], words.ends[near])
        yield Oracle("memory", f"in the last {window:,}", covered)
    for most in RARITIES:
        rare = words.known <= most
        covered = _cover(length, words.starts[rare], words.ends[rare])
        yield Oracle("rare word", f"{counted(most, 'time')} in training", covered)
    if is_text:
        before = np.array([" ", *symbols])[:length]
        is_line = np.isin(before, ["\n", "\r"])
        opens = np.isin(before, QUOTES) | np.char.isspace(before)
        yield Oracle("word start", "after a space or a quote", opens & ~is_line)
        yield Oracle("word start", "after the end of a line", is_line)
    marks = [not any(c.isalnum() or c.isspace() for c in symbol) for symbol in symbols]
    yield Oracle("punctuation", "", np.array(marks, bool))
    for boost in BOOSTS:
        helped = (np.exp(log_probs) + boost) / (1 + boost) >= ENOUGH
        yield Oracle("boost", f"by {boost}", helped)
    yield Oracle("rest", "", np.ones(length, bool))


def peel(errors: np.ndarray, oracles: Sequence[Oracle]) -> np.ndarray:
    """Give each error to the first oracle that knows the symbol.

    Args:
        errors: bool (T,).

    Returns:
        int (T,): which of the oracles; -1 where there is no error, or none knows.
    """
    given = np.full(len(errors), -1)
    for place, oracle in reversed(list(enumerate(oracles))):
        given[errors & oracle.knows] = place
    return given


def _cover(length: int, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Mark all places from starts to before ends: bool (length,)."""
    steps = np.bincount(starts, minlength=length + 1)[: length + 1]
    steps = steps - np.bincount(ends, minlength=length + 1)
    return np.cumsum(steps)[:length] > 0
