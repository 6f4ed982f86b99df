"""Calibration: from what witnesses say of a word to a probability.

Each word gets a logistic regression on the log odds of its witnesses. Words with the
same kinds of witnesses share one as a prior, so that a word that few photos have does
not follow chance; Platt 1999 with the pooling of a hierarchical model.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from shared.concepts.lessons import UNKNOWN

STEPS = 30  # of Newton's method; the last ones move no digit that matters
SCALE_PRECISION, BIAS_PRECISION = 30.0, 1.0  # of a word about its kind
CHUNK = 64  # words at a time


def calibrate(
    odds: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    has: np.ndarray,
) -> np.ndarray:
    """Fit the regressions.

    Axes: P photos, W witnesses, V words.

    Args:
        odds: float (W, P, V), log odds; 0 where a witness knows nothing.
        targets: float (P, V), probabilities, or UNKNOWN.
        weights: float (P,), how much a photo counts.
        has: bool (W, V), which witnesses a word has.

    Returns:
        float32 (W + 1, V): a scale for each witness, 0 for those that a word lacks,
        and a bias.
    """
    found = np.zeros((len(odds) + 1, targets.shape[1]), np.float64)
    kinds = has.astype(int).T @ (1 << np.arange(len(has)))  # (V,)
    for kind in np.unique(kinds):
        words = np.flatnonzero(kinds == kind)
        use = [w for w in range(len(has)) if kind >> w & 1]
        prior = _pooled(odds[use][:, :, words], targets[:, words], weights)
        for start in range(0, len(words), CHUNK):
            some = words[start : start + CHUNK]
            each = _each(odds[use][:, :, some], targets[:, some], weights, prior)
            found[np.array([*use, len(odds)])[:, None], some] = each.T
    return found.astype(np.float32)


def _pooled(odds: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fit one regression for all words; float (W + 1,)."""
    parts = [slice(i, i + CHUNK) for i in range(0, targets.shape[1], CHUNK)]

    def derive(theta: np.ndarray) -> Derivatives:
        found = [
            _derive(odds[..., part], targets[:, part], weights, theta) for part in parts
        ]
        sums = (
            np.sum([each.sum(0) for each in one], 0) for one in zip(*found, strict=True)
        )
        return Derivatives(*(one[None] for one in sums))

    precision = np.full(len(odds) + 1, 1e-3)
    return _maximise(derive, np.zeros((1, len(odds) + 1)), precision)[0]


def _each(
    odds: np.ndarray, targets: np.ndarray, weights: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Fit a regression for each word, drawn to the prior; float (V, W + 1)."""
    precision = np.array([SCALE_PRECISION] * len(odds) + [BIAS_PRECISION])
    start = np.tile(prior, (targets.shape[1], 1))
    return regress(odds, targets, weights, start, precision)


def regress(
    odds: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
    precision: np.ndarray,
) -> np.ndarray:
    """Fit logistic regressions by themselves, each drawn to its prior.

    Args:
        odds: float (W, P, V), what is known of each example.
        targets: float (P, V), probabilities, or UNKNOWN.
        weights: float (P,), how much an example counts.
        prior: float (V, W + 1), means of the scales and the bias.
        precision: float (W + 1,), one over their variances; 0 is no prior.

    Returns:
        float (V, W + 1).
    """
    return _maximise(
        lambda theta: _derive(odds, targets, weights, theta), prior, precision
    )


class Derivatives(NamedTuple):
    """A weighed log likelihood, for each of V regressions, and how it changes.

    Attributes:
        value: float (V,).
        slope: float (V, W + 1).
        curve: float (V, W + 1, W + 1), the second derivatives' negative.
    """

    value: np.ndarray
    slope: np.ndarray
    curve: np.ndarray


def _derive(
    odds: np.ndarray, targets: np.ndarray, weights: np.ndarray, theta: np.ndarray
) -> Derivatives:
    """Differentiate the log likelihood.

    Args:
        theta: float (V, W + 1); or (1, W + 1), the same for all words.
    """
    theta = np.broadcast_to(theta, (targets.shape[1], theta.shape[1]))
    ones = np.ones((1, *targets.shape), odds.dtype)
    inputs = np.concatenate([odds, ones])  # (W + 1, P, V)
    total = np.einsum("wpv,vw->pv", inputs, theta)
    known = weights[:, None] * (targets != UNKNOWN)
    value = known * (targets * total - np.logaddexp(0.0, total))
    probs = np.exp(-np.logaddexp(0.0, -total))
    spread = known * probs * (1.0 - probs)
    return Derivatives(
        value.sum(0),
        np.einsum("wpv,pv->vw", inputs, known * (targets - probs)),
        np.stack([np.einsum("pv,wpv->vw", spread * i, inputs) for i in inputs], axis=1),
    )


def _maximise(
    derive: Callable[[np.ndarray], Derivatives],
    prior: np.ndarray,
    precision: np.ndarray,
) -> np.ndarray:
    """Find the likeliest numbers by Newton's method, from the prior's mean on.

    A step that leads down is halved until it does not.

    Args:
        prior: float (V, W + 1), the mean.
        precision: float (W + 1,), one over the prior's variance.
    """

    def weigh(theta: np.ndarray) -> Derivatives:
        value, slope, curve = derive(theta)
        off = theta - prior
        return Derivatives(
            value - 0.5 * (precision * off**2).sum(1),
            slope - precision * off,
            curve + np.diag(precision),
        )

    best, length = prior, np.ones(len(prior))
    here = weigh(best)
    for _ in range(STEPS):
        step = np.linalg.solve(here.curve, here.slope[..., None])[..., 0]
        tried = best + length[:, None] * step
        there = weigh(tried)
        up = there.value >= here.value
        best = np.where(up[:, None], tried, best)
        length = np.where(up, np.minimum(1.0, 2.0 * length), 0.5 * length)
        here = Derivatives(
            np.where(up, there.value, here.value),
            np.where(up[:, None], there.slope, here.slope),
            np.where(up[:, None, None], there.curve, here.curve),
        )
    return best


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    """Give the chance that a positive has a higher score than a negative; equal: half.

    Args:
        scores: float (N,).
        positive: bool (N,).

    Returns:
        NaN if all are the same.
    """
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # 1 is the lowest
    return float((ranks[place][positive].sum() - many * (many + 1) / 2) / (many * few))


def reliability(
    probs: np.ndarray, targets: np.ndarray, edges: Sequence[float]
) -> list[list[float]]:
    """Compare what was said with what was so, in bins.

    Args:
        probs, targets: float (...), alike in shape; targets may be UNKNOWN.
        edges: between the bins.

    Returns:
        for each bin that has any: mean probability, mean target, how many.
    """
    known = targets != UNKNOWN
    probs, targets = probs[known], targets[known]
    bins = np.digitize(probs, edges)
    return [
        [float(probs[b].mean()), float(targets[b].mean()), float(b.sum())]
        for b in (bins == i for i in range(len(edges) + 1))
        if b.any()
    ]
