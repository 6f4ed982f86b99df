"""Whether and where a command goes on with a file, see `shared.files.outputs`."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from shared.console.progress import say
from shared.errors import AppError
from shared.files.fingerprints import is_same
from shared.files.formats import to_json
from shared.files.journal import Journal, is_torn, parse_line


class Item(NamedTuple):
    """What one record is to be about: its key in the journal, and its photo."""

    key: str
    photo: Path


def numbered(items: Iterable[Item]) -> list[Item]:
    """Give each item a key of its own: a question may be asked twice."""
    times: Counter[str] = Counter()
    found = []
    for item in items:
        count = times[item.key]
        times[item.key] += 1
        found.append(item._replace(key=f"{item.key}\0{count}") if count else item)
    return found


def check_header(
    path: os.PathLike[str], ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> None:
    """Refuse to go on with what was begun by another command or with other settings.

    Raises:
        AppError: if that is so; both values are named.
    """
    if ours["by"] != theirs.get("by"):
        raise AppError(
            f"{path} was begun by `{theirs.get('by')}`, not by `{ours['by']}`. Choose "
            "another name, or --overwrite it."
        )
    then, now = theirs.get("settings"), ours["settings"]
    then = then if isinstance(then, dict) else {}
    changed = [
        f"{_option(name, then[name])}, now {_option(name, now[name])}"
        for name in now
        if name in then and _essence(then[name]) != _essence(now[name])
    ]
    if changed:
        raise AppError(
            f"{path} was begun with other settings: {'; '.join(changed)}. Give those "
            "that it was begun with to go on, --overwrite it, or choose another name."
        )
    if ours["batch"] != theirs.get("batch"):
        say(
            f"note: {path} was begun {theirs.get('batch')} at a time, and goes on "
            f"{ours['batch']} at a time: last digits may differ"
        )


def check_content(
    path: Path, target: Path, journal: Journal, is_kept: bool
) -> str | None:
    """Make sure that nobody has changed the file since its journal was written.

    Args:
        path: as the user knows it.
        target: where it is.
        is_kept: whether the journal was put away, so that the file is finished.

    Returns:
        digest of the list that it is finished for, see `list_digest`; None if it is
        not finished, or has gone.

    Raises:
        AppError: if it was changed, or is another file.
    """
    state = file_state(target)
    if state is None:
        return None
    told = journal.finished or {}
    if told.get("sha256") == file_digest(target):
        return str(told.get("items"))
    if is_kept:
        raise AppError(
            f"{path} was changed since it was written. To go on would lose what was "
            "changed: choose another name, or --overwrite it."
        )
    if path.suffix.lower() == ".jsonl":
        _check_lines(path, target, journal)
    elif state != journal.header.get("replaces"):
        raise AppError(
            f"{path} was not there, or was another file, when {journal.path} was "
            "begun. Move one of them away, or --overwrite both."
        )
    return None


def _check_lines(path: Path, target: Path, journal: Journal) -> None:
    """Make sure that a file that grows holds nothing but records of the journal."""
    known = {_hash(to_json(record)) for record in journal.records(journal.entries)}
    with target.open("rb") as file:
        for number, line in enumerate(file, 1):
            record = parse_line(line)
            torn = is_torn(line, b'{"image": ')
            if not torn and _hash(to_json(record)) not in known:
                raise AppError(
                    f"{path}, line {number} was not written by what {journal.path} "
                    "tells of. Move one of them away, or --overwrite both."
                )


def find_left(
    items: Sequence[Item], journal: Journal, path: Path, unit: str
) -> list[int]:
    """Find the places of items that have to be done, or done again.

    Raises:
        AppError: if nothing that was done is asked for.
    """
    others = len(journal.entries.keys() - {item.key for item in items})
    if others and others == len(journal.entries):
        raise AppError(
            f"{journal.path} belongs to other {unit}: none of its {others} is asked "
            "for. Name the same ones to --resume, or --overwrite it."
        )
    left, changed = [], 0
    same: dict[tuple[Any, ...], bool] = {}
    for place, (key, photo) in enumerate(items):
        entry = journal.entries.get(key)
        if entry and entry.photo is not None:
            asked = (photo, *entry.photo)
            if asked not in same:
                same[asked] = is_same(photo, entry.photo)
            if same[asked]:
                continue
            changed += 1
        left.append(place)
    if others:
        say(f"note: {unit} of {path} not asked for now, which leave it: {others}")
    if changed:
        say(f"note: {unit} done again, because the photos have changed: {changed}")
    return left


def file_state(path: Path) -> list[int] | None:
    """Size and time (ns) of a file; None if there is none, or nothing in it."""
    with suppress(OSError, ValueError):
        found = path.stat()
        return [found.st_size, found.st_mtime_ns] if found.st_size else None
    return None


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_digest(keys: Iterable[str]) -> str:
    """SHA-256 of a list, its order included."""
    return hashlib.sha256(to_json(list(keys)).encode()).hexdigest()


def _hash(line: str) -> bytes:
    return hashlib.blake2b(line.encode(), digest_size=12).digest()


def _essence(value: Any) -> Any:
    return value["sha256"] if isinstance(value, dict) and "sha256" in value else value


def _option(name: str, value: Any) -> str:
    if isinstance(value, dict):
        value = f"{value.get('folder')} ({str(value.get('sha256'))[:12]})"
    elif value == "":
        value = '""'
    return f"--{name.replace('_', '-')} {value}"
