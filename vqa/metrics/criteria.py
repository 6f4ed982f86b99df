"""What a model makes of questions, and metrics that choose the best epoch by it.

A new metric is a file of its own and a line below.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

# From scores and targets, each float (questions, A), to a figure: more is better,
# percent.
Criterion = Callable[[np.ndarray, np.ndarray], float]


def judge(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Say how right the highest scored answers are: float (questions,)."""
    return targets[np.arange(len(targets)), scores.argmax(axis=1)]


class Outcome(NamedTuple):
    """What a model makes of the dev questions. Axes: questions, A answers or choices.

    Attributes:
        seen: float (questions, A), scores by the model.
        guessed: the same by its twin, which does not see the photos.
        targets: how right each answer is.
    """

    seen: np.ndarray
    guessed: np.ndarray
    targets: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """How right the model's answers are: float (questions,)."""
        return judge(self.seen, self.targets)


def accuracy(scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean of how right the highest scored answers are, percent.

    Args:
        scores, targets: float (questions, A).
    """
    return 100 * float(judge(scores, targets).mean())


def balanced_accuracy(scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean of the accuracies of each answer's questions, percent.

    So that "yes" and "no", which are right most often, do not decide alone.

    Questions that no answer is right for are left out.

    Args:
        scores, targets: float (questions, A).

    Source: Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
    """
    known = targets.max(axis=1) > 0
    if not known.any():
        return 0.0
    right, wanted = judge(scores, targets)[known], targets[known].argmax(axis=1)
    means = [right[wanted == answer].mean() for answer in np.unique(wanted)]
    return 100 * float(np.mean(means))


CRITERIA: Mapping[str, Criterion] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
}
