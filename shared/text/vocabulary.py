"""Sentences to words, words to ids, and back.

A vocabulary file is UTF-8 text with one word a line; the line number, from 0,
is the word's id. The first four lines are the special tokens.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from shared.errors import AppError
from shared.text.scripts import full_stop, is_unspaced, split_characters

Units = Literal["word", "character"]

PAD, UNK, BOS, EOS = range(4)
SPECIAL_WORDS = ("<pad>", "<unk>", "<bos>", "<eos>")
CLITICS = frozenset(("'s", "'m", "'d", "'re", "'ve", "'ll", "n't"))
MOST_LINES = 500_000  # words of a vocabulary, or answers
MOST_CHARACTERS = 200  # of one of them
# Control characters, and marks that turn the direction of writing round.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_TYPEWRITER = str.maketrans("\u2018\u2019\u02bc\u2010\u2011", "'''--")


# The rules of NLTK's TreebankWordTokenizer, one after the other. NLTK takes 0.2 s to
# import, which is longer than a photo takes from start to caption.
_TREEBANK = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"""(?<!\.)\.(?=[])}>"']* *$)""", " "),  # the last full stop
        (r"""[][(){}<>;@#$%&?!"]|--|''|``|\.{3}|[:,](?!\d)""", " "),
        (r"(?<!')'(?= )", " "),  # a quotation's end, or "dogs'"
        (r"(?<=[^' ])('[sdm]) ", r" \1 "),
        (r"(?<=[^' ])('ll|'re|'ve|n't) ", r" \1 "),
        (
            r"\b(can(?=not\b)|d(?='ye\b)|(?:gim|lem)(?=me\b)|gon(?=na\b)"
            r"|got(?=ta\b)|more(?='n\b)|wan(?=na ))('?\w+)",
            r" \1 \2 ",
        ),
        (r" ('t)(is|was)\b", r" \1 \2 "),
    )
]
# Most captions are of plain words, of which these alone are split.
_PLAIN = re.compile(r"[a-z0-9 ]*[.?]?")
_JOINED = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))


def _split_treebank(text: str) -> list[str]:
    """Split lower-case text into words as NLTK does; punctuation is left out."""
    text = f" {text} "
    for pattern, replacement in _TREEBANK:
        text = pattern.sub(replacement, text)
    return text.split()


def clean(text: str) -> str:
    """Leave out what is no text: halves of emoji, and all that commands a terminal.

    White space stays.
    """
    text = text.encode("utf-8", "ignore").decode()
    if text.isprintable():
        return text
    return _CONTROL.sub(lambda match: match[0] if match[0].isspace() else "", text)


def split_lines(text: str) -> list[str]:
    """Split the text of a file with one word or answer a line.

    Raises:
        ValueError: if there are more than `MOST_LINES`, or one of more than
            `MOST_CHARACTERS`, or with a control character: none of them came out of
            training.
    """
    lines = text.removesuffix("\n").split("\n", MOST_LINES)
    if len(lines) > MOST_LINES:
        raise ValueError(f"it has more than {MOST_LINES:,} lines")
    for number, line in enumerate(lines, start=1):
        try:
            check_line(line)
        except ValueError as error:
            raise ValueError(f"line {number} {error}") from error
    return lines


def check_line(line: str) -> None:
    """Make sure that a word or an answer from anybody can be shown.

    Raises:
        ValueError: if it has more than `MOST_CHARACTERS`, or a control character.
    """
    if len(line) > MOST_CHARACTERS:
        raise ValueError(f"has {len(line):,} characters, more than {MOST_CHARACTERS}")
    if _CONTROL.search(line):
        raise ValueError(f"has a control character: {line!r}")


