"""What `captioner index` does: what is new among photos is captioned and kept."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.archive import features
from captioner.archive.looking import Seen, look_at_all, look_up
from captioner.archive.store import Store, Told
from captioner.describing.concepts import LIKELY, MOST
from captioner.jobs.caption import Captioning
from shared.console.progress import counted, plain, progress_bar, say
from shared.errors import AppError
from shared.files.sqlite import sqlite3

if TYPE_CHECKING:
    from captioner.describing.photo_captioner import Looked, PhotoCaptioner

KNOWN_AT_ONCE = 256  # photos known by their content that are kept at once

Batch = list[tuple[Seen, Told | int | AppError]]


@dataclass
class Tally:
    """What was done: numbers of photos."""

    captioned: int = 0
    known: int = 0  # by their content: moved, or copies
    unchanged: int = 0
    vanished: int = 0
    errors: int = 0

    def __str__(self) -> str:
        words = {
            "captioned": self.captioned,
            "moved or copied": self.known,
            "unchanged": self.unchanged,
            "vanished": self.vanished,
        }
        told = [f"{number} {word}" for word, number in words.items() if number]
        return ", ".join([*told, counted(self.errors, "error")])


class Indexer:
    """Brings an archive up to date with photos.

    Args:
        database: the archive, open for writing.
        captioning: how photos are captioned; its batch is what is kept at once.
        again: whether to caption anew what was captioned with other settings.

    Attributes:
        store: its tables.
        tally: what was done so far.
    """

    def __init__(
        self, database: sqlite3.Connection, captioning: Captioning, again: bool = False
    ):
        self.store = Store(database, captioning.settings(), features.FORMAT)
        self.tally = Tally()
        self._captioning, self._again = captioning, again
        self._opened: tuple[PhotoCaptioner, Mapping[str, Any]] | None = None

    def run(self, photos: Iterable[Path], retry: bool = True) -> None:
        """Caption and keep photos that are new or have changed; say what is broken.

        Args:
            photos: paths of files.
            retry: whether to try those again that could not be read.

        Raises:
            AppError: if there is no model, or the archive cannot be written. What was
                done before is kept.
        """
        todo = []
        for path in photos:
            if self.store.is_unchanged(path, look_up(path), self._again, retry):
                self.tally.unchanged += 1
            else:
                todo.append(path)
        if not todo:
            return
        done, started = 0, time.monotonic()
        with progress_bar("photos", len(todo)) as advance:
            try:
                for batch in self._tell(todo):
                    checked = [(seen, _check(seen, found)) for seen, found in batch]
                    self.store.put(checked)
                    self._count(checked)
                    done += len(batch)
                    advance(done)
            except BaseException:
                if done:
                    kept = f"{done} of {counted(len(todo), 'photo')}"
                    say(f"note: {kept} are kept; the same command goes on")
                raise
        if self._captioning.verbose:
            seconds = time.monotonic() - started
            pace = f"{seconds:.2f} s, {done / seconds:.1f} a second"
            say(f"{counted(done, 'photo')} in {pace}")

    def mark_vanished(
        self, folders: Iterable[Path], photos: Sequence[Path], recursive: bool
    ) -> None:
        """Mark photos of the archive that are no longer in folders.

        Args:
            folders: those that were looked into.
            photos: what was found there.
            recursive: whether inner folders were looked into.
        """
        found = {_absolute(path) for path in photos}
        for folder in map(_absolute, folders):
            start = os.path.join(folder, "")  # noqa: PTH118
            # Where nothing is left, a disk was probably taken out.
            if any(str(path).startswith(start) for path in found):
                gone = self.store.mark_vanished(folder, recursive, found)
                self.tally.vanished += gone

    def _tell(self, paths: Iterable[Path]) -> Iterator[Batch]:
        """Give batch after batch what comes of files, in another order."""
        if not self._opened:  # before there are threads: libraries are muted then
            self._opened = self._captioning.open()
        captioner, changes = self._opened
        request = captioner.request(**changes)

        def tell(looked: "Looked") -> list[Told]:
            captions, looked = captioner.write(looked, *request)
            concepts = captioner.see(looked, MOST, LIKELY)
            return list(map(Told, captions, concepts, features.pack(captioner, looked)))

        sorter = _Sorter(look_at_all(paths), lambda s: self.store.find(s, self._again))
        while not sorter.ended:
            for batch in captioner.tell_all(sorter.unknown(), tell):
                yield [(seen, found) for p, found in batch for seen in sorter.pop(p)]
            yield list(sorter.known)
            sorter.known.clear()

    def _count(self, batch: Batch) -> None:
        contents: set[str] = set()
        for seen, found in batch:
            if isinstance(found, AppError):
                self.tally.errors += 1
                reason = str(found).removeprefix(f"{seen.path}: ")
                say(plain(f"error: {seen.path}: {reason}"))
            elif isinstance(found, int) or seen.sha256 in contents:
                self.tally.known += 1
            else:
                self.tally.captioned += 1
                contents.add(seen.sha256)


class _Sorter:
    """Parts files that were looked at into known and unknown ones.

    Attributes:
        known: files of known content, with their photos.
        ended: whether all files are sorted.
    """

    def __init__(self, seen: Iterator[Seen], find: Callable[[str], int | None]):
        self.known: Batch = []
        self.ended = False
        self._seen, self._find = seen, find
        self._paths: dict[str, Path] = {}  # to be captioned, by their content
        self._alike: dict[Path, list[Seen]] = {}

    def unknown(self) -> Iterator[Path]:
        """Yield those of unknown content, each content once; stop if many are known."""
        while len(self.known) < KNOWN_AT_ONCE:
            seen = next(self._seen, None)
            if seen is None:
                self.ended = True
                return
            photo = self._find(seen.sha256)
            if photo is not None:
                self.known.append((seen, photo))
            elif first := self._paths.get(seen.sha256):
                self._alike[first].append(seen)
            else:
                self._alike[seen.path] = [seen]
                if seen.sha256:
                    self._paths[seen.sha256] = seen.path
                yield seen.path

    def pop(self, path: Path) -> list[Seen]:
        """Give a path that `unknown` has given, and those of the same content."""
        alike = self._alike.pop(path)
        self._paths.pop(alike[0].sha256, None)
        return alike


def _check(seen: Seen, found: Told | int | AppError) -> Told | int | AppError:
    """Refuse what came of a file that has changed meanwhile."""
    if isinstance(found, AppError) or look_up(seen.path) == seen.state:
        return found
    return AppError("it was changed while it was read. It is read again next time.")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100
