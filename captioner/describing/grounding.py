"""What the words of a caption claim that a photo shows, and whether it is there.

A concept net says of everyday words how surely each can be seen in a photo, and how
surely a caption would mention it. A search is told of every word of its vocabulary that
names such a thing: "puppies" is about a dog; "surfer", "his" and "blond" are about a
person.

Axes: B images, V words of the vocabulary, C concepts, K claims.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from captioner.search.config import DecodingConfig
from captioner.search.strategy import SELDOM
from shared.concepts.words import broader_words, coco_words, names_of, read_concepts

PERSON, ANIMAL, THING, OTHER, OWN = "person", "animal", "thing", "other", "own"
PRONOUNS = (
    *("he", "him", "his", "himself", "she", "her", "hers", "herself"),
    *("someone", "somebody", "everyone", "everybody", "anyone", "anybody"),
)
LOOKS = (  # that captions tell of people, 95 times in 100
    *("young", "younger", "older", "elderly", "middle-aged", "teenage", "asian"),
    *("hispanic", "caucasian", "blond", "blond-haired", "blond-hair", "dark-haired"),
    *("redheaded", "red-hair", "bald", "bearded", "shirtless", "barefoot", "smiling"),
    *("laughing", "overweight", "heavyset", "tattooed"),
)
LEAST = 1e-3  # of a probability, so that what is not there costs at most 7 nats
# An animal that is less than half as surely there as another is most likely that one,
# taken for it: a calf that looks a little like a dog.
RIVAL = 0.5
LEAST_OWN = 0.3  # of a word that a few examples taught; on others' photos, 1 in 100


class Grounding:
    """The words of a vocabulary that name concepts.

    A word is supported by the likeliest of all concepts that it may be about: "dog" by
    a dog or a hot dog. What is a kind of person or animal is where the nearest one is
    that detectors know: a surfer where a person is, a poodle where a dog is.

    Args:
        words: the vocabulary.
        concepts: the words of the concept net, in the order of its probabilities.
        own: those of them that a few examples taught, see `shared.concepts.examples`:
            they are about nothing but what looks like the examples.

    Attributes:
        things: for each thing that is no person and no animal, the ids of its names.
    """

    def __init__(
        self, words: Sequence[str], concepts: Sequence[str], own: Sequence[str] = ()
    ):
        named = _find_named(words)
        claims = _find_claims(named, concepts)
        places = {word: place for place, word in enumerate(concepts)}
        claims |= {word: (OWN, (places[word],)) for word in own if word in words}
        kinds = sorted(set(claims.values()))
        numbers = {claim: i for i, claim in enumerate(kinds, start=1)}
        self._claims = np.array(
            [numbers[claims[w]] if w in claims else 0 for w in words], np.int32
        )  # (V,)
        runs = [(0,), *(places for _, places in kinds)]
        self._places = [np.array(run, np.int32) for run in runs]  # of each claim
        self._in_a_row = np.concatenate(self._places)
        self._starts = np.cumsum([0, *map(len, runs[:-1])])
        self._kinds = ["", *(kind for kind, _ in kinds)]
        self.things = _find_things(words, named, claims)
        things = {*coco_words()} - {PERSON}  # a photo with people may be of something
        self._is_thing = np.array([word in things for word in concepts], bool)

    def support(self, probs: np.ndarray) -> np.ndarray:
        """Give how surely what each word names is seen, or said.

        Args:
            probs: float (B, C), of the concepts.

        Returns:
            float32 (B, V); NaN for words that name nothing.
        """
        return self._by_claim(probs).take(self._claims, axis=1)

    def bias(
        self, seen: Any, decoding: DecodingConfig, wanted: Iterable[int] = ()
    ) -> np.ndarray | None:
        """Tell a search what is there.

        Words for animals and things that are less surely there than the search asks
        for, and words for people that a caption would mention less surely, cost as much
        as a broken rule; things are those that detectors know.
        So do animals that are far less surely there than another one, and words that a
        few examples taught, of what looks like none of them.
        All words that name something cost `decoding.support` times the logarithm of
        how surely that is seen or said.

        Args:
            seen: `there` and `said` of the concepts, float (B, C).
            decoding: how the search goes.
            wanted: ids of words that somebody asks for, seen or not.

        Returns:
            float32 (B, V), see `captioner.search.decoding.search`; None if it would
            be 0.
        """
        least = least_of(decoding)
        thresholds = np.array([least.get(kind, 0.0) for kind in self._kinds])
        if not (thresholds.any() or decoding.support):
            return None
        there = self._by_claim(seen.there)
        animals = np.array([kind == ANIMAL for kind in self._kinds])
        if decoding.animals:
            surest = np.where(animals, there, 0.0).max(axis=1, keepdims=True)
            thresholds = np.where(
                animals, np.maximum(thresholds, RIVAL * surest), thresholds
            )
        said = self._by_claim(seen.said)
        people = np.array([kind == PERSON for kind in self._kinds])
        with np.errstate(invalid="ignore"):  # of what is NaN, nothing is known
            sure = np.where(people, np.fmin(there, said), there)
            found = np.where(sure < thresholds, SELDOM, 0.0)
            if decoding.support:
                surest = np.fmax(there, said)
                found += decoding.support * np.log(np.fmax(surest, LEAST))
        found[:, 0] = 0.0
        bias = found.astype(np.float32).take(self._claims, axis=1)
        bias[:, list(wanted)] = 0.0
        return bias

    def weigh(
        self, tokens: Sequence[int], there: np.ndarray, said: np.ndarray
    ) -> tuple[float, float, float]:
        """Compare what a caption names with what is there.

        Args:
            tokens: ids of the caption's words.
            there, said: float (C,), of the photo's concepts.

        Returns:
            `least`, `most` and `missed` of `captioner.describing.confidence.Evidence`.
        """
        claims = self._claims[list(tokens)]
        named = [self._places[claim] for claim in claims[claims > 0]]
        support = np.array([there[places].max(initial=LEAST) for places in named])
        missed = self._is_thing.copy()
        for places in named:
            missed[places] = False
        return (
            float(np.log(support.min(initial=1.0 if len(support) else LEAST))),
            float(np.log(support.max(initial=LEAST))),
            float(said[missed].max(initial=0.0)),
        )

    def _by_claim(self, probs: np.ndarray) -> np.ndarray:
        """Give float (B, 1 + K), the probability of each claim, NaN of the first."""
        probs = np.asarray(probs).take(self._in_a_row, axis=1)
        found = np.maximum.reduceat(probs, self._starts, axis=1)
        found[:, 0] = np.nan
        return found


Claim = tuple[str, tuple[int, ...]]  # a kind, and the places of concepts


def least_of(decoding: DecodingConfig) -> dict[str, float]:
    """Give by kind how sure a thing must be to be named, see `Grounding.bias`."""
    return {
        PERSON: decoding.people,
        ANIMAL: decoding.animals,
        THING: decoding.things,
        OWN: LEAST_OWN,
    }


def kinds_of(concepts: Sequence[str]) -> list[str]:
    """Give the kind of each concept: whether it is a person, an animal, or what."""
    witnesses = _Witnesses(concepts)
    return [witnesses.of(word)[0] for word in concepts]


def _find_named(words: Iterable[str]) -> dict[str, str]:
    """Find the concept that each word names alone, if any."""
    whole: dict[str, str] = dict.fromkeys((*PRONOUNS, *LOOKS), PERSON)
    for word, concept in read_concepts().items():
        for name in names_of(concept):
            whole.setdefault(name, word)
    return {word: whole[word] for word in words if word in whole}


def _find_claims(named: dict[str, str], concepts: Sequence[str]) -> dict[str, Claim]:
    """Find for each word what it is about, and which concepts tell of that.

    Args:
        named: of each word, the concept that it names alone.
        concepts: see `Grounding`.
    """
    parts: dict[str, set[str]] = {}  # words of longer names
    for word, concept in read_concepts().items():
        for name in names_of(concept):
            for part in name.split(" ") if " " in name else ():
                parts.setdefault(part, set()).add(word)
    witnesses = _Witnesses(concepts)
    claims: dict[str, Claim] = {}
    for word, thing in named.items():
        kind, found = witnesses.of(thing)
        if found and kind != PERSON:
            found = found.union(*(witnesses.of(o)[1] for o in parts.get(word, ())))
        if found:
            claims[word] = kind, tuple(sorted(witnesses.places[one] for one in found))
    return claims


def _find_things(
    words: Iterable[str], named: dict[str, str], claims: dict[str, Claim]
) -> tuple[tuple[int, ...], ...]:
    """Find `Grounding.things`; see `_find_claims` for the rest."""
    names: dict[str, list[int]] = {}
    for i, word in enumerate(words):
        if word in claims and claims[word][0] != OWN:
            concept = named[word]
            if not {PERSON, ANIMAL} & {concept, *broader_words(concept)}:
                names.setdefault(concept, []).append(i)
    return tuple(map(tuple, names.values()))


class _Witnesses:
    """Which concepts tell whether a thing is there.

    Args:
        concepts: see `Grounding`.
    """

    def __init__(self, concepts: Sequence[str]):
        self.places = {word: i for i, word in enumerate(concepts)}
        self._detected = {*coco_words()} & {*concepts}
        self._below: dict[str, set[str]] = {}
        for word in concepts:
            for broader in broader_words(word):
                self._below.setdefault(broader, set()).add(word)
        self._found: dict[str, tuple[str, set[str]]] = {}

    def of(self, word: str) -> tuple[str, set[str]]:
        """Give the kind of a thing, and the concepts that tell of it, if any do."""
        if word not in self._found:
            self._found[word] = self._find(word)
        return self._found[word]

    def _find(self, word: str) -> tuple[str, set[str]]:
        line = [word, *broader_words(word)]
        if PERSON in line:
            return PERSON, {PERSON} & self._detected
        if word == ANIMAL:
            return ANIMAL, self._with_below(word)
        if ANIMAL in line and (seen := [w for w in line if w in self._detected]):
            return ANIMAL, {seen[0]}
        # Of a thing that has no witness itself, narrower ones say too little.
        nearest = next((one for one in line if one in self.places), "")
        found = self._with_below(word) if nearest == word else {nearest} - {""}
        return THING if found & self._detected else OTHER, found

    def _with_below(self, word: str) -> set[str]:
        return ({word} | self._below.get(word, set())) & self.places.keys()
