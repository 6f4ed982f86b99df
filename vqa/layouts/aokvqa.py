"""A-OKVQA: questions that need knowledge, with four choices and ten answers each.

Source: Schwenk et al. 2022, arXiv:2206.01718.
"""

from collections.abc import Iterator
from pathlib import Path

from shared.data.layouts import Layout, by_name
from shared.data.reading import SPLITS, get_texts, get_value
from shared.errors import AppError
from vqa.layouts.files import coco_files, read_whole
from vqa.layouts.rows import Row

_NAME = r"aokvqa_v[\dp]+_(?P<word>train|val|test)\.json"
_FITS, _FILES = by_name(_NAME, "train", "val", "test")


def aokvqa_rows(path: Path, word: str) -> Iterator[Row]:
    """Read one split; the test split says neither what is right nor answers."""
    form = 'a list of {"question_id": ..., "image_id": ..., ...}'
    for i, item in enumerate(read_whole(path, list, form)):
        where = f"{path}, [{i}]"
        image = get_value(item, "image_id", int, where)
        question = get_value(item, "question", str, where).strip()
        choices = tuple(get_texts(item, "choices", where))
        says = word != "test" or "correct_choice_idx" in item
        right = get_value(item, "correct_choice_idx", int, where) if says else None
        if right is not None and not 0 <= right < len(choices):
            raise AppError(
                f"{where}: correct_choice_idx is one of 0 to {len(choices) - 1}. "
                f"Received: {right!r:.40}."
            )
        says = word != "test" or "direct_answers" in item
        answers = get_texts(item, "direct_answers", where) if says else ()
        year = f"{word}2017"
        yield Row(
            where,
            (f"{year}/{image:012d}", *coco_files(image, "train2014", "val2014")),
            question,
            tuple(text.strip() for text in answers),
            SPLITS[word],
            str(get_value(item, "question_id", (str, int), where)),
            choices=choices,
            right=right,
        )


LAYOUT = Layout(
    """\
  aokvqa_v1p0_train.json, _val, _test (A-OKVQA), and COCO's photos in train2017/ ...""",
    (("aokvqa_*_train.json", "aokvqa_*_val.json", "aokvqa_*_test.json"),),
    _FITS,
    _FILES,
    aokvqa_rows,
)
