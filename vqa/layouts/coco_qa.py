"""COCO-QA: four files of one line a question, in train/ and test/.

Source: Ren et al. 2015, arXiv:1505.02074.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from shared.data.layouts import Layout, by_word, named
from shared.data.reading import SPLITS, find_file
from shared.errors import AppError
from shared.utf8 import read_text
from vqa.layouts.files import coco_files
from vqa.layouts.rows import Row

_TYPES = ("object", "number", "color", "location")
_NAMES = ("questions.txt", "answers.txt", "img_ids.txt", "types.txt")
_IS_NAMED = named(r"questions\.txt")


def _fits(path: Path) -> bool:
    return _IS_NAMED(path) and find_file(path.parent, "answers.txt") is not None


def coco_qa_rows(path: Path, word: str) -> Iterator[Row]:
    """Read COCO-QA: four files of one line a question."""
    folder = path.parent
    files = [find_file(folder, name) or folder / name for name in _NAMES]
    texts = [read_text(file, file.stem.lower()) for file in files]
    columns = [text.rstrip().split("\n") for text in texts]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        counts = [f"{n} {name}" for n, name in zip(lengths, _NAMES, strict=True)]
        raise AppError(
            f"The files in {folder} should have as many lines as each other. "
            f"Received: {', '.join(counts)}."
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
    by_word,
    coco_qa_rows,
)
