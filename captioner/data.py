"""Photos with their reference captions, read from the layouts people have."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from captioner.annotations import SPLITS, Row, read_rows, sidecar_rows
from shared.errors import AppError
from shared.images import IMAGE_SUFFIXES, StoredImage
from shared.reading import Split as Split

ANNOTATIONS = (  # what to look for in a folder, first match wins
    ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json"),
    ("annotations/captions_*20[0-9][0-9].json",),
    ("*.token.txt", "*.token", "Flickr8k_text/*.token.txt"),
    ("captions.txt", "captions.csv", "captions.jsonl"),
    ("results.csv",),
)
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
LAYOUTS = """\
  dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json (Karpathy)
  annotations/captions_train2017.json beside train2017/ (COCO; also val, 2014)
  Flickr8k.token.txt or results_20130124.token, with Flickr_8k.trainImages.txt ...
  captions.txt, captions.csv: a line `image,caption`, then a line a caption
  captions.jsonl: {"image": "a.jpg", "caption": "..."} a line, or "captions": [...]
  results.csv (Flickr30k): image_name| comment_number| comment
  pictures in any folders, each with its captions in a .txt of the same name
  tfds:coco_captions or tfds:coco_captions:DATA_DIR, prepared before"""


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
    image: Path | StoredImage
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
    return _records(path, read_rows(path))


def select(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records that have a caption, without captions that hold no word.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    counts: Counter[str] = Counter()
    chosen = []
    for record in records:
        captions = tuple(c for c in record.captions if any(map(str.isalnum, c)))
        counts[record.split] += bool(captions)
        if captions and record.split == split:
            chosen.append(replace(record, captions=captions))
    if not chosen:
        found = ", ".join(f"{name} ({n})" for name, n in counts.items() if n)
        raise AppError(
            f"The data set has no photos with captions in split {split!r}. Splits "
            f"with photos: {found or 'none'}. Choose one of them, or mark some "
            f"photos as {split!r}."
        )
    return chosen


def _read_folder(folder: Path) -> list[Record]:
    for patterns in ANNOTATIONS:
        found = sorted({path for p in patterns for path in folder.glob(p)})
        found = [path for path in found if ".lemma." not in path.name]
        # The two files of one year of COCO are one data set.
        if len({re.sub("train|val", "", path.name) for path in found}) > 1:
            names = ", ".join(str(path) for path in found)
            raise AppError(f"{folder} has several annotations. Name one file: {names}.")
        if found:
            return _records(found[0], read_rows(found[0]))
    if rows := sidecar_rows(folder, IMAGE_SUFFIXES):
        return _records(folder / "*.txt", rows)
    contents = sorted(path.name for path in folder.iterdir())
    raise AppError(
        f"{folder} holds no captions in a known form. It holds "
        f"{', '.join(contents[:8]) or 'nothing'}{' ...' * (len(contents) > 8)}. "
        f"Known forms:\n{LAYOUTS}"
    )


def _read_tfds(source: str) -> list[Record]:
    import tensorflow_datasets as tfds

    _, name, *rest = source.split(":", 2)
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    data_dir = Path(rest[0] if rest else default).expanduser()
    found = (
        path
        for path in (data_dir / name).glob("**/dataset_info.json")
        if name and not path.parent.name.startswith("incomplete")
    )
    prepared = sorted(found, key=_config_and_version)
    advice = (
        f"Prepare it once, online (27 GB for coco_captions): "
        f"`tfds build {name or 'coco_captions'} --data_dir {data_dir} "
        f"--file_format array_record`, or name the folder: tfds:{name}:DATA_DIR."
    )
    if not prepared:
        raise AppError(
            f"TFDS has no data set {name!r} prepared in {data_dir}. {advice}"
        )
    builder = tfds.builder_from_directory(prepared[-1].parent)
    encoded = {"image": tfds.decode.SkipDecoding()}
    records = []
    try:
        for word in builder.info.splits:
            rows = builder.as_data_source(word, decoders=encoded)
            for i, row in enumerate(rows if word in SPLITS else ()):
                file = row["image/filename"].decode()
                captions = (text.decode().strip() for text in row["captions"]["text"])
                image = TfdsImage(file, rows, i)
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


def _config_and_version(path: Path) -> tuple[Path, list[int], str]:
    """Order what TFDS prepared: of a config's versions, 1.10.0 comes after 1.9.0."""
    version = path.parent.name
    return path.parents[1], [int(n) for n in re.findall(r"\d+", version)], version


def _records(path: Path, rows: Iterable[Row]) -> list[Record]:
    """Join the rows of each photo, find the photos, and split them if need be."""
    captions: dict[str, list[str]] = {}
    splits: dict[str, Split | None] = {}
    for row in rows:
        captions.setdefault(row.name, []).extend(text.strip() for text in row.captions)
        if splits.setdefault(row.name, row.split) != row.split:
            raise AppError(
                f"{row.where}: {row.name} is in split {row.split or '(none)'} here and "
                f"in {splits[row.name] or '(none)'} before. Choose one."
            )
    if not any(map(any, captions.values())):
        raise AppError(f"{path} holds no captions. Add a line for each caption.")
    if not any(splits.values()):
        splits |= _hashed_splits([name for name in captions if any(captions[name])])
    elif without := [name for name, split in splits.items() if split is None]:
        raise AppError(
            f"{path} names a split for some photos, but not for {len(without)}, such "
            f"as {without[0]}. Name one for every photo, or for none."
        )
    folder = _image_folder(path, captions)
    return [
        Record(name, folder / name, tuple(texts), splits[name] or "train")
        for name, texts in captions.items()
    ]


def _hashed_splits(names: Sequence[str]) -> dict[str, Split]:
    places = {}
    for name in names:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        places[name] = int.from_bytes(digest[:8]) / 2**64
    limit = max(0.1, min(places.values())) if len(names) > 1 else -1.0
    if len(names) > 1 and limit >= max(places.values()):  # all of very few names
        limit = min(places.values())
    return {n: "dev" if place <= limit else "train" for n, place in places.items()}


def _image_folder(path: Path, names: Iterable[str]) -> Path:
    root = path.parent
    if root.name in {"annotations", "Flickr8k_text"}:
        root = root.parent
    for folder in (root / name for name in IMAGE_FOLDERS):
        # pathlib raises for names too long to exist.
        if folder.is_dir() and any(os.path.isfile(folder / n) for n in names):  # noqa: PTH113
            return folder
    raise AppError(
        f"None of the photos that {path} names is there, such as {next(iter(names))}. "
        f"Put them into {root}, or a folder `images` in it."
    )
