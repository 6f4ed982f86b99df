"""The folder of what was uploaded: private, small, and soon empty again."""

import asyncio
import contextlib
import importlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

OWN = "sightread-"  # how our folder's name starts
NEW = 60  # seconds in which a folder may not be locked yet
KEPT = 300  # seconds, of what is uploaded
SWEEP = 30  # seconds between looking for what is older
MOST_STORED = 4_000_000_000  # bytes of uploads at once; half of what is free, if less


_locks: list[int] = []  # open as long as the process lives


def use_own_folder() -> Path:
    """Let uploads go to a new folder that nobody else can read.

    Folders of servers that were killed are deleted, as what was uploaded is said to be.

    It must be called before Gradio is imported; whoever calls it deletes the folder
    at the end, with `forget`.
    """
    _forget_others()
    folder = Path(tempfile.mkdtemp(prefix=OWN))  # only for its owner
    _lock(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # Else it makes a table of the last 10,000 requests after each of them.
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
    return folder


def forget(folder: Path) -> None:
    """Delete all that was uploaded."""
    shutil.rmtree(folder, ignore_errors=True)


def _forget_others() -> None:
    """Delete folders that no living process has locked, where locks are known."""
    for folder in Path(tempfile.gettempdir()).glob(f"{OWN}*"):
        with contextlib.suppress(OSError):  # it is somebody else's, or gone
            is_old = folder.lstat().st_ctime < time.time() - NEW
            if is_old and not folder.is_symlink() and _lock(folder):
                os.close(_locks.pop())
                forget(folder)


def _lock(folder: Path) -> bool:
    """Lock a folder until this process ends; tell whether that can be done."""
    try:
        fcntl = importlib.import_module("fcntl")  # Unix alone has it
    except ImportError:
        return False
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return False
    _locks.append(opened)
    return True


class Uploads:
    """What is in the folder, where nothing stays.

    Gradio's own cleaning ends for good when somebody uploads during it, and knows
    nothing of uploads that broke off.

    Args:
        folder: only if its name starts like ours is anything in it deleted.
    """

    def __init__(self, folder: Path):
        self._folder = Path(os.path.realpath(folder))
        self._is_own = folder.name.startswith(OWN)
        self._stored = 0  # bytes, when last seen and since
        self._coming: list[float] = []  # when what is coming in has started

    def has(self, path: str) -> bool:
        """Whether a path leads to something in the folder."""
        try:
            return Path(os.path.realpath(path)).is_relative_to(self._folder)
        except (OSError, ValueError):  # such as a zero byte
            return False

    def has_room(self, length: int) -> bool:
        """Whether so many bytes may come."""
        most = MOST_STORED
        with contextlib.suppress(OSError):  # nothing was uploaded yet
            most = min(most, shutil.disk_usage(self._folder).free // 2)
        return self._stored + length <= most

    @contextlib.contextmanager
    def coming(self, length: int) -> Iterator[None]:
        """Spare files that come in, which may take longer than they are kept."""
        started = time.time()
        self._stored += length
        self._coming.append(started)
        try:
            yield
        finally:
            self._coming.remove(started)

    async def sweep_for_ever(self) -> None:
        """Delete what is old, every now and then."""
        while self._is_own:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP)

    def sweep(self) -> None:
        """Delete what is old."""
        oldest = min([time.time(), *self._coming]) - KEPT
        stored = 0
        for name, folders, files in os.walk(self._folder, topdown=False):
            folder = Path(name)
            stored += sum(_delete(folder / file, oldest) for file in files)
            for inner in folders:
                with contextlib.suppress(OSError):  # it is not empty
                    if (folder / inner).lstat().st_ctime < oldest:
                        (folder / inner).rmdir()
        self._stored = stored


def _delete(file: Path, oldest: float) -> int:
    """Delete a file if it is older; give the bytes that it still takes."""
    with contextlib.suppress(OSError):  # somebody else was faster
        found = file.lstat()
        if found.st_ctime >= oldest:
            return found.st_size
        file.unlink()
    return 0
