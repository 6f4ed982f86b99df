"""How often captions name things that are not there: CHAIR."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from shared.concepts.words import (
    broader_words,
    coco_words,
    concept_mentions,
    read_concepts,
)
from shared.runs.resampling import Tally, ratio
from shared.text.vocabulary import split_words


class Chair(NamedTuple):
    """What a set of captions names and nobody sees.

    Attributes:
        captions: how many captions.
        mentions: what they name, each kind of thing once a caption.
        false_captions: captions that name something that is not there.
        false_mentions: what of the mentions is not there.
    """

    captions: int
    mentions: int
    false_captions: int
    false_mentions: int

    @classmethod
    def of(cls, things: np.ndarray) -> "Chair | None":
        """Add up what `count_things` counted; None if nothing is named."""
        found = cls(*things.sum(axis=0).tolist())
        return found if found.mentions else None

    def __str__(self) -> str:
        sentences = 100 * self.false_captions / self.captions
        things = 100 * self.false_mentions / self.mentions
        return (
            f"CHAIR-s  {sentences:6.1f}  of 100 captions name a thing that no "
            "reference names; less is better\n"
            f"CHAIR-i  {things:6.1f}  of 100 things that captions name"
        )


def chair(
    captions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    seen: Mapping[str, Collection[str]] | None = None,
) -> Chair | None:
    """Count the things that captions name, and those of them that are not there.

    Things are COCO's 80 kinds by all their names: "a surfer" is a person. One is there
    if a reference names it, or a detector sees it.

    Args:
        captions: image name -> sentence.
        references: image name -> sentences, for the same images.
        seen: image name -> words of `shared.concepts.words.coco_words` that a detector
            sees, where that is known.

    Returns:
        None if no caption names any, as in another language.

    Source: Rohrbach et al. 2018, arXiv:1809.02156; there a thing that a caption names
        twice counts twice, and the names are its own.
    """
    return Chair.of(count_things(captions, references, seen))


def count_things(
    captions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    seen: Mapping[str, Collection[str]] | None = None,
) -> np.ndarray:
    """Count what each caption names, see `chair`.

    Returns:
        int (captions, 4): the fields of `Chair`, of each caption.
    """
    rows = []
    for name, caption in captions.items():
        said = _things([caption])
        there = _things(references[name]).union((seen or {}).get(name, ()))
        false = len(said - there)
        rows.append((1, len(said), int(false > 0), false))
    return np.array(rows)


def tally_chair(things: np.ndarray) -> dict[str, Tally]:
    """Tally CHAIR-s and CHAIR-i of what `count_things` counted."""
    shares = {"CHAIR-s": things[:, [2, 0]], "CHAIR-i": things[:, [3, 1]]}
    return {name: Tally(counts, ratio) for name, counts in shares.items()}


def _things(sentences: Iterable[str]) -> set[str]:
    """Find COCO's kinds of things in sentences, by the nearest kind of each noun."""
    kinds, found = _kinds(), concept_mentions()
    named = (found.named(split_words(sentence)) for sentence in sentences)
    return {kinds[word] for words in named for word in words if word in kinds}


@cache
def _kinds() -> dict[str, str]:
    """Concepts, each with COCO's kind of which it is."""
    coco = set(coco_words())
    kinds = {}
    for word in read_concepts():
        line = [kind for kind in (word, *broader_words(word)) if kind in coco]
        if line and (line[0] != "plant" or word == "plant"):  # COCO's are in pots
            kinds[word] = line[0]
    return kinds
