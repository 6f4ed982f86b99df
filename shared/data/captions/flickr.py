"""Flickr8k and Flickr30k: a caption a line.

Source: Hodosh et al. 2013, JAIR 47; Young et al. 2014, TACL 2.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from shared.data.captions.rows import SPLITS, Row
from shared.data.layouts import Layout, itself, named, names_in
from shared.data.reading import Split, checked_name, read_lines
from shared.errors import AppError

_TOKEN_LINE = re.compile(r"(?P<name>[^\t]+)#\d+\t(?P<caption>.*)")
# The second bar is missing from one line of the published results.csv.
_RESULTS_LINE = re.compile(r"(?P<name>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)")


def _token_rows(path: Path, word: str) -> Iterator[Row]:
    """Read `name.jpg#number<tab>caption`, and the lists of splits beside it.

    With such lists, photos on none are left out, and photos that are only there
    have no captions.
    """
    splits: dict[str, tuple[str, Split]] = {}
    for file in (path.parent / name for name in names_in(path.parent)):
        name = file.name.lower()
        word = name.removesuffix("images.txt").rpartition(".")[2]
        if not name.endswith("images.txt") or word not in SPLITS:
            continue
        for number, line in read_lines(file, "names of photos"):
            where = f"{file}, line {number}"
            first, split = splits.setdefault(line.strip(), (where, SPLITS[word]))
            if split != SPLITS[word]:
                raise AppError(f"{where}: {line} is also in split {split}: {first}.")
    seen = set()
    for row in _line_rows(path, _TOKEN_LINE, "name.jpg#number<tab>caption"):
        name = row.files[0]
        seen.add(name)
        if name in splits:
            yield row._replace(split=splits[name][1])
        elif not splits:
            yield row
    for name, (where, split) in splits.items():
        if name not in seen:
            yield Row(where, (checked_name(name, where),), (), split)


def is_results(first_line: str) -> bool:
    """Whether a table is like the results.csv of Flickr30k, by its first line."""
    is_row = _RESULTS_LINE.fullmatch(first_line) is not None
    return is_row or first_line.startswith("image_name|")


def results_rows(path: Path) -> Iterator[Row]:
    """Read `image_name| comment_number| comment`."""
    return _line_rows(path, _RESULTS_LINE, "image_name| number| comment")


def _line_rows(path: Path, pattern: re.Pattern[str], form: str) -> Iterator[Row]:
    """Read lines that match a pattern with the groups name and caption."""
    for number, line in read_lines(path, "captions"):
        where = f"{path}, line {number}"
        if match := pattern.fullmatch(line):
            name = checked_name(match["name"], where)
            yield Row(where, (name,), [match["caption"]])
        elif not line.startswith("image_name"):
            raise AppError(f"{where} should be `{form}`. Received: {line!r:.80}.")


LAYOUT = Layout(
    """\
  Flickr8k.token.txt or results_20130124.token, with Flickr_8k.trainImages.txt ...""",
    (("*.token.txt", "*.token", "flickr8k_text/*.token.txt"),),
    named(r".*\.token(\.txt)?"),
    itself,
    _token_rows,
    but="*.lemma.*",
)
