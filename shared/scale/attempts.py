"""Which item it is that ends whatever worker comes to it: one by one, it is found."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from shared.scale.stores import Place

WHOLE = 2  # attempts at a share, until its items are done one by one
BLAMED = 2  # workers that ended at an item, until it is left out
PROBLEM = "whatever worker reads it ends; it may need more memory than there is"


class Lost(NamedTuple):
    """A photo that is not read, in the place of one.

    Attributes:
        name: what its record calls it.
        problem: why not.
    """

    name: str
    problem: str

    def as_posix(self) -> str:
        """Give its name, as a path does."""
        return self.name

    def read_bytes(self) -> bytes:
        """Say why it is not read.

        Raises:
            OSError: always.
        """
        raise OSError(self.problem)

    def __fspath__(self) -> str:
        return self.name

    def __str__(self) -> str:
        return self.name


class Attempts:
    """What is known of earlier attempts at a share, in a file beside its part.

    Args:
        path: of the file.
    """

    def __init__(self, path: Place):
        self._path = path
        told: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            told = json.loads(path.read_bytes())
        self._count = told.get("count", 0) + 1
        self._ended: list[int] = told.get("ended", [])
        if told.get("at") is not None:
            self._ended.append(told["at"])
        self._write(None)

    def split(self, items: Sequence[Any], first: int) -> Iterator[Sequence[Any]]:
        """Give items as they are to be done: all at once, or one by one.

        Args:
            items: some of the share's.
            first: how many came before them.
        """
        if self._count <= WHOLE:
            yield items
            return
        for place, item in enumerate(items, first):
            if self._ended.count(place) >= BLAMED:
                yield [_without_photo(item)]
            else:
                self._write(place)
                yield [item]

    def end(self) -> None:
        """Forget them: the part is written."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, place: int | None) -> None:
        told = {"count": self._count, "ended": self._ended, "at": place}
        self._path.write_bytes(json.dumps(told).encode())


def photo_of(item: Any) -> Any:
    """Give the photo that an item is, or that it asks about."""
    return getattr(item, "path", item)


def _without_photo(item: Any) -> Any:
    lost = Lost(photo_of(item).as_posix(), PROBLEM)
    return item._replace(path=lost) if hasattr(item, "path") else lost
