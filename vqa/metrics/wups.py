"""WUPS: answers that mean nearly the same count in part, by WordNet.

For data sets whose answers are lists of items, "book, scissors", scored as sets.
"""

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

from shared.errors import AppError

Similarity = Callable[[str, str], float]

_DOWN_WEIGHT = 0.1  # below the threshold two words share little but being things


def split_items(answer: str) -> list[str]:
    """Items of an answer: between commas, in lower case, without space around."""
    return [item for part in answer.lower().split(",") if (item := part.strip())]


def wups(
    answer: str,
    reference: str,
    threshold: float = 0.9,
    similarity: Similarity | None = None,
) -> float:
    """Score an answer against another one as sets of items, 0 to 1.

        min( prod over a in A of max over t in T of m(a, t),
             prod over t in T of max over a in A of m(t, a) )

    m is 1 for equal items. Otherwise it is their Wu-Palmer similarity, times 0.1 if
    that is below the threshold.

    Args:
        answer: items separated by commas.
        reference: likewise.
        threshold: 0.9 and 0 are usual; above 1 almost only equal sets score.
        similarity: of two items, 0 to 1; None is WordNet's.

    Raises:
        AppError: if WordNet is needed and is not there.

    Source: Malinowski and Fritz 2014, arXiv:1410.0210.
    """
    given, wanted = split_items(answer), split_items(reference)
    if not given or not wanted:
        return float(given == wanted)
    compare = similarity or wu_palmer

    def member(item: str, items: list[str]) -> float:
        if item in items:
            return 1.0
        best = 0.0
        for other in items:
            alike = compare(item, other)
            best = max(best, alike * (1.0 if alike >= threshold else _DOWN_WEIGHT))
        return best

    return min(
        prod(member(item, wanted) for item in given),
        prod(member(item, given) for item in wanted),
    )


@cache
def wu_palmer(first: str, second: str) -> float:
    """Highest Wu-Palmer similarity of two words' meanings as nouns, 0 to 1.

    0 if WordNet lacks either; its compounds have underscores: "coffee_table".

    Raises:
        AppError: if WordNet is not there.
    """
    return max(
        (
            one.wup_similarity(other) or 0.0
            for one in _meanings(first)
            for other in _meanings(second)
        ),
        default=0.0,
    )


@cache
def _meanings(word: str) -> list[Any]:
    try:
        from nltk.corpus import wordnet

        return list(wordnet.synsets(word, pos="n"))
    except (ImportError, LookupError, OSError) as error:
        raise AppError(
            "WUPS compares words by WordNet, which is not on this computer "
            f"({type(error).__name__}). With internet, run `python -m nltk.downloader "
            "wordnet`; without, fetch corpora/wordnet.zip of nltk_data elsewhere and "
            "put it into nltk_data/corpora in your home folder."
        ) from error
