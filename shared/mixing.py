"""How several data sets are mixed."""

from collections.abc import Sequence

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
