"""Photos with people's captions, to make questions from."""

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from shared.errors import AppError
from shared.reading import (
    SPLITS,
    Split,
    as_text,
    checked_name,
    checked_split,
    get_texts,
    get_value,
    parse_json,
    read_lines,
    read_text,
)
from vqa.photos import PhotoFinder

LAYOUTS = """\
  Flickr8k.token.txt or results_20130124.token, with Flickr_8k.trainImages.txt ...
  annotations/captions_train2017.json beside train2017/ (COCO; also val, 2014)
  captions.txt, captions.csv: a line `image,caption`, then a line a caption; maybe split
  captions.jsonl: {"image": "a.jpg", "caption": "..."} a line, or "captions": [...]"""

_PATTERNS = (  # what to look for in a folder, first match wins
    "annotations/captions_train20[0-9][0-9].json",
    "*.token.txt",
    "*.token",
    "captions.txt",
    "captions.csv",
    "captions.jsonl",
)
_FOLDERS = (  # where photos lie, besides the usual folders
    "Flicker8k_Dataset",  # spelt so in the official archive
    "Flickr8k_Dataset",
    "flickr30k_images",
    "flickr30k-images",
)
_TOKEN_LINE = re.compile(r"(?P<name>[^\t]+)#\d+\t(?P<caption>.*)")
_COCO = re.compile(r"captions_(train|val)(20\d\d)\.json")


@dataclass(frozen=True)
class Captioned:
    """One photo with its captions.

    Attributes:
        name: path below the image folder, with `/`.
        image: the file; nobody has looked yet whether it is a photo.
        captions: as written, without white space around and without empty ones.
        split: train, dev or test.
    """

    name: str
    image: Path
    captions: tuple[str, ...]
    split: Split


class _Row(NamedTuple):
    name: str
    caption: str
    split: Split | None


def read_captions(source: str | Path) -> list[Captioned]:
    """Read a captioned data set: a folder, or the annotation file in it.

    Flickr8k and Flickr30k (`name.jpg#0<tab>caption`, split by the lists
    `*{train,dev,test}Images.txt` beside it), COCO captions (train is train, val is
    dev), and CSV or JSONL files with image, caption and maybe split. Where nothing
    says the split, a photo is dev if the SHA-256 of its name, as a fraction, is below
    0.1. Photos without captions, or that are not there, are left out.

    Returns:
        photos in the order of the annotations.

    Raises:
        AppError: if no captions are found, the file is not as it should be, or none of
            the photos that it names is there.
    """
    path = _find(Path(source))
    ending = next((e for e in _READERS if path.name.endswith(e)), None)
    if ending is None:
        raise AppError(f"{path} holds no captions in a known form:\n{LAYOUTS}")
    captions: dict[str, list[str]] = {}
    splits: dict[str, Split | None] = {}
    for row in _READERS[ending](path):
        if row.caption.strip():
            captions.setdefault(row.name, []).append(row.caption.strip())
            splits[row.name] = row.split
    if not captions:
        raise AppError(f"{path} holds no captions. Add a line for each caption.")
    folder = path.parent.parent if path.parent.name == "annotations" else path.parent
    finder = PhotoFinder([folder, *(folder / name for name in _FOLDERS)])
    photos = {name: finder.find((name,)) for name in captions}
    found = [
        Captioned(name, photo.path, tuple(captions[name]), splits[name] or _split(name))
        for name, photo in photos.items()
        if photo
    ]
    if not found:
        raise AppError(
            f"None of the photos that {path} names is there, such as "
            f"{next(iter(captions))}. Put them into {folder}, or a folder `images` "
            "in it."
        )
    return found


def _find(source: Path) -> Path:
    if source.is_file():
        return source
    if not source.exists():
        raise AppError(
            f"There is no folder or file {source}. Give a folder with photos and "
            f"captions, in one of these forms:\n{LAYOUTS}"
        )
    for pattern in _PATTERNS:
        if found := sorted(p for p in source.glob(pattern) if ".lemma." not in p.name):
            return found[-1]
    raise AppError(f"{source} holds no captions in a known form:\n{LAYOUTS}")


