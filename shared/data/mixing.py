"""In what order photos are learnt from, and how several data sets are mixed."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

Batch = dict[str, np.ndarray]
# rows int (B,), mirrored bool (B,), random source -> "images", or "features" and more
Look = Callable[[np.ndarray, np.ndarray, np.random.Generator], Batch]


def count_turns(sources: Sequence[int], balance: float) -> np.ndarray:
    """Say how often photos come in an epoch, so that small data sets count for more.

        turns of a set = (size of the largest / its size) ** (1 - balance), rounded

    Args:
        sources: of each photo, the data set that it comes from.
        balance: 1 is once each; 0 draws as many photos from each set.

    Returns:
        int (photos,), at least 1.

    Source: Conneau & Lample 2019, arXiv:1901.07291, who mix languages by a power of
        their sizes.
    """
    sizes = np.bincount(sources)
    turns = (sizes.max() / np.maximum(sizes, 1)) ** (1 - balance)
    return np.rint(turns).astype(int)[np.asarray(sources)]


class Order(NamedTuple):
    """In what order photos, or other examples, are learnt from.

    Attributes:
        turns: int (photos,), how often each comes in an epoch.
        most: photos in a step, if there are as many.
        texts: whether each step with photos is followed by one without.
    """

    turns: np.ndarray
    most: int
    texts: bool = False

    @property
    def batch_size(self) -> int:
        """Photos in a step."""
        return min(self.most, len(self.turns))

    @property
    def steps(self) -> int:
        """Steps of an epoch; the photos left over are other ones each epoch."""
        return int(self.turns.sum()) // self.batch_size * (2 if self.texts else 1)

    def walk(
        self, seeds: Sequence[int], start: int = 0
    ) -> Iterator[tuple[np.ndarray | None, np.random.Generator]]:
        """Go once through the photos, in an order that only the seeds decide.

        Args:
            seeds: of this epoch.
            start: steps to leave out at the front, because they were done before.

        Yields:
            the photos' rows, int (batch size,), or None of a step without; and the
            step's own source of random numbers.
        """
        order = np.repeat(np.arange(len(self.turns)), self.turns)
        order = np.random.default_rng(seeds).permutation(order)
        for step in range(start, self.steps):
            turn, without = divmod(step, 2) if self.texts else (step, 0)
            rows = order[turn * self.batch_size : (turn + 1) * self.batch_size]
            rng = np.random.default_rng([*seeds, step + 1])  # 0 is the order's
            yield None if without else rows, rng


def choose_mirrored(count: int, mirror: bool, rng: np.random.Generator) -> np.ndarray:
    """Say which photos are mirrored, half of them if asked: bool (count,)."""
    return (rng.random(count) < 0.5) & mirror
