"""Formats of records: lines of JSON, lists of JSON, tables."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

Record = dict[str, Any]
# Writes records into a file that will lie in a folder.
Writer = Callable[[Iterable[Record], TextIO, Path], None]
Formats = Mapping[str, Writer]  # by the suffix of the file


def write_jsonl(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write a record a line; a `Writer`."""
    file.writelines(f"{to_json(record)}\n" for record in records)


def json_list(entry: Callable[[Record], Record]) -> Writer:
    """Give what writes a list of JSON, an entry a line, for each record but errors."""

    def write(records: Iterable[Record], file: TextIO, folder: Path) -> None:
        separator = "[\n"
        for record in records:
            if "error" not in record:
                file.write(separator + to_json(entry(record)))
                separator = ",\n"
        file.write("\n]\n" if separator == ",\n" else "[]\n")

    return write


def table(
    columns: Sequence[str],
    rows: Callable[[Record], Iterable[Record]] = lambda record: [record],
) -> Writer:
    """Give what writes CSV, each row ended by LF.

    What would tear a row is quoted, a lone CR as well: many readers, Python's among
    them, take it for the end of a line. Bytes of zero, at which some stop, are escaped.
    Nothing else is changed; in a spreadsheet, a cell that starts with "=" is a formula
    unless it is imported as text.

    Args:
        columns: named in the first line.
        rows: of a record: what stands in the columns, empty where there is nothing.
    """

    def write(records: Iterable[Record], file: TextIO, folder: Path) -> None:
        # The module quotes a cell for each character of its own end of lines.
        lines = csv.writer(_Lines(file), lineterminator="\r\n")
        lines.writerow(columns)
        for record in records:
            lines.writerows(map(row.get, columns) for row in rows(record))

    return write


def to_json(value: Any) -> str:
    """Write JSON as people read it; file names that are no text get escapes."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


class _Lines:
    """Take lines that end in CR LF and write them with LF alone."""

    def __init__(self, file: TextIO):
        self._file = file

    def write(self, line: str) -> int:
        """Write one row."""
        return self._file.write(line.removesuffix("\r\n").replace("\0", r"\x00") + "\n")
