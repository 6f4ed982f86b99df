"""Which answers fit a question: "kitchen" does not fit "what animal is this?".

A net gives a probability to each answer, whatever was asked. Of those that do not fit,
none is said; those that do keep the probability that they have, so that none of them is
sure where the question makes no sense.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from shared.concepts.words import (
    PERSON,
    broader_words,
    concept_mentions,
    read_concepts,
)
from shared.text.english import read_word
from vqa.answering.colors import COLORS
from vqa.text.answers import AnswerSpace, normalize
from vqa.text.asked import Concepts

# What is asked for -> what an answer may name then, besides all that is no thing of
# `words.tsv`: of "wood", nobody knows what it is a kind of.
_KINDS = {
    **{kind: (kind,) for kind in ("animal", "bird", "insect", "vehicle", "food")},
    **{kind: (kind,) for kind in ("furniture", "clothing", "instrument")},
    "fish": ("animal",),
    # Which food is a fruit, and which a vegetable, is much disputed.
    **dict.fromkeys(("fruit", "vegetable", "dessert"), ("food",)),
    "room": ("place", "building"),
    "sport": ("sport", "ball"),  # baseball is both
    "color": tuple(COLORS),  # orange is a fruit, too
    "who": (PERSON, "animal"),
    "doing": (),
}
_MADE_LIKE = {"teddy bear": "animal"}  # who asks for the animal means it
_SORTS = frozenset(("kind", "type", "sort"))
_EITHER = frozenset(("is", "are", "was", "were"))
_LONGEST = 3  # words of an answer that a question offers, article included

# What comes after the noun of "what ..." and "how many ...".
_NOUN_ENDS = frozenset(
    "is are was were do does did can could have has had will would should that who "  # noqa: SIM905
    "there in on at of with by near behind under wearing sitting standing".split()
)


class FittingAnswers:
    """Tell the answers that fit a question from those that do not.

    Args:
        space: the answers of a model.
    """

    def __init__(self, space: AnswerSpace):
        self._space = space
        self._of_kind: dict[str, np.ndarray] = {}

    def find(self, question: Sequence[str]) -> np.ndarray | None:
        """Give which answers fit: bool (A,).

        Args:
            question: its words, in lower case.

        Returns:
            None if all may, as far as the question tells, or none does.
        """
        if offered := self._offered(question):
            return np.isin(np.arange(len(self._space.answers)), offered)
        kind = asked_kind(question)
        if not kind:
            return None
        if kind not in self._of_kind:
            fits = [_may_be(name, _KINDS[kind]) for name in self._names]
            self._of_kind[kind] = np.array(fits, bool)
        fitting = self._of_kind[kind]
        return fitting if fitting.any() else None

    def _offered(self, question: Sequence[str]) -> list[int]:
        """The answers of "is it a cat or a dog?"; none if only one side is known."""
        if question[0] not in _EITHER or "there" in question or "or" not in question:
            return []
        place = question.index("or")
        before, after = question[:place], question[place + 1 :]
        lengths = range(1, _LONGEST + 1)
        left = self._known(before[-length:] for length in lengths)
        right = self._known(after[:length] for length in lengths)
        return [*left, *right] if left and right else []

    def _known(self, phrases: Iterable[Sequence[str]]) -> list[int]:
        ids = self._space.ids
        texts = [normalize(" ".join(words)) for words in phrases]
        return [ids[text] for text in texts if text in ids]

    @cached_property
    def _names(self) -> list[str]:
        """The thing that each answer names, "" for none."""
        return Concepts(tuple(read_concepts())).names(self._space.answers)


def asked_kind(question: Sequence[str]) -> str:
    """Give the one kind of things that a question asks for, "" for none.

    >>> asked_kind("what kind of animals are these".split())
    'animal'

    Args:
        question: its words, in lower case.
    """
    first, *rest = question
    if first == "who":
        return "" if "or" in rest else "who"  # "who or what is on the grass?"
    if first not in ("what", "which"):
        return ""
    if "doing" in rest:
        return "doing"
    bases = [read_word(word).base or word for word in rest]
    if len(bases) > 1 and bases[0] in _SORTS and bases[1] == "of":
        rest, bases = rest[2:], bases[2:]
    if bases and bases[0] == "color":
        return "color"
    phrase = noun_phrase(rest)
    named = [*concept_mentions().places(phrase)]
    if not named or named[-1][1] < len(phrase):
        return ""  # "what animal print is that?" asks for a print
    kind = named[-1][2]
    return kind if kind in _KINDS else ""


def noun_phrase(words: Sequence[str]) -> Sequence[str]:
    """Give the words up to the end of the noun that they begin with."""
    ends = (place for place, word in enumerate(words) if word in _NOUN_ENDS)
    return words[: next(ends, len(words))]


def _may_be(name: str, kinds: Sequence[str]) -> bool:
    if not name:
        return True
    return any(
        kind in kinds for kind in (name, *broader_words(name), _MADE_LIKE.get(name))
    )
