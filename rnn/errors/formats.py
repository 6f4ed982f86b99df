"""What a study of errors found, as text, JSON, or a file in another format."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnn.errors.study import PAPER, ErrorReport
from rnn.errors.tables import Table, make_tables
from shared.files.atomic import writing

ENDINGS = (".html", ".json", ".png")


def write_report(report: ErrorReport, title: str, path: Path) -> None:
    """Write a report in the format that the ending of the file says.

    Args:
        title: what net read what text.
        path: ends in one of `ENDINGS`.

    Raises:
        AppError: if it cannot be written.
    """
    ending = path.suffix.lower()
    if ending == ".png":
        from rnn.errors.figure import draw_report  # matplotlib

        draw_report(report, title, path)
        return
    with writing(path) as file:
        if ending == ".json":
            json.dump(as_json(report, title), file, indent=1)
            file.write("\n")
        else:
            from rnn.errors.html_page import make_page

            file.writelines(make_page(report, title))


def as_json(report: ErrorReport, title: str) -> dict[str, Any]:
    """Give a report as JSON; the names are those of `rnn.errors.study.ErrorReport`."""

    def spell(value: Any) -> Any:
        if hasattr(value, "_asdict"):
            return {key: spell(part) for key, part in value._asdict().items()}
        return [spell(part) for part in value] if isinstance(value, list) else value

    found = {key: value for key, value in spell(report).items() if key != "shown"}
    return {"title": title, **found, "method": PAPER}


def as_text(report: ErrorReport) -> str:
    """Give a report as tables for a terminal."""
    return "\n".join(line for table in make_tables(report) for line in _lines(table))


def _lines(table: Table) -> Iterator[str]:
    yield from (
        table.title,
        "",
        *textwrap.wrap(table.about, 78, break_on_hyphens=False),
        "",
    )
    # Parts of a sum are indented.
    sums = any(row.is_sum for row in table.rows)
    indents = ["  " if sums and not row.is_sum else "" for row in table.rows]
    cells = [row.cells for row in table.rows]
    named = [(i + c[0], *c[1:]) for i, c in zip(indents, cells, strict=True)]
    rows = [table.heads, *named]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows if table.rows else ():
        numbers = [f"{n:>{w}}" for n, w in zip(others, widths[1:], strict=True)]
        yield "  ".join([f"{first:{widths[0]}}", *numbers]).rstrip()
    yield ""
