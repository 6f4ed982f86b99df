"""Photos that lie in a file of many: a table of bytes, or a tar archive."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol, cast

from shared.data.walking import is_photo_name
from shared.errors import AppError
from shared.vision.images import StoredImage


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

    tar: Path
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


def find_members(tar: Path) -> Iterator[Member]:
    """Find the photos of an archive, such as a shard of WebDataset, in its order.

    Only the heads of its files are read.

    Raises:
        AppError: if it is no tar archive, or is compressed or damaged.
    """
    try:
        with tarfile.open(tar, "r:") as archive:
            while info := archive.next():
                cast(Any, archive).members = []  # which would grow
                is_whole = info.isreg() and not info.issparse()
                if is_whole and is_photo_name(PurePosixPath(info.name).name):
                    yield Member(tar, info.name, info.offset_data, info.size)
    except (tarfile.TarError, ValueError) as error:
        raise AppError(
            f"{tar} is cut off, damaged or compressed: {error}. Photos are read from "
            "plain .tar files."
        ) from error
    except OSError as error:
        raise AppError(f"{tar} cannot be read: {error.strerror or error}.") from error
