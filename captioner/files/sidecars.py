"""Text files beside photos, with their captions."""

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from captioner.files.formats import to_error
from shared.console.progress import counted, say
from shared.errors import AppError
from shared.files.atomic import cannot_write, write_text
from shared.files.formats import Record
from shared.files.jobs import Batch
from shared.files.locks import hold
from shared.files.outputs import Output

WRITERS_AT_ONCE = 8
MOST_LOCKS = 100  # open files; a run that is started twice meets the first of them


class Sidecars:
    """A .txt beside each photo, with its captions, one a line.

    It works as a context manager, see `shared.files.jobs.Target`. Inside, the photos'
    folders are locked against other processes that would write such files.

    Args:
        photos: in order, all different.
        output: a file for the records as well.
        resume: leave files that hold something as they are.
        overwrite: replace them.

    Attributes:
        todo: places of the photos that have no captions yet.
        done: how many have.
        errors: how many of these have failed.
        kept: names of the photos whose files are left as they are.

    Raises:
        AppError: if two photos would share a file; on entering, if files exist and
            neither is given, or somebody else is at work in a folder.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        output: Output | None = None,
        *,
        resume: bool = False,
        overwrite: bool = False,
    ):
        self.output = output
        self.todo: list[int] = []
        self.done = self.errors = 0
        self.texts: dict[str, Path] = {}
        self.kept: set[str] = set()
        self._resume, self._overwrite = resume, overwrite
        self._photos = {photo.as_posix(): photo for photo in photos}
        self._locks = ExitStack()
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

    def __enter__(self) -> Self:
        with ExitStack() as locks:
            if self.output:
                locks.enter_context(self.output)
            folders = dict.fromkeys(text.parent for text in self.texts.values())
            for folder in list(folders)[:MOST_LOCKS]:
                if os.access(folder, os.W_OK):  # else its photos become errors
                    locks.enter_context(hold(folder, "`captioner caption --sidecar`"))
            self._find_kept()
            self._locks = locks.pop_all()
        if self.output:
            self.todo, self.done = self.output.todo, self.output.done
            self.errors = self.output.errors
        else:
            names = enumerate(self._photos)
            self.todo = [place for place, name in names if name not in self.kept]
            self.done = len(self._photos) - len(self.todo)
        return self

    def __exit__(self, *_: object) -> None:
        self._locks.close()

    def __str__(self) -> str:
        return str(self.output or "the .txt files written so far are kept")

    def is_there(self) -> bool:
        """Whether there is something to go on with."""
        if self.output:
            return self.output.is_there()
        return any(_time_of_text(text) is not None for text in self.texts.values())

    def note(self, place: int) -> None:
        """Look at a photo that is about to be read."""
        if self.output:
            self.output.note(place)

    def renew(self, place: int) -> None:
        """Look again at a photo that we have changed since it was read."""
        if self.output:
            self.output.renew(place)

    def append(self, batch: Batch, again: Collection[int] = ()) -> Batch:
        """Write the files of photos that have captions, each whole or not at all.

        Then keep the records in the output, where there is one, so that a record in it
        means that both are there.

        Args:
            batch: places of photos, each with its record.
            again: places of those that `resume` is to do once more.

        Returns:
            the batch, with errors for photos whose file cannot be written.
        """
        with ThreadPoolExecutor(WRITERS_AT_ONCE) as pool:  # disks take them together
            failed = list(pool.map(self._write, (record for _, record in batch)))
        kept, again = [], list(again)
        for (place, record), error in zip(batch, failed, strict=True):
            if error:
                again.append(place)
            name = record["image"]
            kept.append((place, to_error(name, error, "") if error else record))
        return self.output.append(kept, again) if self.output else kept

    def finish(self) -> None:
        """Write the output, where there is one."""
        if self.output:
            self.output.finish()

    def _write(self, record: Record) -> AppError | None:
        if "error" in record or record["image"] in self.kept:
            return None
        path = self.texts[record["image"]]
        lines = [f"{found['caption']}\n" for found in record["captions"]]
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                # Nobody may be there to read from a pipe, ever.
                return AppError(f"{path} cannot be written: it is a pipe or a device.")
            write_text(path, "".join(lines))
        except OSError as error:
            return cannot_write(path, error)
        return None

    def _find_kept(self) -> None:
        times = {
            name: time
            for name, text in self.texts.items()
            if (time := _time_of_text(text)) is not None
        }
        if self._overwrite or not times:
            return
        if not self._resume:
            first = self.texts[min(times)]
            raise AppError(
                f"Beside {counted(len(times), 'photo')} there is a .txt already, such "
                f"as {first}. Add --resume to keep those, or --overwrite to replace "
                "them."
            )
        self.kept = set(times)
        older = [name for name, time in times.items() if time < self._changed(name)]
        if older:
            those = counted(len(older), "photo has", "photos have")
            say(
                f"note: {those} changed since their .txt was written, such as "
                f"{self.texts[older[0]]}; what is there is kept"
            )

    def _changed(self, name: str) -> float:
        with suppress(OSError):
            return self._photos[name].stat().st_mtime
        return 0.0


def _time_of_text(text: Path) -> float | None:
    """When a text was written; None if there is none, or nothing in it."""
    with suppress(OSError):
        found = text.stat()
        return found.st_mtime if found.st_size and text.is_file() else None
    return None
