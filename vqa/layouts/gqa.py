"""GQA: questions made from scene graphs.

Source: Hudson and Manning 2019, arXiv:1902.09506.
"""

from collections.abc import Iterator
from pathlib import Path

from shared.data.layouts import Layout, by_name
from shared.data.reading import SPLITS, checked_name, get_value
from vqa.layouts.files import read_whole
from vqa.layouts.rows import Row, first_text

_NAME = (
    r"(?P<word>train|val|testdev|test|challenge|submission)_(balanced|all)_questions"
    r"(_\d+)?\.json"
)
_WORDS = ("train", "val", "testdev|test|challenge|submission")
_FITS, _FILES = by_name(_NAME, *_WORDS)


def gqa_rows(path: Path, word: str) -> Iterator[Row]:
    """Read one split: an object of questions by their ids."""
    form = 'an object of {"imageId": ..., "question": ..., ...} by ids'
    for id_, item in read_whole(path, dict, form).items():
        where = f"{path}, {id_!r:.60}"
        image = str(get_value(item, "imageId", (str, int), where))
        question = get_value(item, "question", str, where).strip()
        answer = first_text(item, ("answer",), where)
        types = item["types"] if isinstance(item.get("types"), dict) else {}
        yield Row(
            where,
            (checked_name(image, where),),
            question,
            (answer,) if answer else (),
            SPLITS.get(word, "test"),
            id_,
            first_text(types, ("structural",), where),
        )


LAYOUT = Layout(
    """\
  train_balanced_questions.json, val_, testdev_ (GQA; also all instead of balanced), and
    photos in images/; testdev, which has answers, is test unless test is named""",
    tuple(
        tuple(
            f"{below}{word}_{kind}_questions.json"
            for below in ("", "questions*/")
            for words in _WORDS
            for word in words.split("|")[:2]
        )
        for kind in ("balanced", "all")
    ),
    _FITS,
    _FILES,
    gqa_rows,
)
