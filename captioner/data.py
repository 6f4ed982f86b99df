"""Photos with their reference captions, read from the layouts people have."""

import csv
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal, NamedTuple, Protocol

from shared.errors import AppError

Split = Literal["train", "dev", "test"]

SPLITS: dict[str, Split] = {
    "train": "train",
    "restval": "train",  # COCO's validation photos that Karpathy gave to training
    "dev": "dev",
    "val": "dev",
    "validation": "dev",
    "test": "test",
}
KARPATHY_FILES = tuple(f"dataset_{n}.json" for n in ("coco", "flickr8k", "flickr30k"))
IMAGE_FOLDERS = (
    ".",
    "images",
    "Images",
    "Flicker8k_Dataset",  # spelt so in the official archive
    "Flickr8k_Dataset",
    "flickr30k_images",
    "flickr30k-images",
    "flickr30k_images/flickr30k_images",
)
TOKEN_FILES = ("*.token.txt", "*.token", "Flickr8k_text/*.token.txt")
LAYOUTS = """\
  dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json (Karpathy)
  annotations/captions_train2017.json beside train2017/ (COCO; also val, 2014)
  Flickr8k.token.txt or results_20130124.token, with Flickr_8k.trainImages.txt ...
  captions.txt, captions.csv: a line `image,caption`, then a line a caption
  captions.jsonl: {"image": "a.jpg", "caption": "..."} a line, or "captions": [...]
  results.csv (Flickr30k): image_name| comment_number| comment
  pictures in any folders, each with its captions in a .txt of the same name
  tfds:coco_captions or tfds:coco_captions:DATA_DIR, prepared before"""


class ImageFile(Protocol):
    """Where a photo's encoded bytes come from; a `Path` is one."""

    @property
    def name(self) -> str:
        """What error messages call it."""
        ...

    def read_bytes(self) -> bytes:
        """Encoded image, for example JPEG."""
        ...


@dataclass(frozen=True)
class Record:
    """One photo with its reference captions.

    Attributes:
        name: unique in the data set: path below the image folder, with `/`.
        image: the photo; nobody has looked yet whether it exists or is one.
        captions: as written, without white space around; may be empty strings.
        split: train, dev or test.
    """

    name: str
    image: Path | ImageFile
    captions: tuple[str, ...]
    split: Split


@dataclass(frozen=True)
class TfdsImage:
    """A photo inside a TFDS data set; its bytes are read when asked for."""

    name: str
    rows: Sequence[Any]
    index: int

    def read_bytes(self) -> bytes:
        """Encoded image."""
        return bytes(self.rows[self.index]["image"])


class _Row(NamedTuple):
    where: str  # file and line, for error messages
    name: str
    captions: Sequence[str]
    split: Split | None = None


def read_dataset(source: str | Path) -> list[Record]:
    """Read a data set; what lies in the folder decides how, first match wins.

    1. `dataset_coco.json`, `dataset_flickr8k.json`, `dataset_flickr30k.json`:
       Karpathy's splits; restval is train, val is dev. Such a file wins over
       any other annotations in the folder.
    2. `annotations/captions_{train,val}{2014,2017}.json`: COCO; val is dev. With
       both years present, name a file of one year; its train and val are read.
    3. `*.token.txt`, `*.token` (not `*.lemma.*`): Flickr8k or Flickr30k, split by
       the lists `*{train,dev,val,test}Images.txt` beside it. Photos on no list
       are left out.
    4. `captions.txt`, `captions.csv`, `captions.jsonl`: own pictures; columns or
       keys image, caption (JSONL: or captions, a list) and maybe split. Commas,
       semicolons or tabs. Several lines may name the same photo.
    5. `results.csv`: Flickr30k, `image_name| comment_number| comment`.
    6. pictures in the folder or below, `a.jpg` with its captions in `a.txt`, one
       a line. Pictures without such a file have no captions.

    An annotation file may be named instead of its folder. Photos are looked for
    beside the annotations, then in folders with the usual names (`images` ...).
    `tfds:coco_captions[:DATA_DIR]` reads what TFDS has prepared in DATA_DIR
    (else in `TFDS_DATA_DIR` or `~/tensorflow_datasets`), never downloads.

    Where the source names no splits, a photo is dev if the SHA-256 of its name,
    as a fraction, is below 0.1: about one in ten, at least one of two or more,
    the same ones when photos are added.

    Returns:
        records in the order of the annotations; by name for layout 6.

    Raises:
        AppError: if nothing is recognised, an annotation file is not as it
            should be, names a photo outside the image folder, or no photo that
            it names exists. Single missing photos are left to who reads them.
    """
    if str(source).startswith("tfds:"):
        return _read_tfds(str(source))
    path = Path(source)
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise AppError(
            f"There is no folder or file {source}. Give a folder with photos and "
            f"captions, in one of these forms:\n{LAYOUTS}"
        )
    if path.suffix == ".json":
        return _read_json(path)
    if path.suffix == ".jsonl":
        return _records(path, _jsonl_rows(path))
    if path.name.endswith((".token", ".token.txt")):
        return _read_flickr(path)
    if path.name == "results.csv":
        return _records(path, _line_rows(path, RESULTS_LINE))
    if path.suffix in {".csv", ".tsv", ".txt"}:
        return _records(path, _csv_rows(path))
    raise AppError(
        f"{path} is no annotation file known here. Give a .json, .jsonl, .csv, "
        f".tsv, .txt or .token file, or a folder in one of these forms:\n{LAYOUTS}"
    )


