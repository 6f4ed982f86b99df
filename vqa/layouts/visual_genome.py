"""Visual Genome: questions and answers about photos, without splits.

Source: Krishna et al. 2017, arXiv:1602.07332.
"""

from collections.abc import Iterator
from pathlib import Path

from shared.data.layouts import Layout, itself, named
from shared.data.reading import get_value
from vqa.layouts.files import read_whole
from vqa.layouts.rows import Row


def visual_genome_rows(path: Path, word: str) -> Iterator[Row]:
    """Read a list of photos, each with its questions."""
    form = 'a list of {"id": ..., "qas": [...]}'
    for i, photo in enumerate(read_whole(path, list, form)):
        pairs = get_value(photo, "qas", list, f"{path}, [{i}]")
        for k, item in enumerate(pairs):
            where = f"{path}, [{i}].qas[{k}]"
            holder = item if isinstance(item, dict) and "image_id" in item else photo
            image = get_value(
                holder, "image_id" if holder is item else "id", int, where
            )
            yield Row(
                where,
                (f"VG_100K/{image}", f"VG_100K_2/{image}", str(image)),
                get_value(item, "question", str, where).strip(),
                (get_value(item, "answer", str, where).strip(),),
                None,
                str(get_value(item, "qa_id", (int, str), where)),
            )


LAYOUT = Layout(
    """\
  question_answers.json (Visual Genome), and photos in VG_100K/, VG_100K_2/""",
    (("question_answers.json", "question_answers_v*.json"),),
    named(r"question_answers(_v[\d_.]+)?\.json"),
    itself,
    visual_genome_rows,
)
