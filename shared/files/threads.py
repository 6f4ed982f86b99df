"""Many small tasks in a few threads."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    function: Callable[[T], R], items: Iterable[T], threads: int, at_once: int = 32
) -> Iterator[R]:
    """Apply a function to all items in threads.

    Args:
        at_once: items that a thread is given; to give it some takes 0.05 ms.

    Yields:
        the results in the order of the items; what is raised for one comes with those
        of its neighbours, and ends it.
    """

    def apply(part: list[T]) -> list[R]:
        return list(map(function, part))

    left = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(apply, iter(lambda: list(islice(left, at_once)), [])):
            yield from found
