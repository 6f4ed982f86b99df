"""Captions of one's own to rows: tables, JSON, and texts beside the photos."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.data import reading
from shared.data.reading import Split, checked_name, get_value, parse_json
from shared.errors import AppError
from shared.vision.images import IMAGE_SUFFIXES

SPLITS: dict[str, Split] = {
    "train": "train",
    "restval": "train",  # COCO's validation photos that Karpathy gave to training
    **reading.SPLITS,
}
NAME_KEYS = ("image", "file_name", "filename", "image_name")
CAPTION_KEYS = ("caption", "captions", "text", "comment")
SIDECARS = (".txt", ".caption")
_NUMBERED = re.compile(r"(\w+?)[ _-]?\d*")
# The second bar is missing from one line of the published results.csv.
_RESULTS_LINE = re.compile(r"(?P<name>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)")


class Row(NamedTuple):
    """What one place in an annotation file says.

    Attributes:
        where: file and line, for error messages.
        name: path of the photo below the image folder, with `/`; "" if only the
            photo's id is said.
        captions: as written.
        split: None if not said.
        id: of the photo, as the file numbers it; None if it does not.
        folders: below the image folder, where the photo may lie, the likeliest
            first, each with `/` at its end unless it is "".
    """

    where: str
    name: str
    captions: Sequence[str]
    split: Split | None = None
    id: int | str | None = None
    folders: tuple[str, ...] = ("",)


def csv_rows(path: Path) -> Iterator[Row]:
    """Read columns image, caption and maybe split, named in the first line.

    Several columns may be captions: of the same name, or numbered. Commas in the
    last column need no quotes if it is the only caption. Hugging Face's `file_name`
    and `text` are read too, and Flickr30k's `image_name| comment_number| comment`.
    """
    first_line = reading.read_text(path, "captions").partition("\n")[0].strip()
    if _RESULTS_LINE.fullmatch(first_line) or first_line.startswith("image_name|"):
        yield from line_rows(path, _RESULTS_LINE, "image_name| number| comment")
        return
    table = reading.read_csv(path, "captions", _ends_with_the_only_caption)
    where, header = next(table)
    image, captions, split = _columns(header, where, first_line)
    for where, cells in table:
        texts = [cells[place] for place in captions]
        if len(texts) > 1:  # some have fewer captions than others
            texts = [text for text in texts if text.strip()] or [""]
        said = checked_split(cells[split], where) if split is not None else None
        yield Row(where, checked_name(cells[image], where), texts, said)


def _ends_with_the_only_caption(header: Sequence[str]) -> bool:
    return _caption_columns(header) == [len(header) - 1]


def _caption_columns(header: Sequence[str]) -> list[int]:
    names = [_NUMBERED.fullmatch(column) for column in header]
    kinds = [match[1] if match else "" for match in names]
    chosen = next((name for name in CAPTION_KEYS if name in kinds), None)
    return [place for place, kind in enumerate(kinds) if kind == chosen]


def _columns(
    header: Sequence[str], where: str, first_line: str
) -> tuple[int, list[int], int | None]:
    """Find the columns of the image, of the captions and of the split."""
    captions = _caption_columns(header)
    image = next((name for name in NAME_KEYS if name in header), None)
    if image is None or not captions:
        advice = f"Received: {first_line!r:.80}."
        if any(cell.endswith(tuple(IMAGE_SUFFIXES)) for cell in header):
            advice += " If that is the first photo, put a line `image,caption` above."
        raise AppError(
            f"{where} should name the columns image and caption (or file_name and "
            f"text), and maybe split. {advice}"
        )
    for name in (image, "split"):
        if header.count(name) > 1:
            raise AppError(
                f"{where} names the column {name!r} {header.count(name)} times. "
                "Keep one of them."
            )
    split = header.index("split") if "split" in header else None
    return header.index(image), captions, split


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Read one object a line: image, caption or captions, and maybe split."""
    for number, line in reading.read_lines(path, "captions"):
        where = f"{path}, line {number}"
        item = parse_json(line, where, object_pairs_hook=reading.each_once)
        yield item_row(item, where)


def item_row(item: Any, where: str) -> Row:
    """Read an object of image (or file_name), caption (or text), and maybe split.

    The caption may be a list, and a key `captions` stand beside it.

    Raises:
        AppError: if it is no such object.
    """
    keys = item if isinstance(item, dict) else {}
    name_key = next((key for key in NAME_KEYS if key in keys), "image")
    name, id_ = "", photo_id(item, "image_id", where) if "image_id" in keys else None
    if id_ is None or name_key in keys:
        name = checked_name(get_value(item, name_key, str, where), where)
    found: list[str] = []
    for key in [key for key in CAPTION_KEYS if key in keys][:2] or ["caption"]:
        if key not in ("caption", "captions") and found:
            break
        texts = get_value(item, key, list if key == "captions" else (str, list), where)
        texts = [texts] if isinstance(texts, str) else texts
        if not all(isinstance(text, str) for text in texts):
            raise AppError(f"{where}: captions must be text. Received: {texts!r:.80}.")
        found += [text for text in texts if text not in found]
    return Row(where, name, found, checked_split(keys.get("split"), where), id_)


def photo_id(item: Any, key: str, where: str) -> int | str:
    """Look up a photo's id: text, or a whole number, also one written as 7.0.

    Raises:
        AppError: if it is not there, or something else.
    """
    value = item.get(key) if isinstance(item, dict) else None
    if type(value) is int:  # nearly always; bool is another type
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return get_value(item, key, (int, str), where)


def sidecar_rows(folder: Path) -> list[Row]:
    """Find photos in any depth, each with its captions in a text of its name.

    The text ends in `.txt` or `.caption`, and holds a caption a line.

    Returns:
        rows by name, or none if no photo has such a text.
    """
    paths = sorted(folder.rglob("*"))
    texts: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() in SIDECARS:
            texts[str(path)] = path
            texts.setdefault(str(path).lower(), path)
    rows, found = [], False
    for path in paths:
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        captions = []
        for ending in SIDECARS:
            name = str(path.with_suffix(ending))
            text = texts.get(name) or texts.get(name.lower())
            if text and text.is_file():
                lines = reading.read_lines(text, "captions", may_be_empty=True)
                captions += [line for _, line in lines]
                found = True
        rows.append(Row(str(path), inside.as_posix(), captions))
    return rows if found else []


def line_rows(path: Path, pattern: re.Pattern[str], form: str) -> Iterator[Row]:
    """Read lines that match a pattern with the groups name and caption.

    Raises:
        AppError: at the first line of another form.
    """
    for number, line in reading.read_lines(path, "captions"):
        where = f"{path}, line {number}"
        if match := pattern.fullmatch(line):
            yield Row(where, checked_name(match["name"], where), [match["caption"]])
        elif not line.startswith("image_name"):
            raise AppError(f"{where} should be `{form}`. Received: {line!r:.80}.")


def checked_split(word: Any, where: str) -> Split | None:
    """Understand a split's name, also Karpathy's restval; None if it is empty."""
    return reading.checked_split(word, where, SPLITS)
