"""Files that commands write: locked, continued, and written whole at the end."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple, Self

from shared.console.progress import say
from shared.errors import AppError
from shared.files.atomic import (
    LONGEST_NAME,
    beside,
    cannot_write,
    check_target,
    writing,
)
from shared.files.fingerprints import Fingerprints
from shared.files.formats import Formats, Record, to_json
from shared.files.journal import Journal, Row, write_all
from shared.files.locks import Hold, hold
from shared.files.resuming import (
    Item,
    check_content,
    check_header,
    file_digest,
    file_state,
    find_left,
    list_digest,
    numbered,
)


def claim(path: Path, endings: Collection[str], what: str, overwrite: bool) -> Hold:
    """Make sure that a file can be written, and keep others from it until then.

    Args:
        path: the file.
        endings: suffixes that it may have.
        what: who writes it, see `shared.files.locks.hold`.
        overwrite: whether it may be there already.

    Raises:
        AppError: as `shared.files.atomic.check_target` and `hold`.
    """
    check_target(path, endings, overwrite)
    held = hold(path, what)
    try:
        check_target(path, endings, overwrite)  # whoever had it may have written it
    except BaseException:
        held.release()
        raise
    return held


def write_file(path: Path, records: Iterable[Record], formats: Formats) -> None:
    """Write all records, in the format of the suffix; on failure, nothing.

    Raises:
        AppError: if the file cannot be written.
    """
    with writing(path) as file:
        formats[path.suffix.lower()](records, file, path.parent)


class Kind(NamedTuple):
    """What a file of records is.

    Attributes:
        by: the command that writes it, such as "captioner caption".
        unit: what a record is about, such as "photos".
        formats: how it is written.
    """

    by: str
    unit: str
    formats: Formats


class Output:
    """A file of records, one for each item, in the order of the items.

    Records are appended to a journal, `FILE.partial.jsonl`, and are on the disk before
    the next batch; at the end the file is written from it, whole. A `.jsonl` also grows
    by each batch, for those who watch it. The journal of a finished file is kept,
    hidden, as `.FILE.journal`: with it, `resume` finds what was added, removed or
    replaced since, and does no more than that.

    It works as a context manager. Inside, the file is locked against other processes.

    Args:
        path: file to write; its suffix says how. Of a link, what it points to.
        items: all of them, in order.
        kind: what the file is.
        settings: gives what a record depends on, by option; JSON. A dict with "sha256"
            is compared by that alone. A file is continued with the same settings only.
        batch: items done together, where last digits depend on that.
        resume: continue what is there.
        overwrite: replace what is there.

    Attributes:
        todo: places of the items that are not done yet, ascending.
        done: how many items are done.
        errors: how many of those that are done have failed.
        finished: whether nothing is left to do, not even to write the file.

    Raises:
        AppError: if the file could not be written; on entering, if it is no place for
            these items.
    """

    def __init__(
        self,
        path: Path,
        items: Sequence[Item],
        kind: Kind,
        settings: Callable[[], Mapping[str, Any]],
        *,
        batch: int = 1,
        resume: bool = False,
        overwrite: bool = False,
    ):
        check_target(path, kind.formats)
        self.path, self.items, self.kind = path, numbered(items), kind
        self.resume, self.overwrite = resume, overwrite
        self.todo = list(range(len(items)))
        self.done = self.errors = 0
        self.finished = False
        self._target = Path(os.path.realpath(path)) if path.is_symlink() else path
        self._partial = self._target.with_name(f"{self._target.name}.partial.jsonl")
        if len(os.fsencode(self._partial.name)) > LONGEST_NAME:
            self._partial = beside(self._target, ".partial.jsonl")
        self._kept = beside(self._target, ".journal")
        self._settings, self._batch = settings, batch
        self._header: dict[str, Any] = {}
        self._journal = Journal(self._partial, self._header)
        self._photos = Fingerprints()
        self._grows = path.suffix.lower() == ".jsonl"
        self._stream: FileIO | None = None
        self._begun = False
        self._before: list[int] | None = None
        self._lock: Hold | None = None

    def __enter__(self) -> Self:
        self._lock = hold(self._target, f"`{self.kind.by}`")
        try:
            self._before = file_state(self._target)
            found = [p for p in (self._partial, self._target) if file_state(p)]
            if found and not (self.resume or self.overwrite):
                raise AppError(
                    f"{found[0]} exists. Add --resume to go on with it, --overwrite to "
                    "replace it, or choose another name."
                )
            self._header = {
                "by": self.kind.by,
                "settings": json.loads(
                    json.dumps(self._settings())
                ),  # tuples are lists
                "batch": self._batch,
            }
            if found and self.resume:
                self._continue()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        if self._lock:
            self._lock.release()

    def __str__(self) -> str:
        done = f"{self.done} of {len(self.items)} {self.kind.unit}"
        return f"{done} are kept in {self._journal.path}"

    def is_there(self) -> bool:
        """Whether there is a journal to go on with."""
        return file_state(self._journal.path) is not None

    def note(self, place: int) -> None:
        """Look at the photo of an item, which is about to be read."""
        self._photos.note(self.items[place].photo)

    def renew(self, place: int) -> None:
        """Look again at the photo of an item, which we have changed since."""
        self._photos.renew(self.items[place].photo)

    def append(
        self, batch: Sequence[tuple[int, Record]], again: Collection[int] = ()
    ) -> Sequence[tuple[int, Record]]:
        """Put a batch of records on the disk; give it back.

        Args:
            batch: places of items, each with its record.
            again: places of those that `resume` is to do once more.

        Raises:
            AppError: if that fails; the records before them are kept, unless the
                message says that they are lost.
        """
        self._begin()
        rows = []
        for place, record in batch:
            key, photo = self.items[place]
            fingerprint = None if place in again else self._photos.take(photo)
            rows.append(Row(key, fingerprint, record))
        self._journal.append(rows)
        self._grow(row.record for row in rows)
        self.done += len(rows)
        self.errors += sum("error" in row.record for row in rows)
        return batch

    def finish(self) -> None:
        """Write the file from its journal, unless that has been done.

        Raises:
            AppError: if that fails; the journal is kept.
        """
        if self.finished:
            say(f"{self.path} is finished already; --overwrite replaces it.")
            return
        self._begin()
        self._journal.check_place()
        if not self._grows:
            self._check_untouched()
        self._close()
        keys = [item.key for item in self.items]
        write = self.kind.formats[self.path.suffix.lower()]
        with writing(self._target) as file:
            write(self._journal.records(keys), file, self.path.parent)
            file.flush()
            sha256 = file_digest(Path(file.name))
            self._journal.finish({"sha256": sha256, "items": list_digest(keys)})
        self._journal.move(self._kept)

    def _begin(self) -> None:
        """Start to write; until here, whatever was there is as it was."""
        if self._begun:
            return
        self._check_untouched()
        if self._journal.path == self._kept:
            self._journal.move(self._partial)
        self._journal.header = self._header | {"replaces": self._before}
        if self._grows:
            try:
                self._stream = FileIO(self._target, "wb")
            except OSError as error:
                raise cannot_write(self._target, error) from error
            done = self._done_keys()
            self._grow(self._journal.records(done) if done else ())
        self._begun = True

    def _check_untouched(self) -> None:
        if file_state(self._target) != self._before:
            raise AppError(
                f"Another program has written {self.path} meanwhile. Move it away, and "
                "go on with --resume."
            )

    def _grow(self, records: Iterable[Record]) -> None:
        if self._stream:
            try:
                for record in records:
                    write_all(self._stream, f"{to_json(record)}\n".encode())
            except OSError as error:
                raise cannot_write(self._target, error) from error

    def _close(self) -> None:
        self._journal.close()
        if self._stream:
            self._stream.close()
            self._stream = None

    def _continue(self) -> None:
        """Take over what is done, and find what is left to do."""
        journal = self._journal = self._read_journal()
        check_header(self.path, self._header, journal.header)
        is_kept = journal.path == self._kept
        finished = check_content(self.path, self._target, journal, is_kept)
        self.todo = find_left(self.items, journal, self.path, self.kind.unit)
        self.done = len(self.items) - len(self.todo)
        self.errors = sum(journal.entries[key].failed for key in self._done_keys())
        keys = [item.key for item in self.items]
        self.finished = finished == list_digest(keys) and not self.todo
        if self.finished and not is_kept:  # the last process ended in between
            journal.move(self._kept)

    def _done_keys(self) -> list[str]:
        """Keys of what was done before this run."""
        left = set(self.todo)
        return [item.key for i, item in enumerate(self.items) if i not in left]

    def _read_journal(self) -> Journal:
        """Read what there is to go on with."""
        header = self._header | {"replaces": self._before}
        for path in (self._partial, self._kept):
            if file_state(path):
                return Journal.read(path, header)
        raise AppError(
            f"{self.path} was not written by `{self.kind.by}`, or what belongs to it "
            f"is gone: {self._kept.name}, which tells what is in it. Choose another "
            "name, or --overwrite it."
        )
