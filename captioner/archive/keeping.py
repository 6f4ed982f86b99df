"""Glances of an archive, kept in memory until it changes."""

import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from captioner.archive.shelf import Glances, read_glances
from shared.data.archive import ARCHIVE
from shared.files.databases import opened
from shared.files.sqlite import sqlite3


class Kept:
    """What all photos of an archive are first judged by, for many threads.

    They take as many bytes of memory for each photo as its model knows concepts, and 12
    more: 90 MB for 100,000 photos.

    Args:
        path: of the archive.
    """

    def __init__(self, path: Path):
        self._path, self._lock = path, Lock()
        self._open = ExitStack()
        # SQLite tells a connection whether others have written since it last looked.
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] = (0, 0)
        self._state: object = None
        self._glances: Glances | None = None
        weakref.finalize(self, self._open.close)

    def read(self, models: Sequence[int]) -> Glances:
        """Give the glances, see `captioner.archive.shelf.read_glances`.

        Raises:
            AppError: if the archive cannot be read.
        """
        with self._lock:
            found = self._path.stat()
            file = found.st_dev, found.st_ino
            if self._database is None or file != self._file:
                self._open.close()
                self._database = self._open.enter_context(opened(self._path, ARCHIVE))
                self._file = file
            (version,) = self._database.execute("PRAGMA data_version").fetchone()
            # SQLite takes a file that nobody here may write for one that never changes.
            state = file, version, found.st_size, found.st_mtime_ns, tuple(models)
            if self._glances is None or state != self._state:
                self._glances = read_glances(self._database, models)
                self._state = state
            return self._glances
