"""Calibration: from what witnesses say of a word to a probability.

Each word gets a logistic regression on the log odds of its witnesses. Words with the
same kinds of witnesses share one as a prior, so that a word that few photos have does
not follow chance; Platt 1999 with the pooling of a hierarchical model.
"""

from collections.abc import Sequence

import numpy as np

from shared.concepts.lessons import UNKNOWN

STEPS = 12  # of Newton's method, which then moves no digit that matters
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
            each = _words(odds[use][:, :, some], targets[:, some], weights, prior)
            found[np.array([*use, len(odds)])[:, None], some] = each.T
    return found.astype(np.float32)


def _pooled(odds: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fit one regression for all words; float (W + 1,)."""
    theta = np.zeros((1, len(odds) + 1))
    precision = np.full(len(odds) + 1, 1e-3)
    parts = [slice(i, i + CHUNK) for i in range(0, targets.shape[1], CHUNK)]
    for _ in range(STEPS):
        found = [
            _derivatives(odds[..., part], targets[:, part], weights, theta)
            for part in parts
        ]
        slope = np.sum([one.sum(0, keepdims=True) for one, _ in found], axis=0)
        curve = np.sum([one.sum(0, keepdims=True) for _, one in found], axis=0)
        theta = _step(theta, slope, curve, theta * 0.0, precision)
    return theta[0]


def _words(
    odds: np.ndarray, targets: np.ndarray, weights: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Fit a regression for each word, drawn to the prior; float (V, W + 1)."""
    theta = np.tile(prior, (targets.shape[1], 1))
    precision = np.array([SCALE_PRECISION] * len(odds) + [BIAS_PRECISION])
    for _ in range(STEPS):
        slope, curve = _derivatives(odds, targets, weights, theta)
        theta = _step(theta, slope, curve, prior, precision)
    return theta


def _derivatives(
    odds: np.ndarray, targets: np.ndarray, weights: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First (V, W + 1) and second derivatives of the weighed log likelihood.

    Args:
        theta: float (V, W + 1); or (1, W + 1), the same for all words.
    """
    theta = np.broadcast_to(theta, (targets.shape[1], theta.shape[1]))
    inputs = np.concatenate([odds, np.ones_like(odds[:1])])  # (W + 1, P, V)
    total = np.einsum("wpv,vw->pv", inputs[:-1], theta[:, :-1]) + theta[:, -1]
    probs = 1.0 / (1.0 + np.exp(-total.clip(-30, 30)))
    known = weights[:, None] * (targets != UNKNOWN)
    slope = np.einsum("wpv,pv->vw", inputs, known * (targets - probs))
    spread = known * probs * (1 - probs)
    curve = np.stack(
        [np.einsum("pv,wpv->vw", spread * one, inputs) for one in inputs], axis=1
    )
    return slope, curve


def _step(
    theta: np.ndarray,
    slope: np.ndarray,
    curve: np.ndarray,
    prior: np.ndarray,
    precision: np.ndarray,
) -> np.ndarray:
    """Take a step of Newton's method, at most 2 in each number."""
    slope = slope - precision * (theta - prior)
    curve = curve + np.diag(precision)
    return theta + np.linalg.solve(curve, slope[..., None])[..., 0].clip(-2, 2)


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
