"""What a detector finds on a photo, brought to bear on answers.

It counts for "how many dogs are there?", for "is there a dog?", for questions that the
name of a thing answers, "what animal is this?", and for "what color is the dog?". All
else is left to the net.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from shared.concepts.words import (
    PERSON,
    broader_words,
    coco_kinds,
    coco_words,
    concept_mentions,
    read_concepts,
)
from shared.text.english import read_word
from shared.vision.detector import Thing, Things, log_odds
from vqa.answering.colors import COLORS, Part, color_odds, colored_part, find_part
from vqa.answering.confidence import to_confidence
from vqa.answering.fitting import DEFINITE, noun_phrase
from vqa.text.answers import AnswerSpace
from vqa.text.asked import Concepts

# How much the log odds of a thing add to the scores of answers: of the weights from 0.3
# to 1, the one that names and sees most on COCO's dev photos and loses nothing on those
# of Flickr8k.
_WEIGHT = 0.4
_COLOR_WEIGHT = 1.5  # likewise, of weights from 0.3 to 2
# For "is there ...?", likewise: people are hardly ever missed, and not to find another
# thing means less. Of weights 0.3 to 1 and allowances 0 to 2, these are best on COCO,
# for yes and no alike; with a larger allowance, more is seen that is not there.
_PEOPLE_WEIGHT = 0.8
_MISSED = 1.0
_LEAST_SHARE = 0.15  # of confidence, in all that names kinds, to ask the detector
# What the net says of numbers counts by so much: it has read the question to its end,
# "how many men", where the detector knows people.
_NET = 0.3
_LEAST = 1e-3  # probability that each of them gives to any number


class Sought(NamedTuple):
    """What a question asks to be there.

    Attributes:
        kinds: classes of COCO, see `coco_words`; one of them is enough.
        speaks_for: whether finding one speaks for yes: not of "a man", since the
            detector knows people, nor of "a dog on the couch".
        speaks_against: whether finding none speaks against it: not of "animals", since
            there are more than it knows.
    """

    kinds: tuple[int, ...]
    speaks_for: bool
    speaks_against: bool


class Detections:
    """Let what a detector finds change the scores of a model's answers.

    Args:
        answers: of the model.
        concepts: that the answers may name.
    """

    def __init__(self, answers: AnswerSpace, concepts: Concepts):
        names = concepts.names(answers.answers)
        self._kinds = np.array([coco_kinds().get(name, -1) for name in names], int)
        bases = [read_word(answer).base for answer in answers.answers]
        colors = {color: number for number, color in enumerate(COLORS)}
        self._colors = np.array([colors.get(base, -1) for base in bases], int)
        self._numbers = {text: number for number, text in enumerate(answers.answers)}
        self._yes = np.array([answer == "yes" for answer in answers.answers])

    def weigh(
        self,
        scores: np.ndarray,
        asked: Sought | Part | None,
        find: Callable[[], Things],
        temperature: float,
        soft: bool = False,
    ) -> np.ndarray:
        """Give the scores of answers, float (A,), as they are with what is found.

        With l the log odds that a thing of a kind is there, p the confidence that the
        net has in answers that name kinds, c the log ratio of how much of a color the
        thing has to what is usual, and t the temperature:

            "is there a person?"      score_yes += 0.8 t l_person
            "is there a dog?"         score_yes += (0.4 l_dog + 1) t, see `Sought`
            "what color is the dog?"  score_a   += 1.5 t c_a
            all other questions       score_a   += 0.4 t p (l_a - least l)

        so that of names the net says whether they are asked for, and the detector which
        one is there.

        Args:
            scores: float (A,), of the net.
            asked: what `asked_of_things` gives for the question.
            find: finds the things; called only where they can matter.
            temperature, soft: see `to_confidence`.
        """
        if isinstance(asked, Sought):
            more = self._see(asked, find)
        elif isinstance(asked, Part):
            more = self._color(asked, find)
        else:
            confidence = to_confidence(scores, temperature, soft)
            more = self._name(float(confidence[self._kinds >= 0].sum()), find)
        return np.asarray(scores + temperature * more, np.float32)

    def about(
        self, asked: Sought | Part | None, answer: str, find: Callable[[], Things]
    ) -> tuple[Thing, ...]:
        """Give what an answer is about, as far as it was found: for those who ask why.

        Args:
            asked, find: as for `weigh`.
            answer: to it.
        """
        number = self._numbers.get(answer)
        kinds: Sequence[int] = ()
        if isinstance(asked, Sought):
            kinds = asked.kinds if asked.speaks_for and answer == "yes" else ()
        elif isinstance(asked, Part):
            is_color = number is not None and self._colors[number] >= 0
            seen = find_part(find(), asked) if is_color else None
            return (seen,) if seen else ()
        elif number is not None and self._kinds[number] >= 0:
            kinds = [int(self._kinds[number])]
        found = find().of(kinds) if kinds else []
        return tuple(one for one in found if log_odds(np.array(one.score)) > 0)

    def _see(self, sought: Sought, find: Callable[[], Things]) -> np.ndarray:
        if not self._yes.any():
            return np.zeros(len(self._yes))
        best = log_odds(find().best()[list(sought.kinds)]).max()
        if not (sought.speaks_for if best > 0 else sought.speaks_against):
            best = 0.0
        if sought.kinds == (coco_kinds()[PERSON],):
            more = _PEOPLE_WEIGHT * best
        else:
            more = _WEIGHT * best + _MISSED * sought.speaks_against
        return np.asarray(more * self._yes)

    def _color(self, part: Part, find: Callable[[], Things]) -> np.ndarray:
        more, named = np.zeros(len(self._colors)), self._colors >= 0
        odds = color_odds(find(), part) if named.any() else None
        if odds is not None:
            more[named] = _COLOR_WEIGHT * odds[self._colors[named]]
        return more

    def _name(self, asked_for: float, find: Callable[[], Things]) -> np.ndarray:
        more, named = np.zeros(len(self._kinds)), self._kinds >= 0
        if asked_for >= _LEAST_SHARE:
            odds = log_odds(find().best()) - log_odds(np.zeros(1))
            more[named] = _WEIGHT * min(asked_for, 1) * odds[self._kinds[named]]
        return more


def asked_of_things(question: Sequence[str]) -> Sought | Part | None:
    """Give what a question asks about things, besides their number and their names.

    Args:
        question: its words, in lower case.
    """
    return to_be_seen(question) or colored_part(question)


# Words of a question that asks for nothing but whether something is there.
_OPENINGS = frozenset("is are do does can".split())  # noqa: SIM905
_SAYS_NOTHING = frozenset(
    "is are do does can there a an any some the you i we see show contain it in on of "  # noqa: SIM905
    "at this that all here visible shown picture photo image photograph scene".split()
)


def to_be_seen(question: Sequence[str]) -> Sought | None:
    """Give what a question asks to be there.

    >>> to_be_seen("is there a dog in the picture".split())
    Sought(kinds=(16,), speaks_for=True, speaks_against=True)

    Args:
        question: its words, in lower case.

    Returns:
        None for a question that asks something else, or about other things.
    """
    mentions = [*concept_mentions().places(question)]
    if not mentions or question[0] not in _OPENINGS or "or" in question:
        return None
    start, end, word = mentions[0]
    alone = {*question[:start], *question[end:]} <= _SAYS_NOTHING
    if not alone and not {*question[:start]} <= _SAYS_NOTHING - {"the"}:
        return None  # "is the dog asleep"
    kinds = _nearest_classes().get(word, ())
    exact = word in _classes()
    wide = len(kinds) > 1
    if not kinds or (wide and not alone):
        return None
    return Sought(kinds, alone and exact, not wide and word not in _NARROW)


# Kinds that are nearly always found where they are: people, vehicles and animals.
_FOUND_WELL = frozenset((*range(9), *range(14, 24)))
_ASKING = frozenset("what which who where how why when whose".split())  # noqa: SIM905
_SURELY_NOT = -3.0  # log odds


def taken_for_granted(question: Sequence[str]) -> tuple[int, ...]:
    """Give the kinds of things that a question takes for granted.

    Only such as the detector finds nearly always where they are.

    >>> taken_for_granted("what is the dog doing".split())
    (16,)

    Args:
        question: its words, in lower case.

    Returns:
        classes of COCO, see `coco_words`: of "who is it?" that of people. Empty for
        what can be denied: "is the dog asleep?"
    """
    if question[0] not in _ASKING:
        return ()
    words = [PERSON] if question[0] == "who" and "or" not in question else []
    for start, _, word in concept_mentions().places(question):
        if DEFINITE & {*question[max(0, start - 2) : start]}:  # "the black dog"
            words.append(word)
    kinds = [_nearest_classes().get(word, ()) for word in words]
    alone = {one[0] for one in kinds if len(one) == 1}  # not one of all animals
    return tuple(sorted(alone & _FOUND_WELL))


def missing(kinds: Sequence[int], things: Things) -> list[str]:
    """Say of which kinds nothing was found: sentences, none if all were."""
    best = log_odds(things.best())
    return [
        f"No {coco_words()[kind]} was found on the photo; the question takes one for "
        "granted."
        for kind in kinds
        if best[kind] < _SURELY_NOT
    ]


def chance_of_anybody(things: Things) -> float:
    """Give the probability that there is a person on the photo."""
    return float(_chances(things.best())[coco_kinds()[PERSON]])


def _chances(scores: np.ndarray) -> np.ndarray:
    """Give the probability that what a score is of is there, of the same shape."""
    return np.asarray(1 / (1 + np.exp(-log_odds(scores))))


def kinds_to_count(question: Sequence[str]) -> tuple[int, ...]:
    """Give the kinds of things that a question asks to count.

    >>> kinds_to_count("how many black dogs are there".split())
    (16,)

    Args:
        question: its words, in lower case.

    Returns:
        classes of COCO, see `coco_words`; of "animals" ten, of "men" that of people.
        Empty for a question that asks something else, or about other things.
    """
    for start, pair in enumerate(pairwise(question), 2):
        if pair in (("how", "many"), ("number", "of")):
            return _first_kinds(question[start:])
    return ()


def _first_kinds(words: Sequence[str]) -> tuple[int, ...]:
    """The kinds that the noun names which these words begin with."""
    named = [word for *_, word in concept_mentions().places(noun_phrase(words))]
    return _nearest_classes().get(named[-1], ()) if named else ()


_NARROW = frozenset(("plant", "wine glass"))
"""Words of classes that are narrower: of plants only those in pots."""


@cache
def _classes() -> dict[str, tuple[int, ...]]:
    """The classes that each concept stands for: of an animal all that are animals."""
    classes: dict[str, tuple[int, ...]] = {}
    for word, number in coco_kinds().items():
        for name in (word, *broader_words(word)):
            classes[name] = (*classes.get(name, ()), number)
    return classes


@cache
def _nearest_classes() -> dict[str, tuple[int, ...]]:
    """The same, with concepts that belong to a class: men are people."""
    classes, own = dict(_classes()), {*coco_kinds()} - _NARROW
    for word in read_concepts():
        nearest = next((wider for wider in broader_words(word) if wider in own), "")
        if word not in classes and nearest in classes:
            classes[word] = classes[nearest]
    return classes


def count_things(scores: Sequence[float], said: Mapping[int, float]) -> np.ndarray:
    """Give how probable each number of things is.

    A box is a thing with a probability p; the number of things among independent boxes
    has a Poisson binomial distribution, here d.

        p    = sigmoid(1.5 logit(score) + 0.4)
        P(n) ~ (d_n + 0.001) (said_n + 0.001)^0.3

    Args:
        scores: of boxes that may be such things, see `shared.vision.detector.Thing`.
        said: the probability that the net gives to each number.

    Returns:
        float (N,), of 0, 1, 2, …; sums to 1.
    """
    found = np.ones(1)
    for prob in _chances(np.asarray(scores)):
        found = np.convolve(found, [1 - prob, prob])
    most = max([len(found), *(number + 1 for number in said)])
    found = np.pad(found, (0, most - len(found)))
    net = np.array([said.get(number, 0.0) for number in range(most)])
    weight = (found + _LEAST) * (net + _LEAST) ** _NET
    return np.asarray(weight / weight.sum())