def _split(name: str) -> Split:
    digest = hashlib.sha256(name.encode()).digest()
    return "dev" if int.from_bytes(digest[:4], "big") < 0.1 * 2**32 else "train"


def _flickr_rows(path: Path) -> Iterator[_Row]:
    """Read `name.jpg#number<tab>caption`; photos on none of the lists are left out."""
    splits: dict[str, Split] = {}
    for file in sorted(path.parent.glob("*Images.txt")):
        word = file.name.removesuffix("Images.txt").rpartition(".")[2]
        for _, line in read_lines(file, "captions") if word in SPLITS else ():
            splits[line.strip()] = SPLITS[word]
    for number, line in read_lines(path, "captions"):
        where = f"{path}, line {number}"
        match = _TOKEN_LINE.fullmatch(line)
        if not match:
            raise AppError(
                f"{where} should be `name.jpg#number<tab>caption`. Received: "
                f"{line!r:.80}."
            )
        name = match["name"].strip()
        if not splits or name in splits:
            yield _Row(checked_name(name, where), match["caption"], splits.get(name))


def _coco_rows(path: Path) -> Iterator[_Row]:
    """Read COCO's captions; of `captions_train2017.json`, val as well."""
    official = _COCO.fullmatch(path.name)
    for word in ("train", "val") if official else ("",):
        file, folder, split = path, "", None
        if official:
            file = path.with_name(f"captions_{word}{official[2]}.json")
            folder, split = f"{word}{official[2]}/", SPLITS[word]
        if not file.exists():
            continue
        data = parse_json(read_text(file, "captions"), str(file))
        names: dict[Any, str] = {}
        for i, image in enumerate(get_value(data, "images", list, str(file))):
            where = f"{file}, images[{i}]"
            name = checked_name(get_value(image, "file_name", str, where), where)
            names[get_value(image, "id", (int, str), where)] = folder + name
        for i, item in enumerate(get_value(data, "annotations", list, str(file))):
            where = f"{file}, annotations[{i}]"
            image_id = get_value(item, "image_id", (int, str), where)
            if image_id not in names:
                raise AppError(f"{where}: no image has the id {image_id!r}.")
            caption = get_value(item, "caption", str, where)
            yield _Row(names[image_id], caption, split)


def _csv_rows(path: Path) -> Iterator[_Row]:
    """Read columns image, caption and maybe split, named in the first line."""
    text = read_text(path, "captions")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    header = [column.strip().lower() for column in first.split(delimiter)]
    if not {"image", "caption"} <= set(header):
        raise AppError(
            f"{path}, line 1 should name the columns image and caption, and maybe "
            f"split. Received: {first.strip()!r:.80}."
        )
    lines = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    for cells in list(lines)[1:]:
        if header[-1] == "caption":  # commas in the last column need no quotes
            cells[len(header) - 1 :] = [delimiter.join(cells[len(header) - 1 :])]
        if any(cell.strip() for cell in cells):
            if len(cells) != len(header):
                raise AppError(
                    f"{path}: {cells!r:.80} has {len(cells)} columns, line 1 has "
                    f"{len(header)}. Put text that holds {delimiter!r} in quotes."
                )
            row = dict(zip(header, cells, strict=True))
            name = checked_name(row["image"], str(path))
            yield _Row(name, row["caption"], checked_split(row.get("split"), str(path)))


def _jsonl_rows(path: Path) -> Iterator[_Row]:
    """Read one object a line: image, caption or captions, and maybe split."""
    for number, line in read_lines(path, "captions"):
        where = f"{path}, line {number}"
        row = parse_json(line, where)
        name = checked_name(get_value(row, "image", str, where), where)
        split = checked_split(row.get("split"), where)
        if "captions" in row:
            captions = get_texts(row, "captions", where)
        else:
            captions = [as_text(get_value(row, "caption", str, where), where)]
        for caption in captions:
            yield _Row(name, caption, split)


_READERS: dict[str, Callable[[Path], Iterable[_Row]]] = {
    ".token": _flickr_rows,
    ".token.txt": _flickr_rows,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".txt": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".json": _coco_rows,
}
