"""One process at a time works on an output file or on the folder of a run."""

import errno
import json
import os
import socket
import sys
from contextlib import suppress
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Self

from shared.console.progress import plain, say
from shared.errors import AppError
from shared.files.atomic import beside, cannot_write

ENDING = ".lock"
_IN_FOLDER = f".sightread{ENDING}"
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_FAR = 1 << 20  # Windows keeps others from reading what is locked


class Hold:
    """A lock that is held until `release`, or the end of the process; see `hold`.

    Attributes:
        path: what is held, links resolved.
    """

    def __init__(self, path: Path, file: FileIO):
        self.path = path
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let others work on it; a second call does nothing."""
        if self._file.closed:
            return
        lock = Path(os.fsdecode(self._file.name))
        with suppress(OSError):  # the folder may be gone
            if sys.platform == "win32":  # which removes no file that is open
                self._file.close()
                lock.unlink()
            elif _is_at(self._file, lock):
                lock.unlink()  # while it is locked: see `_open_locked`
        self._file.close()


def hold(path: Path, what: str, *, inside: bool = True) -> Hold:
    """Keep other processes, and other threads, from working on a file or a folder.

    The operating system gives the lock back when the process ends, however it ends.
    The lock is a small hidden file: in a folder that exists, else beside the path. It
    says who holds it, and goes with the lock.

    Args:
        path: the file, there or not, or an existing folder.
        what: who works on it, for those who come second, such as "`captioner train`".
        inside: whether the lock of a folder lies in it; that of a folder which will
            be replaced as a whole lies beside it.

    Returns:
        object to release it; also a context manager. On a file system without locks
        it holds nothing, and standard error says so.

    Raises:
        AppError: if it is held already, or the lock's file cannot be made.
    """
    target = Path(os.path.realpath(path))
    in_it = inside and target.is_dir()
    lock = target / _IN_FOLDER if in_it else beside(target, ENDING)
    try:
        file = _open_locked(lock)
    except OSError as error:
        raise cannot_write(lock, error) from error
    if file is None:
        raise AppError(
            f"{path} is in use by {_holder(lock)}. Wait until that has ended, or "
            "choose another name."
        )
    note = {
        "what": what,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    with suppress(OSError):  # a full disk: the lock is held all the same
        file.truncate(0)
        file.write(json.dumps(note).encode())
    return Hold(target, file)


def _open_locked(lock: Path) -> FileIO | None:
    """Open and lock a file; None if it is locked.

    Whoever had the lock removes the file, maybe between our opening and locking it.
    What is locked then is a file without a name, which nobody else will ever see.
    """
    while True:
        file = FileIO(lock, "r+b", opener=_create)
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno in _TAKEN:
                file.close()
                return None
            say(
                f"note: the file system of {lock.parent} has no locks, so that nothing "
                "keeps a second process from writing there at the same time."
            )
            return file
        if _is_at(file, lock):
            return file
        file.close()


def _create(name: str, flags: int) -> int:
    # No link: it would have a file elsewhere emptied.
    return os.open(name, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)


if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        os.lseek(number, _FAR, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        os.lseek(number, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(number: int) -> None:
        # flock, which belongs to the open file; lockf's locks are the process's, so
        # that two threads would both have it.
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(file: FileIO, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


def _holder(lock: Path) -> str:
    try:
        note = json.loads(lock.read_text("utf-8"))
        told = f"{note['what']}: process {note['pid']} on {note['host']}"
        return plain(f"{told}, since {note['since']}")
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        # It is just being written, or somebody else's.
        return "another process"
