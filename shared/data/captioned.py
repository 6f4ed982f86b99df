"""Captioned photos: a data set's files are found, read, and joined with its photos."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.data.captions import archive, beside, coco, flickr, karpathy, own, tfds
from shared.data.captions.rows import SPLITS, Row
from shared.data.layouts import Layout, Layouts
from shared.data.photos import Photo, find_photos, roots_of
from shared.data.reading import Split, without_collection
from shared.data.splits import check_said, choose_split, draw_dev
from shared.errors import AppError
from shared.vision.images import StoredImage

LAYOUTS: tuple[Layout[Row], ...] = (
    karpathy.LAYOUT,
    coco.LAYOUT,
    flickr.LAYOUT,
    beside.LAYOUT,
    own.LAYOUT,
    archive.LAYOUT,
)
FILES = Layouts("captions", LAYOUTS)
KNOWN = f"{FILES.about}\n{tfds.ABOUT}"


@dataclass(frozen=True)
class Record:
    """One photo with its reference captions.

    Attributes:
        name: unique in the data set: path below the image folder, with `/`.
        image: the photo; nobody has looked yet whether it exists or is one.
        captions: as written, without white space around; may be empty strings.
        split: train, dev or test.
        id: as the source numbers its photos; None if it does not.
        is_drawn: whether the split was drawn by the name, as the source has no dev.
        source: which of several data sets it comes from, from 0.
    """

    name: str
    image: Path | StoredImage
    captions: tuple[str, ...]
    split: Split
    id: int | str | None = None
    is_drawn: bool = False
    source: int = 0


@without_collection()
def read_files(source: str | Path) -> list[Record]:
    """Read a data set from files; what lies in the folder says how, see `LAYOUTS`.

    A file may be named instead of its folder, and is then read alone; that of train
    brings those of the other splits that lie beside it. Case does not matter in names.
    Photos are looked for beside the file, in folders with the usual names (`images`
    ...) and in those of their split; if more of them are there, so in the folder above.

    Where the source names no dev photos, about one in ten of train is dev, the
    same ones when photos are added; of small sets more, see `shared.data.splits`. Names
    that start with folders of different splits, such as `train/a.jpg` and
    `val/b.jpg`, say the split.

    Returns:
        records in the order of the file; by name where photos have texts beside them.

    Raises:
        AppError: if nothing is recognised, a file is not as it should be, names a
            photo outside the image folder, or no photo that it names exists. Single
            missing photos are left to who reads them.
    """
    path = FILES.find(source)
    return _records(path, [row for _, rows in FILES.read(path) for row in rows])


def read_dataset(source: str | Path) -> list[Record]:
    """Read a data set: files, see `read_files`, or `tfds:...`, see `tfds_rows`.

    Returns:
        records in the order of the source.

    Raises:
        AppError: if it cannot be read, see both.
    """
    if not str(source).startswith(tfds.START):
        return read_files(source)
    return [
        Record(
            image.name,
            image,
            tuple(caption.strip() for caption in row.captions),
            row.split or "train",
            row.id,
        )
        for image, row in tfds.tfds_rows(str(source))
    ]


def read_datasets(sources: Sequence[str]) -> list[Record]:
    """Read several data sets, to learn from them together.

    Returns:
        records in the order of the sources, each with the place of its source; names
        that several sources have begin with a number.

    Raises:
        AppError: see `read_dataset`.
    """
    sets = [read_dataset(source) for source in sources]
    count = Counter(record.name for records in sets for record in records)
    return [
        replace(
            record,
            name=f"{place}/{record.name}" if count[record.name] > 1 else record.name,
            source=place,
        )
        for place, records in enumerate(sets)
        for record in records
    ]


def select(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records that have a caption, without captions that hold no word.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    kept = (
        replace(record, captions=captions)
        for record in records
        if (captions := tuple(c for c in record.captions if any(map(str.isalnum, c))))
    )
    return choose_split(kept, split, "photos", "with captions")


def _records(path: Path, rows: Sequence[Row]) -> list[Record]:
    """Find the photos, join the rows of each, and split them if need be."""
    photos: dict[str, list[Row]] = {}
    files: dict[str, Path] = {}
    if not any(text.strip() for row in rows for text in row.captions):
        raise AppError(f"{path} holds no captions. Add a line for each caption.")
    if unnamed := next((row for row in rows if not row.files), None):
        raise AppError(
            f"{unnamed.where} needs 'file_name': text. Training needs the photos; "
            "only `captioner score` does without."
        )
    found = [Photo(r.files[0], r.files[0], r.place) for r in rows if r.place]
    found = found or find_photos(path, roots_of(path), [row.files for row in rows])
    for row, (name, _, file) in zip(rows, found, strict=True):
        files.setdefault(name, file)
        before = photos.setdefault(name, [])
        if before and before[0].split != row.split:
            raise AppError(
                f"{row.where}: {name} is in split {row.split or '(none)'} here and "
                f"in {before[0].split or '(none)'} before. Choose one."
            )
        before.append(row)
    splits = _splits(path, {name: same[0].split for name, same in photos.items()})
    drawn = set()
    if "dev" not in splits.values():
        captioned = [
            name
            for name, same in photos.items()
            if any(text.strip() for row in same for text in row.captions)
        ]
        drawn = draw_dev([n for n in captioned if splits[n] in (None, "train")])
    return [
        Record(
            name,
            files[name],
            tuple(text.strip() for row in same for text in row.captions),
            "dev" if name in drawn else splits[name] or "train",
            same[0].id,
            name in drawn,
        )
        for name, same in photos.items()
    ]


def _splits(path: Path, said: dict[str, Split | None]) -> dict[str, Split | None]:
    """Give the splits that are said, for all photos or for none."""
    if not any(said.values()):
        by_folder = {
            name: SPLITS.get(name.partition("/")[0].lower(), None) for name in said
        }
        several = len(set(by_folder.values())) > 1 and None not in by_folder.values()
        return by_folder if several else said
    check_said(path, "photos", said.items())
    return said
