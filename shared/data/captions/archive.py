"""What people wrote about photos of an archive, see `shared.data.archive`."""

import os
from collections.abc import Iterator
from pathlib import Path

from shared.data.archive import ARCHIVE
from shared.data.captions.rows import Row
from shared.data.layouts import Layout, itself
from shared.errors import AppError
from shared.files.databases import opened

ENDINGS = (".db", ".sqlite", ".sqlite3")


def _rows(path: Path, word: str) -> Iterator[Row]:
    """Read the photos that people described, not those that only a model did.

    Raises:
        AppError: if there are none, or their files are gone.
    """
    with opened(path, ARCHIVE) as database:
        described = [
            (row["sha256"], row["caption"], Path(os.fsdecode(row["path"] or "")))
            for row in database.execute(
                "SELECT path, sha256, caption FROM library WHERE by_person "
                "ORDER BY path, sha256"
            )
        ]
    if not described:
        raise AppError(
            f"{path} holds no captions of people. Describe some of its photos with "
            "`captioner edit`: training learns from what people wrote."
        )
    there = [row for row in described if row[2].is_file()]
    if not there:
        raise AppError(
            f"The {len(described)} photos of {path} that people described are gone. "
            "Run `captioner index` on the folders where they are now."
        )
    for sha256, caption, place in there:
        where = f"{path}, photo {sha256[:12]}"
        yield Row(where, (sha256[:16] + place.suffix,), [caption], place=place)


LAYOUT = Layout(
    "  archive.db of `captioner index`: the photos that people described in it",
    (("archive.db",),),
    lambda path: path.suffix.lower() in ENDINGS and path.is_file(),
    itself,
    _rows,
)
