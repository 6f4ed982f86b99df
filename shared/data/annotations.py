"""Caption files as data sets publish them, to rows: which photo, captions and split."""

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from shared.data.captions import (
    SPLITS,
    Row,
    checked_split,
    csv_rows,
    item_row,
    jsonl_rows,
    line_rows,
    photo_id,
)
from shared.data.reading import (
    Split,
    checked_name,
    each_once,
    find_file,
    get_value,
    parse_json,
    read_lines,
    read_text,
    split_files,
)
from shared.errors import AppError

ANNOTATIONS = (  # what to look for in a folder, first match wins; case is ignored
    ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json"),
    ("annotations/captions_*20[0-9][0-9].json", "captions_*20[0-9][0-9].json"),
    ("*.token.txt", "*.token", "flickr8k_text/*.token.txt"),
    ("captions.txt", "captions.csv", "captions.tsv", "captions.jsonl"),
    ("captions.json",),
    ("results.csv",),
    ("metadata.jsonl", "metadata.csv"),  # Hugging Face
    tuple(f"{word}/metadata.{end}" for word in SPLITS for end in ("jsonl", "csv")),
    tuple(
        f"{below}{name}.{end}"
        for below in ("", "annotations/")
        for name in ("train", "captions_train", "train_captions", "*_train")
        for end in ("json", "jsonl", "csv")
    ),
)
_TOKEN_LINE = re.compile(r"(?P<name>[^\t]+)#\d+\t(?P<caption>.*)")
_OFFICIAL = re.compile(r"captions_(train|val)(20\d\d)\.json", re.IGNORECASE)


def read_rows(path: Path, alone: bool = False) -> Iterator[Row]:
    """Read an annotation file; its name's ending says how.

    A file of train, by its name, brings those of the other splits beside it:
    `captions_val2017.json` with `captions_train2017.json`. Any other file is read
    alone.

    Args:
        path: the file.
        alone: whether a file of train is read alone, too.

    Raises:
        AppError: at the latest when a bad row is reached: the file is empty, not
            UTF-8, not of the form that its name promises, or a photo's name leads
            out of the image folder.
    """
    reader = _reader(path)
    if official := _OFFICIAL.fullmatch(path.name):
        year = official[2]
        words = [official[1].lower()]
        if words == ["train"] and not alone:
            words.append("val")
        for word in words:
            file = path
            if word != official[1].lower():
                found = find_file(path.parent, f"captions_{word}{year}.json")
                if found is None:
                    continue
                file = found
            for row in reader(file):
                yield row._replace(split=SPLITS[word], folders=(f"{word}{year}/", ""))
        return
    files = split_files(path)
    if len(files) == 1 and not _says_split(path, files[0][1]):
        yield from reader(path)
        return
    mine = next(word for file, word in files if file.samefile(path))
    for file, word in files:
        if word == mine or (SPLITS[mine] == "train" and not alone):
            for row in reader(path if word == mine else file):
                yield row._replace(
                    split=row.split or SPLITS[word], folders=_split_folders(word)
                )


def _says_split(path: Path, word: str) -> bool:
    """Whether it is the file's own name that says the split, not its folder's."""
    return bool(word) and word in re.split(r"[\W\d_]+", path.stem.lower())


def find_annotations(folder: Path) -> Path | None:
    """Find the annotation file of a data set's folder; None if there is none.

    Raises:
        AppError: if there are several data sets.
    """
    below = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    holders = {"annotations", "flickr8k_text", *SPLITS}
    places = [folder, *(child for child in below if child.name.lower() in holders)]
    files = {
        file.relative_to(folder).as_posix().lower(): file
        for place in places
        for file in sorted(place.iterdir())
        if any(file.name.lower().endswith(ending) for ending in READERS)
    }
    for patterns in ANNOTATIONS:
        found = [
            file
            for name, file in files.items()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
            and ".lemma." not in name
            and file.is_file()
        ]
        # The files of several splits are one data set.
        sets = {_without_split(file.relative_to(folder)) for file in found}
        if len(sets) > 1:
            names = ", ".join(map(str, found))
            raise AppError(f"{folder} has several annotations. Name one file: {names}.")
        if found:
            return min(
                found, key=lambda file: "train" not in str(file.relative_to(folder))
            )
    return None


