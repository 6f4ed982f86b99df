"""What is read of an archive to find photos: glances, memories, words, entries."""

import json
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from captioner.archive.features import FORMAT
from shared.concepts.words import concept_mentions, names_of, read_concepts
from shared.errors import AppError
from shared.files.sqlite import sqlite3
from shared.text.vocabulary import split_words

AT_ONCE = 500  # values in a statement
AT_A_GLANCE = 4096  # photos of which glances are read by a statement
_SINCE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


class Glances(NamedTuple):
    """What all photos of an archive that are there are first judged by.

    Axes: N photos, C concepts.

    Attributes:
        photos: int64 (N,), their numbers, ascending.
        left_out: float32 (N,), see `captioner.archive.features`.
        odds: uint8 (N, C), see `captioner.archive.features`.
    """

    photos: np.ndarray
    left_out: np.ndarray
    odds: np.ndarray

    def spread(self, points: Mapping[int, float]) -> np.ndarray:
        """Give float32 (N,), what photos have by their numbers; 0 of others."""
        found = np.zeros(len(self.photos), np.float32)
        if points and len(found):
            numbers = np.fromiter(points, np.int64)
            places = np.searchsorted(self.photos, numbers).clip(max=len(found) - 1)
            known = self.photos[places] == numbers
            values = np.fromiter(points.values(), np.float32)
            found[places[known]] = values[known]
        return found

    def mark(self, photos: Iterable[int]) -> np.ndarray:
        """Give bool (N,): which of them are among some."""
        return np.isin(self.photos, np.fromiter(photos, np.int64))


class Entry(NamedTuple):
    """What is shown of a photo.

    Attributes:
        path: where it lies.
        caption: a person's, or the model's.
        by_person: which of the two.
        words: all that are searched: captions, concepts, what people wrote.
    """

    path: Path
    caption: str
    by_person: bool
    words: str


def find_models(
    database: sqlite3.Connection, path: Path, same: Collection[str]
) -> list[int]:
    """Find a model among those that captioned an archive: its numbers there.

    Args:
        path: of the archive, for messages.
        same: SHA-256 that tell the model, see `shared.bundles.manifests.identify`.

    Raises:
        AppError: if it captioned none of the photos.
    """
    rows = database.execute("SELECT id, settings, features FROM models").fetchall()
    if not rows:
        raise AppError(
            f"{path} holds no photos yet. Add some with `captioner index PHOTOS --db "
            f"{path}`."
        )
    ids = [
        row["id"]
        for row in rows
        if row["features"] == FORMAT and _model(row["settings"]) in same
    ]
    if not ids:
        raise AppError(
            f"The photos of {path} were captioned by another model, or by another "
            "version of this program. Name that model with --model, or caption them "
            f"anew: `captioner index PHOTOS --db {path} --again`."
        )
    return ids


def _model(settings: str) -> str:
    try:
        return str(json.loads(settings)["model"])
    except (ValueError, KeyError, TypeError):
        return ""


def count_others(database: sqlite3.Connection, models: Sequence[int]) -> int:
    """Count the photos that are there and that other models have captioned."""
    sql = (
        f"SELECT count(*) FROM photos WHERE model NOT IN ({_places(models)}) AND "
        "EXISTS (SELECT 1 FROM files WHERE photo = photos.id AND vanished IS NULL)"
    )
    return int(database.execute(sql, models).fetchone()[0])


def read_glances(
    database: sqlite3.Connection, models: Sequence[int], concepts: int | None = None
) -> Glances:
    """Read the glances of all photos that are there.

    Many are read by one statement, which keeps other threads from nothing.

    Args:
        models: numbers of the one that captioned them.
        concepts: C; None is as many as the first of them has.
    """
    if concepts is None:
        sql = f"SELECT length(odds) FROM glances WHERE model IN ({_places(models)})"
        (concepts,) = database.execute(sql, models).fetchone() or (0,)
    sql = (
        "SELECT max(photo), group_concat(photo), group_concat(left_out), "
        "CAST(group_concat(odds, '') AS BLOB) FROM (SELECT * FROM glances WHERE photo "
        f"> ? AND model IN ({_places(models)}) AND length(odds) = ? ORDER BY photo "
        f"LIMIT {AT_A_GLANCE})"
    )
    photos: list[str] = []
    left_out: list[str] = []
    odds: list[bytes] = []
    last = -1
    while last is not None:
        values = (last, *models, concepts)
        last, *some = _tuples(database, sql, values).fetchone()
        if last is not None:
            photos.append(some[0])
            left_out.append(some[1])
            odds.append(some[2])
    numbers = _to_array(photos, np.int64)
    found = Glances(
        numbers,
        _to_array(left_out, np.float32),
        np.frombuffer(b"".join(odds), np.uint8).reshape(len(numbers), concepts),
    )
    gone = found.mark(_find_gone(database, models))
    return Glances(*(each[~gone] for each in found)) if gone.any() else found


