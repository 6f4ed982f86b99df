"""What people write about photos of an archive, which no later run replaces."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from captioner.archive.looking import look_at, look_up
from captioner.archive.store import utc_now, write_search
from shared.data.archive import stored_path
from shared.data.captions.own import NAME_KEYS
from shared.data.results import read_entries
from shared.errors import AppError
from shared.files.atomic import beside
from shared.files.databases import transaction
from shared.files.formats import Record, table
from shared.files.journal import Journal
from shared.files.sqlite import sqlite3

LONGEST = 1000  # characters of a caption
_HASH = re.compile(r"[0-9a-f]{8,64}", re.IGNORECASE)
_FORM = '{"image": ..., "caption": ...}'

# What the model wrote stands there twice, so that a change of it can be told.
SHEET = {
    ".csv": table(
        ("image", "caption", "before", "by", "confidence", "unsure", "sha256")
    )
}


class Edits(NamedTuple):
    """What came of a file of captions.

    Attributes:
        changed: photos that a person has described in it anew, with what a person
            had written before, or nothing.
        removed: photos whose description by a person was emptied.
        unknown: names that are no photos of the archive.
    """

    changed: Mapping[int, str]
    removed: int
    unknown: Sequence[str]


def find_photo(database: sqlite3.Connection, name: str) -> int | None:
    """Find a photo of an archive; None if it is not there.

    Args:
        name: path of its file, also of a copy; or at least 8 digits of its SHA-256.

    Raises:
        AppError: if several photos begin with these digits.
    """
    path = Path(name)
    try:
        stored = stored_path(path)
    except UnicodeEncodeError:  # no name that a file can have
        return None
    known = database.execute(
        "SELECT photo, bytes, mtime_ns FROM files WHERE path = ?", (stored,)
    ).fetchone()
    state = look_up(path)
    if known and known["photo"] and state in (None, tuple(known)[1:]):
        return known["photo"]
    digits = look_at(path).sha256 if state else name.lower()
    if not _HASH.fullmatch(digits):
        return None
    found = database.execute(
        "SELECT id FROM photos WHERE sha256 >= ? AND sha256 < ? LIMIT 2",
        (digits, f"{digits}g"),
    ).fetchall()
    if len(found) > 1:
        raise AppError(f"Several photos have a SHA-256 that begins with {name}.")
    return found[0][0] if found else None


def write_edit(database: sqlite3.Connection, photo: int, text: str | None) -> bool:
    """Describe a photo in a person's words; whether that changes anything.

    Args:
        text: a sentence; None leaves it to the model again.

    Raises:
        AppError: if the sentence holds no word, or is longer than 1,000 characters.
    """
    with transaction(database):
        return _write(database, photo, text)


def words_of_person(database: sqlite3.Connection, photo: int) -> str:
    """Give what a person wrote about a photo; empty if nobody did."""
    sql = "SELECT caption FROM edits WHERE photo = ?"
    found = database.execute(sql, (photo,)).fetchone()
    return found[0] if found else ""


def list_edits(database: sqlite3.Connection) -> Iterator[tuple[int, str, str]]:
    """Give the photos that people described: number, path or else SHA-256, caption."""
    for photo, path, sha256, caption in database.execute(
        "SELECT photo, path, sha256, caption FROM library WHERE by_person "
        "ORDER BY path, sha256"
    ):
        yield photo, os.fsdecode(path) if path else sha256, caption


def list_library(database: sqlite3.Connection) -> Iterator[Record]:
    """Give a row of `SHEET` for each photo that is there."""
    for row in database.execute(
        "SELECT path, caption, by_person, confidence, unsure, sha256 FROM library "
        "WHERE path IS NOT NULL ORDER BY path"
    ):
        yield {
            "image": os.fsdecode(row["path"]),
            "caption": row["caption"],
            "before": row["caption"],
            "by": "person" if row["by_person"] else "model",
            "confidence": row["confidence"],
            "unsure": {0: "false", 1: "true"}.get(row["unsure"], ""),
            "sha256": row["sha256"],
        }


def read_edits(database: sqlite3.Connection, path: Path) -> Edits:
    """Take over what a person changed in a file of captions, all of it or nothing.

    A caption counts if it is not what stood there before: in the column `before`; in
    what `captioner caption` wrote, of which it keeps a journal beside it; or else in
    the archive. An empty one takes back what a person wrote.

    Args:
        path: CSV, TSV, JSONL or JSON with image and caption; relative paths start from
            here, or from its folder.

    Raises:
        AppError: if it cannot be read, or a caption is no sentence; nothing is changed.
    """
    written = _written_by_model(path)
    changed: dict[int, str] = {}
    removed: set[int] = set()
    unknown: dict[str, None] = {}
    with transaction(database):
        for where, record in read_entries(
            path, "captions", _FORM, _check_columns, open_end="caption"
        ):
            name = _name_of(record, where)
            if record.get("error"):
                continue
            caption = record.get("caption")
            if not isinstance(caption, str):
                raise AppError(f"{where}: expected {_FORM} with a sentence.")
            photo = _find(database, record, name, path.parent)
            if photo is None:
                unknown[name] = None
                continue
            text = " ".join(caption.split())
            before = record.get("before")
            known = {before} if isinstance(before, str) else written.get(name, set())
            if photo in {*changed, *removed} or text in (
                known or _captions_of(database, photo)
            ):
                continue
            own = words_of_person(database, photo)
            try:
                if not _write(database, photo, text or None):
                    continue
            except AppError as error:
                raise AppError(f"{where}: {error}") from error
            if text:
                changed[photo] = own
            else:
                removed.add(photo)
    return Edits(changed, len(removed), list(unknown))


def _write(database: sqlite3.Connection, photo: int, text: str | None) -> bool:
    if text is not None:
        text = " ".join(text.split())
        is_text = text.encode(errors="ignore").decode() == text  # no halves of emoji
        if not (is_text and any(map(str.isalnum, text)) and len(text) <= LONGEST):
            raise AppError(
                f"A caption is a sentence of up to {LONGEST} characters. Received: "
                f"{text!r:.80}."
            )
    if (text or "") == words_of_person(database, photo):
        return False
    if text is None:
        database.execute("DELETE FROM edits WHERE photo = ?", (photo,))
    else:
        database.execute(
            "INSERT OR REPLACE INTO edits VALUES (?, ?, ?)", (photo, text, utc_now())
        )
    write_search(database, photo)
    return True


def _find(
    database: sqlite3.Connection, record: Record, name: str, folder: Path
) -> int | None:
    names = (str(record.get("sha256") or ""), name, str(folder / name))
    return next(filter(None, (find_photo(database, one) for one in names if one)), None)


def _name_of(record: Record, where: str) -> str:
    name = next((record[key] for key in NAME_KEYS if record.get(key)), None)
    if not isinstance(name, str):
        raise AppError(f"{where}: expected {_FORM} with the photo's path.")
    return name


def _captions_of(database: sqlite3.Connection, photo: int) -> set[str]:
    """Give what a model wrote about a photo, and what is shown."""
    return {
        row[0]
        for table in ("photos WHERE id", "candidates WHERE photo", "edits WHERE photo")
        for row in database.execute(f"SELECT caption FROM {table} = ?", (photo,))
    }


def _written_by_model(path: Path) -> dict[str, set[str]]:
    """Give what `captioner caption` wrote into a file, by image."""
    journal = beside(path, ".journal")
    written: dict[str, set[str]] = {}
    with suppress(AppError, OSError, ValueError, LookupError, TypeError):
        if journal.is_file():
            read = Journal.read(journal, {})
            for record in read.records(read.entries):
                captions: list[Any] = [record, *record.get("captions", ())]
                found = {one["caption"] for one in captions if "caption" in one}
                written[record["image"]] = found
    return written


def _check_columns(header: Sequence[str], where: str) -> None:
    if "caption" not in header or not {*NAME_KEYS} & {*header}:
        raise AppError(
            f"{where} should name the columns image and caption. Received: "
            f"{', '.join(header)!r:.80}."
        )
