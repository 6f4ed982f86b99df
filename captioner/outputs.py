"""Files of captions that an interruption cannot break."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self, TextIO

from captioner.formats import WRITERS, Record, Writers, image_id
from shared.console.progress import counted, say
from shared.errors import AppError
from shared.files.atomic import cannot_write, check_target, write_text
from shared.files.locks import hold
from shared.files.outputs import Output
from shared.files.resuming import Item

COMMAND = "captioner caption"
WRITERS_AT_ONCE = 8
MOST_LOCKS = 100  # open files; a run that is started twice meets the first of them


class Kind(NamedTuple):
    """What a file is of.

    Attributes:
        command: what writes it.
        content: the key that its records have unless they are errors.
        writers: suffix -> how it is written.
    """

    command: str
    content: str
    writers: Writers


CAPTIONS = Kind(COMMAND, "captions", WRITERS)


def open_output(
    path: Path,
    photos: Sequence[Path],
    settings: Callable[[], Mapping[str, Any]],
    *,
    batch_size: int,
    resume: bool = False,
    overwrite: bool = False,
    kind: Kind = CAPTIONS,
) -> Output:
    """Get ready to write records into a file, see `shared.files.outputs`.

    Args:
        path: file to write; its suffix says how.
        photos: all of them, in order.
        settings: gives what records depend on, see `captioner.job.Way`.
        batch_size: photos at a time.
        resume: continue what is there.
        overwrite: replace what is there.
        kind: what the records are.

    Raises:
        AppError: if the file could not be written, or is no place for these photos.
    """
    check_target(path, kind.writers)
    names = [photo.as_posix() for photo in photos]
    if path.suffix.lower() == ".json":
        _check_ids(path, names)

    def write(records: Iterable[Record], file: TextIO) -> None:
        kind.writers[path.suffix.lower()](records, file, path.parent)

    def item_of(record: Record) -> Item | None:
        name = record.get("image")
        if isinstance(name, str) and (kind.content in record or "error" in record):
            return Item(name, Path(name))
        return None

    return Output(
        path,
        list(map(Item, names, photos)),
        by=kind.command,
        unit="photos",
        write=write,
        settings=settings,
        item_of=item_of,
        batch=batch_size,
        resume=resume,
        overwrite=overwrite,
    )


class Sidecars:
    """A .txt beside each photo, with its captions, one a line.

    It works as a context manager. Inside, the photos' folders are locked against other
    processes that would write such files.

    Args:
        photos: in order.
        resume: leave files that hold something as they are.
        overwrite: replace them.

    Attributes:
        kept: names of the photos whose files are left as they are.

    Raises:
        AppError: if two photos would share a file; on entering, if files exist and
            neither is given, or somebody else is at work in a folder.
    """

    def __init__(
        self, photos: Sequence[Path], *, resume: bool = False, overwrite: bool = False
    ):
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
            folders = dict.fromkeys(text.parent for text in self.texts.values())
            for folder in list(folders)[:MOST_LOCKS]:
                if os.access(folder, os.W_OK):  # else its photos become errors
                    locks.enter_context(hold(folder, f"`{COMMAND} --sidecar`"))
            self._find_kept()
            self._locks = locks.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._locks.close()

    def __str__(self) -> str:
        return "the .txt files written so far are kept"

    def is_there(self) -> bool:
        """Whether there is something to go on with."""
        return any(_time_of_text(text) is not None for text in self.texts.values())

    def append(self, records: Iterable[Record]) -> dict[str, AppError]:
        """Write the files of photos that have captions, whole or not at all.

        Returns:
            of photos whose file cannot be written, by name, the reason.
        """
        wanted = [
            record
            for record in records
            if "error" not in record and record["image"] not in self.kept
        ]
        with ThreadPoolExecutor(WRITERS_AT_ONCE) as pool:  # disks take them together
            reasons = list(pool.map(self._write, wanted))
        names = (record["image"] for record in wanted)
        return {n: reason for n, reason in zip(names, reasons, strict=True) if reason}

    def _write(self, record: Record) -> AppError | None:
        path = self.texts[record["image"]]
        lines = [f"{found['caption']}\n" for found in record["captions"]]
        try:
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


def _check_ids(path: Path, names: Iterable[str]) -> None:
    owners: dict[int | str, str] = {}
    for name in names:
        if (other := owners.setdefault(image_id(name), name)) != name:
            raise AppError(
                f"{path}: {other} and {name} would share the image_id "
                f"{image_id(name)}. Write .jsonl, which tells them apart by path."
            )