def split_words(text: str, units: Units = "word") -> list[str]:
    """Split a sentence into lower-case words, without punctuation.

    With units "character", words of scripts without spaces are split further, into
    their characters, see `shared.text.scripts`.

    Penn Treebank rules, so that "the dog's" gives the, dog, 's and "t-shirt"
    stays whole: close to the tokeniser of the official caption scorer. Letters
    of every script are kept, in Unicode's composed form (NFC). A token counts as
    a word if it holds a letter or a digit.
    """
    text = unicodedata.normalize("NFC", clean(text)).lower()
    if not text.isascii():  # the tokeniser knows the punctuation of ASCII alone
        text = "".join(
            " " if c > "\x7f" and unicodedata.category(c)[0] == "P" else c
            for c in text.translate(_TYPEWRITER)
        )
    text = " ".join(text.split())  # the tokeniser sees no clitic before a line's end
    if _PLAIN.fullmatch(text) and _JOINED.isdisjoint(
        words := text.rstrip(".?").split()
    ):
        return words  # the same, ten times as fast
    # It splits a full stop only from the end of its text, so a caption of two
    # sentences would keep "grass." whole.
    tokens = (token.strip(".") for token in _split_treebank(text))
    words = [token for token in tokens if any(map(str.isalnum, token))]
    return words if units == "word" else list(split_characters(words))


def join_words(words: Sequence[str], units: Units = "word", prefix: str = "") -> str:
    """Write words as a sentence: clitics attached, capital first, full stop last.

    With units "character", there are no spaces beside scripts that have none. They go
    on from a prefix, which stays as somebody typed it; only one without any capital
    gets the sentence's.

    >>> join_words(["a", "dog", "catches", "the", "man", "'s", "hat"])
    "A dog catches the man's hat."
    >>> join_words(["smiles"], prefix="Anna-Maria, in Paris,")
    "Anna-Maria, in Paris, smiles."

    No words give an empty string.
    """
    prefix = " ".join(clean(prefix).split())
    text = go_on(prefix, words, units)
    if not text:
        return ""
    stop = full_stop(text) if units == "character" else "."
    if not prefix or prefix == prefix.lower():
        text = text[0].upper() + text[1:]
    return f"{text}{stop}"


def go_on(text: str, words: Sequence[str], units: Units = "word") -> str:
    """Write words after a text, each with a space before it if it needs one.

    >>> go_on("A man", ["'s", "dog"])
    "A man's dog"
    """
    for word in words:
        glued = word in CLITICS or (
            units == "character" and is_unspaced(text[-1:] + word[:1])
        )
        text += word if glued or not text else f" {word}"
    return text


def starts(text: str, words: Sequence[str], units: Units = "word") -> list[str]:
    """Give what stands before each word of a sentence, as it stands there.

    >>> starts("In Paris, Anna's dog.", ["in", "paris", "anna", "'s", "dog"])
    ['', 'In', 'In Paris,', 'In Paris, Anna', "In Paris, Anna's"]

    Args:
        text: a sentence, such as `join_words` gives.
        words: those that `split_words` finds in it.
    """
    ends = [0, *(match.end() for match in re.finditer(r"\S+", text))]
    whole = {tuple(split_words(text[:end], units)): text[:end] for end in ends}
    found = []
    for place in range(len(words)):
        before = tuple(words[:place])
        if before not in whole:  # it ends within what has no spaces, such as "Anna's"
            cuts = (text[:end] for end in range(len(text)))
            start = next((c for c in cuts if (*split_words(c, units),) == before), "")
            whole[before] = start or go_on("", before, units)
        found.append(whole[before])
    return found


def are_glued(sentence: str) -> bool:
    """Whether a sentence's words run together, for its script has no spaces.

    So it is if a word of such a script has 5 characters or more: words of a dictionary
    have 1 to 4. Where it is all there is, 3 are enough, as of "几只狗".
    """
    if sentence.isascii():
        return False
    words = split_words(sentence)
    least = 3 if len(words) == 1 else 5
    return any(is_unspaced(word) and len(word) >= least for word in words)


def find_glued(sentences: Sequence[str]) -> str:
    """Give the first sentence whose words run together, if most do; else ""."""
    glued = [sentence for sentence in sentences if are_glued(sentence)]
    return glued[0] if 2 * len(glued) > len(sentences) else ""


class Listed:
    """Words or answers and their ids, kept in a file with one a line.

    Args:
        lines: all of them in id order.
    """

    what: ClassVar[str]  # for messages

    def __init__(self, lines: Iterable[str]):
        self.ids = {line: index for index, line in enumerate(lines)}

    def __len__(self) -> int:
        return len(self.ids)

    def to_text(self) -> str:
        """Write one a line, as `parse` reads them."""
        return "".join(f"{line}\n" for line in self.ids)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of what `to_text` gives.

        Raises:
            AppError: if the file is not of this kind.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"), path)
        except (OSError, UnicodeDecodeError) as error:
            raise AppError(f"{path} is not {cls.what}: {error}") from error

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """Read what `to_text` gives.

        Args:
            path: the file, for messages.

        Raises:
            AppError: if the text is not of this kind.
        """
        try:
            return cls(split_lines(text))
        except ValueError as error:
            raise AppError(
                f"{path} is not {cls.what}: {error}. Get it again."
            ) from error


