"""Lines of JSON and rows of CSV that every program reads as they were meant."""

import csv
import json
from typing import Any, TextIO


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


def csv_writer(file: TextIO) -> Any:
    """Write rows of cells as `csv.writer` does, each row ended by LF.

    What would tear a row is quoted, a lone CR as well: many readers, Python's among
    them, take it for the end of a line. Bytes of zero, at which some stop, are escaped.
    Nothing else is changed; in a spreadsheet, a cell that starts with "=" is a formula
    unless it is imported as text.
    """
    # The module quotes a cell for each character of its own end of lines.
    return csv.writer(_Lines(file), lineterminator="\r\n")
