"""Photos to share out: folders, lists, tables of paths or bytes, tar archives."""

import csv
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from captioner.photos.addressed import match
from captioner.photos.inputs import distinct
from captioner.photos.members import ROWS_AT_ONCE, Member, Stored, Stream, find_members
from shared.addresses import is_stored
from shared.errors import AppError
from shared.files.resuming import list_digest
from shared.scale.shares import Listed, Share, cut
from shared.scale.stores import BLOCK, Address, Place, to_place

if TYPE_CHECKING:
    from pyarrow import parquet

TABLES = (".parquet", ".csv", ".tsv")
MANY = (*TABLES, ".tar")  # endings of files of many photos
# What a table's column of photos may be called, if nobody says it.
# fmt: off
COLUMNS = (
    "image", "photo", "path", "file", "file_name", "filename", "image_path",
    "image_file", "bytes", "image_bytes", "jpg", "jpeg", "png", "content",
)
# fmt: on


def find_shares(
    words: Sequence[str], find: Callable[[list[str]], list[Place]], column: str | None
) -> list[Share]:
    """Share out photos: those of folders, patterns and lists, of tables, of archives.

    Args:
        words: as typed. Those that end as a table or an archive does, or stand for
            such, are one; all others are for `find`. Both may be in a store.
        find: turns words into photos, see `captioner.photos.inputs.find_photos`.
        column: of tables: where a photo's path or bytes are; None is one of `COLUMNS`.

    Raises:
        AppError: if there are no photos, or a table or an archive cannot be read.
    """
    plain = [word for word in words if not word.lower().endswith(MANY)]
    paths: list[Place] = find(plain) if plain else []
    members: list[Member] = []
    tables: list[Share] = []
    for file in _expand(word for word in words if word.lower().endswith(MANY)):
        if file.suffix.lower() == ".tar" and isinstance(file, Address):
            tables.append(Stream(file))
        elif file.suffix.lower() == ".tar":
            members += find_members(file)
        elif file.suffix.lower() == ".parquet":
            found = _read_parquet(file, column)
            if isinstance(found[0] if found else None, RowGroup):
                tables += cast(list[Share], found)
            else:
                paths += cast(list[Place], found)
        else:
            paths += _read_csv(file, column)
    listed: list[Place | Member] = [*distinct(paths), *members]
    shares: list[Share] = [_list(some) for some in cut(listed)]
    if not (shares or tables):
        raise AppError(f"{', '.join(words)}: there are no photos in it.")
    return [*shares, *tables]


@dataclass(frozen=True)
class RowGroup:
    """A share that is a row group of a Parquet file with the bytes of photos.

    Attributes:
        file: it.
        group: its number.
        column: where the bytes are, maybe with a path, as Hugging Face writes them.
        start: number of the group's first row.
        count: its rows.
    """

    file: Place
    group: int
    column: str
    start: int
    count: int

    @property
    def files(self) -> list[Place]:
        """See `shared.scale.shares.Share`."""
        return [self.file]

    @property
    def digest(self) -> str:
        """See `shared.scale.shares.Share`."""
        where = (self.group, self.column, self.start, self.count)
        return list_digest([self.file.as_posix(), *map(str, where)])

    def read(self) -> Iterator[list[Stored]]:
        """Give some rows at a time."""
        with _parquet(self.file) as table:
            batches = table.iter_batches(ROWS_AT_ONCE, [self.group], [self.column])
            row = self.start
            for batch in batches:
                cells = batch.column(0).to_pylist()
                yield [self._photo(row + i, cell) for i, cell in enumerate(cells)]
                row += len(cells)

    def _photo(self, row: int, cell: Any) -> Stored:
        cell = cell if isinstance(cell, dict) else {"bytes": cell}
        name = cell.get("path") or _row_name(self.file, row)
        return Stored(str(name), cell.get("bytes") or b"")


def _list(items: Sequence[Place | Member]) -> Listed[Place | Member]:
    files = dict.fromkeys(i.tar if isinstance(i, Member) else i for i in items)
    return Listed(items, list_digest(i.as_posix() for i in items), list(files))


def _expand(words: Iterable[str]) -> Iterator[Place]:
    for word in words:
        if isinstance(to_place(word), Address):
            yield from match(word)
        elif os.path.lexists(word) or not glob.has_magic(word):
            yield Path(word)
        elif found := sorted(glob.glob(word, recursive=True)):  # noqa: PTH207
            yield from map(Path, found)
        else:
            raise AppError(f"Nothing matches {word}. Check the folder and the pattern.")


def _parquet(file: Place) -> "parquet.ParquetFile":
    import pyarrow as pa
    from pyarrow import parquet

    try:
        source = file.open() if isinstance(file, Address) else file
        return parquet.ParquetFile(source, pre_buffer=False, buffer_size=BLOCK)
    except (pa.ArrowException, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        reason = reason.rstrip(".")
        raise AppError(f"{file} cannot be read as Parquet: {reason}.") from error


def _read_parquet(file: Place, column: str | None) -> list[Place] | list[RowGroup]:
    """Read the paths of a table, or find its row groups if it holds bytes."""
    import pyarrow as pa

    with _parquet(file) as table:
        schema = table.schema_arrow
        name = _choose(file, schema.names, column)
        kind = schema.field(name).type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            batches = table.iter_batches(columns=[name])
            cells = (cell for batch in batches for cell in batch.column(0).to_pylist())
            return list(_find_paths(file, cells))
        has_bytes = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        if not (
            has_bytes or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        ):
            raise AppError(
                f"{file}: column {name} holds {kind}. A column of photos holds paths, "
                "or the bytes of image files."
            )
        start, groups = 0, []
        for group in range(table.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            groups.append(RowGroup(file, group, name, start, count))
            start += count
        return groups


def _read_csv(file: Place, column: str | None) -> list[Place]:
    tab = "\t" if file.suffix.lower() == ".tsv" else ","
    try:
        with TextIOWrapper(file.open("rb"), "utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, delimiter=tab)
            name = _choose(file, list(rows.fieldnames or ()), column)
            return list(_find_paths(file, (row[name] for row in rows)))
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise AppError(f"{file} cannot be read as a table: {reason}.") from error


def _choose(file: Place, names: Sequence[str], column: str | None) -> str:
    wanted = [column] if column else [name for name in COLUMNS if name in names]
    if not column and len(names) == 1:
        wanted = list(names)
    if wanted and wanted[0] in names:
        return wanted[0]
    which = f"no column {column}" if column else "no column called like photos"
    raise AppError(
        f"{file} has {which}; it has {', '.join(names) or 'none'}. Name the one with "
        "paths or bytes with --column."
    )


def _find_paths(file: Place, cells: Iterable[str | None]) -> Iterator[Place]:
    """Give the place of each row, which counts from the table's folder if it is there.

    Of a row without one, its record says that there is no such file.
    """
    for row, cell in enumerate(cells):
        if not (cell and cell.strip()):
            yield Path(_row_name(file, row))
        elif is_stored(cell):
            yield to_place(cell)
        elif isinstance(file, Address):
            yield file.parent / cell
        else:
            beside = file.parent / cell
            # pathlib raises for names that are too long
            yield beside if os.path.exists(beside) else Path(cell)  # noqa: PTH110


def _row_name(file: Place, row: int) -> str:
    return f"{file.as_posix()}#{row}"
