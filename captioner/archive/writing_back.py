"""What people wrote about photos of an archive, put into the photos themselves."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from captioner.archive.looking import look_at
from captioner.metadata.writing import Written, write_description
from shared.data.archive import stored_path
from shared.errors import AppError
from shared.files.databases import transaction
from shared.files.sqlite import sqlite3


def describe_photos(
    database: sqlite3.Connection, photos: Mapping[int, str], **rules: Any
) -> Iterator[tuple[Path, Written | AppError]]:
    """Put into photos what a person wrote about them; the archive knows them again.

    Args:
        database: open for writing.
        photos: by their numbers, what a person had written before, which may be
            replaced. Those without words of a person are left.
        rules: "replace", "sidecar" and "keep_times", see
            `captioner.metadata.writing.write_description`.

    Yields:
        each file, also of copies, with what came of it.
    """
    for photo, before in photos.items():
        files = database.execute(
            "SELECT path, sha256, edits.caption FROM files JOIN photos ON id = "
            "files.photo JOIN edits ON edits.photo = id "
            "WHERE id = ? AND vanished IS NULL ORDER BY path",
            (photo,),
        ).fetchall()
        for name, sha256, text in files:
            path = Path(os.fsdecode(name))
            try:
                if look_at(path).sha256 not in ("", sha256):
                    raise AppError(
                        f"{path} has changed since it was captioned. Run `captioner "
                        "index`, and describe it again."
                    )
                known = {before, text}
                came = write_description(
                    path, text, by_person=True, known=known, **rules
                )
            except AppError as error:
                yield path, error
                continue
            if came == "photo":
                _know_again(database, photo, path)
            yield path, came


def _know_again(database: sqlite3.Connection, photo: int, path: Path) -> None:
    """Note the new content of a photo's file, so that it stays the same photo."""
    seen = look_at(path)
    if seen.state and seen.sha256:
        with transaction(database):
            database.execute(
                "UPDATE files SET bytes = ?, mtime_ns = ? WHERE path = ?",
                (*seen.state, stored_path(path)),
            )
            # Another photo with this content keeps it, and its own words.
            database.execute(
                "UPDATE OR IGNORE photos SET sha256 = ?, bytes = ? WHERE id = ?",
                (seen.sha256, seen.state.bytes, photo),
            )
