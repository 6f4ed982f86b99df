"""Files that are written whole or not at all, and stay after a loss of power."""

import errno
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

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
    `shared.files.locks`).

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
    with taking_place(new, path):
        yield new
        if path.exists():
            shutil.copymode(path, new)


@contextmanager
def taking_place(new: Path, path: Path) -> Iterator[None]:
    """Put `new`, which the block writes, in the place of `path`, both in one folder.

    At the end, content and name are on the disk; after an exception, `new` is gone and
    `path` as it was.

    Raises:
        OSError: if it cannot be written.
    """
    try:
        yield
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


@contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """Write a text file in the block, as UTF-8, with ends of lines as they are given.

    See `replace_file`. What is no text, such as some bytes of names, becomes escapes.

    Raises:
        AppError: if it cannot be written.
    """
    try:
        with (
            replace_file(path) as new,
            new.open(
                "w", encoding="utf-8", errors="backslashreplace", newline=""
            ) as file,
        ):
            yield file
    except OSError as error:
        raise cannot_write(path, error) from error


def check_target(path: Path, endings: Collection[str], overwrite: bool = True) -> None:
    """Refuse a file that could not be written, before any work is done.

    Raises:
        AppError: if the suffix is none of `endings`, the folder is missing, either may
            not be written, or the file exists and `overwrite` is false.
    """
    if path.suffix.lower() not in endings:
        raise AppError(
            f"{path}: no output format goes by {path.suffix or 'no ending'!r}. "
            f"Accepted are {', '.join(endings)}."
        )
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise AppError(f"{path}: there is no folder {folder}. Create it first.")
    if path.is_dir():
        raise AppError(f"{path} is a folder. Give the name of a file.")
    if path.exists() and not path.is_file():
        raise AppError(f"{path} is a pipe or a device. Give the name of a file.")
    if path.exists() and not overwrite:
        raise AppError(f"{path} exists. Add --overwrite to replace it.")
    for place in (folder, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise AppError(f"{path}: no permission to write {place}.")


def check_writable(path: Path) -> None:
    """Refuse to replace a file that is marked as read-only, though its folder is not.

    Raises:
        PermissionError: if it is.
    """
    if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is read-only", str(path))


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    # Only Windows needs the right to write for it.
    with path.open("rb+" if os.name == "nt" else "rb") as file:
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


def sync_tree(folder: Path) -> None:
    """Wait until a folder is on the disk with all that is in it."""
    for path in folder.rglob("*"):
        (sync_folder if path.is_dir() else sync_file)(path)
    sync_folder(folder)


def beside(path: Path, ending: str) -> Path:
    """Name a hidden file in the same folder: `.NAME` and the ending.

    Of a name that would be too long, a hash takes the place of the name.
    """
    name = f".{path.name}{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}{ending}"
    return path.with_name(name)


def cannot_write(path: str | os.PathLike[str], error: OSError) -> AppError:
    """Word a failed write for the user."""
    return AppError(f"{path} cannot be written: {error.strerror or error}.")
