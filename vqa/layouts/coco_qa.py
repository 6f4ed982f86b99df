"""COCO-QA: four files of one line a question, in train/ and test/.

Source: Ren et al. 2015, arXiv:1505.02074.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from shared.data.layouts import Layout
from shared.data.reading import SPLITS
from shared.errors import AppError
from shared.utf8 import read_text
from vqa.layouts.files import coco_files
from vqa.layouts.rows import Row

_TYPES = ("object", "number", "color", "location")


def _fits(path: Path) -> bool:
    return path.name == "questions.txt" and path.with_name("answers.txt").exists()


def _files(path: Path, alone: bool) -> list[tuple[Path, str]]:
    folder = path.absolute().parent
    if alone or folder.name not in SPLITS:
        return [(path, folder.name if folder.name in SPLITS else "")]
    both = [(folder.with_name(w) / path.name, w) for w in ("train", "test")]
    return [(file, word) for file, word in both if file.exists()]


def coco_qa_rows(path: Path, word: str) -> Iterator[Row]:
    """Read COCO-QA: four files of one line a question."""
    folder = path.parent
    names = ("questions.txt", "answers.txt", "img_ids.txt", "types.txt")
    texts = [read_text(folder / name, name.removesuffix(".txt")) for name in names]
    columns = [text.rstrip().split("\n") for text in texts]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        shown = ", ".join(f"{n} {name}" for n, name in zip(lengths, names, strict=True))
        raise AppError(
            f"The files in {folder} should have as many lines as each other. "
            f"Received: {shown}."
        )
    splits = ("val2014", "train2014") if word == "test" else ("train2014", "val2014")
    for number, cells in enumerate(zip(*columns, strict=True), 1):
        question, answer, image, kind = map(str.strip, cells)
        where = f"{folder}, line {number}"
        if not re.fullmatch(r"[0-9]{1,12}", image) or kind not in ("0", "1", "2", "3"):
            raise AppError(
                f"{where}: img_ids.txt should hold COCO's number of a photo, and "
                f"types.txt 0, 1, 2 or 3. Received: {image!r:.40} and {kind!r:.40}."
            )
        yield Row(
            where,
            coco_files(int(image), *splits),
            question,
            (answer,),
            SPLITS.get(word),
            f"{word}-{number}" if word else str(number),
            _TYPES[int(kind)],
            "number" if kind == "1" else "other",
        )


LAYOUT = Layout(
    "  train/questions.txt, answers.txt, img_ids.txt, types.txt; also test/ (COCO-QA)",
    (("questions.txt", "train/questions.txt", "test/questions.txt"),),
    _fits,
    _files,
    coco_qa_rows,
)
