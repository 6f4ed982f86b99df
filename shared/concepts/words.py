"""Words for what photos show: how they are said, and what they are a kind of.

Three tables lie beside this room, for people to read and correct:

    words.tsv      word, plural, broader word, and other words for the same, by commas
    imagenet.tsv   the 1,000 classes of ImageNet, each with its everyday word
    coco.tsv       the 80 classes of COCO's detection, each with its everyday word

A tabby, a tiger cat and an Egyptian cat are all a "cat", which is an "animal".
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from shared.english import read_word

LONGEST = 3  # words of a concept or of another name for it, at most


class Concept(NamedTuple):
    """An everyday word.

    Attributes:
        word: in the singular, such as "traffic light".
        plural: "traffic lights"; of what is not counted, the same as `word`.
        broader: the word for a wider kind, or "" at the top.
        also: other words for the same: "stoplight".
    """

    word: str
    plural: str
    broader: str
    also: tuple[str, ...]


@cache
def read_concepts() -> dict[str, Concept]:
    """Read all concepts, by their words."""
    return {
        row["word"]: Concept(
            row["word"],
            row["plural"],
            row["broader"],
            tuple(filter(None, row["also"].split(", "))),
        )
        for row in _rows("words.tsv")
    }


@cache
def imagenet_words() -> tuple[str, ...]:
    """Everyday words of ImageNet's 1,000 classes, in their order."""
    return tuple(row["word"] for row in _rows("imagenet.tsv"))


@cache
def coco_words() -> tuple[str, ...]:
    """Everyday words of the 80 classes that COCO's detectors know, in their order."""
    return tuple(row["word"] for row in _rows("coco.tsv"))


def broader_words(word: str) -> Iterator[str]:
    """Yield what a concept is a kind of, nearest first: race car, car, vehicle."""
    concepts = read_concepts()
    while (concept := concepts.get(word)) and concept.broader:
        word = concept.broader
        yield word


class Mentions:
    """Find the concepts that a sentence mentions.

    Args:
        words: the concepts to find; those that `read_concepts` does not know have no
            other words, but all their forms.
    """

    def __init__(self, words: Iterable[str]):
        concepts = read_concepts()
        self._names: dict[tuple[str, ...], str] = {}
        for word in words:
            known = concepts.get(word)
            for name in (word, *(known.also if known else ())):
                self._names.setdefault(_bases(name.split(" ")), word)

    def find(self, said: Sequence[str]) -> set[str]:
        """Give the concepts mentioned, narrow ones with what they are a kind of.

        The longest name counts: "a hot dog" is no dog.

        >>> sorted(Mentions(["dog", "hot dog", "food"]).find("a hot dog".split()))
        ['food', 'hot dog']

        Args:
            said: words of a sentence, in lower case.
        """
        bases = _bases(said)
        found: set[str] = set()
        start = 0
        while start < len(bases):
            for length in range(min(LONGEST, len(bases) - start), 0, -1):
                word = self._names.get(bases[start : start + length])
                if word is not None:
                    found |= {word, *broader_words(word)} & set(self._names.values())
                    start += length - 1
                    break
            start += 1
        return found


def _bases(words: Sequence[str]) -> tuple[str, ...]:
    """Singulars and infinitives, so that all forms of a word are the same."""
    return tuple(read_word(word).base or word for word in words)


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))
