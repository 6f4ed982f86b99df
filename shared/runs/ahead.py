"""Items that a thread makes while those before them are used."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """Make the next items in a thread while the current one is used."""
    done = object()
    line: queue.Queue = queue.Queue(depth)
    stop = threading.Event()

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                line.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(done)
        except BaseException as error:  # raised again where the items are used
            put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        while (item := line.get()) is not done:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()


class Waited(Generic[T]):
    """Iterates over items, and adds up how long they kept whoever uses them waiting.

    Attributes:
        seconds: till now.
    """

    def __init__(self, items: Iterable[T]):
        self._items = iter(items)
        self.seconds = 0.0

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        asked = time.monotonic()
        try:
            return next(self._items)
        finally:
            self.seconds += time.monotonic() - asked
