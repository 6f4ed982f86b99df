"""Questions about photos with people's answers, read from the layouts people have."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.data.layouts import Layout, Layouts
from shared.data.photos import IMAGE_FOLDERS, Photo, find_photos, roots_of
from shared.data.reading import SPLITS, without_collection
from shared.data.reading import Split as Split
from shared.data.splits import check_said, choose_split, draw_dev
from shared.errors import AppError
from shared.vision.images import StoredImage
from vqa.layouts import (
    aokvqa,
    clevr,
    coco_qa,
    daquar,
    gqa,
    official,
    own,
    textvqa,
    visual7w,
    visual_genome,
)
from vqa.layouts.rows import Box as Box
from vqa.layouts.rows import Row

LAYOUTS: tuple[Layout[Row], ...] = (
    official.LAYOUT,
    visual7w.LAYOUT,
    daquar.LAYOUT,
    coco_qa.LAYOUT,
    gqa.LAYOUT,
    clevr.LAYOUT,
    visual_genome.LAYOUT,
    textvqa.LAYOUT,
    aokvqa.LAYOUT,
    own.LAYOUT,
)
FILES = Layouts("questions", LAYOUTS)


@dataclass(frozen=True, slots=True)
class Record:
    """One question about one photo.

    Attributes:
        name: of the photo, unique in the data set: path below the image folder,
            with `/`.
        image: the photo; nobody has looked yet whether it exists or is one.
        question: as written; of DAQUAR's, without "in the image3 ?".
        answers: of people, as written, without white space around; one or ten, or
            none.
        split: train, dev or test.
        id: of the question, unique in the data set.
        question_type: such as "what color is the", "how many", "where"; "" if the
            source does not say.
        answer_type: "yes/no", "number" or "other"; "" if the source does not say.
        choices: of which to choose one, if the task is that.
        boxes: parts of the photo of which to choose one, if the task is that: left,
            top, right, bottom in pixels of the photo as stored upright.
        right: index of the right choice or box; None if there are none, or unknown.
        weight: how much the question counts in training.
        source: which of several data sets it comes from, from 0.
        is_drawn: whether the split was drawn by the name, as the source has no dev.
    """

    name: str
    image: Path | StoredImage
    question: str
    answers: tuple[str, ...]
    split: Split
    id: str
    question_type: str = ""
    answer_type: str = ""
    choices: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    right: int | None = None
    weight: float = 1.0
    source: int = 0
    is_drawn: bool = False


def read_datasets(sources: Sequence[str]) -> list[Record]:
    """Read several data sets, to learn from them together.

    Returns:
        records in the order of the sources, each with the place of its source; of
        several, names and ids begin with it.

    Raises:
        AppError: as `read_dataset`.
    """
    sets = [read_dataset(source) for source in sources]
    if len(sets) == 1:
        return sets[0]
    return [
        replace(
            record,
            name=f"{place}/{record.name}",
            id=f"{place}/{record.id}",
            source=place,
        )
        for place, records in enumerate(sets)
        for record in records
    ]


@without_collection()
def read_dataset(source: str | Path) -> list[Record]:
    """Read a data set; what lies in the folder decides how, see `vqa.layouts`.

    Own files have any name, or are called questions, qa, vqa, or by a split, such as
    `train.csv`, `train_questions.json`, `train/questions.json`. Columns or keys image
    (or image_id), question, answer (JSON: or answers, a list), and maybe split, type,
    answer_type, choices, weight, id. A row of a JSON list may also be [question,
    answer, image], as in easy-VQA. CSV with commas, semicolons or tabs. Several rows
    may give answers to the same question.

    A file may be named instead of its folder; those that belong to it by their names,
    such as test beside train, are read as well. Photos are looked for beside the
    questions, in folders with the usual names (`images` ...), and in those of their
    split (`train/images`, `train_images`, `train2014` ...); if none is there, then so
    in the folder above. Their ending need not be said.

    Where the source names no dev split, about one train photo in ten is dev with all
    its questions, the same ones when photos are added; of small sets more, see
    `shared.data.splits`.

    Returns:
        records in the order of the files, train first.

    Raises:
        AppError: if nothing is recognised, a file is not as it should be, names a
            photo outside the image folder, or no photo that it names exists. Single
            missing photos are left to who reads them.
    """
    path = FILES.find(source)
    return _records(path, read_rows(path))


def read_rows(path: Path, alone: bool = False) -> list[tuple[Path, list[Row]]]:
    """Read a file of questions, and those of its other splits.

    Args:
        path: see `shared.data.layouts.Layouts.find`.
        alone: whether the other splits are left out.

    Returns:
        each file with its rows, train first.

    Raises:
        AppError: if it is of no known form, or not as it should be.
    """
    files = FILES.read(path, alone)
    _check(path, [row for _, rows in files for row in rows])
    return files


def select(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records that ask something and say what is right.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    asked = (record for record in records if any(map(str.isalnum, record.question)))
    return choose_split(filter(is_answered, asked), split, "questions", "with answers")


def select_all(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records, answered or not, whatever they ask.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    return choose_split(records, split, "questions")


def is_answered(record: Record) -> bool:
    """Whether a record says what is right."""
    return record.right is not None or any(map(str.strip, record.answers))


def _records(path: Path, files: Sequence[tuple[Path, list[Row]]]) -> list[Record]:
    """Find the photos, and split them if need be."""
    rows = [row for _, some in files for row in some]
    if not any(row.question for row in rows):
        raise AppError(
            f"{path} has no question in words. Put the file of the questions that it "
            "answers beside it."
        )
    photos = _find_photos(files)
    dev = _hashed_dev(rows, photos)
    drawn = [
        row.split in (None, "train") and photo.stored in dev
        for row, photo in zip(rows, photos, strict=True)
    ]
    return [
        Record(
            photo.stored,
            photo.path,
            row.question,
            row.answers,
            "dev" if is_drawn else row.split or "train",
            *row[5:],
            is_drawn=is_drawn,
        )
        for row, photo, is_drawn in zip(rows, photos, drawn, strict=True)
    ]


def _find_photos(files: Sequence[tuple[Path, list[Row]]]) -> list[Photo]:
    """Find the photo of each row.

    Where a file's folder is called after a split, such as `train`, and others lie
    beside it, its name is a part of the photos' names.
    """
    roots = roots_of(files[0][0])
    folders = [roots_of(file)[0].name for file, _ in files]
    wanted = [row.files for _, rows in files for row in rows]
    if any(folder.lower() in SPLITS for folder in folders):
        roots = roots[1:]
        wanted = [
            (*_below(folder, row.files), *row.files)
            for folder, (_, rows) in zip(folders, files, strict=True)
            for row in rows
        ]
    return find_photos(files[0][0], roots, wanted)


def _below(folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        "/".join(filter(None, (folder, usual, name)))
        for usual in IMAGE_FOLDERS
        for name in names
    )


def _check(path: Path, rows: Sequence[Row]) -> None:
    """Refuse rows that say nothing, or say the same in two ways."""
    if not rows:
        raise AppError(f"{path} holds no questions. Add a line for each question.")
    if not any(row.answers or row.right is not None for row in rows) and not any(
        row.split == "test" for row in rows
    ):
        raise AppError(
            f"{path} holds no answers. Add them, or say that the split is test."
        )
    check_said(path, "questions", ((f"that of {r.where}", r.split) for r in rows))
    ids: dict[str, Row] = {}
    for row in rows:
        before = ids.setdefault(row.id, row)
        if before is not row:
            raise AppError(
                f"{row.where}: the id {row.id} belongs to another question, too: "
                f"{before.where}. Give each question its own."
            )


def _hashed_dev(rows: Sequence[Row], photos: Sequence[Photo]) -> set[str]:
    """Choose train photos for dev, if there is none; only photos with answers."""
    if any(row.split == "dev" for row in rows):
        return set()
    return draw_dev(
        name
        for row, (_, name, _) in zip(rows, photos, strict=True)
        if row.split != "test" and (row.answers or row.right is not None)
    )
