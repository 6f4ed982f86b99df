"""Files of answers that an interruption cannot break."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Self

from shared.errors import AppError
from vqa.formats import Record, cannot_write, check_target, to_json, write_file
from vqa.inputs import Question


class Output:
    """One file of answers, written as they come, or continued.

    Records are appended to a journal, a line each, and are on the disk before the next
    photo's. For `.jsonl` the journal is the file itself; otherwise it is
    `FILE.partial.jsonl`, from which the file is written at the end, at once.

    Args:
        path: file to write; its suffix says how.
        questions: all of them, in order.
        resume: continue what is there.
        overwrite: replace what is there.

    Attributes:
        done: questions recorded so far.
        errors: how many of them failed.
        finished: whether an earlier run wrote the file to its end.

    Raises:
        AppError: if the file is there and neither `resume` nor `overwrite` is given,
            if it does not fit `questions`, or if it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        questions: Sequence[Question],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ):
        check_target(path)
        self.path = path
        self.questions = questions
        is_jsonl = path.suffix.lower() == ".jsonl"
        self.journal = (
            path if is_jsonl else path.with_name(f"{path.name}.partial.jsonl")
        )
        self.done = self.errors = self._size = 0
        self._file: FileIO | None = None
        if path.suffix.lower() == ".json":
            _check_ids(path, questions)
        found = [p for p in (self.journal, path) if p.exists() and p.stat().st_size]
        if found and not (resume or overwrite):
            raise AppError(
                f"{found[0]} exists. Add --resume to go on with it, --overwrite to "
                "replace it, or choose another name."
            )
        self.finished = resume and found == [path] and not is_jsonl
        if resume and self.journal in found:
            self._read_journal()

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
            with_ids = any(question.id is not None for question in self.questions)
            write_file(self.path, self._records(), with_ids)
            self.journal.unlink()

    def __str__(self) -> str:
        return (
            f"{self.done} of {len(self.questions)} questions are kept in {self.journal}"
        )

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

    def _read_journal(self) -> None:
        """Count the whole records; a torn last line is cut."""
        with self.journal.open("rb") as file:
            for number, line in enumerate(file, 1):
                record = _parse(line)
                if record is None and _is_torn(line):
                    break
                if record is None:
                    raise AppError(
                        f"{self.journal}, line {number} was not written by `vqa ask`. "
                        "Choose another file, or --overwrite it."
                    )
                self._check_question(record, number)
                self.done, self._size = number, self._size + len(line)
                self.errors += "error" in record

    def _check_question(self, record: Record, number: int) -> None:
        found = record["image"], record["question"], record.get("id")
        expected = None
        if number <= len(self.questions):
            question = self.questions[number - 1]
            expected = question.image, question.question, question.id
        if found != expected:
            told = f"{expected[1]!r} about {expected[0]}" if expected else "the end"
            raise AppError(
                f"{self.journal} belongs to other questions: its line {number} is "
                f"{found[1]!r} about {found[0]}, where {told} is expected. Give the "
                "same file of questions to --resume, or --overwrite it."
            )


def _check_ids(path: Path, questions: Sequence[Question]) -> None:
    seen: set[str] = set()
    for question in questions:
        if question.id is None or str(question.id) in seen:
            problem = "has no id" if question.id is None else f"repeats {question.id!r}"
            raise AppError(
                f"{path}: this format tells questions by their id alone, and the one "
                f"about {question.image} {problem}. Write .jsonl or .csv instead."
            )
        seen.add(str(question.id))


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    if not isinstance(record, dict) or not {"answers", "error"} & set(record):
        return None
    named = (record.get("image"), record.get("question"))
    return record if all(isinstance(name, str) for name in named) else None


def _is_torn(line: bytes) -> bool:
    """Whether a last line may be the start of a record; nobody else's is cut."""
    start = b'{"image": '
    line = line.rstrip(b"\0")  # what a power cut leaves
    return not line.endswith(b"\n") and line[: len(start)] == start[: len(line)]
