"""A second look at photos of whose captions a model is not sure, with a detector.

The concept net sees things in the features of a few regions. A detector sees the photo
itself, and larger, but takes longer than the encoder: so it looks only where that is
likely to change something.
"""

from collections.abc import Sequence

import numpy as np

from shared.concepts.table import ConceptProbs
from shared.concepts.words import coco_kinds
from shared.vision.detector import log_odds

# How log odds of the concept net, and of the detector, add up. For `said` between the
# logistic regressions on photos of Flickr8k's dev split and on those of COCO, whose
# captions say which things are mentioned; for `there` the weights around give the same.
_SAID, _SAID_FOUND, _SAID_BIAS = 0.7, 0.2, 0.15
_THERE, _THERE_FOUND = 0.6, 0.6
_LEAST = 1e-4  # of a probability, and of what is left to 1
# Where nothing that the detector knows is there with such a probability, it does not
# look: at 1 in 25 unsure photos of COCO, but at 7 in 10 unsure close-ups.
_HINT = 0.2


class SecondLook:
    """Adds what a detector finds to what a concept net sees.

    Of the concepts that the detector knows,

        said  = sigmoid(0.7 logit(said) + 0.2 d + 0.15)
        there = sigmoid(0.6 logit(there) + 0.6 d)

    where d are the log odds of the surest box of that kind.

    Args:
        concepts: the words of the concept net, in the order of its probabilities.
    """

    def __init__(self, concepts: Sequence[str]):
        kinds = coco_kinds()
        both = [(i, kinds[word]) for i, word in enumerate(concepts) if word in kinds]
        self._places, self._kinds = np.array(both, int).reshape(-1, 2).T

    def may_help(self, there: np.ndarray) -> bool:
        """Whether a photo may well show what the detector knows.

        Args:
            there: float (C,).
        """
        return bool(there[self._places].max(initial=0.0) >= _HINT)

    def add(self, seen: ConceptProbs, best: np.ndarray) -> ConceptProbs:
        """Give what photos show, with what was found on them.

        Args:
            seen: float (B, C).
            best: float (B, K), see `shared.vision.detector.Things.best`.

        Returns:
            float32 (B, C).
        """
        found = log_odds(best[:, self._kinds])
        said, there = (np.array(part, np.float32) for part in (seen.said, seen.there))
        old_said, old_there = (_logit(p[:, self._places]) for p in (said, there))
        said[:, self._places] = _sigmoid(
            _SAID * old_said + _SAID_FOUND * found + _SAID_BIAS
        )
        there[:, self._places] = _sigmoid(_THERE * old_there + _THERE_FOUND * found)
        return ConceptProbs(said, there)


def _logit(probs: np.ndarray) -> np.ndarray:
    sure = np.clip(probs, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(sure / (1 - sure)))


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-odds)))
