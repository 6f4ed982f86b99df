"""People in neutral words, unless the model is clear about their sex and age.

Where "a man" and "a woman" are about as likely, a search that takes the likelier one
guesses. Here it says "a person": words for a person's sex give way to the neutral one,
which takes over the likeliest one's probability, unless those for one sex have a clear
share of it. (With their sum it would push aside what else may be said of a photo.)
So do words for grown-ups and for children. And nobody is "he" or "she", or owns
something of "his" or "hers", before a word such as "man" or "woman" was said.

Axes: B images, N sequences searched per image, T tokens, V words; M words concerned.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from captioner.search.strategy import SELDOM

TINY = 1e-30  # a probability whose logarithm is still finite

Words = tuple[str, ...]
Ids = tuple[int, ...]

_MAN: Words = ("man", "guy", "gentleman", "fellow", "dude", "male")
_MEN: Words = ("men", "guys", "gentlemen", "fellows", "dudes", "males")
_WOMAN: Words = ("woman", "lady", "female")
_WOMEN: Words = ("women", "ladies", "females")
_CHILD: Words = ("boy", "girl", "child", "kid", "toddler", "baby", "infant")
_CHILDREN: Words = ("boys", "girls", "children", "kids", "toddlers", "babies")

# Neutral words, of which the first that is known is said, and two sides.
_SEXES: tuple[tuple[Words, Words, Words], ...] = (
    (("person",), _MAN, _WOMAN),
    (("people",), _MEN, _WOMEN),
    (("child", "kid"), ("boy", "lad", "son"), ("girl", "daughter")),
    (("children", "kids"), ("boys", "lads", "sons"), ("girls", "daughters")),
    (("parent",), ("father", "dad", "daddy"), ("mother", "mom", "mommy")),
)
_AGES: tuple[tuple[Words, Words, Words], ...] = (
    (("person",), (*_MAN, *_WOMAN), _CHILD),
    (("people",), (*_MEN, *_WOMEN), _CHILDREN),
)
_HE: Words = ("he", "him", "his", "himself")
_SHE: Words = ("she", "her", "hers", "herself")
# More words of which one is enough for "his", or for "her".
_MALE: Words = (
    *("brother", "husband", "groom", "grandfather", "uncle", "king", "policeman"),
    *("fireman", "cowboy", "fisherman", "businessman", "batsman", "cameraman"),
    *("sportsman", "waiter", "boyfriend", "grandpa"),
)
_FEMALE: Words = (
    *("sister", "wife", "bride", "bridesmaid", "grandmother", "aunt", "queen"),
    *("policewoman", "businesswoman", "waitress", "ballerina", "girlfriend"),
    *("grandma", "actress"),
)


class Sides(NamedTuple):
    """Words that stand against one another, and the word for both.

    Attributes:
        neutral: the word for both.
        one, other: words of each side.
    """

    neutral: int
    one: Ids
    other: Ids


class Neutral(NamedTuple):
    """When people are named neutrally: ids and numbers alone.

    Attributes:
        margin: the share of the probability of both sides that makes one clear.
        sexes, ages: words of either sex, of grown-ups and children. Where both are
            unclear, the word for all ages is said.
        male, female: words after which such a pronoun may be said.
        he, she: those pronouns.
    """

    margin: float
    sexes: tuple[Sides, ...]
    ages: tuple[Sides, ...]
    male: Ids
    female: Ids
    he: Ids
    she: Ids


def make_neutral(
    margin: float,
    ids: Mapping[str, int],
    banned: Collection[str],
    free: Collection[str],
) -> Neutral | None:
    """Find the words concerned in a vocabulary.

    Args:
        margin: see `Neutral`.
        ids: of its words.
        banned: words that cannot be said, so that they cannot stand for others.
        free: words that somebody wants said.

    Returns:
        None if there are none.
    """

    def known(words: Words) -> Ids:
        return tuple(ids[word] for word in words if word in ids and word not in free)

    def sides(table: tuple[tuple[Words, Words, Words], ...]) -> tuple[Sides, ...]:
        found = []
        for neutral, one, other in table:
            sayable = [w for w in neutral if w in ids and w not in banned]
            if sayable and known(one) and known(other):
                found.append(Sides(ids[sayable[0]], known(one), known(other)))
        return tuple(found)

    def all_of(place: int, more: Words) -> Ids:
        words = {word for row in _SEXES for word in (*row[place], *more)}
        return tuple(sorted(ids[word] for word in words if word in ids))

    found = Neutral(
        margin,
        sides(_SEXES),
        sides(_AGES),
        all_of(1, _MALE),
        all_of(2, _FEMALE),
        known(_HE),
        known(_SHE),
    )
    return found if any(found[1:3]) or any(found[5:]) else None


def neutralising(neutral: Neutral, vocab_size: int, ops: Any) -> Callable[..., Any]:
    """Give the function that scores words as if no sex and no age were guessed.

    It takes tokens int32 (B, N, T) and log_probs float32 (B, N, V), and returns the
    words int32 (M,) and what to add to their log-probabilities, float32 (B, N, M).
    Words of a side whose share of the pair is below the margin, and pronouns before any
    word of their sex, break a rule; the neutral word's probability becomes the highest
    of its own and of those of all words that it stands for.

    Args:
        neutral: words and numbers.
        vocab_size: V.
        ops: see `captioner.search.decoding`.
    """
    tables = _tables(neutral, vocab_size)
    words, weights, members, towards, sexed, pronouns = map(
        ops.convert_to_tensor, tables
    )
    count, neutrals = len(tables[0]), tables[3].shape[1]

    def neutralise(tokens: Any, log_probs: Any) -> Any:
        rows = ops.reshape(log_probs, (-1, vocab_size))  # B N rows, all alike
        probs = ops.maximum(ops.exp(ops.take(rows, words, axis=1)), TINY)  # (B N, M)
        unclear = ops.cast(ops.matmul(probs, weights) < 0, "float32")
        unclear = ops.matmul(unclear, members)  # (B N, 2 M)
        sex, age = unclear[:, :count], unclear[:, count:]
        given = ops.concatenate([probs * sex * (1.0 - age), probs * age], axis=1)
        given = ops.max(given[:, :, None] * towards, axis=1)  # (B N, neutrals)
        more = ops.log(ops.maximum(given / probs[:, :neutrals], 1.0))
        said = ops.reshape(tokens, (-1, tokens.shape[2]))
        said = ops.sum(ops.take(sexed, said, axis=1), axis=2)  # (2, B N)
        unsaid = ops.cast(said <= 0, "float32")[..., None] * pronouns
        costs = SELDOM * ops.maximum(ops.maximum(sex, age), unsaid[0] + unsaid[1])
        costs = ops.concatenate(
            [costs[:, :neutrals] + more, costs[:, neutrals:]], axis=1
        )
        return words, ops.reshape(costs, (-1, log_probs.shape[1], count))

    return neutralise


@lru_cache(maxsize=8)
def _tables(neutral: Neutral, vocab_size: int) -> tuple[np.ndarray, ...]:
    """Write the words concerned as arrays, once for all batches of a search.

    Returns:
        int32 (M,), their ids, those of neutral words first;
        float32 (M, sides): probabilities times this are below 0 for unclear sides;
        float32 (sides, 2 M): words of the sides of a sex, then of those of an age;
        float32 (2 M, neutrals): from each word to the neutral one of its sex, then of
            its age;
        float32 (2, V): 1 for words that allow his, and her;
        float32 (2, 1, M): 1 for such pronouns.
    """
    pairs = [*neutral.sexes, *neutral.ages]
    sides = [(pair, side) for pair in pairs for side in (pair.one, pair.other)]
    first = sorted({pair.neutral for pair in pairs})
    ids = {word for _, side in sides for word in side} | {*neutral.he, *neutral.she}
    words = np.array([*first, *sorted(ids.difference(first))], np.int32)
    place, count = {word: i for i, word in enumerate(words.tolist())}, len(words)
    weights = np.zeros((count, len(sides)), np.float32)
    members = np.zeros((len(sides), 2, count), np.float32)
    towards = np.zeros((2, count, len(first)), np.float32)
    for i, (pair, side) in enumerate(sides):
        level = int(i >= 2 * len(neutral.sexes))
        own = [place[word] for word in side]
        weights[[place[word] for word in (*pair.one, *pair.other)], i] -= neutral.margin
        weights[own, i] += 1
        members[i, level, own] = 1
        towards[level, own, place[pair.neutral]] = 1
    sexed = np.zeros((2, vocab_size), np.float32)
    pronouns = np.zeros((2, 1, count), np.float32)
    for i, (said, before) in enumerate(
        [(neutral.he, neutral.male), (neutral.she, neutral.female)]
    ):
        sexed[i, list(before)] = 1
        pronouns[i, 0, [place[word] for word in said]] = 1
    return (
        words,
        weights,
        members.reshape(-1, 2 * count),
        towards.reshape(-1, len(first)),
        sexed,
        pronouns,
    )
