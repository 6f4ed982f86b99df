"""What a net makes of questions, whatever runs it."""

from typing import NamedTuple

import numpy as np


class Scores(NamedTuple):
    """What a net makes of questions. Axes: N questions, A answers, J joint size.

    Attributes:
        joint: float32 (N, J), where question and photo have met.
        scores: float32 (N, A), of the vocabulary's answers; A may be 0.
        alpha: float32 (N, H, R), how much each hop looked at each region.
    """

    joint: np.ndarray
    scores: np.ndarray
    alpha: np.ndarray
