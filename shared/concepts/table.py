"""The structure of a concept net, as a table for people to read: `concepts.tsv`.

A line for each word, with what witnesses it:

    word      in the singular or the infinitive
    things    classes of COCO's detection that it stands for, those of narrower words
              among them: of "vehicle" those of cars, trains ...; of a word that has
              none, that of the nearest broader word that is such a class
    within    that broader word, such as "person" for "man", or empty
    classes   classes of ImageNet, those of narrower words among them
    detector  the number of its own detector, learnt from captions, or empty
    example   the number of its own detector, learnt from a few examples of those who
              trained the model further, or empty; such a word has no other witness.
              The column is missing where no word has one.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.bundles.manifests import read_text
from shared.concepts.words import broader_words, coco_words, imagenet_words
from shared.errors import AppError
from shared.text.vocabulary import check_line

TABLE = "concepts.tsv"
MOST_TEXT = 2**19  # bytes of it; that of 900 words has 20,000
THINGS, CLASSES = 80, 1000  # of COCO and of ImageNet


class Row(NamedTuple):
    """A word, and what witnesses it; see above."""

    word: str
    things: tuple[int, ...] = ()
    within: str = ""
    classes: tuple[int, ...] = ()
    detector: int | None = None
    example: int | None = None


Table = tuple[Row, ...]
USUAL = Row._fields[:-1]  # columns of a table without examples


def words_of(table: Table) -> tuple[str, ...]:
    """Give all words."""
    return tuple(row.word for row in table)


def own_words_of(table: Table) -> tuple[str, ...]:
    """Give those that a few examples taught."""
    return tuple(row.word for row in table if row.example is not None)


class ConceptProbs(NamedTuple):
    """The two probabilities of each word of a concept net.

    The names are those in files: of LiteRT graphs, `fitted.npz` and outputs.

    Axes: B batch, V words.

    Attributes:
        said: float32 (B, V), mention probability: that one human caption has the word.
        there: float32 (B, V), presence probability: that it can be seen.
    """

    said: Any
    there: Any

    def of(self, rows: int | Sequence[int]) -> "ConceptProbs":
        """Give those of one of the batch, (V,), or of some, (len(rows), V)."""
        return ConceptProbs(self.said[rows], self.there[rows])


def make_table(words: Iterable[str], heard: Iterable[str], classifies: bool) -> Table:
    """Find the witnesses of each word.

    Args:
        words: in the order that they will have.
        heard: those of them that get a detector of their own.
        classifies: whether the encoder has ImageNet's classifier.
    """
    words = list(words)
    things, detected = _places(coco_words()), {*coco_words()}
    classes = _places(imagenet_words()) if classifies else {}
    numbers = {word: i for i, word in enumerate(heard)}
    rows = []
    for word in words:
        within = ""
        if word not in things:
            within = next((w for w in broader_words(word) if w in detected), "")
        found = things.get(within or word, ())
        rows.append(Row(word, found, within, classes.get(word, ()), numbers.get(word)))
    return tuple(rows)


def _places(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Give for each word, and each broader one, the numbers of its classes."""
    places: dict[str, list[int]] = {}
    for number, word in enumerate(words):
        for one in (word, *broader_words(word)):
            places.setdefault(one, []).append(number)
    return {word: tuple(numbers) for word, numbers in places.items()}


def format_table(table: Table) -> str:
    """Give the text of `concepts.tsv`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    fields = Row._fields if any(r.example is not None for r in table) else USUAL
    writer.writerow(fields)
    for row in table:
        things, classes = (" ".join(map(str, p)) for p in (row.things, row.classes))
        numbers = ["" if n is None else n for n in (row.detector, row.example)]
        line = [row.word, things, row.within, classes, *numbers]
        writer.writerow(line[: len(fields)])
    return text.getvalue()


def read_table(folder: Path) -> Table:
    """Read `concepts.tsv` of a folder.

    Raises:
        AppError: if it is missing, no plain file, larger than any table is, or not as
            described above.
    """
    path = folder / TABLE
    try:
        text = read_text(folder, TABLE, MOST_TEXT)
    except AppError as error:
        raise AppError(
            f"{error} Or make its concepts anew with `captioner teach`."
        ) from error
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
    except csv.Error as error:
        raise _refusal(path, str(error)) from error
    if not lines or tuple(lines[0]) not in (USUAL, Row._fields):
        raise _refusal(path, f"its first line is not {' '.join(USUAL)}")
    try:
        table = tuple(_read_row(line, len(lines[0])) for line in lines[1:])
    except (ValueError, TypeError) as error:
        raise _refusal(path, str(error)) from error
    for numbers in ([r.detector for r in table], [r.example for r in table]):
        given = sorted(number for number in numbers if number is not None)
        if given != list(range(len(given))):
            raise _refusal(path, "its detectors are not numbered 0, 1, 2 ...")
    if not table or len({row.word for row in table}) != len(table):
        raise _refusal(path, "it has no words, or one twice")
    return table


def _read_row(line: Sequence[str], columns: int) -> Row:
    if len(line) != columns:
        raise ValueError(f"{line!r:.60} has {len(line)} columns, and not {columns}")
    word, things, within, classes, detector, example = (*line, "")[: len(Row._fields)]
    for name in (word, within):
        check_line(name)
    if word.split(" ") != word.split():
        raise ValueError(f"{word!r} is no word, or words with one space between them")
    return Row(
        word,
        _read_numbers(things, THINGS),
        within,
        _read_numbers(classes, CLASSES),
        int(detector) if detector else None,
        int(example) if example else None,
    )


def _read_numbers(text: str, end: int) -> tuple[int, ...]:
    numbers = tuple(map(int, text.split()))
    if not all(0 <= number < end for number in numbers):
        raise ValueError(f"{text!r:.60} has numbers that are not in 0..{end - 1}")
    return numbers


def _refusal(path: Path, reason: str) -> AppError:
    return AppError(
        f"{path} is no table of concepts: {reason}. Get the model again, or make its "
        "concepts anew with `captioner teach`."
    )
