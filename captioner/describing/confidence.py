"""How probable it is that a caption is right about its main thing."""

import math
from typing import NamedTuple

from captioner.config import ConfidenceConfig


class Evidence(NamedTuple):
    """What speaks for a caption and against it.

    Attributes:
        words: mean log-probability of its words and of the end after them, nats.
        least: log-probability that the thing which it names and which is least surely
            there can be seen, nats.
        most: the same of the thing that is most surely there.
        missed: 0 to 1, how surely people would mention the likeliest thing that it does
            not name.
    """

    words: float
    least: float
    most: float
    missed: float


def judge(evidence: Evidence, weights: ConfidenceConfig) -> float:
    """Give the probability that a caption is right about its main thing."""
    log_odds = weights.bias + sum(
        getattr(weights, name) * value for name, value in evidence._asdict().items()
    )
    return 0.5 + 0.5 * math.tanh(log_odds / 2)  # the sigmoid, which never overflows
