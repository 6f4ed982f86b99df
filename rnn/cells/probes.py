"""What holds at each character of a text: the probes that cells are compared with.

A probe tells of each place what is true once the character there was read, which is
when a cell's activity there is computed. So a quotation begins with its first mark, and
is over at its last.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnn.cells.syntax import Writing

Probes = Mapping[str, Callable[[Any], np.ndarray]]
"""By name: gives the answers about a text, at its N symbols: bool (N,) of a yes/no
question, float or int (N,) of a number."""

LEAST = 10  # places where a probe must hold, and where not, in each half of a text


class Marks(NamedTuple):
    """The answers of probes about one text.

    Attributes:
        flags: yes/no probes by name: bool (N,).
        numbers: the other probes by name: float32 (N,).
        missing: what says nothing about this text, by name: why.
    """

    flags: dict[str, np.ndarray]
    numbers: dict[str, np.ndarray]
    missing: dict[str, str]


def ask(probes: Probes, text: Any) -> Marks:
    """Ask all probes about a text; those that say nothing about it are left out."""
    marks = Marks({}, {}, {})
    for name, probe in probes.items():
        values = probe(text)
        if why := _says_nothing(values):
            marks.missing[name] = why
        elif values.dtype == bool:
            marks.flags[name] = values
        else:
            marks.numbers[name] = values.astype(np.float32)
    return marks


def _says_nothing(values: np.ndarray) -> str:
    """Say why a probe has nothing to tell; empty if it has."""
    halves = np.split(values, [len(values) // 2])
    if values.dtype != bool:
        varies = all(half.size and half.min() < half.max() for half in halves)
        return "" if varies else "is the same everywhere in a half of the text"
    if not values.any():
        return "never occurs"
    least = min(min(half.sum(), half.size - half.sum()) for half in halves)
    if least >= LEAST:
        return ""
    return f"is there, or is not, at fewer than {LEAST} places of a half of the text"


def _after(flags: np.ndarray) -> np.ndarray:
    """Give what holds at the next symbol: bool (N,)."""
    return np.append(flags, False)[1:]


def _letters(text: Writing) -> np.ndarray:
    """Whether each character is part of a word."""
    return text.find(re.compile(r"\w+"))


def _indents(text: Writing) -> np.ndarray:
    """Whether each character is white space before the first word of its line."""
    return text.find(re.compile(r"^[ \t]+", re.MULTILINE))


def _indentation(text: Writing) -> np.ndarray:
    """Count the white space at the start of each line, as far as it is read."""
    white = np.cumsum(_indents(text))
    before = np.concatenate([[0], white])[text.line_starts]
    return np.where(text.codes == ord("\n"), 0, white - before)


def _ends_sentence(text: Writing) -> np.ndarray:
    """Whether each character is the first of the marks that end a sentence."""
    return text.find(re.compile(r"(?<=\w)[.!?](?=[.!?\"'”»)]*(?:\s|\Z))"))


def _position_in_line(text: Writing) -> np.ndarray:
    at = np.arange(1, len(text.codes) + 1) - text.line_starts
    return np.where(text.codes == ord("\n"), 0, at)


def _position_in_word(text: Writing) -> np.ndarray:
    letters = _letters(text)
    at = np.arange(1, len(letters) + 1) - text.since(~letters)
    return np.where(letters, at, 0)


# The net knows an address once "://" or "www." is read.
_URL = re.compile(r"(?:\w://|\bwww\.)[^\s<>\"']*")


OF_CHARACTERS: Probes = {
    "inside quotes": lambda text: text.strings,
    "inside a comment": lambda text: text.comments,
    "inside a comment or a string": lambda text: (
        text.comments | text.strings
        if text.language != "prose"
        else np.zeros(len(text.codes), bool)
    ),
    "inside round brackets": lambda text: text.brackets["()"] > 0,
    "inside square brackets": lambda text: text.brackets["[]"] > 0,
    "inside braces": lambda text: text.brackets["{}"] > 0,
    "how deep in brackets": lambda text: sum(text.brackets.values()),
    "position in the line": _position_in_line,
    "a line starts": lambda text: text.codes == ord("\n"),
    "in the indentation": _indents,
    "width of the indentation": _indentation,
    "in the condition of an `if`": lambda text: text.conditions(),
    "inside a URL": lambda text: text.find(_URL),
    "position in the word": _position_in_word,
    "the word ends here": lambda text: _letters(text) & ~_after(_letters(text)),
    "the sentence ends here": lambda text: _after(_ends_sentence(text)),
    "a capital letter": lambda text: text.each(str.isupper),
    "a digit": lambda text: text.each(str.isdigit),
    "a space": lambda text: text.codes == ord(" "),
}
