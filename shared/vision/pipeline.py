"""Photos on their way into a model: reading and looking run ahead of what follows."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from shared.errors import AppError
from shared.processors import usable_processors

READERS = max(2, usable_processors())  # threads; decoding a photo takes one of them

Source = TypeVar("Source")
Read = TypeVar("Read")
Looked = TypeVar("Looked")
Result = TypeVar("Result")


def look_ahead(
    sources: Iterable[Source],
    read: Callable[[Source], Read],
    look: Callable[[list[Read]], Looked],
    *,
    batch_size: int,
    ahead: int,
) -> Iterator[tuple[list[Source], list[AppError | None], Looked | None]]:
    """Read photos, and look at them, while the caller is busy with earlier ones.

    Args:
        sources: taken as they are needed.
        read: gives what is in a source, or raises AppError.
        look: is given what was read of a batch, never two batches at once.
        batch_size: sources of a batch, at least 1.
        ahead: batches that are begun at once, at least 1.

    Yields:
        batch after batch, in order: its sources; for each of them None, or why it
        cannot be read; and what `look` gave for those that can, None if there are none.
    """

    def try_read(source: Source) -> Read | AppError:
        try:
            return read(source)
        except AppError as error:
            return error

    def look_at(
        reading: Sequence[Future],
    ) -> tuple[list[AppError | None], Looked | None]:
        found = [future.result() for future in reading]
        good = [one for one in found if not isinstance(one, AppError)]
        errors = [one if isinstance(one, AppError) else None for one in found]
        return errors, look(good) if good else None

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


def map_ahead(
    function: Callable[[Source], Result],
    items: Iterable[Source],
    threads: int,
    ahead: int | None = None,
) -> Iterator[Result]:
    """Apply a function to items in threads, before what it gives is asked for.

    Args:
        items: taken as they are needed.
        threads: items at once, at least 1.
        ahead: items that are begun before they are asked for; None is `threads`.

    Yields:
        what it gave, in order; what it raised for an item is raised in its place.
    """
    pool = ThreadPoolExecutor(threads)
    queue: deque[Future[Result]] = deque()
    try:
        for item in items:
            queue.append(pool.submit(function, item))
            if len(queue) > (threads if ahead is None else ahead):
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()
    finally:  # see `look_ahead`
        pool.shutdown(wait=False, cancel_futures=True)
