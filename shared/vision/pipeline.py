"""Photos on their way into a model: reading and looking run ahead of what follows."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np

from shared.errors import AppError
from shared.processors import usable_processors

READERS = max(2, usable_processors())  # threads; decoding a photo takes one of them

Source = TypeVar("Source")
Looked = TypeVar("Looked")


def look_ahead(
    sources: Iterable[Source],
    read: Callable[[Source], np.ndarray],
    look: Callable[[np.ndarray], Looked],
    *,
    batch_size: int,
    ahead: int,
) -> Iterator[tuple[list[Source], list[AppError | None], Looked | None]]:
    """Read photos, and look at them, while the caller is busy with earlier ones.

    Args:
        sources: taken as they are needed.
        read: gives the image uint8 (H, W, 3) of a source, or raises AppError.
        look: is given images uint8 (N, H, W, 3), never two batches at once.
        batch_size: sources of a batch, at least 1.
        ahead: batches that are begun at once, at least 1.

    Yields:
        batch after batch, in order: its sources; for each of them None, or why it
        cannot be read; and what `look` gave for those that can, None if there are none.
    """

    def try_read(source: Source) -> np.ndarray | AppError:
        try:
            return read(source)
        except AppError as error:
            return error

    def look_at(
        reading: Sequence[Future],
    ) -> tuple[list[AppError | None], Looked | None]:
        found = [future.result() for future in reading]
        images = [one for one in found if isinstance(one, np.ndarray)]
        errors = [None if isinstance(one, np.ndarray) else one for one in found]
        return errors, look(np.stack(images)) if images else None

    readers, looker = ThreadPoolExecutor(READERS), ThreadPoolExecutor(1)
    queue: deque[tuple[list[Source], Future]] = deque()
    left = iter(sources)
    try:
        while True:
            while len(queue) < ahead and (batch := list(islice(left, batch_size))):
                reading = [readers.submit(try_read, source) for source in batch]
                queue.append((batch, looker.submit(look_at, reading)))
            if not queue:
                return
            batch, future = queue.popleft()
            yield batch, *future.result()
    finally:  # whoever stops early does not wait for what was read ahead
        looker.shutdown(wait=False, cancel_futures=True)
        readers.shutdown(wait=False, cancel_futures=True)
