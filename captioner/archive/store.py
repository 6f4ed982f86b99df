"""What `captioner index` writes into an archive; see `shared.data.archive`."""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from captioner.archive.features import Features
from captioner.archive.looking import Seen, State
from captioner.archive.words import words_of
from shared.data.archive import stored_path
from shared.errors import AppError
from shared.files.databases import transaction
from shared.files.sqlite import sqlite3

MOST_COPIES = 100  # of a photo that was moved, looked after at once

if TYPE_CHECKING:
    from captioner.describing.captions import Caption
    from captioner.describing.concepts import Concept


class Told(NamedTuple):
    """What the model tells of a photo.

    Attributes:
        captions: the best first, never none.
        concepts: those that are likely there.
        features: to rank it by.
    """

    captions: "Sequence[Caption]"
    concepts: "Sequence[Concept]"
    features: Features


class Store:
    """The tables of an archive that is open for writing.

    Args:
        database: of `shared.files.databases.opened`.
        settings: all that captions depend on, see `shared.files.jobs.Work.settings`.
        features: the form of the features.
    """

    def __init__(
        self, database: sqlite3.Connection, settings: Mapping[str, Any], features: str
    ):
        self._database = database
        model = settings["model"]["sha256"]  # wherever it lies
        text = json.dumps(dict(settings) | {"model": model}, sort_keys=True)
        self._made_by = text, features
        found = self._one(
            "SELECT id FROM models WHERE settings = ? AND features = ?", *self._made_by
        )
        self._model = found and found[0]

    def is_unchanged(
        self, path: Path, state: State | None, again: bool, retry: bool
    ) -> bool:
        """Whether there is nothing to do for a file.

        Args:
            state: as it is now.
            again: whether there is if it was captioned with other settings.
            retry: whether there is if it could not be read.
        """
        found = self._one(
            "SELECT files.bytes, mtime_ns, photo, model FROM files "
            "LEFT JOIN photos ON photos.id = photo "
            "WHERE path = ? AND vanished IS NULL",
            stored_path(path),
        )
        if found is None or state != (found["bytes"], found["mtime_ns"]):
            return False
        if found["photo"] is None:
            return not retry
        return not again or found["model"] == self._model

    def find(self, sha256: str, again: bool) -> int | None:
        """Give the photo with a content, if it is known.

        Args:
            again: whether it is not if it was captioned with other settings.
        """
        found = self._one("SELECT id, model FROM photos WHERE sha256 = ?", sha256)
        if found is None or (again and found["model"] != self._model):
            return None
        return found["id"]

    def put(self, batch: Sequence[tuple[Seen, Told | int | AppError]]) -> None:
        """Keep what came of files, all of them or none.

        Args:
            batch: each file with what the model tells of it, with the photo that is
                known to lie there, or with the reason why it cannot be read.
        """
        now, photos = utc_now(), dict[str, int]()
        with transaction(self._database):
            for seen, found in batch:
                if seen.state is None:  # it was named, and is not there
                    self._mark([seen.path], now)
                    continue
                photo, error = None, None
                if isinstance(found, AppError):
                    error = str(found).removeprefix(f"{seen.path}: ")
                elif isinstance(found, int):
                    photo = photos[seen.sha256] = found
                else:  # new, or a copy in the same batch
                    photo = photos.get(seen.sha256) or self._add(seen, found)
                    photos[seen.sha256] = photo
                self._run(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, NULL)",
                    *(stored_path(seen.path), photo, *seen.state, error),
                )
            for photo in photos.values():  # those that were moved
                self._mark(filter(_is_gone, self._paths_of(photo)), now)

    def mark_vanished(
        self, folder: Path, recursive: bool, found: Collection[Path]
    ) -> int:
        """Mark the files of a folder that are no longer there; give their number.

        Args:
            recursive: whether those in inner folders count.
            found: absolute paths of files that are there.
        """
        paths = (p for p in self._files_below(folder) if p not in found)
        inner = (path for path in paths if recursive or path.parent == folder)
        gone = list(filter(_is_gone, inner))
        with transaction(self._database):
            self._mark(gone, utc_now())
        return len(gone)

    def count_others(self) -> int:
        """Count the photos that were captioned with other settings, and are there."""
        return self._one(
            "SELECT count(DISTINCT photo) FROM files JOIN photos ON photos.id = photo "
            "WHERE vanished IS NULL AND model IS NOT ?",
            self._model,
        )[0]

    def count(self) -> int:
        """Count the photos that are there."""
        return self._one(
            "SELECT count(DISTINCT photo) FROM files WHERE vanished IS NULL"
        )[0]

    def _add(self, seen: Seen, told: Told) -> int:
        best = told.captions[0]
        (photo,) = self._one(
            "INSERT INTO photos (sha256, bytes, taken, latitude, longitude, caption, "
            "log_prob, confidence, unsure, model, features, indexed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) "
            "DO UPDATE SET caption = excluded.caption, log_prob = excluded.log_prob, "
            "confidence = excluded.confidence, unsure = excluded.unsure, "
            "model = excluded.model, features = excluded.features, "
            "indexed = excluded.indexed RETURNING id",
            *(seen.sha256, seen.state.bytes if seen.state else 0, *seen.exif),
            *(best.text, round(best.log_prob, 4), round(best.confidence, 4)),
            *(best.unsure, self._model_id(), told.features.memory, utc_now()),
        )
        self._run(
            "INSERT OR REPLACE INTO glances VALUES (?, ?, ?, ?, ?)",
            *(photo, self._model, told.features.left_out, told.features.odds),
            told.features.outline,
        )
        for table in ("candidates", "concepts"):
            self._run(f"DELETE FROM {table} WHERE photo = ?", photo)
        for place, one in enumerate(one.original or one for one in told.captions):
            self._run(
                "INSERT INTO candidates VALUES (?, ?, ?, ?, ?)",
                *(photo, place, one.text),
                *(round(one.log_prob, 4), round(one.confidence, 4)),
            )
        for word, there, said, _ in told.concepts:
            self._run(
                "INSERT INTO concepts VALUES (?, ?, ?, ?)",
                *(photo, word, round(there, 4), round(said, 4)),
            )
        write_search(self._database, photo)
        return photo

    def _model_id(self) -> int:
        if self._model is None:
            (self._model,) = self._one(
                "INSERT INTO models (settings, features, version) VALUES (?, ?, ?) "
                "RETURNING id",
                *(*self._made_by, version("sightread")),
            )
        return self._model

    def _mark(self, gone: Iterable[Path], now: str) -> None:
        for path in gone:
            self._run(
                "UPDATE files SET vanished = ? WHERE path = ? AND vanished IS NULL",
                *(now, stored_path(path)),
            )

    def _paths_of(self, photo: int) -> list[Path]:
        rows = self._run(
            "SELECT path FROM files WHERE photo = ? AND vanished IS NULL LIMIT ?",
            *(photo, MOST_COPIES),
        )
        return [Path(os.fsdecode(path)) for (path,) in rows]

    def _files_below(self, folder: Path) -> list[Path]:
        start = os.path.join(folder, "")  # noqa: PTH118  # ends in the separator
        end = start[:-1] + chr(ord(start[-1]) + 1)
        ranges: list[tuple[str | bytes, str | bytes]]
        ranges = [(os.fsencode(start), os.fsencode(end))]
        with suppress(UnicodeEncodeError):
            start.encode()
            ranges.append((start, end))
        return [
            Path(os.fsdecode(path))
            for low, high in ranges
            for (path,) in self._run(
                "SELECT path FROM files "
                "WHERE path >= ? AND path < ? AND vanished IS NULL",
                *(low, high),
            )
        ]

    def _one(self, sql: str, *values: Any) -> Any:
        return self._run(sql, *values).fetchone()

    def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._database.execute(sql, values)


def _is_gone(path: Path) -> bool:
    """Whether a file is not there any more, rather than not to be reached."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def write_search(database: sqlite3.Connection, photo: int) -> None:
    """Write anew by which words a photo is found."""
    caption, edit = database.execute(
        "SELECT photos.caption, edits.caption FROM photos "
        "LEFT JOIN edits ON edits.photo = photos.id WHERE photos.id = ?",
        (photo,),
    ).fetchone()
    candidates, concepts = (
        [row[0] for row in database.execute(sql, (photo,))]
        for sql in (
            "SELECT caption FROM candidates WHERE photo = ? ORDER BY place",
            "SELECT word FROM concepts WHERE photo = ? ORDER BY there DESC",
        )
    )
    database.execute(
        "INSERT OR REPLACE INTO search (rowid, caption, candidates, concepts, edit) "
        "VALUES (?, ?, ?, ?, ?)",
        (photo, *words_of(caption, candidates, concepts, edit)),
    )


def utc_now() -> str:
    """Give the time as archives have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