def select(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records that have a caption, without empty captions.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    counts: Counter[str] = Counter()
    chosen = []
    for record in records:
        captions = tuple(filter(None, record.captions))
        counts[record.split] += bool(captions)
        if captions and record.split == split:
            chosen.append(Record(record.name, record.image, captions, record.split))
    if not chosen:
        found = ", ".join(f"{name} ({n})" for name, n in counts.items() if n)
        raise AppError(
            f"The data set has no photos with captions in split {split!r}. Splits "
            f"with photos: {found or 'none'}. Choose one of them, or mark some "
            f"photos as {split!r}."
        )
    return chosen


def _read_folder(folder: Path) -> list[Record]:
    def matches(*patterns: str) -> list[Path]:
        return sorted({path for p in patterns for path in folder.glob(p)})

    for found in (
        matches(*KARPATHY_FILES),
        matches("annotations/captions_*20*.json"),
        [p for p in matches(*TOKEN_FILES) if ".lemma." not in p.name],
        matches("captions.txt", "captions.csv", "captions.jsonl"),
        matches("results.csv"),
    ):
        kinds = {re.sub("train|val", "", path.name) for path in found}
        if len(kinds) > 1:
            names = ", ".join(str(path) for path in found)
            raise AppError(f"{folder} has several annotations. Name one of {names}.")
        if found:
            return read_dataset(found[0])
    return _read_sidecars(folder)


def _read_sidecars(folder: Path) -> list[Record]:
    from shared.images import IMAGE_SUFFIXES

    rows, captioned = [], False
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
            continue
        text = path.with_suffix(".txt")
        lines = [line for _, line in _lines(text, True)] if text.is_file() else []
        captioned |= text.is_file()
        rows.append(_Row(name, name, lines))
    if not captioned:
        raise AppError(
            f"{folder} holds no captions in a known form ({len(rows)} pictures, none "
            f"with a .txt beside it). Known forms:\n{LAYOUTS}"
        )
    return _records(folder / "*", rows)


def _read_flickr(path: Path) -> list[Record]:
    lists = {
        word: file
        for file in sorted(path.parent.glob("*Images.txt"))
        if (word := file.name.removesuffix("Images.txt").rpartition(".")[2]) in SPLITS
    }
    rows: Iterable[_Row] = _line_rows(path, TOKEN_LINE)
    if lists:
        splits: dict[str, Split] = {}
        for word, file in lists.items():
            for where, line in _lines(file):
                if splits.setdefault(line, SPLITS[word]) != SPLITS[word]:
                    raise AppError(f"{where}: {line} is on the list of another split.")
        rows = [r._replace(split=splits[r.name]) for r in rows if r.name in splits]
        if not rows:
            names = ", ".join(file.name for file in lists.values())
            raise AppError(f"No photo of {path} is on one of the lists {names}.")
    return _records(path, rows)


TOKEN_LINE = re.compile(r"(?P<name>.+)#\d+\t(?P<caption>.*)")
# The second bar is missing from one line of the published results.csv.
RESULTS_LINE = re.compile(r"(?P<name>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)")


def _line_rows(path: Path, pattern: re.Pattern[str]) -> Iterator[_Row]:
    for where, line in _lines(path):
        if match := pattern.fullmatch(line):
            yield _Row(where, match["name"], [match["caption"]])
        elif not line.startswith("image_name"):
            form = "image_name| number| caption"
            if pattern is TOKEN_LINE:
                form = "name.jpg#number<tab>caption"
            raise AppError(f"{where} should be `{form}`. Received: {line!r}.")


def _csv_rows(path: Path) -> Iterator[_Row]:
    text = _read_text(path)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    lines = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    where = f"{path}, line 1"
    try:
        header = [column.strip().lower() for column in next(lines)]
        if not {"image", "caption"} <= set(header):
            raise AppError(
                f"{where} should name the columns image and caption, and maybe split. "
                f"Received: {head.strip()!r}."
            )
        where = f"{path}, line {lines.line_num + 1}"
        for cells in lines:
            if header[-1] == "caption" and len(cells) > len(header):  # bare commas
                last = delimiter.join(cells[len(header) - 1 :])
                cells = [*cells[: len(header) - 1], last]
            if any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    raise AppError(
                        f"{where} has {len(cells)} columns, line 1 has {len(header)}. "
                        f'Put a caption that holds {delimiter!r} in quotes ("...").'
                    )
                row = dict(zip(header, cells, strict=True))
                split = _split(row.get("split", ""), where)
                yield _Row(where, row["image"], [row["caption"]], split)
            where = f"{path}, line {lines.line_num + 1}"
    except csv.Error as error:
        raise AppError(
            f"{where} is not valid CSV: {error}. Text that starts with a quote must "
            'end with one, and have quotes inside doubled: "a ""red"" car".'
        ) from error


def _jsonl_rows(path: Path) -> Iterator[_Row]:
    for where, line in _lines(path):
        row = _parse(line, where)
        captions = [_get(row, "caption", str, where)] if "caption" in row else None
        captions = captions or _get(row, "captions", list, where)
        if not all(isinstance(caption, str) for caption in captions):
            raise AppError(f"{where}: captions must be strings. Received: {captions}.")
        split = _split(row.get("split") or "", where)
        yield _Row(where, _get(row, "image", str, where), captions, split)


def _read_json(path: Path) -> list[Record]:
    data = _parse(_read_text(path), str(path))
    images = _get(data, "images", list, str(path))
    if "annotations" not in data:
        return _records(path, _karpathy_rows(path, images))
    pair = re.fullmatch(r"captions_(train|val)(20\d\d)\.json", path.name)
    if pair is None:
        return _records(path, _coco_rows(path, data))
    rows: list[_Row] = []
    for word in ("train", "val"):
        file = path.with_name(f"captions_{word}{pair[2]}.json")
        if word != pair[1] and file.exists():
            data_of_word = _parse(_read_text(file), str(file))
        elif word == pair[1]:
            data_of_word = data
        else:
            continue
        rows += (
            row._replace(name=f"{word}{pair[2]}/{row.name}", split=SPLITS[word])
            for row in _coco_rows(file, data_of_word)
        )
    return _records(path, rows)


def _coco_rows(path: Path, data: Any) -> list[_Row]:
    rows = {}
    for i, image in enumerate(_get(data, "images", list, str(path))):
        where = f"{path}, images[{i}]"
        name = _get(image, "file_name", str, where)
        rows[_get(image, "id", (int, str), where)] = _Row(where, name, [])
    for i, item in enumerate(_get(data, "annotations", list, str(path))):
        where = f"{path}, annotations[{i}]"
        image_id = _get(item, "image_id", (int, str), where)
        if image_id not in rows:
            raise AppError(f"{where}: no image has the id {image_id!r}.")
        captions = rows[image_id].captions
        rows[image_id] = rows[image_id]._replace(
            captions=[*captions, _get(item, "caption", str, where)]
        )
    return list(rows.values())


def _karpathy_rows(path: Path, images: list[Any]) -> Iterator[_Row]:
    for i, image in enumerate(images):
        where = f"{path}, images[{i}]"
        name = _get(image, "filename", str, where)
        if folder := image.get("filepath"):
            name = f"{folder}/{name}"
        sentences = _get(image, "sentences", list, where)
        captions = [_get(sentence, "raw", str, where) for sentence in sentences]
        yield _Row(
            where, name, captions, _split(_get(image, "split", str, where), where)
        )


def _read_tfds(source: str) -> list[Record]:
    import tensorflow_datasets as tfds

    _, name, *rest = source.split(":", 2)
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    data_dir = Path(rest[0] if rest else default).expanduser()
    prepared = sorted((data_dir / name).glob("**/dataset_info.json")) if name else []
    advice = (
        f"Prepare it once, online (13 GB for coco_captions): "
        f"`tfds build {name or 'coco_captions'} --data_dir {data_dir} "
        f"--file_format array_record`, or name the folder: tfds:{name}:DATA_DIR."
    )
    if not prepared:
        raise AppError(
            f"TFDS has no data set {name!r} prepared in {data_dir}. {advice}"
        )
    builder = tfds.builder_from_directory(prepared[-1].parent)
    wanted = tfds.decode.PartialDecoding(
        {"captions": {"text": True}, "image/filename": True}
    )
    records = []
    try:
        for word in builder.info.splits:
            if word not in SPLITS:
                continue
            texts = builder.as_data_source(word, decoders=wanted)
            photos = builder.as_data_source(
                word, decoders={"image": tfds.decode.SkipDecoding()}
            )
            for i in range(len(texts)):
                file = texts[i]["image/filename"].decode()
                captions = (
                    text.decode().strip() for text in texts[i]["captions"]["text"]
                )
                image = TfdsImage(file, photos, i)
                records.append(Record(file, image, tuple(captions), SPLITS[word]))
    except NotImplementedError as error:  # prepared as TFRecord
        raise AppError(
            f"{prepared[-1].parent} cannot be read photo by photo: it is in the format "
            f"{builder.info.file_format}. {advice}"
        ) from error
    except (KeyError, ValueError) as error:
        raise AppError(
            f"{source} is not like coco_captions, with image, image/filename and "
            f"captions/text: {error}"
        ) from error
    return records


def _records(path: Path, rows: Iterable[_Row]) -> list[Record]:
    """Join the rows of each photo, find the photos, and split them if need be."""
    captions: dict[str, list[str]] = {}
    splits: dict[str, Split | None] = {}
    for row in rows:
        name = row.name.strip()
        if name not in captions:
            name = _checked_name(row.name, row.where)
        captions.setdefault(name, []).extend(text.strip() for text in row.captions)
        if splits.setdefault(name, row.split) != row.split:
            raise AppError(
                f"{row.where}: {name} is in split {row.split or '(none)'} here and in "
                f"{splits[name] or '(none)'} on another line. Choose one."
            )
    if not any(captions.values()):
        raise AppError(f"{path} holds no captions. Add a line for each caption.")
    folder = _image_folder(path, captions)
    chosen = _hashed_splits(captions)
    if any(splits.values()):
        if without := [name for name, split in splits.items() if split is None]:
            raise AppError(
                f"{path} names a split for some photos, but not for {without[0]} and "
                f"{len(without) - 1} more. Name one for every photo, or for none."
            )
        chosen = {name: split for name, split in splits.items() if split}
    return [
        Record(name, folder / name, tuple(texts), chosen[name])
        for name, texts in captions.items()
    ]


def _hashed_splits(names: Iterable[str]) -> dict[str, Split]:
    places = {
        name: int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
        for name in names
    }
    first = min(places.values()) if len(places) > 1 else 0.0
    return {n: "dev" if p < 0.1 or p <= first else "train" for n, p in places.items()}


def _checked_name(name: str, where: str) -> str:
    path = PurePosixPath(name.strip().replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(path).drive
    if outside or not path.parts or not name.isprintable():
        raise AppError(
            f"{where}: {name!r} is no photo's name. Give a path below the image "
            "folder, without `..`, such as dogs/a.jpg."
        )
    return path.as_posix()


def _image_folder(path: Path, names: Iterable[str]) -> Path:
    root = path.parent
    if root.name in {"annotations", "Flickr8k_text"}:
        root = root.parent
    for folder in (root / name for name in IMAGE_FOLDERS):
        if folder.is_dir() and any(os.path.isfile(folder / name) for name in names):  # noqa: PTH113, a long name raises in pathlib
            return folder
    raise AppError(
        f"None of the photos that {path} names is there, such as {next(iter(names))}. "
        f"Put them into {root}, or a folder `images` in it."
    )


def _split(word: str, where: str) -> Split | None:
    word = word.strip().lower() if isinstance(word, str) else str(word)
    if word and word not in SPLITS:
        raise AppError(
            f"{where}: there is no split {word!r}. Choose train, dev (or val) or test."
        )
    return SPLITS.get(word)


def _get(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get(key), kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(k.__name__ for k in kinds)
        found = item.get(key) if isinstance(item, dict) else item
        raise AppError(f"{where} needs {key!r}, a {wanted}. Received: {found!r:.80}.")
    return item[key]


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise AppError(f"{where} is not valid JSON: {error}.") from error


def _lines(path: Path, may_be_empty: bool = False) -> Iterator[tuple[str, str]]:
    """Yield (file and line number, line) for the lines that are not blank."""
    for number, line in enumerate(_read_text(path, may_be_empty).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()


def _read_text(path: Path, may_be_empty: bool = False) -> str:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise AppError(
            f"{path}, line {number} is not UTF-8 text: {error.reason}. Save the file "
            "as UTF-8 (in Excel: `CSV UTF-8`)."
        ) from error
    if not text.strip() and not may_be_empty:
        raise AppError(f"{path} is empty. It should have one line a caption.")
    return text
