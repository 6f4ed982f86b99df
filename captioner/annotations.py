"""Annotation files to rows: which photo, which captions, which split."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from shared import reading
from shared.errors import AppError
from shared.reading import Split, checked_name, get_value, parse_json

SPLITS: dict[str, Split] = {
    "train": "train",
    "restval": "train",  # COCO's validation photos that Karpathy gave to training
    **reading.SPLITS,
}
_TOKEN_LINE = re.compile(r"(?P<name>[^\t]+)#\d+\t(?P<caption>.*)")
# The second bar is missing from one line of the published results.csv.
_RESULTS_LINE = re.compile(r"(?P<name>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)")


class Row(NamedTuple):
    """What one place in an annotation file says."""

    where: str  # file and line, for error messages
    name: str  # path of the photo below the image folder, with `/`
    captions: Sequence[str]
    split: Split | None = None  # None if not said


def read_rows(path: Path) -> Iterable[Row]:
    """Read an annotation file; its name's ending says how.

    Raises:
        AppError: at the latest when a bad row is reached: the file is empty, not
            UTF-8, not of the form that its name promises, or a photo's name leads
            out of the image folder.
    """
    for ending, read in READERS.items():
        if path.name.endswith(ending):
            return read(path)
    raise AppError(
        f"{path} is no annotation file known here. Accepted are files that end in "
        f"{', '.join(READERS)}."
    )


def flickr_rows(path: Path) -> Iterator[Row]:
    """Read `name.jpg#number<tab>caption`, and the lists of splits beside it.

    With such lists, photos on none are left out, and photos that are only there
    have no captions.
    """
    splits: dict[str, tuple[str, Split]] = {}
    for file in sorted(path.parent.glob("*Images.txt")):
        word = file.name.removesuffix("Images.txt").rpartition(".")[2]
        for where, line in _lines(file) if word in SPLITS else ():
            first, split = splits.setdefault(line.strip(), (where, SPLITS[word]))
            if split != SPLITS[word]:
                raise AppError(f"{where}: {line} is also in split {split}: {first}.")
    seen = set()
    for row in _line_rows(path, _TOKEN_LINE, "name.jpg#number<tab>caption"):
        seen.add(row.name)
        if row.name in splits:
            yield row._replace(split=splits[row.name][1])
        elif not splits:
            yield row
    for name, (where, split) in splits.items():
        if name not in seen:
            yield Row(where, checked_name(name, where), (), split)


def csv_rows(path: Path) -> Iterator[Row]:
    """Read columns image, caption and maybe split, named in the first line.

    Separated by commas, semicolons or tabs, whichever the first line has most.
    Commas in the last column need no quotes if that is the caption. Flickr30k's
    `image_name| comment_number| comment` is read too.
    """
    text = _read_text(path)
    first_line = text.partition("\n")[0].strip()
    if first_line.startswith("image_name|"):
        yield from _line_rows(path, _RESULTS_LINE, "image_name| number| comment")
        return
    delimiter = max(",;\t", key=first_line.count)
    lines = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    where = f"{path}, line 1"
    try:
        header = [column.strip().lower() for column in next(lines)]
        if not {"image", "caption"} <= set(header):
            raise AppError(
                f"{where} should name the columns image and caption, and maybe split. "
                f"Received: {first_line!r:.80}."
            )
        where = f"{path}, line {lines.line_num + 1}"
        for cells in lines:
            if header[-1] == "caption" and len(cells) > len(header):
                last = delimiter.join(cells[len(header) - 1 :])
                cells = [*cells[: len(header) - 1], last]
            if any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    raise AppError(
                        f"{where} has {len(cells)} columns, line 1 has {len(header)}. "
                        f'Put text that holds {delimiter!r} in quotes ("...").'
                    )
                row = dict(zip(header, cells, strict=True))
                name = checked_name(row["image"], where)
                split = _checked_split(row.get("split"), where)
                yield Row(where, name, [row["caption"]], split)
            where = f"{path}, line {lines.line_num + 1}"
    except csv.Error as error:
        raise AppError(
            f"{where} is not valid CSV: {error}. Text that starts with a quote must "
            'end with one, and have quotes inside doubled: "a ""red"" car".'
        ) from error


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Read one object a line: image, caption or captions, and maybe split."""
    for where, line in _lines(path):
        row = parse_json(line, where)
        name = checked_name(get_value(row, "image", str, where), where)
        if "captions" in row:
            captions = get_value(row, "captions", list, where)
        else:
            captions = [get_value(row, "caption", str, where)]
        if not all(isinstance(caption, str) for caption in captions):
            raise AppError(
                f"{where}: captions must be text. Received: {captions!r:.80}."
            )
        yield Row(where, name, captions, _checked_split(row.get("split"), where))


