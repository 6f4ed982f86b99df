"""Questions about photos with people's answers, read from the layouts people have."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import filter as fnfilter
from fnmatch import fnmatchcase
from pathlib import Path

from shared.data.listing import subfolders
from shared.data.reading import SPLITS
from shared.data.reading import Split as Split
from shared.data.splits import draw_dev
from shared.errors import AppError
from shared.vision.images import StoredImage
from vqa.annotations import ENDINGS, Row
from vqa.annotations import Box as Box
from vqa.photos import Photo, find_photos
from vqa.published import KNOWN, LAYOUTS, layout_of


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


def read_dataset(source: str | Path) -> list[Record]:
    """Read a data set; what lies in the folder decides how, see `vqa.published`.

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
    path = find_questions(source)
    return _records(path, read_rows(path))


def find_questions(source: str | Path) -> Path:
    """Give a data set's file of questions; of a folder, one of those in it.

    Raises:
        AppError: if nothing is recognised, or there are several data sets.
    """
    path = Path(source)
    if path.is_dir():
        return _find(path)
    if not path.exists():
        raise AppError(
            f"There is no folder or file {source}. Give a folder with photos and "
            f"questions, in one of these forms:\n{KNOWN}"
        )
    return path


def read_rows(path: Path, alone: bool = False) -> list[tuple[Path, list[Row]]]:
    """Read a file of questions, and those of its other splits.

    Args:
        path: of `find_questions`.
        alone: whether the other splits are left out.

    Returns:
        each file with its rows, train first.

    Raises:
        AppError: if it is of no known form, or not as it should be.
    """
    layout = layout_of(path)
    if layout is None:
        raise AppError(f"{path} is no question file known here. Known forms:\n{KNOWN}")
    files = [
        (file, list(layout.read(file, w))) for file, w in layout.files(path, alone)
    ]
    _check(path, [row for _, rows in files for row in rows])
    return files


def select(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records that ask something and say what is right.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    asked = (record for record in records if any(map(str.isalnum, record.question)))
    return _select(split, filter(is_answered, asked), "questions with answers")


def select_all(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records, answered or not, whatever they ask.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    return _select(split, records, "questions")


def is_answered(record: Record) -> bool:
    """Whether a record says what is right."""
    return record.right is not None or any(map(str.strip, record.answers))


def _select(split: str, records: Iterable[Record], what: str) -> list[Record]:
    records = list(records)
    chosen = [record for record in records if record.split == split]
    if not chosen:
        counts = Counter(record.split for record in records)
        found = ", ".join(f"{name} ({n})" for name, n in counts.items())
        raise AppError(
            f"The data set has no {what} in split {split!r}. Splits with questions: "
            f"{found or 'none'}. Choose one of them, or mark some questions as "
            f"{split!r}."
        )
    return chosen


def _find(folder: Path) -> Path:
    """Find a folder's questions; if there are none, those of the one folder below."""
    if found := _found_in(folder):
        return found
    below = [file for child in subfolders(folder) if (file := _found_in(child))]
    if len(below) == 1:  # an archive that was unpacked into a folder, or `data`
        return below[0]
    if below:
        files = ", ".join(map(str, below))
        raise AppError(f"{folder} holds several data sets. Name one file: {files}.")
    contents = sorted(folder.iterdir())
    names = ", ".join(path.name for path in contents[:8]) or "nothing"
    raise AppError(
        f"{folder} holds no questions in a known form. It holds "
        f"{names}{' ...' * (len(contents) > 8)}. Known forms:\n{KNOWN}\n"
        "A file of another name can be given instead of its folder."
    )


def _found_in(folder: Path) -> Path | None:
    files = _candidates(folder)
    for patterns in (p for layout in LAYOUTS for p in layout.patterns):
        fitting = {name: 0 for p in patterns for name in _fitting(files, p.lower())}
        found = [files[name] for name in fitting]
        # The files of several splits are one data set.
        sets = {_without_split(path.relative_to(folder)): path for path in found}
        if len(sets) > 1:
            names = ", ".join(map(str, sorted(sets.values())))
            raise AppError(
                f"{folder} has several sets of questions. Name one file: {names}."
            )
        if found:
            return min(found, key=lambda path: "test-dev" in path.name)
    return None


def _candidates(folder: Path) -> dict[str, Path]:
    """Map what may be questions, in folders where they are looked for, to the files.

    Names are paths below the folder in lower case; of two alike, the one in lower
    case counts.
    """
    patterns = (p for layout in LAYOUTS for group in layout.patterns for p in group)
    holders = {pattern.rpartition("/")[0].lower() for pattern in patterns}
    below = [
        child
        for child in subfolders(folder)
        if any(fnmatchcase(child.name.lower(), holder) for holder in holders)
    ]
    return {
        file.relative_to(folder).as_posix().lower(): file
        for place in (folder, *below)
        for file in sorted(place.iterdir())
        if file.suffix.lower() in (*ENDINGS, ".txt")
    }


def _fitting(files: Mapping[str, Path], pattern: str) -> list[str]:
    if "*" not in pattern and "[" not in pattern:
        return [pattern] if pattern in files else []
    depth = pattern.count("/")  # which `*` does not heed
    return [name for name in fnfilter(files, pattern) if name.count("/") == depth]


def _without_split(path: Path) -> str:
    words = "|".join(sorted(SPLITS, key=len, reverse=True))
    return re.sub(rf"({words})(-dev)?(20\d\d)?", "", path.as_posix().lower())


def _records(path: Path, files: Sequence[tuple[Path, list[Row]]]) -> list[Record]:
    """Find the photos, and split them if need be."""
    rows = [row for _, some in files for row in some]
    if not any(row.question for row in rows):
        raise AppError(
            f"{path} has no question in words. Put the file of the questions that it "
            "answers beside it."
        )
    photos = find_photos([(file, [r.files for r in some]) for file, some in files])
    dev = _hashed_dev(rows, photos)
    return [
        Record(
            photo.name,
            photo.path,
            row.question,
            row.answers,
            "dev" if row.split in (None, "train") and photo.name in dev
            else row.split or "train",
            *row[5:],
        )
        for row, photo in zip(rows, photos, strict=True)
    ]  # fmt: skip


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
    without = [row for row in rows if row.split is None]
    if without and len(without) < len(rows):
        raise AppError(
            f"{path} names a split for some questions, but not for {len(without)}, "
            f"such as that of {without[0].where}. Name one for every question, or "
            "for none."
        )
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
        for row, (name, _) in zip(rows, photos, strict=True)
        if row.split != "test" and (row.answers or row.right is not None)
    )
