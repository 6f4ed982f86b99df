"""Questions about photos with people's answers, read from the layouts people have."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import AppError
from shared.images import StoredImage
from shared.reading import SPLITS
from shared.reading import Split as Split
from vqa.annotations import ENDINGS, Row, own_rows
from vqa.annotations import Box as Box
from vqa.photos import Photo, PhotoFinder
from vqa.published import published_rows

_OWN = tuple(f"{name}{e}" for name in ("questions", "qa", "vqa") for e in ENDINGS)
_OWN_BY_SPLIT = tuple(
    form.replace("SPLIT", word) + ending
    for form in (
        *("SPLIT", "SPLIT_questions", "questions_SPLIT", "SPLIT_qa", "qa_SPLIT"),
        *("SPLIT/questions", "SPLIT/*questions*", "SPLIT/qa", "questions/SPLIT"),
        *("annotations/SPLIT", "Annotations/SPLIT"),  # VizWiz
    )
    for word in SPLITS
    for ending in ENDINGS
)
_VQA = ("*OpenEnded_*_questions.json", "*MultipleChoice_*_questions.json")
_BELOW = ("", "[Qq]uestions/", "[Aa]nnotations/")
ANNOTATIONS = (  # what to look for in a folder and in `data` below, first match wins
    tuple(below + _VQA[0] for below in _BELOW),
    tuple(below + _VQA[1] for below in _BELOW),
    ("dataset_v7w_*.json",),
    ("qa.*.raw.*.txt", "qa.*.txt"),
    ("questions.txt", "train/questions.txt", "test/questions.txt"),
    _OWN,
    _OWN_BY_SPLIT,
)
LAYOUTS = """\
  v2_OpenEnded_mscoco_train2014_questions.json (VQA, also v1, MultipleChoice, val ...),
    v2_mscoco_train2014_annotations.json, and photos in train2014/, val2014/ ...
  dataset_v7w_telling.json or dataset_v7w_pointing.json (Visual7W)
  qa.894.raw.train.txt, qa.894.raw.test.txt (DAQUAR): a line a question, a line its
    answer; the question names its photo, as in `what is this in the image3 ?`
  train/questions.txt, answers.txt, img_ids.txt, types.txt; also test/ (COCO-QA)
  questions.csv, qa.csv: a line `image,question,answer`, then a line a question;
    more columns: split, type, answer_type, choices (a|b|c), weight, id
  questions.jsonl: {"image": "a.jpg", "question": "...", "answer": "..."} a line,
    or "answers": [...]; questions.json: a list of such objects (also VizWiz)
  train/questions.json, test/questions.json: a list of [question, answer, image id]
    (easy-VQA), and photos in train/images/, test/images/"""


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


def read_dataset(source: str | Path) -> list[Record]:
    """Read a data set; what lies in the folder decides how, first match wins.

    1. `*OpenEnded_*_questions.json` with `*_annotations.json`: VQA v1 and v2, also
       the abstract scenes; val is dev. Else `*MultipleChoice_*_questions.json`.
    2. `dataset_v7w_telling.json` or `dataset_v7w_pointing.json`: Visual7W. The order
       of a question's choices is shuffled, always in the same way.
    3. `qa.*.raw.{train,test}.txt`: DAQUAR; a list such as "book, scissor" is one
       answer.
    4. `{train,test}/questions.txt` with answers.txt, img_ids.txt, types.txt: COCO-QA.
    5. own files of any name, or named questions, qa, vqa, or for a split, such as
       `train.csv`, `train_questions.json`, `train/questions.json`. Columns or keys
       image (or image_id), question, answer (JSON: or answers, a list), and maybe
       split, type, answer_type, choices, weight, id. A row of a JSON list may also
       be [question, answer, image], as in easy-VQA. CSV with commas, semicolons or
       tabs. Several rows may give answers to the same question.

    A file may be named instead of its folder; those that belong to it by their names,
    such as test beside train, are read as well. Photos are looked for beside the
    questions, in folders with the usual names (`images` ...), and in those of their
    split (`train/images`, `train_images`, `train2014` ...). Their ending need not be
    said.

    Where the source names no dev split, a train photo with all its questions is dev
    if the SHA-256 of its name, as a fraction, is below 0.1: about one in ten, at
    least one of two or more, the same ones when photos are added.

    Returns:
        records in the order of the files, train first.

    Raises:
        AppError: if nothing is recognised, a file is not as it should be, names a
            photo outside the image folder, or no photo that it names exists. Single
            missing photos are left to who reads them.
    """
    path = Path(source)
    if path.is_dir():
        path = _find(path)
    elif not path.exists():
        raise AppError(
            f"There is no folder or file {source}. Give a folder with photos and "
            f"questions, in one of these forms:\n{LAYOUTS}"
        )
    rows = published_rows(path)
    if rows is None:
        if path.suffix.lower() not in (*ENDINGS, ".txt"):
            raise AppError(
                f"{path} is no question file known here. Known forms:\n{LAYOUTS}"
            )
        rows = own_rows(path)
    return _records(path, list(rows))


def select(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records that ask something and say what is right.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    counts: Counter[str] = Counter()
    chosen = []
    for record in records:
        answered = record.right is not None or any(map(str.strip, record.answers))
        if answered and any(map(str.isalnum, record.question)):
            counts[record.split] += 1
            if record.split == split:
                chosen.append(record)
    if not chosen:
        found = ", ".join(f"{name} ({n})" for name, n in counts.items())
        raise AppError(
            f"The data set has no questions with answers in split {split!r}. Splits "
            f"with questions: {found or 'none'}. Choose one of them, or mark some "
            f"questions as {split!r}."
        )
    return chosen


def _find(folder: Path) -> Path:
    for place in (folder, folder / "data"):
        for patterns in ANNOTATIONS:
            found = [path for p in patterns for path in sorted(place.glob(p))]
            # The files of several splits are one data set.
            sets = {_without_split(path.relative_to(place)): path for path in found}
            if len(sets) > 1:
                names = ", ".join(map(str, sorted(sets.values())))
                raise AppError(
                    f"{folder} has several sets of questions. Name one file: {names}."
                )
            if found:
                return min(found, key=lambda path: "test-dev" in path.name)
    contents = sorted(path.name for path in folder.iterdir())
    raise AppError(
        f"{folder} holds no questions in a known form. It holds "
        f"{', '.join(contents[:8]) or 'nothing'}{' ...' * (len(contents) > 8)}. "
        f"Known forms:\n{LAYOUTS}"
    )


def _without_split(path: Path) -> str:
    words = "|".join(sorted(SPLITS, key=len, reverse=True))
    return re.sub(rf"({words})(-dev)?(20\d\d)?", "", path.as_posix())


def _records(path: Path, rows: list[Row]) -> list[Record]:
    """Find the photos, and split them if need be."""
    _check(path, rows)
    finder = PhotoFinder(_roots(path))
    found = [finder.find(row.files) for row in rows]
    if not any(found):
        raise AppError(
            f"None of the photos that {path} names is there, such as "
            f"{rows[0].files[-1]}. Put them into {_roots(path)[0]}, or a folder "
            "`images` in it."
        )
    photos = [
        photo or finder.guess(row.files) for row, photo in zip(rows, found, strict=True)
    ]
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


def _roots(path: Path) -> list[Path]:
    folder = path.absolute().parent if path.parent == Path() else path.parent
    if folder.name.lower() in SPLITS:  # `test/0.png` is the photo's name
        return [folder.parent]
    if folder.name.lower() in {"annotations", "questions"}:
        return [folder.parent, folder]
    return [folder]


def _hashed_dev(rows: Sequence[Row], photos: Sequence[Photo]) -> set[str]:
    """Choose train photos for dev, if there is none; only photos with answers."""
    if any(row.split == "dev" for row in rows):
        return set()
    places = {}
    for row, (name, _) in zip(rows, photos, strict=True):
        answered = row.answers or row.right is not None
        if answered and row.split != "test" and name not in places:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
            places[name] = int.from_bytes(digest[:8]) / 2**64
    if len(places) < 2:
        return set()
    limit = max(0.1, min(places.values()))
    if limit >= max(places.values()):  # all of very few photos
        limit = min(places.values())
    return {name for name, place in places.items() if place <= limit}
