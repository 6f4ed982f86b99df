"""How many there are: counted on the photo, by the boxes that a detector finds."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from shared.concepts.words import (
    broader_words,
    coco_words,
    concept_mentions,
    read_concepts,
)

# A score at which a box is as often a thing as not, and how fast that changes: of those
# tried, the ones that counted best on 1,289 questions made from captions of dev photos
# and on the 62 written by hand.
_STEEPNESS, _SHIFT = 1.5, 0.4
# What the net says of numbers counts by so much: it has read the question to its end,
# "how many men", where the detector knows people.
_NET = 0.3
_LEAST = 1e-3  # probability that each of them gives to any number


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
    ends = (i for i, word in enumerate(words) if word in _NOUN_ENDS)
    phrase = words[: next(ends, len(words))]
    named = [word for *_, word in concept_mentions().places(phrase)]
    return _kinds().get(named[-1], ()) if named else ()


# What comes after the noun of "how many ...".
_NOUN_ENDS = frozenset(
    "is are was were do does did can could have has had will would should that who "  # noqa: SIM905
    "there in on at of with by near behind under wearing sitting standing".split()
)


@cache
def _kinds() -> dict[str, tuple[int, ...]]:
    """The classes that each concept stands for, or else belongs to."""
    classes: dict[str, list[int]] = {}
    for number, word in enumerate(coco_words()):
        for name in (word, *broader_words(word)):
            classes.setdefault(name, []).append(number)
    own = set(coco_words())
    for word in read_concepts():
        if word not in classes:
            nearest = next((wider for wider in broader_words(word) if wider in own), "")
            classes[word] = classes.get(nearest, [])
    return {word: tuple(numbers) for word, numbers in classes.items() if numbers}


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
    sure = np.clip(scores, 1e-3, 1 - 1e-3)
    odds = _STEEPNESS * np.log(sure / (1 - sure)) + _SHIFT
    found = np.ones(1)
    for prob in 1 / (1 + np.exp(-odds)):
        found = np.convolve(found, [1 - prob, prob])
    most = max([len(found), *(number + 1 for number in said)])
    found = np.pad(found, (0, most - len(found)))
    net = np.array([said.get(number, 0.0) for number in range(most)])
    weight = (found + _LEAST) * (net + _LEAST) ** _NET
    return np.asarray(weight / weight.sum())
