"""TextVQA: questions about what is written in a photo, ten answers each.

Source: Singh et al. 2019, arXiv:1904.08920.
"""

from collections.abc import Iterator
from pathlib import Path

from shared.data.layouts import Layout, by_name
from shared.data.reading import (
    SPLITS,
    checked_name,
    each_item,
    get_texts,
    get_value,
    read_json,
)
from vqa.layouts.rows import Row

_NAME = r"TextVQA_[\d.]+_(?P<word>train|val|test)\.json"
_FITS, _FILES = by_name(_NAME, "train", "val", "test")


def textvqa_rows(path: Path, word: str) -> Iterator[Row]:
    """Read one split; the test split has no answers, dev's photos are train's."""
    folder = "test_images" if word == "test" else "train_images"
    data = read_json(path, "questions")
    for where, item in each_item(data, "data", str(path)):
        name = str(get_value(item, "image_id", (str, int), where))
        name = checked_name(name, where)
        question = get_value(item, "question", str, where).strip()
        has_answers = word != "test" or "answers" in item
        answers = get_texts(item, "answers", where) if has_answers else ()
        yield Row(
            where,
            (f"{folder}/{name}", name),
            question,
            tuple(text.strip() for text in answers),
            SPLITS[word],
            str(get_value(item, "question_id", (int, str), where)),
        )


LAYOUT = Layout(
    """\
  TextVQA_0.5.1_train.json, _val, _test (TextVQA), and photos in train_images/,
    test_images/""",
    (tuple(f"TextVQA_[0-9]*_{word}.json" for word in ("train", "val", "test")),),
    _FITS,
    _FILES,
    textvqa_rows,
)
