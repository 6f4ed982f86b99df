"""The lectures' toy: a tiny net with relu whose gradient vanishes, or explodes.

It needs NumPy alone. With no inputs, and W scaled, h goes through the same W again and
again:

    h_t     = relu(W h_{t-1})
    dL/dh_{t-1} = W^T (dL/dh_t where h_t > 0, else 0)

Which units are above 0 does not change when W is multiplied by a number s > 0, so that
the gradient at distance k is multiplied by s^k, exactly. Here W is first divided by the
mean rate at which the gradient grows or shrinks at a step, so that with s = 1 it is at
the farthest step what it was at the loss. With s below 1 it vanishes, above 1 it
explodes.

Source: the backward pass that Fei-Fei, Karpathy & Johnson show in CS231n, 2016, lecture
10; Pascanu et al. 2013, arXiv:1211.5063.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

UNITS, STEPS = 5, 50
RATES = (0.8, 1.0, 1.25)


class Toy(NamedTuple):
    """What flows back through the toy.

    Attributes:
        rate: what the gradient is multiplied by at a step, in the mean.
        norms: float64 (T,), the norm of dL/dh at distances 0 to T - 1 of the loss.
    """

    rate: float
    norms: np.ndarray


def run_toy(
    units: int = UNITS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> list[Toy]:
    """Send a random gradient back through the same net, W scaled to each of the rates.

    Args:
        units: H.
        steps: T.
        rates: see `Toy.rate`; above 0.
        seed: of W, of the first h and of the gradient at the end.

    Raises:
        ValueError: if there are no units, steps, or a rate is not above 0.
    """
    if units < 1 or steps < 1 or min(rates) <= 0:
        raise ValueError(
            "`units` and `steps` must be at least 1, `rates` above 0. Received: "
            f"units={units}, steps={steps}, rates={rates}"
        )
    rng = np.random.default_rng(seed)
    while True:
        weights, h = rng.normal(size=(units, units)), rng.normal(size=units)
        active, last = forward(weights, h, steps), rng.normal(size=units)
        norms = backward(weights, active, last)
        if norms[-1]:  # else relu has put out all units, and nothing flows
            break
    rate = (norms[-1] / norms[0]) ** (1 / max(1, steps - 1))
    return [Toy(s, backward(weights * s / rate, active, last)) for s in rates]


def forward(weights: np.ndarray, h: np.ndarray, steps: int) -> np.ndarray:
    """Give bool (T, H): which units are above 0 at each step."""
    active = np.zeros((steps, len(h)), bool)
    for t in range(steps):
        h = np.maximum(0, weights @ h)
        active[t] = h > 0
        h = h / max(np.linalg.norm(h), 1e-300)  # which are above 0 stays the same
    return active


def backward(weights: np.ndarray, active: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Give float64 (T,): the norms of dL/dh at distances 0 to T - 1, from dL/dh_T."""
    gradient, norms = last, []
    for above in active[::-1]:
        norms.append(np.linalg.norm(gradient))
        gradient = weights.T @ np.where(above, gradient, 0)
    return np.array(norms)
