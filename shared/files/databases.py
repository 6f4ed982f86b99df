"""SQLite databases: opened, brought up to date, and what goes wrong in a sentence."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from shared.errors import AppError
from shared.files.sqlite import sqlite3

PATIENCE = 10.0  # seconds to wait for another process that is writing


class Kind(NamedTuple):
    """What a database is.

    Attributes:
        what: what to call it, such as "archive".
        by: the command that makes it.
        application_id: in the file, tells it from databases of other programs.
        steps: SQL, each of which leads from one version of the tables to the next.
    """

    what: str
    by: str
    application_id: int
    steps: Sequence[str]


@contextmanager
def opened(
    path: Path, kind: Kind, *, write: bool = False, create: bool = False
) -> Iterator[sqlite3.Connection]:
    """Open a database for the block; what SQLite raises in it is an AppError.

    Changes are kept at once, or at the end of the block of `transaction`. Those who
    read see what there was when they began, and keep nobody from writing.

    Args:
        path: the file.
        kind: what it should be.
        write: whether it is to be changed. One of an older version is brought up to
            date first, see `Kind.steps`.
        create: whether it is made if there is none; with `write`.

    Yields:
        connection, whose rows are `sqlite3.Row`.

    Raises:
        AppError: if it is missing, none of this kind, of a newer version, damaged,
            locked by another process, or cannot be read or written.
    """
    _check_place(path, kind, write, create)
    with explained(path, kind), closing(_connect(path, write)) as database:
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA foreign_keys = ON")
        if write:
            _bring_up_to_date(database, path, kind)
        else:
            database.execute("PRAGMA query_only = ON")
            _check_version(database, path, kind, create=False)
        yield database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Keep all that the block changes, or nothing of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # a full disk may have ended it
            database.execute("ROLLBACK")
        raise


@contextmanager
def explained(path: Path, kind: Kind) -> Iterator[None]:
    """Say in a sentence what SQLite raises in the block."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        for start, words in _TROUBLES.items():
            if name.startswith(start):
                raise AppError(f"{path} {words.format(*kind)}") from error
        hint = ""
        if "no such module" in str(error):  # see `shared.files.sqlite`
            hint = " Import sqlite3 before TensorFlow, whose SQLite searches no texts."
        raise AppError(f"{path} cannot be used: {error}.{hint}") from error


_TROUBLES = {  # by the beginnings of SQLite's names for them
    "SQLITE_NOTADB": "is no database. Name the file that `{1}` wrote.",
    "SQLITE_CORRUPT": "is damaged. Put a copy in its place, or save what can be read "
    "of it with `sqlite3 FILE .recover`.",
    "SQLITE_BUSY": "is locked by another process that is writing. Try again when that "
    "has ended.",
    "SQLITE_LOCKED": "is locked by another process that is writing. Try again when "
    "that has ended.",
    "SQLITE_READONLY": "cannot be written: no permission to write the file or its "
    "folder.",
    "SQLITE_FULL": "cannot be written: the disk is full. What was written before is "
    "kept; make room, and start again.",
    "SQLITE_CANTOPEN": "cannot be opened: no permission for the file or its folder, or "
    "no such folder.",
    "SQLITE_IOERR": "cannot be read or written: the disk failed or is full. What was "
    "written before is kept.",
}


def _check_place(path: Path, kind: Kind, write: bool, create: bool) -> None:
    if path.is_dir():
        raise AppError(f"{path} is a folder. Name the file of the {kind.what}.")
    if path.exists() and not path.is_file():
        raise AppError(f"{path} is a pipe or a device. Name a file.")
    if not path.exists() and not create:
        raise AppError(f"There is no {kind.what} {path}. `{kind.by}` makes one.")
    if not path.parent.is_dir():
        raise AppError(f"{path}: there is no folder {path.parent}. Create it first.")
    if path.exists() and not os.access(path, os.R_OK):
        raise AppError(f"{path}: no permission to read this file.")
    if write:
        for place in (path.parent, path):
            if place.exists() and not os.access(place, os.W_OK):
                raise AppError(f"{path}: no permission to write {place.absolute()}.")


def _connect(path: Path, write: bool) -> sqlite3.Connection:
    is_ours = all(os.access(place, os.W_OK) for place in (path.parent, path))
    # Whoever may write tidies up at the end, also if nothing was written.
    options = "mode=rwc" if write else f"mode={'rw' if is_ours else 'ro'}"
    log = path.with_name(f"{path.name}-wal")
    if not (write or os.access(path.parent, os.W_OK) or log.exists()):
        options += "&immutable=1"  # nobody can write there, not even whom to wait for
    name = f"file:{quote(os.fsencode(path.absolute()))}?{options}"
    # Threads may share it, one at a time; that is up to them.
    return sqlite3.connect(
        name, PATIENCE, uri=True, isolation_level=None, check_same_thread=False
    )


def _check_version(
    database: sqlite3.Connection, path: Path, kind: Kind, create: bool
) -> int:
    """Give the version, 0 of an empty database that may be made one of this kind."""
    (id_,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not (id_ or version or tables):
        if create:
            return 0
        raise AppError(f"{path} is empty. `{kind.by}` fills it.")
    if id_ != kind.application_id:
        raise AppError(
            f"{path} is a database of another program. Name one that `{kind.by}` "
            "wrote, or a new file."
        )
    if version > len(kind.steps):
        raise AppError(
            f"{path} was written by a newer version of this program: its tables are "
            f"of version {version}, and {len(kind.steps)} is the newest known here. "
            "Update sightread."
        )
    if version < len(kind.steps) and not create:
        raise AppError(
            f"{path} was written by an older version of this program: its tables are "
            f"of version {version}, and not {len(kind.steps)}. `{kind.by}` brings it "
            "up to date."
        )
    return version


def _bring_up_to_date(database: sqlite3.Connection, path: Path, kind: Kind) -> None:
    if _check_version(database, path, kind, create=True) < len(kind.steps):
        database.execute("PRAGMA journal_mode = WAL")
        with transaction(database):  # others may have been faster
            version = _check_version(database, path, kind, create=True)
            for step in kind.steps[version:]:
                for statement in _statements(step):
                    database.execute(statement)
            database.execute(f"PRAGMA application_id = {kind.application_id}")
            database.execute(f"PRAGMA user_version = {len(kind.steps)}")
    # A loss of power may take the last transactions, and leaves those before whole.
    database.execute("PRAGMA synchronous = NORMAL")


def _statements(sql: str) -> Iterator[str]:
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
