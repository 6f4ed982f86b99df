"""Reports about the alternative texts of a site, to be read before they are written."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TextIO

from captioner.alt.job import UNSURE
from captioner.files.sheet import embed_photo
from shared.console.progress import plain
from shared.files.formats import Formats, Record, table, write_jsonl
from shared.files.pages import begin_page

_COLUMNS = (
    *("page", "line", "image", "photo", "alt"),
    *("confidence", "linked", "left", "error"),
)
_STYLE = """\
:root { color-scheme: light dark; --edge: #ccc; --quiet: #595959 }
@media (prefers-color-scheme: dark) { :root { --edge: #444; --quiet: #aaa } }
body { font: 1rem/1.4 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem;
  padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem }
th, td { border-bottom: 1px solid var(--edge); padding: .5rem .75rem .5rem 0;
  text-align: left; vertical-align: top; overflow-wrap: anywhere }
th { white-space: nowrap }
img { display: block; max-width: 10rem; max-height: 8rem; width: auto; height: auto }
ul { list-style: none; margin: 0; padding: 0 }
small, .place { color: var(--quiet) }
"""
_MOST_PLACES = 20  # that are listed of one photo


def to_line(record: Record) -> str:
    """Write the record of an image as it is printed: place, image, text or why none."""
    cells = [f"{record['page']}:{record['line']}", record["image"], record["alt"]]
    return "\t".join(map(plain, [*cells, record["left"]]))


def write_report(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write a page of tables: images that get a text, then others, each photo once."""
    records = list(records)
    images = [record for record in records if "error" not in record]
    file.write(begin_page("Alternative texts", _STYLE, images=True))
    file.write("<main>\n<h1>Alternative texts</h1>\n")
    sure = [record for record in images if not record["left"]]
    unsure = [record for record in images if record["left"] == UNSURE]
    for title, some in (("Described", sure), ("Not sure, left out", unsure)):
        head = ("Picture", "Text", "Confidence", "Where")
        rows = (_photo_row(group) for group in _by(some, "photo"))
        _write_table(file, title, head, rows, len(some))
    left = [record for record in images if record["left"] not in ("", UNSURE)]
    rows = (_left_row(group) for group in _by(left, "left", "image"))
    _write_table(file, "Left as they are", ("Image", "Why", "Where"), rows, len(left))
    errors = [record for record in records if "error" in record]
    rows = (_row([escape(one["page"]), escape(one["error"])]) for one in errors)
    _write_table(file, "Errors", ("Page", "What is wrong"), rows, len(errors))
    file.write("</main>\n</html>\n")


def _by(records: Iterable[Record], *keys: str) -> list[list[Record]]:
    """Put records together that have the same values, in the order they first come."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[key] for key in keys), []).append(record)
    return list(groups.values())


def _write_table(
    file: TextIO, title: str, head: Sequence[str], rows: Iterable[str], count: int
) -> None:
    if not count:
        return
    file.write(f"<h2>{title} ({count})</h2>\n<table>\n<thead><tr>")
    file.writelines(f'<th scope="col">{name}</th>' for name in head)
    file.write("</tr></thead>\n")
    file.writelines(rows)
    file.write("</table>\n")


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _photo_row(group: Sequence[Record]) -> str:
    first = group[0]
    picture = embed_photo(first["photo"], "")  # its text is in the next cell
    picture += f"<small>{escape(first['image'])}</small>"
    confidence = f"{first['confidence']:.2f}"
    return _row([picture, escape(first["alt"]), confidence, _places(group)])


def _left_row(group: Sequence[Record]) -> str:
    image = escape(group[0]["image"]) or "<small>none</small>"
    return _row([image, escape(group[0]["left"]), _places(group)])


def _places(group: Sequence[Record]) -> str:
    lines = [
        f"{escape(page)}:{one['line']}{' <small>in a link</small>' * one['linked']}"
        for page, some in groupby(group, key=lambda one: one["page"])
        for one in some
    ]
    more = len(lines) - _MOST_PLACES
    if more > 0:
        lines[_MOST_PLACES:] = [f"and {more} more"]
    return f'<ul class="place">{"".join(f"<li>{line}</li>" for line in lines)}</ul>'


FORMATS: Formats = {
    ".html": write_report,
    ".jsonl": write_jsonl,
    ".csv": table(_COLUMNS),
}