def json_rows(path: Path) -> Iterator[Row]:
    """Read COCO captions, or Karpathy's splits if there are no `annotations`.

    Of the official COCO files, which belong together by year, train and val are
    both read, whichever is named; their photos lie in `train2014/` and so on.
    """
    data = parse_json(_read_text(path), str(path))
    if "annotations" not in data:
        yield from _karpathy_rows(path, get_value(data, "images", list, str(path)))
        return
    official = re.fullmatch(r"captions_(train|val)(20\d\d)\.json", path.name)
    if official is None:
        yield from _coco_rows(path, data)
        return
    for word in ("train", "val"):
        file = path.with_name(f"captions_{word}{official[2]}.json")
        if file.name != path.name:
            if not file.exists():
                continue
            data = parse_json(_read_text(file), str(file))
        elif word == "val":
            data = parse_json(_read_text(path), str(path))
        for row in _coco_rows(file, data):
            name = f"{word}{official[2]}/{row.name}"
            yield row._replace(name=name, split=SPLITS[word])


def sidecar_rows(folder: Path, suffixes: Iterable[str]) -> list[Row]:
    """Find pictures in any depth, each with its captions in a .txt of its name.

    Returns:
        rows by name, or none if no picture has such a file.
    """
    rows, found = [], False
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or path.suffix.lower() not in suffixes or not path.is_file():
            continue
        text = path.with_suffix(".txt")
        exists = text.is_file()
        captions = (
            [line for _, line in _lines(text, may_be_empty=True)] if exists else []
        )
        rows.append(Row(str(path), inside.as_posix(), captions))
        found |= exists
    return rows if found else []


def _line_rows(path: Path, pattern: re.Pattern[str], form: str) -> Iterator[Row]:
    for where, line in _lines(path):
        if match := pattern.fullmatch(line):
            yield Row(where, checked_name(match["name"], where), [match["caption"]])
        elif not line.startswith("image_name|"):
            raise AppError(f"{where} should be `{form}`. Received: {line!r:.80}.")


def _coco_rows(path: Path, data: Any) -> Iterable[Row]:
    rows: dict[int | str, Row] = {}
    for i, image in enumerate(get_value(data, "images", list, str(path))):
        where = f"{path}, images[{i}]"
        name = checked_name(get_value(image, "file_name", str, where), where)
        rows[get_value(image, "id", (int, str), where)] = Row(where, name, [])
    for i, item in enumerate(get_value(data, "annotations", list, str(path))):
        where = f"{path}, annotations[{i}]"
        image_id = get_value(item, "image_id", (int, str), where)
        if image_id not in rows:
            raise AppError(f"{where}: no image has the id {image_id!r}.")
        captions: Any = rows[image_id].captions
        captions.append(get_value(item, "caption", str, where))
    return rows.values()


def _karpathy_rows(path: Path, images: list[Any]) -> Iterator[Row]:
    for i, image in enumerate(images):
        where = f"{path}, images[{i}]"
        name = get_value(image, "filename", str, where)
        if folder := image.get("filepath"):  # in the file for COCO only
            name = f"{folder}/{name}"
        sentences = get_value(image, "sentences", list, where)
        captions = [get_value(sentence, "raw", str, where) for sentence in sentences]
        split = _checked_split(get_value(image, "split", str, where), where)
        yield Row(where, checked_name(name, where), captions, split)


def _checked_split(word: Any, where: str) -> Split | None:
    return reading.checked_split(word, where, SPLITS)


def _lines(path: Path, may_be_empty: bool = False) -> Iterator[tuple[str, str]]:
    """Yield (file and line number, line) for the lines that are not blank."""
    for number, line in reading.read_lines(path, "captions", may_be_empty):
        yield f"{path}, line {number}", line


def _read_text(path: Path) -> str:
    return reading.read_text(path, "captions")


READERS: dict[str, Callable[[Path], Iterable[Row]]] = {
    ".token": flickr_rows,
    ".token.txt": flickr_rows,
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".txt": csv_rows,
    ".jsonl": jsonl_rows,
    ".json": json_rows,
}
