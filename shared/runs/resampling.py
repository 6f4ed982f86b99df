"""How far a score can be trusted: bootstrap intervals, and a test of a difference.

A score of a set of photos follows from sums over them, of what was counted of each. So
nothing is scored anew: a thousand other sets of photos are a thousand other sums.

Axes: N photos, K counts of each, S sets of photos.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000  # for an interval
SHUFFLES = 10_000  # for a p-value
_AT_ONCE = 100  # shuffles; 8 bytes for each and each photo
_NOISE = 1e-9  # what sums in another order differ by

Interval = tuple[float, float]


class Tally(NamedTuple):
    """What is counted of each photo, and the score that follows.

    Attributes:
        counts: float (N, K).
        score: makes scores (...) of sums over photos, float (..., K).
    """

    counts: np.ndarray
    score: Callable[[np.ndarray], np.ndarray]

    @property
    def value(self) -> float:
        """The score of all photos."""
        return float(self.score(self.counts.sum(axis=0)))


class Difference(NamedTuple):
    """By how much one score is above another one of the same photos.

    Attributes:
        value: the difference.
        interval: its 95 % confidence interval, by a paired bootstrap.
        p: the probability of a difference as large or larger, whatever its sign, if
            both were equally good, by approximate randomisation.
    """

    value: float
    interval: Interval
    p: float

    def __str__(self) -> str:
        low, high = self.interval
        p = "< 0.001" if self.p < 0.001 else f"= {self.p:.3f}"
        return f"{self.value:+.1f} ({low:+.1f} to {high:+.1f}), p {p}"


def ratio(sums: np.ndarray) -> np.ndarray:
    """Divide the first of two sums by the second; NaN where that is 0."""
    with np.errstate(invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def tally_mean(scores: Sequence[float], photos: Sequence[str] | None = None) -> Tally:
    """Tally scores whose mean is reported.

    Args:
        scores: of each photo, or of what there is several of in a photo.
        photos: the name of each one's photo; None for one a photo.
    """
    values = np.asarray(scores, float)
    if photos is None:
        return Tally(np.stack([values, np.ones_like(values)], axis=1), ratio)
    _, owners = np.unique(np.asarray(photos, dtype=object), return_inverse=True)
    sums = np.bincount(owners, values), np.bincount(owners)
    return Tally(np.stack(sums, axis=1), ratio)


def find_intervals(tallies: Mapping[str, Tally]) -> dict[str, Interval]:
    """Find 95 % confidence intervals of scores of the same photos, by bootstrap.

    Whole photos are drawn, N of N with replacement, with all that was counted of them:
    what is said of one photo is right or wrong together. The draws are the same each
    time.

    Source: Efron 1979, Annals of Statistics 7(1), percentile method; for BLEU, Koehn
        2004, ACL W04-3250.
    """
    scores = _bootstrap(list(tallies.values()))
    return dict(zip(tallies, map(_middle, scores), strict=True))


def compare(first: Tally, second: Tally) -> Difference:
    """Compare two scores of the same photos, each photo with itself.

    Source: for the test, Noreen 1989, "Computer-Intensive Methods for Testing
        Hypotheses", and Riezler & Maxwell 2005, ACL W05-0908, who find it errs less
        often than the bootstrap.

    Raises:
        ValueError: if they are not of equally many photos.
    """
    if first.counts.shape != second.counts.shape:
        raise ValueError(
            f"not the same photos: {first.counts.shape} and {second.counts.shape}"
        )
    ones, others = _bootstrap([first, second])
    return Difference(
        first.value - second.value, _middle(ones - others), _randomise(first, second)
    )


def _middle(scores: np.ndarray) -> Interval:
    """Give the middle 95 % of scores; those of sets that have none do not count."""
    low, high = np.nanquantile(scores, (0.025, 0.975))
    return float(low), float(high)


def _bootstrap(tallies: Sequence[Tally]) -> list[np.ndarray]:
    """Score sets of photos drawn with replacement: (S,) of each tally."""
    counts = np.concatenate([tally.counts for tally in tallies], axis=1)
    photos = len(counts)
    rng = np.random.default_rng(1)
    drawn = (rng.integers(photos, size=photos) for _ in range(RESAMPLES))
    sums = np.stack([np.bincount(d, minlength=photos) @ counts for d in drawn])
    ends = np.cumsum([tally.counts.shape[1] for tally in tallies])
    parts = np.split(sums, ends[:-1], axis=1)
    return [tally.score(part) for tally, part in zip(tallies, parts, strict=True)]


def _randomise(first: Tally, second: Tally) -> float:
    """Exchange the two for half of the photos, at random, and count large differences.

    Returns:
        the p-value, two-sided.
    """
    here, there = first.counts.sum(axis=0), second.counts.sum(axis=0)
    gaps = second.counts - first.counts
    seen = abs(first.score(here) - first.score(there))
    rng, large = np.random.default_rng(2), 0
    for _ in range(SHUFFLES // _AT_ONCE):
        exchanged = rng.integers(2, size=(_AT_ONCE, len(gaps)), dtype=np.int8)
        moved = exchanged.astype(float) @ gaps  # (S, K)
        found = abs(first.score(here + moved) - first.score(there - moved))
        large += int(np.sum(found >= seen - _NOISE))
    return (large + 1) / (SHUFFLES + 1)
