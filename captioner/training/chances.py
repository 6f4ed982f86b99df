"""What is left to chance in training: regions to look at, and words to read."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from captioner.training.batches import Drawn
from shared.nets.drawing import LEVELS

HALF = 0.5  # of the photos, whose regions are drawn; of the others, all are looked at
LAST = 0.01  # exponential: what is left at the end of the way to the highest share
STEEP = 6.0  # inverse sigmoid: the ends of its way, from -6 to 6


def _inverse_sigmoid(x: float) -> float:
    low, here, high = (1 / (1 + math.exp(STEEP * side)) for side in (1, 1 - 2 * x, -1))
    return (here - low) / (high - low)


# What share of its highest is reached after a share of the steps; from 0 to 1.
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "inverse_sigmoid": _inverse_sigmoid,
    "exponential": lambda x: (1 - LAST**x) / (1 - LAST),
}


class Chances(NamedTuple):
    """Draws the numbers by which a stage chooses regions and words.

    Of scheduled sampling, the share of the model's own words rises as

        linear           x
        inverse_sigmoid  1 / (1 + exp(6 - 12 x)), moved and stretched to reach 0 and 1
        exponential      (1 - 0.01 ** x) / 0.99

    times its highest, where x goes from 0 to 1 in the course of the stage.

    Axes: B photos, K captions of each, T tokens.

    Attributes:
        regions: whether regions are drawn, as hard attention does.
        words: highest share of the model's own words, 0 to 1.
        schedule: a key of `SCHEDULES`.
        steps: of an epoch.
        epochs: of the stage.

    Source: Xu et al. 2015, arXiv:1502.03044, section 4.1, for the photos of which no
        regions are drawn; Bengio et al. 2015, arXiv:1506.03099, for the schedules.
    """

    regions: bool
    words: float
    schedule: str
    steps: int
    epochs: int

    def add(
        self, batches: Iterable[Drawn], seeds: Sequence[int], start: int
    ) -> Iterator[Drawn]:
        """Add "region_noise" and "word_noise", see `captioner.net.decoder.Decoder`.

        Args:
            batches: of an epoch.
            seeds: of the epoch, its number last.
            start: number of the first of the batches.
        """
        for step, drawn in enumerate(batches, start):
            rng = np.random.default_rng([*seeds, step + 1, 1])  # 0 is the batch's own
            noise = {}
            if self.regions and drawn.rows is not None:
                photos = rng.random(len(drawn.targets)) < HALF
                noise["region_noise"] = _draw(drawn, photos[:, None, None], rng)
            if self.words:
                share = self.share((seeds[-1] + step / self.steps) / self.epochs)
                own = rng.random(drawn.targets.shape) < share
                noise["word_noise"] = _draw(drawn, own, rng)
            yield drawn._replace(batch={**drawn.batch, **noise})

    def share(self, x: float) -> float:
        """Give the share of the model's own words where x of the stage is done."""
        return self.words * SCHEDULES[self.schedule](x)


def _draw(drawn: Drawn, where: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a number for each token, int32 (B, K, T) below `LEVELS`; -1 elsewhere."""
    noise = rng.integers(LEVELS, size=drawn.targets.shape, dtype=np.int32)
    return np.where(where, noise, np.int32(-1))
