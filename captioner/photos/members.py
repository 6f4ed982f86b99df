"""Photos that lie in a file of many: a table of bytes, or a tar archive."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol, cast

from shared.data.walking import is_photo_name
from shared.errors import AppError
from shared.files.resuming import list_digest
from shared.scale.attempts import Lost
from shared.scale.stores import BLOCK, Address, Place
from shared.vision.images import StoredImage

ROWS_AT_ONCE = 32  # photos of a file of many, read before they are decoded


class Photo(StoredImage, Protocol):
    """A path, or what is like one."""

    def as_posix(self) -> str:
        """What its record calls it."""


class Stored(NamedTuple):
    """A photo that was read already.

    Attributes:
        name: what its record calls it.
        data: the bytes of its file.
    """

    name: str
    data: bytes

    def as_posix(self) -> str:
        """Give its name, as a path does."""
        return self.name

    def read_bytes(self) -> bytes:
        """Give its bytes, as a path does."""
        return self.data

    def __str__(self) -> str:
        return self.name


class Member(NamedTuple):
    """A photo in a tar archive that is not compressed.

    Attributes:
        tar: the archive.
        inner: its path in there.
        start, size: where its bytes are.
    """

    tar: Place
    inner: str
    start: int
    size: int

    @property
    def name(self) -> str:
        """What its record calls it: the archive, and its path in there."""
        return f"{self.tar.as_posix()}/{self.inner}"

    def as_posix(self) -> str:
        """Give its name, as a path does."""
        return self.name

    def read_bytes(self) -> bytes:
        """Read it, as a path does.

        Raises:
            OSError: if the archive cannot be read, or ends before.
        """
        with self.tar.open("rb") as file:
            file.seek(self.start)
            data = file.read(self.size)
        if len(data) < self.size:
            raise OSError(f"{self.tar} ends in the middle of it")
        return data

    def __str__(self) -> str:
        return self.name


def find_members(tar: Place) -> Iterator[Member]:
    """Find the photos of an archive, such as a shard of WebDataset, in its order.

    Only the heads of its files are read.

    Raises:
        AppError: if it is no tar archive, or is compressed or damaged.
    """
    try:
        with tarfile.open(tar, "r:") as archive:
            while info := archive.next():
                cast(Any, archive).members = []  # which would grow
                if _is_photo(info):
                    yield Member(tar, info.name, info.offset_data, info.size)
            _check_end(archive, tar)
    except (tarfile.TarError, ValueError) as error:
        raise AppError(f"{tar} is {_damaged(error)}.") from error
    except OSError as error:
        raise AppError(f"{tar} cannot be read: {error.strerror or error}.") from error


@dataclass(frozen=True)
class Stream:
    """A share that is a tar archive in a store, read once from its start to its end.

    To look for the photos in there beforehand would take a request for each. So how
    many there are is known when it is read.

    Attributes:
        tar: the archive.
        count: 0, not known.
    """

    tar: Address
    count: int = 0

    @property
    def files(self) -> list[Address]:
        """See `shared.scale.shares.Share`."""
        return [self.tar]

    @property
    def digest(self) -> str:
        """See `shared.scale.shares.Share`."""
        return list_digest([self.tar.as_posix()])

    def read(self) -> Iterator[Sequence[Photo]]:
        """Give some photos at a time.

        Raises:
            AppError: if the store fails. A damaged archive ends with a photo that
                cannot be read, in the place of those that it may hold.
        """
        photos = self._photos()
        try:
            while some := list(islice(photos, ROWS_AT_ONCE)):
                yield some
        except OSError as error:
            reason = error.strerror or error
            raise AppError(f"{self.tar} cannot be read: {reason}.") from error

    def _photos(self) -> Iterator[Photo]:
        with self.tar.open() as file:
            try:
                with tarfile.open(fileobj=file, mode="r|", bufsize=BLOCK) as archive:
                    while info := archive.next():
                        cast(Any, archive).members = []  # which would grow
                        inside = _is_photo(info) and archive.extractfile(info)
                        if inside:
                            name = f"{self.tar.as_posix()}/{info.name}"
                            yield Stored(name, inside.read())
                    _check_end(archive, self.tar)
            except (tarfile.TarError, ValueError) as error:
                problem = f"the archive is {_damaged(error)}"
                yield Lost(self.tar.as_posix(), problem)


def _is_photo(info: tarfile.TarInfo) -> bool:
    is_whole = info.isreg() and not info.issparse()
    return is_whole and is_photo_name(PurePosixPath(info.name).name)


def _check_end(archive: tarfile.TarFile, tar: Place) -> None:
    """Refuse an archive that is cut off where `next` takes it for the end."""
    if 0 < tar.stat().st_size - archive.offset < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("unexpected end of data")


def _damaged(error: Exception) -> str:
    return (
        f"cut off, damaged or compressed: {error}. Photos are read from plain .tar "
        "files"
    )
