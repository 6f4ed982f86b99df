"""The folder of uploads: private, of limited size, and emptied within minutes."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from shared.errors import AppError
from shared.files.locks import Hold, hold
from shared.web.requests import FULL, Body

OWN = "sightread-"  # how our folder's name starts; 32 hexadecimal digits follow
MARKER = ".sightread-uploads"  # file in it, which says who made it
KEPT = 300  # seconds, of what is uploaded
SWEEP = 30  # seconds between looking for what is older
MOST_STORED = 4_000_000_000  # bytes of uploads at once; half of what is free, if less
MOST_FILES = 20_000  # stored at once
GLANCE = 2  # seconds between two looks at how much of the disk is free

_NAME = re.compile(OWN + "[0-9a-f]{32}")

_held: dict[Path, Hold] = {}  # folders of this process


def use_own_folder() -> Path:
    """Let uploads go to a new folder that nobody else can read.

    Folders of servers that were killed are deleted: the page promises that of uploads.

    It must be called before Gradio is imported; whoever calls it deletes the folder
    at the end, with `forget`.
    """
    folder = _make_folder(Path(tempfile.gettempdir()))
    if _has_locks(folder):
        for other in folder.parent.glob(f"{OWN}*"):
            with contextlib.suppress(OSError, AppError):  # it is somebody's, or gone
                _forget_if_killed(other)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    return folder


def forget(folder: Path) -> None:
    """Delete all that was uploaded to a folder of `use_own_folder`."""
    held = _held.pop(_real(folder), None)
    if held is not None:
        shutil.rmtree(held.path, ignore_errors=True)
        held.release()


def _make_folder(parent: Path) -> Path:
    """Make a folder for its owner alone, lock it, and then mark it as ours."""
    folder = parent / f"{OWN}{secrets.token_hex(16)}"
    folder.mkdir(mode=0o700)
    _held[_real(folder)] = hold(folder, "the page's uploads")
    (folder / MARKER).write_text(_sign(folder), "utf-8")
    return folder


def _sign(folder: Path) -> str:
    """Say what nothing but a folder of ours has: a copy of one has another number."""
    found = folder.lstat()
    return f"{folder.name} {found.st_dev} {found.st_ino}"


def _has_locks(folder: Path) -> bool:
    """Whether a lock keeps anybody out on the file system of a folder that has one."""
    try:
        hold(folder, "a trial").release()
    except AppError:
        return True
    return False


def _forget_if_killed(folder: Path) -> None:
    """Delete a folder of ours whose server is gone.

    Raises:
        AppError: if its server lives.
        OSError: if it is not ours to look into.
    """
    if not _is_ours(folder):
        return
    with hold(folder, "the page, to delete what was uploaded"):
        if _is_ours(folder):  # nobody has put another one in its place
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Whether a page of this user made a folder."""
    found = folder.lstat()
    is_named = bool(_NAME.fullmatch(folder.name))
    if not is_named or not stat.S_ISDIR(found.st_mode) or not _is_private(found):
        return False
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(folder / MARKER, flags), "rb") as file:
        marker = os.fstat(file.fileno())
        is_plain = stat.S_ISREG(marker.st_mode) and marker.st_nlink == 1
        return is_plain and file.read(1000) == _sign(folder).encode()


def _is_private(found: os.stat_result) -> bool:
    if os.name != "posix":
        return True
    return found.st_uid == os.getuid() and not found.st_mode & 0o077


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


class Uploads:
    """What is in the folder, where nothing stays.

    Only bytes that have come take room, not those that are announced. When there is no
    room left, the oldest files go, and of what comes in at once the largest: no visitor
    can keep the others from sending a photo. Gradio's own cleaning ends for good when
    somebody uploads during it, and knows nothing of uploads that broke off.

    Args:
        folder: only if it is of `use_own_folder` is anything in it deleted.
        most_open: files that may come in at once.
    """

    def __init__(self, folder: Path, most_open: int = 2000):
        self._folder = _real(folder)
        self._most_open = most_open
        self._stored = 0  # bytes, when last seen and since
        self._coming: list[Body] = []
        self._room, self._looked = 0, -GLANCE * 1.0
        self._sweeping = asyncio.Lock()

    def has(self, path: str) -> bool:
        """Whether a path leads to something in the folder."""
        try:
            real = Path(os.path.realpath(path))
        except (OSError, ValueError):  # such as a zero byte
            return False
        return real.is_relative_to(self._folder) and not self._is_note(real)

    def _is_note(self, path: Path) -> bool:
        """Whether a file is our marker, or our lock."""
        return path.parent == self._folder and path.name.startswith(".sightread")

    @contextlib.contextmanager
    def coming(self, body: Body) -> Iterator[None]:
        """Count what comes in, and spare it: it may take longer than files are kept."""
        self._coming.append(body)
        try:
            yield
        finally:
            self._coming.remove(body)

    async def take(self, part: bytes) -> None:
        """Make room for a part of what comes in; if there is none, the largest ends."""
        self._stored += len(part)
        if sum(one.files for one in self._coming) > self._most_open:
            max(self._coming, key=lambda one: one.files).refuse(FULL)
        if sum(one.held for one in self._coming) > self.most() // 2:
            max(self._coming, key=lambda one: one.held).refuse(FULL)
        if self._stored > self.most() and not self._sweeping.locked():
            async with self._sweeping:
                await asyncio.to_thread(self.sweep)

    def most(self) -> int:
        """Bytes that may be stored."""
        now = time.monotonic()
        if now - self._looked > GLANCE:
            self._looked, self._room = now, MOST_STORED
            with contextlib.suppress(OSError):  # nothing was uploaded yet
                free = shutil.disk_usage(self._folder).free
                self._room = min(MOST_STORED, (free + self._stored) // 2)
        return self._room

    async def sweep_for_ever(self) -> None:
        """Delete what is old, every now and then."""
        while self._folder in _held:
            async with self._sweeping:
                await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP)

    def sweep(self) -> None:
        """Delete what is old, and what there is no room for, the oldest first."""
        if self._folder not in _held:
            return
        oldest = min([time.time(), *(one.started for one in self._coming)]) - KEPT
        found, folders = self._list()
        stored, count = sum(size for _, size, _ in found), len(found)
        is_full = stored > self.most() or count > MOST_FILES
        enough = self.most() * 3 // 4, MOST_FILES * 3 // 4
        for changed, size, path in found:
            is_needed = is_full and (stored > enough[0] or count > enough[1])
            if changed >= oldest and not is_needed:
                break
            with contextlib.suppress(OSError):  # somebody else was faster
                path.unlink()
            stored, count = stored - size, count - 1
        for folder in folders:
            with contextlib.suppress(OSError):  # it is not empty
                if folder.lstat().st_mtime < oldest:
                    folder.rmdir()
        self._stored = stored

    def _list(self) -> tuple[list[tuple[float, int, Path]], list[Path]]:
        """List the files with the time of their last change and size, oldest first.

        Returns:
            these, and the folders, inner ones first.
        """
        found, inner = [], []
        for name, folders, files in os.walk(self._folder, topdown=False):
            inner += [Path(name, folder) for folder in folders]
            for path in (Path(name, file) for file in files):
                if not self._is_note(path):
                    with contextlib.suppress(OSError):  # somebody else was faster
                        seen = path.lstat()
                        found.append((seen.st_ctime, seen.st_size, path))
        return sorted(found), inner
