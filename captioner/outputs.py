"""Files of captions that an interruption cannot break."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Self

from captioner.formats import (
    Record,
    cannot_write,
    check_target,
    image_id,
    to_json,
    write_file,
)
from shared.errors import AppError


class Output:
    """One file of captions, written as they come, or continued.

    Records are appended to a journal, a line each, and are on the disk before
    the next batch. For `.jsonl` the journal is the file itself; otherwise it is
    `FILE.partial.jsonl`, from which the file is written at the end, at once.

    Args:
        path: file to write; its suffix says how.
        photos: all of them, in order.
        batch_size: photos captioned together. A file is continued at a whole
            batch, so that it equals one written without a break to the last digit.
        resume: continue what is there.
        overwrite: replace what is there.

    Attributes:
        done: photos recorded so far.
        errors: how many of them failed.
        finished: whether an earlier run wrote the file to its end.

    Raises:
        AppError: if the file is there and neither `resume` nor `overwrite` is
            given, if it does not fit `photos`, or if it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        photos: Sequence[Path],
        *,
        batch_size: int,
        resume: bool = False,
        overwrite: bool = False,
    ):
        check_target(path)
        self.path = path
        self.names = [photo.as_posix() for photo in photos]
        is_jsonl = path.suffix.lower() == ".jsonl"
        self.journal = (
            path if is_jsonl else path.with_name(f"{path.name}.partial.jsonl")
        )
        self.done = self.errors = self._size = 0
        self._file: FileIO | None = None
        if path.suffix.lower() == ".json":
            _check_ids(path, self.names)
        found = [p for p in (self.journal, path) if p.exists() and p.stat().st_size]
        if found and not (resume or overwrite):
            raise AppError(
                f"{found[0]} exists. Add --resume to go on with it, --overwrite to "
                "replace it, or choose another name."
            )
        self.finished = resume and found == [path] and not is_jsonl
        if resume and self.journal in found:
            self._read_journal(batch_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def append(self, records: Sequence[Record]) -> None:
        """Put records on the disk.

        Raises:
            AppError: if that fails; the records before them are kept.
        """
        data = b"".join(f"{to_json(record)}\n".encode() for record in records)
        rest = data
        file = self._open()
        try:
            while rest:  # a full disk takes a part
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                file.truncate(self._size)
            raise cannot_write(self.journal, error) from error
        self._size += len(data)
        self.done += len(records)
        self.errors += sum("error" in record for record in records)

    def finish(self) -> None:
        """Write the file from its journal, if that is another.

        Raises:
            AppError: if that fails; the journal is kept.
        """
        self._open().close()  # Windows removes no open file
        if self.journal != self.path:
            write_file(self.path, self._records())
            self.journal.unlink()

    def __str__(self) -> str:
        return f"{self.done} of {len(self.names)} photos are kept in {self.journal}"

    def _open(self) -> FileIO:
        if self._file is None:  # as late as this: the model may not load
            try:
                mode = "r+b" if self.journal.exists() else "x+b"
                self._file = FileIO(self.journal, mode)
                self._file.truncate(self._size)
                self._file.seek(self._size)
            except OSError as error:
                raise cannot_write(self.journal, error) from error
        return self._file

    def _records(self) -> Iterator[Record]:
        with self.journal.open("rb") as file:
            yield from map(json.loads, file)

    def _read_journal(self, batch_size: int) -> None:
        """Find the end of the last whole batch; a torn last line is cut."""
        count = errors = size = 0
        with self.journal.open("rb") as file:
            for number, line in enumerate(file, 1):
                record = _parse(line)
                if record is None and _is_torn(line):
                    break
                if record is None:
                    raise AppError(
                        f"{self.journal}, line {number} was not written by `captioner "
                        "caption`. Choose another file, or --overwrite it."
                    )
                self._check_name(record["image"], number)
                count, size = count + 1, size + len(line)
                errors += "error" in record
                if count % batch_size == 0 or count == len(self.names):
                    self.done, self.errors, self._size = count, errors, size

    def _check_name(self, name: str, number: int) -> None:
        expected = self.names[number - 1] if number <= len(self.names) else "the end"
        if name != expected:
            raise AppError(
                f"{self.journal} belongs to other photos: its line {number} is about "
                f"{name}, where {expected} is expected. Name the same photos in the "
                "same order to --resume, or --overwrite it."
            )


class Sidecars:
    """A .txt beside each photo, with its captions, one a line.

    Args:
        photos: in order.
        resume: leave files that exist as they are.
        overwrite: replace them.

    Raises:
        AppError: if files exist and neither is given, or two photos share one.
    """

    def __init__(
        self, photos: Sequence[Path], *, resume: bool = False, overwrite: bool = False
    ):
        self.texts: dict[str, Path] = {}
        owners: dict[Path, Path] = {}
        for photo in photos:
            text = photo.with_suffix(".txt")
            other = owners.setdefault(text, photo)
            if other != photo or text == photo:
                raise AppError(
                    f"{photo}: its captions would go to {text}, which is there for "
                    f"{other}. Rename one, or use --output instead of --sidecar."
                )
            self.texts[photo.as_posix()] = text
        found = {name for name, text in self.texts.items() if text.exists()}
        if found and not (resume or overwrite):
            first = self.texts[min(found)]
            raise AppError(
                f"Beside {len(found)} photos there is a .txt already, such as {first}. "
                "Add --resume to keep them, or --overwrite to replace them."
            )
        self.kept = set() if overwrite else found

    def __str__(self) -> str:
        return "the .txt files written so far are kept"

    def append(self, records: Iterable[Record]) -> None:
        """Write the files of photos that have captions, whole or not at all.

        Raises:
            AppError: if that fails.
        """
        for record in records:
            if "error" in record or record["image"] in self.kept:
                continue
            path = self.texts[record["image"]]
            hidden = path.with_name(f".{path.name}.tmp")
            lines = [f"{found['caption']}\n" for found in record["captions"]]
            try:
                hidden.write_text("".join(lines), encoding="utf-8", newline="\n")
                hidden.replace(path)
            except OSError as error:
                with suppress(OSError):
                    hidden.unlink()
                raise cannot_write(path, error) from error


def _check_ids(path: Path, names: Iterable[str]) -> None:
    owners: dict[int | str, str] = {}
    for name in names:
        if (other := owners.setdefault(image_id(name), name)) != name:
            raise AppError(
                f"{path}: {other} and {name} would share the image_id "
                f"{image_id(name)}. Write .jsonl, which tells them apart by path."
            )


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("image"), str):
        return None
    return record if "captions" in record or "error" in record else None


def _is_torn(line: bytes) -> bool:
    """Whether a last line may be the start of a record; nobody else's is cut."""
    start = b'{"image": '
    line = line.rstrip(b"\0")  # what a power cut leaves
    return not line.endswith(b"\n") and line[: len(start)] == start[: len(line)]
