"""What a text consists of for a model, characters or words, as ids and back."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from rnn.config import VocabularyConfig
from shared.text.vocabulary import (
    BOS,
    CLITICS,
    EOS,
    PAD,
    SPECIAL_WORDS,
    UNK,
    Vocabulary,
    split_words,
)

UNKNOWN = "\ufffd"  # what stands for a character that is not known
_ESCAPED = re.compile(r"\\U([0-9a-f]{8})")


class Symbols:
    """The symbols that a model knows, and their ids.

    Args:
        vocabulary: characters, written so that each is a word of a line: those that
            are no letter, digit, or other visible sign by their code point, as
            \\U0000000a; or words, of which eos ends a line.
        units: "character" or "word".
    """

    def __init__(self, vocabulary: Vocabulary, units: str):
        self.vocabulary, self.units = vocabulary, units
        written = [_read(word) for word in vocabulary.words]
        if units == "character":
            self._ids = {char: i for i, char in enumerate(written) if len(char) == 1}
            written[: len(SPECIAL_WORDS)] = ["", UNKNOWN, "", ""]
        self._written = written

    def __len__(self) -> int:
        return len(self.vocabulary)

    @classmethod
    def of(cls, text: str, config: VocabularyConfig) -> "Symbols":
        """Choose the symbols of a text that are learnt, the most frequent first."""
        if config.units == "character":
            counts = Counter(text)
            found = [c for c, n in counts.items() if n >= config.min_count]
            found.sort(key=lambda char: (-counts[char], char))
            words = [*SPECIAL_WORDS, *map(_write, found)]
            return cls(Vocabulary(words), config.units)
        lines = map(split_words, text.splitlines())
        return cls(Vocabulary.from_sentences(lines, config.min_count), config.units)

    def encode(self, text: str) -> np.ndarray:
        """Turn a text into ids int32 (N,); an unknown symbol is unk."""
        if self.units == "character":
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
            return self._table(codes)
        ids = self.vocabulary.ids
        return np.array([ids.get(word, UNK) for word in self.split(text)], np.int32)

    @property
    def start(self) -> np.ndarray:
        """What is read before a text that begins a line, int32 (N,)."""
        end = EOS if self.units == "word" else self._ids.get("\n")
        return np.array([BOS, *([end] if end else [])], np.int32)

    def begin(self, text: str) -> np.ndarray:
        """Turn the beginning of a text into ids int32 (N,), to be gone on with."""
        ids = self.encode(text)
        return ids if self.units == "character" else ids[:-1]  # the line goes on

    def split(self, text: str) -> str | list[str]:
        """Part a text into symbols, of which each has an id, see `encode`.

        Returns:
            the text itself, whose symbols are its characters; or its words, as they are
            spelled there, with the name of eos after each line.
        """
        if self.units == "character":
            return text
        lines = filter(None, map(split_words, text.splitlines()))
        return [word for line in lines for word in (*line, SPECIAL_WORDS[EOS])]

    def _table(self, codes: np.ndarray) -> np.ndarray:
        kinds, places = np.unique(codes, return_inverse=True)
        known = [self._ids.get(chr(code), UNK) for code in kinds]
        return np.array(known, np.int32)[places]

    def unknown(self, text: str) -> list[str]:
        """Give the different symbols of a text that are not known, in their order."""
        if self.units == "character":
            return [char for char in dict.fromkeys(text) if char not in self._ids]
        return [w for w in dict.fromkeys(split_words(text)) if w not in self.vocabulary]

    def decode(self, ids: Iterable[int]) -> str:
        """Write ids as a text; see `write`."""
        return "".join(self.write(ids))

    def write(self, ids: Iterable[int]) -> Iterator[str]:
        """Write ids one after the other: words with a space before them."""
        if self.units == "character":
            yield from (self._written[index] for index in ids)
            return
        begins = True
        for index in ids:
            if index == EOS:
                yield "\n"
            elif index not in (PAD, BOS):
                word = self._written[index]
                yield word if begins or word in CLITICS else f" {word}"
            begins = index == EOS

    def name(self, index: int) -> str:
        """Give one symbol as it is written: a character, or a word."""
        return self._written[index]


def _write(char: str) -> str:
    plain = char.isprintable() and not char.isspace() and char != "\\"
    return char if plain else f"\\U{ord(char):08x}"


def _read(word: str) -> str:
    found = _ESCAPED.fullmatch(word)
    return chr(int(found[1], 16)) if found and int(found[1], 16) < 0x110000 else word
