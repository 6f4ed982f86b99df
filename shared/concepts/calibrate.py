"""Calibration: from what witnesses say of a word to a probability.

Each word gets a logistic regression on the log odds of its witnesses. Words with the
same kinds of witnesses share one as a prior, so that a word that few photos have does
not follow chance; Platt 1999 with the pooling of a hierarchical model.
"""

from collections.abc import Sequence

import numpy as np

from shared.concepts.regression import (
    UNKNOWN,
    Derivatives,
    derive,
    maximise,
    regress,
)

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

    def derive_sum(theta: np.ndarray) -> Derivatives:
        found = [
            derive(odds[..., part], targets[:, part], weights, theta) for part in parts
        ]
        sums = (
            np.sum([each.sum(0) for each in one], 0) for one in zip(*found, strict=True)
        )
        return Derivatives(*(one[None] for one in sums))

    precision = np.full(len(odds) + 1, 1e-3)
    return maximise(derive_sum, np.zeros((1, len(odds) + 1)), precision)[0]


def _each(
    odds: np.ndarray, targets: np.ndarray, weights: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Fit a regression for each word, drawn to the prior; float (V, W + 1)."""
    precision = np.array([SCALE_PRECISION] * len(odds) + [BIAS_PRECISION])
    start = np.tile(prior, (targets.shape[1], 1))
    return regress(odds, targets, weights, start, precision)


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