def _without_split(path: Path) -> str:
    words = "|".join(sorted(SPLITS, key=len, reverse=True))
    return re.sub(rf"(?<![a-z])({words})(?![a-z])", "", path.as_posix().lower())


def _split_folders(word: str) -> tuple[str, ...]:
    """Say where photos of a split may lie; nocaps has those of val in validation/."""
    others = (w for w in SPLITS if w != word and SPLITS[w] == SPLITS[word])
    return (f"{word}/", f"{word}/images/", "", *(f"{other}/" for other in others))


def _reader(path: Path) -> Callable[[Path], Iterable[Row]]:
    for ending, read in READERS.items():
        if path.name.lower().endswith(ending):
            return read
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
    for file in sorted(path.parent.iterdir()):
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
    for row in line_rows(path, _TOKEN_LINE, "name.jpg#number<tab>caption"):
        seen.add(row.name)
        if row.name in splits:
            yield row._replace(split=splits[row.name][1])
        elif not splits:
            yield row
    for name, (where, split) in splits.items():
        if name not in seen:
            yield Row(where, checked_name(name, where), (), split)


def json_rows(path: Path) -> Iterator[Row]:
    """Read COCO's captions, Karpathy's splits, or a list of objects as in JSONL."""
    text = read_text(path, "captions")
    data = parse_json(text, str(path))
    if isinstance(data, list):  # of one's own, where a key may stand twice
        data = parse_json(text, str(path), object_pairs_hook=each_once)
        for i, item in enumerate(data):
            yield item_row(item, f"{path}, [{i}]")
    elif isinstance(data, dict) and "annotations" in data:
        yield from _coco_rows(path, data)
    else:
        images = get_value(data, "images", list, str(path))
        # COCO lists the photos of test alike, without what anyone wrote about them.
        if any(not isinstance(i, dict) or "file_name" not in i for i in images):
            yield from _karpathy_rows(path, images)


def _coco_rows(path: Path, data: Any) -> Iterable[Row]:
    """Give a row for each id; its name is "" if there are no file names."""
    rows: dict[str, Row] = {}
    captions: dict[str, list[str]] = {}
    for i, image in enumerate(
        get_value(data, "images", list, str(path)) if "images" in data else ()
    ):
        where = f"{path}, images[{i}]"
        id_ = photo_id(image, "id", where)
        name = ""
        if "file_name" in image:
            name = checked_name(get_value(image, "file_name", str, where), where)
        texts = captions.setdefault(str(id_), [])
        row = Row(where, name, texts, checked_split(image.get("split"), where), id_)
        before = rows.setdefault(str(id_), row)
        if before.name != name:
            raise AppError(
                f"{where}: the id {id_!r:.80} belongs to another photo, too: "
                f"{before.where}. Give each photo its own, in images and annotations."
            )
    for i, item in enumerate(get_value(data, "annotations", list, str(path))):
        where = f"{path}, annotations[{i}]"
        id_ = photo_id(item, "image_id", where)
        known = captions.get(str(id_))
        if known is None:
            if "images" in data:
                raise AppError(f"{where}: no image has the id {id_!r:.80}.")
            known = captions[str(id_)] = []
            rows[str(id_)] = Row(where, "", known, None, id_)
        known.append(get_value(item, "caption", str, where))
    return rows.values()


def _karpathy_rows(path: Path, images: list[Any]) -> Iterator[Row]:
    for i, image in enumerate(images):
        where = f"{path}, images[{i}]"
        name = get_value(image, "filename", str, where)
        if image.get("filepath"):  # in the file for COCO only
            name = f"{get_value(image, 'filepath', str, where)}/{name}"
        sentences = get_value(image, "sentences", list, where)
        captions = [get_value(sentence, "raw", str, where) for sentence in sentences]
        split = checked_split(get_value(image, "split", str, where), where)
        id_ = photo_id(image, "cocoid", where) if "cocoid" in image else None
        yield Row(where, checked_name(name, where), captions, split, id_)


READERS: dict[str, Callable[[Path], Iterable[Row]]] = {
    ".token": flickr_rows,
    ".token.txt": flickr_rows,
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".txt": csv_rows,
    ".jsonl": jsonl_rows,
    ".json": json_rows,
}
