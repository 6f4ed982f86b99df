"""Words for what photos show: how they are said, and what they are a kind of.

Three tables lie beside this file, for people to read and correct:

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

from shared.text.english import read_word, regular_plural

PERSON = "person"  # whose being there matters more than any other thing's
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


def names_of(concept: Concept) -> set[str]:
    """Give all names of a concept, in the singular and the plural.

    For those that go by it without the lexicon of `shared.text.english`: the plurals of
    its other names are regular ones, and some of them are no words: "surfs".
    """
    plurals = {regular_plural(name) for name in (concept.word, *concept.also)}
    return {concept.word, concept.plural, *concept.also, *plurals}


@cache
def imagenet_words() -> tuple[str, ...]:
    """Everyday words of ImageNet's 1,000 classes, in their order."""
    return tuple(row["word"] for row in _rows("imagenet.tsv"))


@cache
def imagenet_names() -> dict[str, str]:
    """Everyday words of ImageNet's classes, by each of their names in lower case."""
    return {
        name.lower().replace("-", " "): row["word"]
        for row in reversed(_rows("imagenet.tsv"))
        for name in row["label"].split(", ")
    }


@cache
def coco_words() -> tuple[str, ...]:
    """Everyday words of the 80 classes that COCO's detectors know, in their order."""
    return tuple(row["word"] for row in _rows("coco.tsv"))


@cache
def coco_kinds() -> dict[str, int]:
    """The numbers of these classes, by their everyday words."""
    return {word: kind for kind, word in enumerate(coco_words())}


def broader_words(word: str) -> Iterator[str]:
    """Yield what a concept is a kind of, nearest first: race car, car, vehicle."""
    concepts = read_concepts()
    while (concept := concepts.get(word)) and concept.broader:
        word = concept.broader
        yield word


@cache
def widest_words() -> frozenset[str]:
    """Concepts that are a kind of nothing and of which others are a kind: vehicle."""
    concepts = read_concepts()
    broader = {concept.broader for concept in concepts.values()}
    return frozenset(word for word in broader if word and not concepts[word].broader)


class Mentions:
    """Find the concepts that a sentence mentions.

    Args:
        words: the concepts to find. Those of `read_concepts` are things: they are
            found by all their names, in the singular and the plural, but not by verbs
            spelt alike ("watching", "a dressed table"). Others are found in all their
            forms: "run" in "runs", "ran" and "running".
    """

    def __init__(self, words: Iterable[str]):
        concepts = read_concepts()
        self._words = list(dict.fromkeys(words))
        self._names: dict[tuple[str, ...], str] = {}
        for word in self._words:
            known = concepts.get(word)
            for name in (word, *(known.also if known else ())):
                self._names.setdefault(_bases(name.split(" ")), word)
        for word in self._words:  # a thing of that name goes first
            if word not in concepts:
                self._names.setdefault((_deed(word),), word)
        found = frozenset(self._words)
        self._wider = {
            word: found & {word, *broader_words(word)} for word in self._words
        }

    def find(self, said: Sequence[str]) -> set[str]:
        """Give the concepts mentioned, narrow ones with what they are a kind of.

        The longest name counts: "a hot dog" is no dog.

        >>> sorted(Mentions(["dog", "hot dog", "food"]).find("a hot dog".split()))
        ['food', 'hot dog']

        Args:
            said: words of a sentence, in lower case.
        """
        return {wider for word in self.named(said) for wider in self._wider[word]}

    def named(self, said: Sequence[str]) -> set[str]:
        """Give the concepts whose own names are said, without what they are a kind of.

        Args:
            said: see `find`.
        """
        return {word for _, _, word in self.places(said)}

    def places(self, said: Sequence[str]) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and concept of each mention, in order.

        Args:
            said: see `find`.
        """
        bases = _bases(said)
        start = 0
        while start < len(bases):
            for length in range(min(LONGEST, len(bases) - start), 0, -1):
                word = self._names.get(bases[start : start + length])
                if word is not None:
                    yield start, start + length, word
                    start += length - 1
                    break
            start += 1


@cache
def concept_mentions() -> Mentions:
    """Give what finds all concepts; it is made once."""
    return Mentions(read_concepts())


_DEED = "to "


def _deed(word: str) -> str:
    return _DEED + _bases([word])[0].removeprefix(_DEED)


def _bases(words: Sequence[str]) -> tuple[str, ...]:
    """Singulars and infinitives, so that all forms of a word are the same.

    What can only be a verb's form, such as "watching", is "to watch".
    """
    read = map(read_word, words)
    return tuple(
        (found.base if found.noun or found.describes else _DEED + found.base)
        if found.base and found.base != word
        else word
        for word, found in zip(words, read, strict=True)
    )


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))
