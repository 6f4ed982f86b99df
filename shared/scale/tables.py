"""Records as Parquet: columns whose types are the same in every part."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from shared.files.formats import Record

if TYPE_CHECKING:
    import pyarrow as pa

# Name of each column -> str, float, bool, [what a list is of], {name: field of a row}.
Columns = Mapping[str, Any]
GROUP = 1024  # records of a row group


def write_parquet(records: Iterable[Record], file: BinaryIO, columns: Columns) -> None:
    """Write records, some at a time; what one does not have is null.

    Args:
        records: taken as they are written.
        file: open for writing.
        columns: of all that a record may have.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, _type(kind)) for name, kind in columns.items()])
    left = iter(records)
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(left, GROUP)):
            rows = [_fit(record, columns) for record in group]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _type(kind: Any) -> "pa.DataType":
    import pyarrow as pa

    if isinstance(kind, list):
        return pa.list_(_type(kind[0]))
    if isinstance(kind, dict):
        return pa.struct([(name, _type(of)) for name, of in kind.items()])
    return {str: pa.string(), float: pa.float64(), bool: pa.bool_()}[kind]


def _fit(value: Any, kind: Any) -> Any:
    """Give a value as its column takes it; what is no text, such as some bytes of
    names, becomes escapes.
    """
    if value is None:
        return None
    if isinstance(kind, list):
        return [_fit(one, kind[0]) for one in value]
    if isinstance(kind, dict):
        return {name: _fit(value.get(name), of) for name, of in kind.items()}
    if kind is str:
        return str(value).encode(errors="backslashreplace").decode()
    return kind(value)
