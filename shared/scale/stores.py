"""Files in stores such as S3, used by their addresses as files on a disk by paths."""

import errno
import fnmatch
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self, cast

from shared.addresses import is_stored

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

TOGETHER = 16  # requests at once: each waits for the network most of its time
BEGUN = 32  # photos that are read ahead at most, as each takes some megabytes
ATTEMPTS = 4  # at a request, with pauses that double
SECONDS = 10  # without a byte, until an attempt is given up
BLOCK = 1 << 22  # bytes
_REASON = re.compile(r"AWS Error (\w+)(?: \((.*?)\))? during \w+ operation: (.*)", re.S)
_DETAIL = re.compile(r"\s*\(Request ID.*|.*Details: ", re.S)
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|CREDENTIALS|TOKEN|HTTP status 40[13]"
    r"|PERMISSION_DENIED|UNAUTHENTICATED",
    re.IGNORECASE,
)


class Told(NamedTuple):
    """What a store tells of an object, named as in `os.stat_result`."""

    st_size: int
    st_mtime_ns: int


class Address:
    """A file or folder in a store; its methods do what those of a `Path` do.

    What is written is there when it is whole, and not before. Requests that fail are
    sent again, see `ATTEMPTS`; errors are an `OSError` of a few words.

    Args:
        text: such as s3://bucket/photos/1.jpg, or with one slash, as paths have it.
        told: what a listing told of it.
    """

    __slots__ = ("_coming", "_told", "text")

    def __init__(self, text: str, told: Told | None = None):
        scheme, _, inner = text.partition(":")
        self.text = f"{scheme.lower()}://{inner.lstrip('/')}"
        self._told = told
        self._coming: Future[bytes] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Address, (self.text, self._told)

    def __fspath__(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Address({self.text!r})"

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other.text == self.text

    def __truediv__(self, inner: str) -> "Address":
        return Address(f"{self.text.rstrip('/')}/{inner}")

    def as_posix(self) -> str:
        """Give all of it."""
        return self.text

    def absolute(self) -> Self:
        """Give it, as it counts from no folder."""
        return self

    @property
    def inner(self) -> str:
        """The bucket, and the path in there."""
        return self.text.partition("://")[2]

    @property
    def bucket(self) -> str:
        """The first part of `inner`."""
        return self.inner.partition("/")[0]

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.inner).name

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return PurePosixPath(self.inner).stem

    @property
    def suffix(self) -> str:
        """The ending."""
        return PurePosixPath(self.inner).suffix

    @property
    def parent(self) -> "Address":
        """The folder that it is in; of a bucket, itself."""
        return Address(self.text.rpartition("/")[0]) if "/" in self.inner else self

    def stat(self) -> Told:
        """Ask for size and time, unless a listing has told them."""
        if self._told is None:
            with self._store() as store:
                info = store.get_file_info(self.inner)
            if not info.is_file:
                raise self._missing()
            self._told = Told(info.size, info.mtime_ns or 0)
        return self._told

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it to read, at any place."""
        with self._store() as store:
            return cast(BinaryIO, store.open_input_file(self.inner))

    def begin(self) -> None:
        """Begin to read it, so that `read_bytes` need not wait as long."""
        if self._coming is None and _room.acquire(blocking=False):
            self._coming = _threads().submit(self._read)

    def read_bytes(self) -> bytes:
        """Read all of it."""
        coming, self._coming = self._coming, None
        if coming is None:
            return self._read()
        try:
            return coming.result()
        finally:
            _room.release()

    def write_bytes(self, data: bytes) -> None:
        """Write it."""
        with self._store() as store, store.open_output_stream(self.inner) as out:
            out.write(data)

    def copy_from(self, file: BinaryIO) -> None:
        """Write what a file holds from where it stands."""
        with self._store() as store, store.open_output_stream(self.inner) as out:
            shutil.copyfileobj(file, out, BLOCK)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove it."""
        with (
            suppress(*[FileNotFoundError] if missing_ok else []),
            self._store() as store,
        ):
            store.delete_file(self.inner)

    def mkdir(self, exist_ok: bool = True) -> None:
        """Do nothing: folders are there when something is in them."""

    def iterdir(self) -> "list[Address]":
        """List what is in it; nothing is in what is not there."""
        return self._list(False, lambda info: True)

    def glob(self, pattern: str) -> "list[Address]":
        """List the files in it whose names match."""
        return [a for a in self.files() if fnmatch.fnmatchcase(a.name, pattern)]

    def files(self, recursive: bool = False) -> "list[Address]":
        """List the files in it, also those of folders in it if that is wanted."""
        return self._list(recursive, lambda info: info.is_file)

    def _list(self, recursive: bool, wanted: Callable[[Any], bool]) -> "list[Address]":
        from pyarrow.fs import FileSelector

        inner, scheme = self.inner.rstrip("/"), self.text.partition(":")[0]
        chosen = FileSelector(inner, allow_not_found=True, recursive=recursive)
        with self._store() as store:
            found = [
                Address(f"{scheme}://{i.path}", Told(i.size or 0, i.mtime_ns or 0))
                for i in store.get_file_info(chosen)
                if wanted(i)
            ]
        return sorted(found, key=str)

    def _read(self) -> bytes:
        with self._store() as store, store.open_input_file(self.inner) as file:
            return cast(bytes, file.read())

    @contextmanager
    def _store(self) -> "Iterator[FileSystem]":
        """Give the store; word what goes wrong with it."""
        try:
            yield connect(self.text.partition(":")[0], self.bucket)
        except FileNotFoundError as error:
            raise self._missing() from error
        except (OSError, ValueError, NotImplementedError) as error:
            raise self._worded(error) from error

    def _missing(self) -> FileNotFoundError:
        return FileNotFoundError(errno.ENOENT, "there is no such file", self.text)

    def _worded(self, error: Exception) -> OSError:
        told = str(error)
        found = _REASON.search(told)
        code, status, detail = found.groups() if found else ("", "", told)
        detail = status or _DETAIL.sub("", detail.split("\n")[0]).rstrip(". ")
        if code == "NO_SUCH_BUCKET" or ("Bucket '" in told and "not found" in told):
            return OSError(f"there is no bucket {self.bucket}")
        if code == "NETWORK_CONNECTION":
            return OSError(f"the store does not answer: {detail}")
        if _REFUSED.search(told):
            why = "the store refuses it; see to the credentials in the environment"
            return PermissionError(errno.EACCES, why, self.text)
        return OSError(f"the store answers: {detail}" if code else detail)


Place = Path | Address


def to_place(name: str | Path) -> Place:
    """Give the address that a name is, or else the path.

    A folder that is called as an address is goes before.
    """
    text = Path(name).as_posix() if isinstance(name, Path) else name
    stored = is_stored(text) and not os.path.lexists(name)
    return Address(text) if stored else Path(name)


@cache
def connect(scheme: str, bucket: str) -> "FileSystem":
    """Give the file system of a store, with what the environment says of it.

    Args:
        scheme: "s3" or "gs".
        bucket: which a store of Amazon's may have in any region.

    Raises:
        OSError: if the bucket's region is not known, as where there is no bucket.
    """
    from pyarrow import fs

    if scheme == "gs":
        return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=ATTEMPTS * SECONDS))
    given = os.environ.get
    endpoint = given("AWS_ENDPOINT_URL_S3") or given("AWS_ENDPOINT_URL")
    region = given("AWS_REGION") or given("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(
        endpoint_override=endpoint,
        region=region or ("us-east-1" if endpoint else fs.resolve_s3_region(bucket)),
        request_timeout=SECONDS,
        connect_timeout=SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        allow_delayed_open=True,  # one request for a small object, not three
    )


_room = BoundedSemaphore(BEGUN)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(TOGETHER)
