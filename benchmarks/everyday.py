"""How well everyday questions are answered: a table by type of question.

    python benchmarks/everyday.py --data PHOTOS [--set coco] [--model BUNDLE] [--wrong]

`everyday.jsonl`, beside this script, holds 808 questions about 150 photos of the dev
split of Flickr8k, `everyday_coco.jsonl` 170 about photos of COCO 2017; the photos are
in the folder PHOTOS. They are what one might ask who tries out such a program, written
while looking at the photos but not at their captions, each with the answers that a
fair judge would accept. No model has learnt from them.

Prints how many of the likeliest answers are among those accepted, in percent:
normalised, and as well without a leading "in", "on" or "at" ("in the snow" is "snow");
with the photo, and by the twin that does not see it. With --wrong, the questions that
were answered wrongly follow.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from vqa.answering.predict import SHIPPED, load_vqa
from vqa.data import Record
from vqa.jobs.evaluate import ask_records
from vqa.text.answers import normalize

SETS = {"flickr8k": "everyday.jsonl", "coco": "everyday_coco.jsonl"}
YES_NO = "yes/no"
PLACES = ("in ", "on ", "at ")


class Answered(NamedTuple):
    """A question, the model's answer, and that of its twin that does not see."""

    record: Record
    seen: str
    blind: str


def read_questions(data: Path, chosen: str = "flickr8k") -> list[Record]:
    """Read the questions of a set, and find their photos below a folder."""
    file = Path(__file__).with_name(SETS[chosen])
    photos = {path.name: path for path in data.rglob("*.jpg")}
    records = []
    for number, line in enumerate(file.read_text("utf-8").splitlines()):
        row = json.loads(line)
        name = row["image"]
        if name not in photos:
            raise SystemExit(f"{name} is not in {data}; --set chooses other questions.")
        records.append(
            Record(
                name,
                photos[name],
                row["question"],
                tuple(row["answers"]),
                "dev",
                str(number),
                answer_type=row["type"],
            )
        )
    return records


def plain(answer: str) -> str:
    """Normalise an answer, and take away what says no more than "there"."""
    text = normalize(answer)
    return text[len(PLACES[0]) :] if text.startswith(PLACES) else text


def is_right(record: Record, answer: str, form: Callable[[str], str]) -> bool:
    """Whether an answer is one of those accepted, once all are brought into a form."""
    return form(answer) in map(form, record.answers)


def percent(right: Iterable[bool]) -> str:
    """How many are right, in percent."""
    found = list(right)
    return f"{100 * sum(found) / len(found):.1f}" if found else "-"


def kinds(record: Record) -> list[str]:
    """Rows of the table that a question counts in."""
    kind = record.answer_type
    if kind != YES_NO:
        return [kind, "all but yes/no", "all"]
    return [f"{kind}: {record.answers[0]}", kind, "all"]


def print_table(answered: Sequence[Answered]) -> None:
    """Print percentages of right answers, as a table in Markdown."""
    rows: dict[str, list[Answered]] = {}
    for one in answered:
        for kind in kinds(one.record):
            rows.setdefault(kind, []).append(one)
    sums = ("all but yes/no", YES_NO, "all")
    print("| type | questions | right | no in, on, at | twin | no in, on, at |")
    print("|---|---|---|---|---|---|")
    for kind in (*sorted(set(rows) - set(sums)), *sums):
        cells = [
            percent(is_right(one.record, answer, form) for one, answer in answers)
            for answers in (
                [(one, one.seen) for one in rows[kind]],
                [(one, one.blind) for one in rows[kind]],
            )
            for form in (normalize, plain)
        ]
        print(f"| {kind} | {len(rows[kind])} | {' | '.join(cells)} |")


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, metavar="PHOTOS")
    parser.add_argument("--set", choices=SETS, default="flickr8k", dest="chosen")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="a bundle")
    parser.add_argument("--wrong", action="store_true", help="print wrong answers")
    args = parser.parse_args()
    records = read_questions(args.data, args.chosen)
    found = ask_records(load_vqa(args.model), records)
    pairs = list(zip(records, found, strict=True))
    answered = [
        Answered(record, *(entry[key][0]["answer"] for key in ("answers", "blind")))
        for record, entry in pairs
    ]
    print_table(answered)
    sure = [
        one
        for one, (_, entry) in zip(answered, pairs, strict=True)
        if "unsure" not in entry
    ]
    right = percent(is_right(one.record, one.seen, plain) for one in sure)
    print(f"sure of {len(sure)} answers, of which {right} % are right (no in, on, at)")
    if args.wrong:
        for record, answer, _ in answered:
            if not is_right(record, answer, plain):
                print(record.name, record.question, answer, sep="\t", end="\t")
                print(*record.answers, sep=", ")


if __name__ == "__main__":
    main()
