"""Logistic regressions with priors, many at once, by Newton's method."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

UNKNOWN = -1.0  # a target of which nobody has said anything
STEPS = 30  # of Newton's method; the last ones move no digit that matters


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


def regress(
    inputs: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
    precision: np.ndarray,
) -> np.ndarray:
    """Fit logistic regressions by themselves, each drawn to its prior.

    Axes: P examples, W inputs, V regressions.

    Args:
        inputs: float (W, P, V), what is known of each example.
        targets: float (P, V), probabilities, or UNKNOWN.
        weights: float (P,), how much an example counts.
        prior: float (V, W + 1), means of the scales and the bias.
        precision: float (W + 1,), one over their variances; 0 is no prior.

    Returns:
        float (V, W + 1).
    """
    return maximise(
        lambda theta: derive(inputs, targets, weights, theta), prior, precision
    )


def derive(
    inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray, theta: np.ndarray
) -> Derivatives:
    """Differentiate the log likelihood.

    Args:
        inputs, targets, weights: see `regress`.
        theta: float (V, W + 1); or (1, W + 1), the same for all regressions.
    """
    theta = np.broadcast_to(theta, (targets.shape[1], theta.shape[1]))
    ones = np.ones((1, *targets.shape), inputs.dtype)
    columns = np.moveaxis(np.concatenate([inputs, ones]), (2, 1), (0, 1))
    columns = np.ascontiguousarray(columns)  # (V, P, W + 1)
    rows = columns.swapaxes(1, 2)  # (V, W + 1, P)
    total = (columns @ theta[..., None])[..., 0]  # (V, P)
    targets = targets.T
    known = weights * (targets != UNKNOWN)
    value = known * (targets * total - np.logaddexp(0.0, total))
    probs = np.exp(-np.logaddexp(0.0, -total))
    spread = known * probs * (1.0 - probs)
    return Derivatives(
        value.sum(1),
        (rows @ (known * (targets - probs))[..., None])[..., 0],
        rows @ (spread[..., None] * columns),
    )


def maximise(
    differentiate: Callable[[np.ndarray], Derivatives],
    prior: np.ndarray,
    precision: np.ndarray,
) -> np.ndarray:
    """Find the likeliest numbers by Newton's method, from the prior's mean on.

    A step that leads down is halved until it does not.

    Args:
        differentiate: see `derive`.
        prior: float (V, W + 1), the mean.
        precision: float (W + 1,), one over the prior's variance.
    """

    def weigh(theta: np.ndarray) -> Derivatives:
        value, slope, curve = differentiate(theta)
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
