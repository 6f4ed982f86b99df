"""How several data sets are mixed, and what has no photos among them."""

from collections.abc import Iterator, Sequence

import numpy as np


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


def count_steps(turns: np.ndarray, batch_size: int, texts: bool) -> int:
    """Count the steps of an epoch, as `walk` takes them."""
    steps = int(turns.sum()) // batch_size
    return 2 * steps if texts else steps


def walk(
    photos: int,
    batch_size: int,
    seeds: Sequence[int],
    *,
    start: int = 0,
    turns: np.ndarray | None = None,
    texts: bool = False,
) -> Iterator[tuple[np.ndarray | None, np.random.Generator]]:
    """Go once through the photos, in an order that only the seeds decide.

    Args:
        photos: how many.
        batch_size: of them in a step.
        seeds: of this epoch.
        start: steps to leave out at the front, because they were done before.
        turns: int (photos,), how often each comes; None is once.
        texts: whether each step with photos is followed by one without.

    Yields:
        the photos' rows, int (batch size,), or None of a step without; and the step's
        own source of random numbers.
    """
    turns = np.ones(photos, int) if turns is None else turns
    order = np.repeat(np.arange(photos), turns)
    order = np.random.default_rng(seeds).permutation(order)
    for step in range(start, count_steps(turns, batch_size, texts)):
        turn, without = divmod(step, 2) if texts else (step, 0)
        rows = order[turn * batch_size : (turn + 1) * batch_size]
        rng = np.random.default_rng([*seeds, step + 1])  # 0 is the order's
        yield None if without else rows, rng
