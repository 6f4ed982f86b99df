"""Captioned photos: a data set's files are found, read, and joined with its photos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.data.annotations import find_annotations, read_rows
from shared.data.captions import SPLITS, Row, sidecar_rows
from shared.data.listing import Listing, subfolders
from shared.data.reading import Split
from shared.data.splits import draw_dev
from shared.errors import AppError
from shared.vision.images import StoredImage

IMAGE_FOLDERS = (  # below a root; case is ignored
    "",
    "images",
    "flicker8k_dataset",  # spelt so in the official archive
    "flickr8k_dataset",
    "flickr30k_images",
    "flickr30k-images",
    "flickr30k_images/flickr30k_images",
)
# Folders of annotations alone: the photos lie beside them, unless they lie within.
_BESIDE = {"annotations", "flickr8k_text", *SPLITS}
LAYOUTS = """\
  dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json (Karpathy)
  annotations/captions_train2017.json beside train2017/ (COCO; also val, 2014)
  Flickr8k.token.txt or results_20130124.token, with Flickr_8k.trainImages.txt ...
  captions.txt, captions.csv: a line `image,caption`, then a line a caption
  captions.jsonl: {"image": "a.jpg", "caption": "..."} a line, or "captions": [...];
    captions.json: a list of such objects
  results.csv (Flickr30k): image_name| comment_number| comment
  metadata.jsonl, metadata.csv (Hugging Face): file_name and text, also in train/ ...
  train.json, captions_train.csv ... in one of these forms, with those of val, test
  pictures in any folders, each with its captions in a .txt or .caption of its name"""


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


def read_files(source: str | Path) -> list[Record]:
    """Read a data set from files; what lies in the folder says how, first match wins.

    1. `dataset_coco.json`, `dataset_flickr8k.json`, `dataset_flickr30k.json`:
       Karpathy's splits; restval is train, val is dev. Such a file wins over
       any other annotations in the folder.
    2. `annotations/captions_{train,val}{2014,2017}.json`: COCO; val is dev. With
       both years present, name a file of one year.
    3. `*.token.txt`, `*.token` (not `*.lemma.*`): Flickr8k or Flickr30k, split by
       the lists `*{train,dev,val,test}Images.txt` beside it. Photos on no list
       are left out.
    4. `captions.txt`, `captions.csv`, `captions.jsonl`, `captions.json`: own
       pictures; columns or keys image, caption (JSON: or captions, a list) and maybe
       split. Commas, semicolons or tabs. Several lines may name the same photo, and
       several columns hold captions.
    5. `results.csv`: Flickr30k, `image_name| comment_number| comment`.
    6. `metadata.jsonl`, `metadata.csv`: Hugging Face, `file_name` and `text`.
    7. `train.json`, `captions_train.csv` and the like, with those of val and test.
    8. pictures in the folder or below, `a.jpg` with its captions in `a.txt` or
       `a.caption`, one a line. Pictures without such a file have no captions.

    An annotation file may be named instead of its folder, and is then read alone;
    that of train brings those of the other splits that lie beside it. Case does not
    matter in names of files. Photos are looked for beside the annotations, then in
    folders with the usual names (`images` ...) and in those of their split.

    Where the source names no dev photos, about one in ten of train is dev, the
    same ones when photos are added; of small sets more, see `shared.data.splits`. Names
    that start with folders of different splits, such as `train/a.jpg` and
    `val/b.jpg`, say the split.

    Returns:
        records in the order of the annotations; by name for layout 8.

    Raises:
        AppError: if nothing is recognised, an annotation file is not as it
            should be, names a photo outside the image folder, or no photo that
            it names exists. Single missing photos are left to who reads them.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise AppError(
            f"There is no folder or file {source}. Give a folder with photos and "
            f"captions, in one of these forms:\n{LAYOUTS}"
        )
    return _records(path, read_rows(path))


def _read_folder(folder: Path) -> list[Record]:
    if found := find_annotations(folder):
        return _records(found, read_rows(found))
    if rows := sidecar_rows(folder):
        return _records(folder / "*.txt", rows)
    contents = sorted(folder.iterdir())
    below = [child for child in subfolders(folder) if find_annotations(child)]
    if len(below) == 1:  # an archive that was unpacked into a folder, or `data`
        return _read_folder(below[0])
    if below:
        raise AppError(
            f"{folder} holds several data sets. Name one: {', '.join(map(str, below))}."
        )
    names = ", ".join(path.name for path in contents[:8]) or "nothing"
    raise AppError(
        f"{folder} holds no captions in a known form. It holds "
        f"{names}{' ...' * (len(contents) > 8)}. Known forms:\n{LAYOUTS}\n"
        "A file of another name can be given instead of its folder."
    )


def _records(path: Path, rows: Iterable[Row]) -> list[Record]:
    """Find the photos, join the rows of each, and split them if need be."""
    photos: dict[str, list[Row]] = {}
    files: dict[str, Path] = {}
    rows = list(rows)
    if not any(text.strip() for row in rows for text in row.captions):
        raise AppError(f"{path} holds no captions. Add a line for each caption.")
    for row, (name, file) in zip(rows, _find_photos(path, rows), strict=True):
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
    if without := [name for name, split in said.items() if split is None]:
        raise AppError(
            f"{path} names a split for some photos, but not for {len(without)}, such "
            f"as {without[0]}. Name one for every photo, or for none."
        )
    return said


def _find_photos(path: Path, rows: Sequence[Row]) -> list[tuple[str, Path]]:
    """Give each row's photo: its name in the data set, and its file.

    All are taken from the folder that has most of them. A photo that is missing
    there gets the file where it would be.
    """
    if unnamed := next((row for row in rows if not row.name), None):
        raise AppError(
            f"{unnamed.where} needs 'file_name': text. Training needs the photos; "
            "only `captioner score` does without."
        )
    root = path.parent if path.parent.name else path.absolute().parent
    roots = [root, root.parent] if root.name.lower() in _BESIDE else [root]
    names = dict.fromkeys((row.folders, row.name) for row in rows)
    listing = Listing()
    found: dict[tuple[tuple[str, ...], str], tuple[str, Path]] = {}
    image_folder = root
    for folder in (listing.folder(r, name) for r in roots for name in IMAGE_FOLDERS):
        if folder is None:
            continue
        here = {key: file for key in names if (file := listing.find(folder, *key))}
        # Several names may find one file, where a folder of one split is tried.
        if len(set(here.values())) > len(set(found.values())):
            found, image_folder = here, folder
        if len(set(found.values())) == len(names):
            break
    if not found:
        tried = ", ".join(map(str, roots))
        raise AppError(
            f"None of the photos that {path} names is there, such as {rows[0].name}. "
            f"Put them into {roots[-1]}, or a folder `images` in it. Tried were "
            f"{tried}, and folders in them of the usual names."
        )
    (folders, name), (path_below, _) = next(iter(found.items()))
    usual = folders.index(path_below.removesuffix(name))
    photos = []
    for row in rows:
        missing = row.folders[min(usual, len(row.folders) - 1)] + row.name
        photos.append(
            found.get((row.folders, row.name)) or (missing, image_folder / missing)
        )
    return photos
