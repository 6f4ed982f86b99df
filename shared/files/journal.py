"""What a command has done so far, kept so that no interruption can break it.

A journal is JSON, an object a line. The first says who writes it, and with which
settings; each process that goes on says so again. The others are records:

    {"key": …, "photo": its fingerprint, "left": …, "record": {…}}

"left" counts the records of the same batch that follow, so that a batch that was torn
is known, and left out as a whole. A later record with the same key replaces an earlier
one. When the output file has been written, {"finished": …} comes last.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from shared.errors import AppError
from shared.files.atomic import cannot_write
from shared.files.fingerprints import Fingerprint
from shared.files.formats import Record, to_json

FORMAT = 1


class Row(NamedTuple):
    """A record, what it is about, and the fingerprint of its photo, if it has one."""

    key: str
    photo: Fingerprint | None
    record: Record


class Entry(NamedTuple):
    """Where a record stands in the journal: its line's first byte and its length."""

    start: int
    length: int
    photo: Fingerprint | None
    failed: bool


class Journal:
    """A journal, read from the disk or not begun yet; see `shared.files.journal`.

    Args:
        path: its file. It is made when the first batch is appended.
        header: "by", "settings", and what else is to be known.

    Attributes:
        header: of the last process that wrote into it.
        entries: the records by key.
        finished: what `finish` was told, None before.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]):
        self.path = path
        self.header = dict(header)
        self.entries: dict[str, Entry] = {}
        self.finished: dict[str, Any] | None = None
        self._size = 0  # of what is whole
        self._file: FileIO | None = None

    @classmethod
    def read(cls, path: Path, header: Mapping[str, Any]) -> "Journal":
        """Read a journal up to its last whole batch.

        Args:
            path: its file.
            header: for a journal of which not even the first line is whole.

        Raises:
            AppError: if the file is none, or cannot be read.
        """
        try:
            with path.open("rb") as file:
                first = file.readline()
                if is_torn(first, b'{"journal": '):
                    return cls(path, header)
                told = parse_line(first) or {}
                if told.get("journal") != FORMAT:
                    raise AppError(
                        f"{path} was not written by this version of the program. "
                        "Choose another name, or --overwrite it."
                    )
                journal = cls(path, told)
                journal._size = len(first)
                journal._read_entries(file)
        except OSError as error:
            raise AppError(f"{path} cannot be read: {error.strerror}.") from error
        return journal

    def _read_entries(self, lines: Iterable[bytes]) -> None:
        start = self._size
        batch: dict[str, Entry] = {}
        for line in lines:
            row = parse_line(line) or {}
            if "journal" in row and not batch:
                self.header = row
                self._size = start = start + len(line)
                continue
            if isinstance(row.get("finished"), dict):
                self.finished = row["finished"]
            if not _is_row(row):
                break  # the end, or torn when the process or the power went
            failed = "error" in row["record"]
            batch[row["key"]] = Entry(start, len(line), row["photo"], failed)
            start += len(line)
            if not row["left"]:
                self.entries |= batch
                self._size, batch = start, {}

    def append(self, rows: Sequence[Row]) -> None:
        """Put a batch on the disk.

        Raises:
            AppError: if that fails; the batches before it are kept, if the journal is.
        """
        lines = [
            _line(row._asdict() | {"left": len(rows) - i})
            for i, row in enumerate(rows, 1)
        ]
        start = self._write(b"".join(lines))
        for row, line in zip(rows, lines, strict=True):
            failed = "error" in row.record
            self.entries[row.key] = Entry(start, len(line), row.photo, failed)
            start += len(line)

    def finish(self, told: dict[str, Any]) -> None:
        """Note that the output is written; what is appended later takes that back.

        Raises:
            AppError: if that fails.
        """
        size = self._size
        self._write(_line({"finished": told}))
        self._size, self.finished = size, told

    def records(self, keys: Iterable[str]) -> Iterator[Record]:
        """Read records, in the order of the keys, which must be there."""
        with self.path.open("rb") as file:
            for key in keys:
                entry = self.entries[key]
                file.seek(entry.start)
                yield json.loads(file.read(entry.length))["record"]

    def move(self, path: Path) -> None:
        """Give the file another name."""
        self.close()  # Windows renames no open file
        self.path = self.path.replace(path)

    def check_place(self) -> None:
        """Refuse to go on writing into a file that has been deleted or moved.

        Raises:
            AppError: if it was deleted or moved since it was opened.
        """
        if self._file is None:
            return
        opened = os.fstat(self._file.fileno())
        with suppress(OSError):
            if os.path.samestat(opened, self.path.stat()):
                return
        done = len(self.entries)
        if opened.st_nlink:
            raise AppError(
                f"{self.path} was moved while it was written. The {done} records in it "
                "are kept: move it back, and go on with --resume."
            )
        raise AppError(
            f"{self.path} was deleted while it was written, maybe with its folder, and "
            f"the {done} records in it are lost."
        )

    def close(self) -> None:
        """Close the file; what comes next opens it again."""
        if self._file:
            self._file.close()
            self._file = None

    def _write(self, data: bytes) -> int:
        """Write after what is whole; give the place where that starts."""
        try:
            file = self._file or self._open()
            self.check_place()
            start = self._size
            try:
                file.truncate(start)
                file.seek(start)
                write_all(file, data)
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(start)
                raise
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._size += len(data)
        self.finished = None
        return start

    def _open(self) -> FileIO:
        """Open the file, and say who writes from here on."""
        if not self._size:
            self.path.unlink(missing_ok=True)  # it is to be overwritten
        file = FileIO(self.path, "r+b" if self._size else "xb")
        header = _line({"journal": FORMAT, **self.header})
        try:
            file.truncate(self._size)
            file.seek(self._size)
            write_all(file, header)
        except OSError:
            with file, suppress(OSError):
                file.truncate(self._size)
            raise
        self._size += len(header)
        self._file = file
        return file


def _is_row(row: Record) -> bool:
    """Whether an object is a record's line, of which anybody may have made another."""
    photo = row.get("photo", ())
    return (
        isinstance(row.get("key"), str)
        and isinstance(row.get("record"), dict)
        and isinstance(row.get("left"), int)
        and (photo is None or (isinstance(photo, list) and len(photo) in (0, 4)))
    )


def _line(value: Any) -> bytes:
    return f"{to_json(value)}\n".encode()


def parse_line(line: bytes) -> Record | None:
    """Read a line of JSON that holds an object; None if it is torn, or another."""
    try:
        value = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_torn(line: bytes, start: bytes) -> bool:
    """Whether a last line is what a kill or a power cut left of one that starts so."""
    line = line.rstrip(b"\0")
    return not line.endswith(b"\n") and line[: len(start)] == start[: len(line)]


def write_all(file: FileIO, data: bytes) -> None:
    """Write bytes, however little the system takes at once."""
    while data:  # a full disk takes a part
        data = data[file.write(data) :]
