"""Captions of one's own: tables and JSON of any name."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from shared.data.captions.coco import coco_rows
from shared.data.captions.flickr import is_results, results_rows
from shared.data.captions.karpathy import karpathy_rows
from shared.data.captions.rows import SPLITS, Row, checked_split, photo_id, train_brings
from shared.data.layouts import Layout, by_word
from shared.data.reading import (
    check_once,
    checked_name,
    each_once,
    get_value,
    parse_json,
    read_csv,
    read_lines,
)
from shared.errors import AppError
from shared.utf8 import read_text
from shared.vision.images import IMAGE_SUFFIXES

NAME_KEYS = ("image", "file_name", "filename", "image_name")
# One kind of these holds captions; where two are, nobody can tell which it is.
CAPTION_KEYS = (("caption", "captions"), ("text",), ("comment",))
_NUMBERED = re.compile(r"(\w+?)[ _-]?\d*")


def csv_rows(path: Path) -> Iterator[Row]:
    """Read columns image, caption and maybe split, named in the first line.

    Several columns may be captions: caption and captions, of the same name, or
    numbered. Commas in the last column need no quotes if it is the only caption.
    Hugging Face's `file_name` and `text` are read too, and Flickr30k's `image_name|
    comment_number| comment`.
    """
    first_line = read_text(path, "captions").partition("\n")[0].strip()
    if is_results(first_line):
        yield from results_rows(path)
        return
    table = read_csv(path, "captions", _ends_with_the_only_caption)
    where, header = next(table)
    image, captions, split = _columns(header, where, first_line)
    for where, cells in table:
        texts = [cells[place] for place in captions]
        if len(texts) > 1:  # some have fewer captions than others
            texts = [text for text in texts if text.strip()] or [""]
        said = checked_split(cells[split], where) if split is not None else None
        yield Row(where, (checked_name(cells[image], where),), texts, said)


def _ends_with_the_only_caption(header: Sequence[str]) -> bool:
    return _caption_columns(header) == [len(header) - 1]


def _caption_columns(header: Iterable[str]) -> list[int]:
    """Find the columns, or keys, of captions: those of one kind, numbered or not."""
    kinds = list(map(_kind, header))
    chosen = next((kind for kind in CAPTION_KEYS if not {*kind}.isdisjoint(kinds)), ())
    return [place for place, kind in enumerate(kinds) if kind in chosen]


def _kind(name: str) -> str:
    match = _NUMBERED.fullmatch(name)
    return match[1] if match else name


def _check_kinds(names: Iterable[str], where: str) -> None:
    """Refuse columns or keys of which it cannot be told which hold the captions.

    Raises:
        AppError: if there are `caption` and `text`, say.
    """
    firsts = [next((n for n in names if _kind(n) in kind), "") for kind in CAPTION_KEYS]
    if len(found := [repr(name) for name in firsts if name]) > 1:
        raise AppError(
            f"{where} has {' and '.join(found)}, and both may hold captions. If both "
            "do, call them `caption_1` and `caption_2`; if not, give the other one "
            "another name, such as `note`."
        )


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
    _check_kinds(header, where)
    check_once(header, (image, "split"), where)
    split = header.index("split") if "split" in header else None
    return header.index(image), captions, split


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Read one object a line: image, caption or captions, and maybe split."""
    for number, line in read_lines(path, "captions"):
        where = f"{path}, line {number}"
        item = parse_json(line, where, object_pairs_hook=each_once)
        yield item_row(item, where)