class Vocabulary(Listed):
    """Words and their ids; ids 0 to 3 are pad, unk, bos and eos.

    Args:
        words: all words in id order, the four special ones first, no repeats.
        units: what a sentence is split into, see `split_words`.

    Raises:
        ValueError: if the special words are not first, a word repeats, is empty or
            holds white space.
    """

    what = "a vocabulary"

    def __init__(self, words: Iterable[str], units: Units = "word"):
        self.units = units
        self.words = tuple(words)
        super().__init__(self.words)
        if self.words[:4] != SPECIAL_WORDS:
            raise ValueError(
                f"a vocabulary starts with {SPECIAL_WORDS}. Received: {self.words[:4]}"
            )
        if len(self.ids) != len(self.words):
            repeated = [w for w, n in Counter(self.words).items() if n > 1]
            raise ValueError(
                f"a vocabulary has each word once. Repeated: {repeated[:5]}"
            )
        broken = [word for word in self.words if word.split() != [word]]
        if broken:  # would be several lines of the file, or none
            raise ValueError(f"a word has no white space. Received: {broken[:5]}")

    def __contains__(self, word: str) -> bool:
        return word in self.ids

    def in_units(self, units: Units) -> "Vocabulary":
        """Give the same words for sentences that are split into other units."""
        return Vocabulary(self.words, units)

    def split(self, sentence: str) -> list[str]:
        """Split a sentence into the words that this is about."""
        return split_words(sentence, self.units)

    def join(self, words: Sequence[str], prefix: str = "") -> str:
        """Write words as a sentence, see `join_words`."""
        return join_words(words, self.units, prefix)

    @classmethod
    def from_sentences(
        cls,
        sentences: Iterable[Sequence[str]],
        min_count: int = 1,
        first: Sequence[str] = SPECIAL_WORDS,
    ) -> "Vocabulary":
        """Keep the words of split sentences, see `from_counts`."""
        return cls.from_counts(
            Counter(chain.from_iterable(sentences)), min_count, first
        )

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        min_count: int = 1,
        first: Sequence[str] = SPECIAL_WORDS,
    ) -> "Vocabulary":
        """Keep the words seen at least `min_count` times, most frequent first.

        Args:
            counts: how often each word was seen, as `split_words` gives them.
            min_count: a rarer word becomes unk, and so does one that is longer than
                `MOST_CHARACTERS`.
            first: words that keep their ids, for a vocabulary that grows.
        """
        known = set(first)
        frequent = [
            word
            for word, count in counts.items()
            if count >= min_count and word not in known and len(word) <= MOST_CHARACTERS
        ]
        return cls([*first, *sorted(frequent, key=lambda word: (-counts[word], word))])

    def to_ids(self, words: Iterable[str]) -> list[int]:
        """Give the ids of words, unk of those that are not known."""
        return [self.ids.get(word, UNK) for word in words]

    def encode(self, words: Sequence[str], max_length: int) -> np.ndarray:
        """Turn words into ids, closed by eos and padded.

        A sentence of more than `max_length` - 1 words is cut and gets no eos, so
        that nobody learns that sentences stop there.

        Returns:
            int32 (max_length,).
        """
        ids = [*self.to_ids(words), EOS]
        row = np.full(max_length, PAD, np.int32)
        row[: len(ids)] = ids[:max_length]
        return row

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Turn ids into words, up to the first eos; pad and bos are left out."""
        words = []
        for index in ids:
            if index == EOS:
                break
            if index not in (PAD, BOS):
                words.append(self.words[index])
        return words

    def coverage(self, counts: Mapping[str, int]) -> float:
        """Share of the running words that are in the vocabulary, 0 to 1.

        Args:
            counts: how often each word was seen.
        """
        total = sum(counts.values())
        known = sum(count for word, count in counts.items() if word in self.ids)
        return known / total if total else 1.0
