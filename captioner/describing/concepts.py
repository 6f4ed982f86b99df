"""The words that a photo shows, best first, and where it shows them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shared.concepts.table import ConceptProbs

LIKELY, MOST = 0.2, 12  # concepts beside a caption: how surely there, and how many
NO_CONCEPTS = (
    "This model has no concepts: it describes photos, and does not say which words "
    "they show. Give with --model one that does: train it by a recipe with [concepts], "
    "see `captioner teach --help`."
)


class Concept(NamedTuple):
    """A word that a photo may show.

    Attributes:
        word: in the singular or the infinitive.
        there: probability that it can be seen, 0 to 1.
        said: probability that one human caption mentions it, 0 to 1.
        where: float32 (rows, columns), how surely each region of the photo shows it,
            0 to 1; all 0 of words that only the photo as a whole tells of, None if
            nothing was asked, or the model was exported without it.
    """

    word: str
    there: float
    said: float
    where: np.ndarray | None = None


def rank(
    words: Sequence[str],
    seen: ConceptProbs,
    where: np.ndarray | None = None,
    top: int | None = None,
    least: float = 0.0,
) -> list[Concept]:
    """Put the concepts of a photo in order: those most surely there first.

    Axes: C concepts.

    Args:
        words: the C concepts.
        seen: float (C,) each.
        where: float (rows, columns, C), of the grid of regions; or None.
        top: concepts to give, at least 1; None is all.
        least: probability of those to give, 0 to 1.

    Raises:
        ValueError: if `top` is less than 1.
    """
    if top is not None and top < 1:
        raise ValueError(f"`top` must be at least 1. Received: top={top}")
    there, said = (np.asarray(probs) for probs in (seen.there, seen.said))
    # Digits that depend on how the processor adds do not decide.
    order = np.lexsort((-said.round(4), -there.round(4)))[:top].tolist()
    return [
        Concept(
            words[i],
            float(there[i]),
            float(said[i]),
            None if where is None else where[..., i].astype(np.float32),
        )
        for i in order
        if there[i] >= least
    ]