def _find_gone(database: sqlite3.Connection, models: Sequence[int]) -> list[int]:
    """Find the photos of which no file is there; both sides come in order."""
    sql = (
        f"SELECT id FROM photos WHERE model IN ({_places(models)}) EXCEPT "
        "SELECT photo FROM files WHERE vanished IS NULL ORDER BY 1"
    )
    return [photo for (photo,) in _tuples(database, sql, models)]


def _to_array(parts: Iterable[str], dtype: type) -> np.ndarray:
    return np.fromstring(",".join(parts), dtype, sep=",")


def read_outlines(database: sqlite3.Connection, photos: np.ndarray) -> np.ndarray:
    """Read uint8 (N, bytes), the outlines of photos, int64 (N,) ascending."""
    rows = database.execute("SELECT photo, outline FROM glances ORDER BY photo")
    wanted = {*photos.tolist()}
    found = [outline for photo, outline in rows if photo in wanted]
    size = len(found[0]) if found else 0
    return np.frombuffer(b"".join(found), np.uint8).reshape(len(found), size)


def read_memories(
    database: sqlite3.Connection, photos: Sequence[int]
) -> Mapping[int, bytes]:
    """Read what the decoder needs of photos, see `captioner.archive.features`."""
    return {
        row["id"]: row["features"]
        for some in _some(photos)
        for row in database.execute(
            f"SELECT id, features FROM photos WHERE id IN ({_places(some)})", some
        )
    }


def read_entries(
    database: sqlite3.Connection, photos: Sequence[int]
) -> Mapping[int, Entry]:
    """Read what is shown of photos that are there."""
    sql = (
        "SELECT library.*, s.caption || ' ' || candidates || ' ' || concepts || ' ' || "
        "edit AS words FROM library JOIN search AS s ON s.rowid = library.photo "
        "WHERE library.path IS NOT NULL AND library.photo IN ({})"
    )
    return {
        row["photo"]: Entry(
            Path(os.fsdecode(row["path"])),
            row["caption"],
            bool(row["by_person"]),
            row["words"],
        )
        for some in _some(photos)
        for row in database.execute(sql.format(_places(some)), some)
    }


def match(
    database: sqlite3.Connection, words: Iterable[str], column: str = ""
) -> Mapping[int, float]:
    """Give the photos whose words have any of some, each with its points by BM25.

    Args:
        words: or phrases.
        column: of the table `search`, to look at no other; empty is all.
    """
    said = " OR ".join('"{}"'.format(word.replace('"', '""')) for word in words)
    rows = _tuples(
        database,
        "SELECT rowid, -bm25(search) FROM search WHERE search MATCH ?",
        (f"{column} : ({said})" if column else said,),
    )
    return dict(rows)


def names_for(words: Sequence[str]) -> list[str]:
    """Give words, and of the concepts among them the words by which they are known."""
    return list(dict.fromkeys((*words, *sorted(concept_mentions().named(words)))))


def find_excluded(database: sqlite3.Connection, word: str) -> set[int]:
    """Find the photos that show or mention what a word names.

    Raises:
        AppError: if there is no word in it.
    """
    words = split_words(word)
    if not words:
        raise AppError(f"--without {word!r}: there is no word in it. Name one thing.")
    phrases = {" ".join(words)}
    for name in concept_mentions().named(words):
        phrases |= names_of(read_concepts()[name])
    return set(match(database, phrases))


def find_since(database: sqlite3.Connection, since: str) -> set[int]:
    """Find the photos taken in a year, month or day, or later.

    Raises:
        AppError: if it is none of these.
    """
    if not _SINCE.fullmatch(since):
        raise AppError(
            f"--since {since[:40]!r} is no date. Give a year, month or day: 2019, "
            "2019-07, 2019-07-14."
        )
    rows = database.execute("SELECT id FROM photos WHERE taken >= ?", (since,))
    return {row[0] for row in rows}


def _tuples(
    database: sqlite3.Connection, sql: str, values: Sequence[Any]
) -> sqlite3.Cursor:
    """Read many rows, which takes less time as tuples."""
    cursor = database.cursor()
    cursor.row_factory = None
    return cursor.execute(sql, values)


def _places(values: Sequence[int]) -> str:
    return ", ".join("?" * len(values))


def _some(values: Sequence[int]) -> Iterable[list[int]]:
    ints = list(map(int, values))
    return (ints[i : i + AT_ONCE] for i in range(0, len(ints), AT_ONCE))