def item_row(item: Any, where: str) -> Row:
    """Read an object of image (or file_name), caption (or text), and maybe split.

    The caption may be a list, and keys `captions`, or numbered ones, stand beside it.

    Raises:
        AppError: if it is no such object.
    """
    keys = item if isinstance(item, dict) else {}
    name_key = next((key for key in NAME_KEYS if key in keys), "image")
    id_ = photo_id(item, "image_id", where) if "image_id" in keys else None
    files: tuple[str, ...] = ()
    if id_ is None or name_key in keys:
        files = (checked_name(get_value(item, name_key, str, where), where),)
    names = [*keys]
    _check_kinds(names, where)
    found: list[str] = []
    for key in [names[place] for place in _caption_columns(names)] or ["caption"]:
        if found and keys[key] is None:  # some have fewer captions than others
            continue
        texts = get_value(item, key, list if key == "captions" else (str, list), where)
        texts = [texts] if isinstance(texts, str) else texts
        if not all(isinstance(text, str) for text in texts):
            raise AppError(f"{where}: captions must be text. Received: {texts!r:.80}.")
        found += [text for text in texts if text not in found]
    return Row(where, files, found, checked_split(keys.get("split"), where), id_)


def json_rows(path: Path) -> Iterator[Row]:
    """Read COCO's captions, Karpathy's splits, or a list of objects as in JSONL."""
    text = read_text(path, "captions")
    data = parse_json(text, str(path))
    if isinstance(data, list):  # of one's own, where a key may stand twice
        data = parse_json(text, str(path), object_pairs_hook=each_once)
        for i, item in enumerate(data):
            yield item_row(item, f"{path}, [{i}]")
    elif isinstance(data, dict) and "annotations" in data:
        yield from coco_rows(path, data)
    else:
        images = get_value(data, "images", list, str(path))
        # COCO lists the photos of test alike, without what anyone wrote about them.
        if any(not isinstance(i, dict) or "file_name" not in i for i in images):
            yield from karpathy_rows(path, data)


_READERS: dict[str, Callable[[Path], Iterable[Row]]] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".txt": csv_rows,
    ".jsonl": jsonl_rows,
    ".json": json_rows,
}


def own_rows(path: Path, word: str) -> Iterator[Row]:
    """Read a file of one's own.

    Args:
        path: the file.
        word: the split that its name says, which counts for rows that name none; its
            photos may lie in folders of that name.
    """
    rows = _READERS[path.suffix.lower()](path)
    if not word:
        yield from rows
        return
    # nocaps has the photos of val in validation/.
    others = (w for w in SPLITS if w != word and SPLITS[w] == SPLITS[word])
    folders = (f"{word}/", f"{word}/images/", "", *(f"{other}/" for other in others))
    for row in rows:
        yield row.moved(*folders)._replace(split=row.split or SPLITS[word])


@train_brings
def _files(path: Path, alone: bool) -> list[tuple[Path, str]]:
    if len(files := by_word(path, False)) == 1:
        # The name of a folder says nothing if no other split lies beside it.
        is_said = files[0][1] in re.split(r"[\W\d_]+", path.stem.lower())
        return files if is_said else [(path, "")]
    return by_word(path, alone)


LAYOUT = Layout(
    """\
  captions.txt, captions.csv: a line `image,caption`, then a line a caption
  captions.jsonl: {"image": "a.jpg", "caption": "..."} a line, or "captions": [...];
    captions.json: a list of such objects
  results.csv (Flickr30k): image_name| comment_number| comment
  metadata.jsonl, metadata.csv (Hugging Face): file_name and text, also in train/ ...
  train.json, captions_train.csv ... in one of these forms, with those of val, test""",
    (
        ("captions.txt", "captions.csv", "captions.tsv", "captions.jsonl"),
        ("captions.json",),
        ("results.csv",),
        ("metadata.jsonl", "metadata.csv"),
        tuple(f"{word}/metadata.{end}" for word in SPLITS for end in ("jsonl", "csv")),
        tuple(
            f"{below}{name}.{end}"
            for below in ("", "annotations/")
            for name in ("train", "captions_train", "train_captions", "*_train")
            for end in ("json", "jsonl", "csv")
        ),
    ),
    lambda path: path.suffix.lower() in _READERS,
    _files,
    own_rows,
)
