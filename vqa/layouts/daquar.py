"""DAQUAR: questions about indoor photos, a line each.

Source: Malinowski and Fritz 2014, arXiv:1410.0210.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from shared.data.layouts import Layout, by_name, itself, named
from shared.data.reading import SPLITS, read_lines
from shared.errors import AppError
from vqa.layouts.rows import Row

# Seen in DAQUAR: in the image3, of the image3, in this image3, in image3, image3.
_NAMES_IMAGE = re.compile(
    r"\s*\b(?:(?:in|of|on|from)\s+)?(?:(?:the|this|that)\s+)?"
    r"(?:images?|img|imge|imgae|iamge)\s?(\d+)\b",
    re.IGNORECASE,
)
_SAYS_SPLIT, _of_split = by_name(
    r".*?(?<![a-z])(?P<word>train|test)(?![a-z]).*\.txt", "train", "test"
)
_IS_TEXT = named(r".*\.txt")


def _fits(path: Path) -> bool:
    if not _IS_TEXT(path):
        return False
    return _NAMES_IMAGE.search(next(read_lines(path, "questions"))[1]) is not None


def _files(path: Path, alone: bool) -> list[tuple[Path, str]]:
    return _of_split(path, alone) if _SAYS_SPLIT(path) else itself(path, alone)


def daquar_rows(path: Path, word: str) -> Iterator[Row]:
    """Read DAQUAR: a line a question, which names its photo, and a line its answer.

    A question that names no photo is about that of the questions before and after
    it, if these agree: the pairs of a photo stand together.
    """
    lines = list(read_lines(path, "questions"))
    if len(lines) % 2:
        raise AppError(
            f"{path} has {len(lines)} lines with text, so some question has no answer. "
            "After each line with a question, one with its answer should follow."
        )
    numbers = [_NAMES_IMAGE.findall(line) for _, line in lines[::2]]
    photos = [found[-1] if found else "" for found in numbers]
    lost = []
    for i, photo in enumerate(photos):
        before, after = photos[i - 1 : i], photos[i + 1 : i + 2]
        if not photo and before == after != [""]:
            photos[i : i + 1] = before
        elif not photo:
            lost.append(lines[2 * i])
    if lost:
        raise AppError(
            f"{path}: {len(lost)} questions do not name their photo, the first in "
            f"line {lost[0][0]}: {lost[0][1]!r:.80}. Each should say it as in `what "
            "is on the desk in the image3 ?`, with a line for its answer after it."
        )
    for i, photo in enumerate(photos):
        (number, question), (_, answer) = lines[2 * i : 2 * i + 2]
        yield Row(
            f"{path}, line {number}",
            (f"image{photo}",),
            _NAMES_IMAGE.sub("", question).strip().removesuffix("?").rstrip(),
            (answer.strip(),),
            SPLITS.get(word),
            f"{word}-{i + 1}" if word else str(i + 1),
        )


LAYOUT = Layout(
    """\
  qa.894.raw.train.txt, qa.894.raw.test.txt (DAQUAR): a line a question, a line its
    answer; the question names its photo, as in `what is this in the image3 ?`""",
    (("qa.*.raw.*.txt", "qa.*.txt"),),
    _fits,
    _files,
    daquar_rows,
)
