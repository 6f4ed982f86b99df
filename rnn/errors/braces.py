"""How sure a model is of a closing brace, by the distance to the opening one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# Where a range of distances ends: up to 10 symbols, 11 to 20, and so on.
EDGES = (10, 20, 40, 60, 80, 100, 200, 500, 1000)


class Closing(NamedTuple):
    """Closing braces at about one distance.

    Attributes:
        nearest, farthest: the distances, in symbols; None is any farther one.
        number: how many there are.
        probabilities: mean over them, by model.
    """

    nearest: int
    farthest: int | None
    number: int
    probabilities: dict[str, float]


def match_braces(symbols: Sequence[str], pair: str = "{}") -> np.ndarray:
    """Find the brace that each closing one belongs to.

    Args:
        symbols: of a text.
        pair: the opening and the closing one.

    Returns:
        int (P, 2): places of the opening and the closing one. Closing braces without an
        opening one are left out.
    """
    opened: list[int] = []
    pairs = []
    for place, symbol in enumerate(symbols):
        if symbol == pair[0]:
            opened.append(place)
        elif symbol == pair[1] and opened:
            pairs.append((opened.pop(), place))
    return np.array(pairs, int).reshape(-1, 2)


def study_braces(
    pairs: np.ndarray, log_probs: Mapping[str, np.ndarray]
) -> list[Closing]:
    """Compare how probable models find closing braces.

    Args:
        pairs: see `match_braces`; those whose closing brace is to count.
        log_probs: float (T,) by model, of the symbols of the text.

    Returns:
        the distances at which there are any, ascending.
    """
    distances = pairs[:, 1] - pairs[:, 0]
    bins = np.searchsorted(EDGES, distances)  # up to an edge, inclusive
    found = []
    for place in np.unique(bins):
        closing = pairs[bins == place, 1]
        found.append(
            Closing(
                nearest=EDGES[place - 1] + 1 if place else 1,
                farthest=EDGES[place] if place < len(EDGES) else None,
                number=len(closing),
                probabilities={
                    model: float(np.exp(scores[closing]).mean())
                    for model, scores in log_probs.items()
                },
            )
        )
    return found
