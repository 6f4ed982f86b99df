"""Which answers fit a question: "kitchen" does not fit "what animal is this?".

A net gives a probability to each answer, whatever was asked. Of those that do not fit,
none is said; those that do keep the probability that they have, so that none of them is
sure where the question makes no sense.

"Is it a cat or a dog?" offers its answers. Nets learn to say yes or no to what begins
so: they are asked "what animal is it?" instead.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

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
_LENGTHS = (3, 2, 1)  # words of an answer that a question offers, article included
DEFINITE = frozenset("the this that these those his her their its my our".split())  # noqa: SIM905
# Kinds that answers may be of which a question offers; of several the first counts.
_OFFERED_KINDS = ("color", "animal", "vehicle", "food", "who", "doing", "thing")
# How much more the odds of answers are where the question offers them: with less, it is
# too seldom sure of colors and of what people do, with more too often of what is not
# there (COCO's dev photos, Flickr8k's for colors).
_OFFERED = 10.0
_POINTERS = frozenset(("it", "this", "that", "these", "those", "they"))

# What comes after the noun of "what ..." and "how many ...".
_NOUN_ENDS = frozenset(
    "is are was were do does did can could have has had will would should that who "  # noqa: SIM905
    "there in on at of with by near behind under wearing sitting standing".split()
)


class Offer(NamedTuple):
    """What "is it a cat or a dog?" offers.

    Attributes:
        before: words of the question before it: "is it".
        answers: ids of "cat" and "dog".
        kind: what both are; "" for nothing of `_OFFERED_KINDS`.
    """

    before: Sequence[str]
    answers: Sequence[int]
    kind: str


class Fitting(NamedTuple):
    """The answers that fit a question.

    Attributes:
        answers: bool (A,).
        offered: whether the question itself names them.
    """

    answers: np.ndarray
    offered: bool

    def judge(self, confidence: np.ndarray) -> np.ndarray:
        """Give the confidence in answers float (A,), knowing what is offered.

        Who offers a cat and a dog has seen one of them, most likely: with m the
        confidence in all that is offered, and p that in one of it,

            p' = 10 p / (10 m + 1 - m)
        """
        if not self.offered:
            return confidence
        among = min(1.0, float(confidence[self.answers].sum()))
        return np.asarray(confidence * _OFFERED / (_OFFERED * among + 1 - among))


class FittingAnswers:
    """Tell the answers that fit a question from those that do not.

    Args:
        space: the answers of a model.
    """

    def __init__(self, space: AnswerSpace):
        self._space = space
        self._of_kind: dict[str, np.ndarray] = {}

    def find(self, question: Sequence[str]) -> Fitting | None:
        """Give which answers fit.

        Args:
            question: its words, in lower case.

        Returns:
            None if all may, as far as the question tells, or none does.
        """
        if offer := self.offer(question):
            numbers = np.arange(len(self._space.answers))
            return Fitting(np.isin(numbers, offer.answers), offered=True)
        kind = asked_kind(question)
        if not kind:
            return None
        if kind not in self._of_kind:
            fitting = [_may_be(name, _KINDS[kind]) for name in self._names]
            self._of_kind[kind] = np.array(fitting, bool)
        fits = self._of_kind[kind]
        return Fitting(fits, offered=False) if fits.any() else None

    def offer(self, question: Sequence[str]) -> Offer | None:
        """Give what a question offers; None if not both sides of "or" are answers.

        Args:
            question: its words, in lower case.
        """
        if question[0] not in _EITHER or "there" in question or "or" not in question:
            return None
        place = question.index("or")
        before, after = question[:place], question[place + 1 :]
        left = [*self._known(before[-length:] for length in _LENGTHS)]
        right = [*self._known(after[:length] for length in _LENGTHS)]
        if not left or not right:
            return None
        # Of "riding a bike or a bus", bike and bus are alike.
        pairs = [(self._kind(a[1], b[1]), a, b) for a, b in product(left, right)]
        kind, first, last = next((pair for pair in pairs if pair[0]), pairs[0])
        before, answers = before[: -first[0]], [first[1], last[1]]
        while before and kind and (more := self._known_alike(before, kind)):
            before, answers = before[: -more[0]], [more[1], *answers]
        return Offer(before, answers, kind)

    def open_question(self, question: Sequence[str]) -> list[str]:
        """Give a question that offers answers as one that offers none.

        "Is it a cat or a dog" becomes "what animal is it"; "is she riding a horse or a
        bike" becomes "what is she riding". All others stay as they are, and so does
        "is it indoors or outdoors".

        Args:
            question: its words, in lower case.
        """
        offer = self.offer(question)
        if not offer or not offer.kind:
            return [*question]
        before, kind = offer.before, offer.kind
        if kind == "doing":
            return ["what", *before, "doing"]
        if kind == "who":
            return ["who", *before]
        points = {*before[1:]} <= _POINTERS and kind != "thing"  # "is it"
        return ["what", *([kind] if points or kind == "color" else []), *before]

    def _known(self, phrases: Iterable[Sequence[str]]) -> Iterable[tuple[int, int]]:
        """Which phrases are answers, or other words for them: their length, the id."""
        for words in phrases:
            text = normalize(" ".join(words))
            (name,) = self._concepts.names([text])
            number = self._space.ids.get(text, self._named.get(name))
            if number is not None:
                yield len(words), number

    def _known_alike(self, words: Sequence[str], kind: str) -> tuple[int, int] | None:
        """The answer of a kind that words end with: of "is it a cat, a dog or …"."""
        for length, number in self._known(words[-length:] for length in _LENGTHS):
            phrase = words[-length:]
            if phrase[0] not in ("a", "an"):
                phrase = words[-length - 1 :]  # not of "is the cat a dog or …"
            if self._kind(number) == kind and not DEFINITE & {*phrase}:
                return length, number
        return None

    def _kind(self, *answers: int) -> str:
        """The first of `_OFFERED_KINDS` that all of these answers are; "" for none."""
        kinds = set.intersection(*map(self._kinds, answers))
        return next((kind for kind in _OFFERED_KINDS if kind in kinds), "")

    def _kinds(self, answer: int) -> set[str]:
        text, name = self._space.answers[answer], self._names[answer]
        kinds = _kinds_of(name)
        if name:
            kinds.add("thing")
        elif text.endswith("ing"):
            kinds.add("doing")
        if PERSON in kinds:
            kinds.add("who")
        if {*text.split()} <= {*COLORS, "and"}:
            kinds.add("color")
        return kinds

    @cached_property
    def _concepts(self) -> Concepts:
        return Concepts(tuple(read_concepts()))

    @cached_property
    def _names(self) -> list[str]:
        """The thing that each answer names, "" for none."""
        return self._concepts.names(self._space.answers)

    @cached_property
    def _named(self) -> dict[str, int]:
        """For each thing that an answer names the first of them: of "bike", too."""
        pairs = [(name, number) for number, name in enumerate(self._names) if name]
        return dict(reversed(pairs))


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
    return not name or not _kinds_of(name).isdisjoint(kinds)


def _kinds_of(name: str) -> set[str]:
    """Give the thing itself and all that it is a kind of; nothing for ""."""
    if not name:
        return set()
    return {name, *broader_words(name), _MADE_LIKE.get(name, name)}
