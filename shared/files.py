"""Files that are written whole or not at all, and stay after a loss of power."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import AppError

LONGEST_NAME = 255  # bytes of a file's name, on all usual file systems
UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)  # not every disk syncs folders


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a new file to write, which takes the place of `path` when it is whole.

    After an exception, an interrupt or a kill, an older file at `path` is as it was.
    At the end, content and name are on the disk. The new file lies beside `path`,
    hidden, under a name that depends on `path` alone: what a kill leaves there is
    overwritten next time, and only one process at a time may write a path (see
    `shared.locks`).

    A link stays and what it points to is replaced; an older file's permissions are
    kept. What is no file, such as a pipe, is written directly.

    Args:
        path: the file to replace, or to make.

    Yields:
        where to write.

    Raises:
        OSError: if it cannot be written.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        yield path
        return
    new = beside(path, ".part")
    try:
        yield new
        if path.exists():
            shutil.copymode(path, new)
        sync_file(new)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8; see `replace_file`."""
    with replace_file(path) as new:
        new.write_text(text, "utf-8")


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where a system can do that."""
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(opened)


def beside(path: Path, ending: str) -> Path:
    """Name a hidden file in the same folder: `.NAME` and the ending.

    Of a name that would be too long, a hash takes the place of the name.
    """
    name = f".{path.name}{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}{ending}"
    return path.with_name(name)


def cannot_write(path: Path, error: OSError) -> AppError:
    """Word a failed write for the user."""
    return AppError(f"{path} cannot be written: {error.strerror or error}.")
