"""CLEVR: drawn bodies, and questions that need several steps.

Source: Johnson et al. 2017, arXiv:1612.06890.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.data.layouts import Layout, by_name, file_name
from shared.data.reading import SPLITS, checked_name, each_item, get_value, read_json
from vqa.layouts.rows import Row, first_text

_NAME = file_name(r"CLEVR_(?P<word>train|val|test)(?P<part>[AB]?)_questions\.json")
_FITS, _FILES = by_name(_NAME.pattern, "train", "val", "test")


def clevr_rows(path: Path, word: str) -> Iterator[Row]:
    """Read one split; the test split has no answers."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    folder = word + match["part"].upper()  # trainA of CLEVR-CoGenT
    data = read_json(path, "questions")
    for i, (where, item) in enumerate(each_item(data, "questions", str(path))):
        name = get_value(item, "image_filename", str, where)
        name = checked_name(name, where)
        question = get_value(item, "question", str, where).strip()
        answer = first_text(item, ("answer",), where)
        number = first_text(item, ("question_index",), where)
        yield Row(
            where,
            (f"{folder}/{name}", name),
            question,
            (answer,) if answer else (),
            SPLITS[word],
            f"{folder}-{number or i}",
            _type(item),
        )


def _type(item: Any) -> str:
    """Give the last step of a question's program, such as count or query_color."""
    program = item.get("program")
    last = program[-1] if isinstance(program, list) and program else None
    named = last.get("function", last.get("type")) if isinstance(last, dict) else None
    return named if isinstance(named, str) else ""


LAYOUT = Layout(
    """\
  CLEVR_train_questions.json, CLEVR_val_, CLEVR_test_ (CLEVR), also in questions/, and
    pictures in images/train/, images/val/ ...""",
    (("CLEVR_*_questions.json", "questions/CLEVR_*_questions.json"),),
    _FITS,
    _FILES,
    clevr_rows,
)
