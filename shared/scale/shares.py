"""What a worker does at a time: a share of the items, which it reads itself."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from shared.scale.stores import TOGETHER, Address, Place

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# Of few items, so many shares that workers end at nearly the same time; of many, what
# a kill may cost: some seconds. Batches of 8, 16, 32 or 64 go into a share evenly.
LEAST_SHARES, LARGEST, STEP = 64, 1024, 8


class Share(Protocol[T_co]):
    """Items that go into one part of the output; sent to a worker by pickle."""

    @property
    def count(self) -> int:
        """How many items; 0 if only reading tells."""

    @property
    def digest(self) -> str:
        """Digest of their names, in order."""

    def read(self) -> Iterator[Sequence[T_co]]:
        """Give the items, at once only as many as memory easily holds.

        Raises:
            AppError: if what they are in cannot be read.
        """

    @property
    def files(self) -> Sequence[Place]:
        """What is read for them."""


@dataclass(frozen=True)
class Listed(Generic[T]):
    """A share of items that are small, such as paths.

    Attributes:
        items: in order.
        digest: see `Share`.
        files: what is read for them.
    """

    items: Sequence[T]
    digest: str
    files: Sequence[Place]

    @property
    def count(self) -> int:
        """How many items; all are known."""
        return len(self.items)

    def read(self) -> Iterator[Sequence[T]]:
        """Give all of them."""
        yield self.items


def cut(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list into shares, of a size that depends on its length alone."""
    size = min(LARGEST, STEP * max(1, -(-len(items) // (LEAST_SHARES * STEP))))
    for start in range(0, len(items), size):
        yield items[start : start + size]


def files_state(files: Iterable[Place]) -> str:
    """Digest of the sizes and times of files: another one once a photo has changed."""
    digest = hashlib.sha256()
    with ThreadPoolExecutor(TOGETHER) as pool:
        # What a disk tells at once is not sent through threads.
        asked = [pool.submit(_state, f) if isinstance(f, Address) else f for f in files]
        for one in asked:
            told = one.result() if isinstance(one, Future) else _state(one)
            digest.update(f"{told}\n".encode())
    return digest.hexdigest()[:32]


def _state(file: Place) -> tuple[int, ...]:
    try:
        # pathlib raises for long names
        found = file.stat() if isinstance(file, Address) else os.stat(file)  # noqa: PTH116
        return found.st_size, found.st_mtime_ns
    except (OSError, ValueError):  # no file, or no name of a file
        return ()
