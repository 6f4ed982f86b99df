"""Score a VQA model on a data set, or answers from a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import AppError
from shared.runs.scores import listed
from shared.vision.images import image_name, read_image
from vqa.data import FILES, Record, read_dataset, read_rows, select
from vqa.files.formats import to_record
from vqa.files.results import match_results, read_results
from vqa.metrics.accuracy import Answer, Protocol
from vqa.metrics.report import Report
from vqa.metrics.scoring import score_answers, score_each
from vqa.metrics.wups import wu_palmer

if TYPE_CHECKING:
    from vqa.answering.photo_answerer import PhotoAnswerer
    from vqa.answering.replies import Asked, Reply

TOP = 5

Found = dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model; `str()` of it is the report.

    Attributes:
        report: the scores of the likeliest answers, "not sure" or not.
        unsure: questions of the report to which it said "not sure".
        when_sure: the report's main score of the others; None if there are none.
        broken: (name, reason) of the photos that cannot be read, whose questions were
            left out.
        refused: (id, reason) of the questions that cannot be asked, which count as
            answered wrongly.
    """

    report: Report
    unsure: int = 0
    when_sure: float | None = None
    broken: Sequence[tuple[str, str]] = ()
    refused: Sequence[tuple[str, str]] = ()

    def __str__(self) -> str:
        parts = [str(self.report)]
        if self.unsure:
            asked = self.report.questions
            share = 100 * (asked - self.unsure) / asked
            score = "" if self.when_sure is None else f", scores {self.when_sure:.2f}"
            parts.append(
                f"not sure of {self.unsure} answers; the other {share:.1f} %{score}"
            )
        parts += listed(
            "photos that cannot be read, their questions left out", self.broken
        )
        parts += listed(
            "questions that cannot be asked, counted as wrong", self.refused
        )
        return "\n".join(parts)


def check_wups(records: Sequence[Record]) -> None:
    """Refuse WUPS that could not be had, before any work is done.

    Raises:
        AppError: if it does not fit the questions, or WordNet is missing.
    """
    wu_palmer("dog", "cat")
    score_answers(records, dict.fromkeys((r.id for r in records), ""), with_wups=True)


def ask_records(
    answerer: "PhotoAnswerer",
    records: Sequence[Record],
    progress: Callable[[int], None] = lambda done: None,
) -> list[Found]:
    """Ask the questions of a data set, with the photo and without.

    Args:
        progress: called with the number of questions done.

    Returns:
        an entry for each question, in order: see `vqa.files.formats`. "answer" is
        always the likeliest one; "unsure" is true where the model would have said "not
        sure", "refused" where the question is to blame for an error, not the photo.

    Raises:
        AppError: if the model can be asked none of the questions.
    """
    _check_some_can_be_asked(answerer, records)
    refused: set[int] = set()
    photos: dict[str, list[int]] = {}
    for place, record in enumerate(records):
        photos.setdefault(record.name, []).append(place)

    def items() -> Iterator[tuple[Any, list["Asked"]]]:
        for places in photos.values():
            asked = _asked([records[i] for i in places])
            for place, question in zip(places, asked, strict=True):
                if _why_not(answerer, question):
                    refused.add(place)
            yield records[places[0]].image, asked

    found: list[Found] = [{}] * len(records)
    done = 0
    replies = answerer.ask_all(items(), count=TOP, blind=True)
    for places, (source, answers) in zip(photos.values(), replies, strict=True):
        for place, reply in zip(places, answers, strict=True):
            entry = _to_entry(records[place], reply, image_name(source))
            if "error" in entry and place in refused:
                entry["refused"] = True
            found[place] = entry
        done += len(places)
        progress(done)
    return found


def _to_entry(record: Record, reply: "Reply | AppError", source: str) -> Found:
    """Make an entry with the likeliest answer, "not sure" or not."""
    entry = to_record(record.name, record.question, record.id, reply, source)
    if "error" not in entry:
        likeliest = entry["answers"][0]["answer"]
        if entry["answer"] != likeliest:
            entry |= {"answer": likeliest, "unsure": True}
    return entry


def _check_some_can_be_asked(
    answerer: "PhotoAnswerer", records: Sequence[Record]
) -> None:
    """Refuse a model that is for other questions, before photos are looked at."""
    reason = None
    for asked in map(_about_whole, records):
        found = _why_not(answerer, asked)
        if not found:
            return
        reason = reason or found
    if reason:
        raise reason


def _why_not(answerer: "PhotoAnswerer", asked: "Asked") -> AppError | None:
    """Say why a question cannot be asked, whatever its photo."""
    try:
        answerer.check(asked)
    except AppError as error:
        return error
    return None


def _asked(records: Sequence[Record]) -> list["Asked"]:
    """Make questions about one photo; boxes become shares of its size."""
    if not any(record.boxes for record in records):
        return list(map(_about_whole, records))
    try:
        height, width, _ = read_image(records[0].image).shape
    except AppError:  # whoever looks at the photo says so
        return list(map(_about_whole, records))
    size = (width, height, width, height)
    return [
        _about_whole(record)._replace(
            boxes=tuple(
                tuple(edge / side for edge, side in zip(box, size, strict=True))
                for box in record.boxes
            )
        )
        for record in records
    ]


def _about_whole(record: Record) -> "Asked":
    """Make a question whose boxes, if any, are all the whole photo."""
    from vqa.answering.replies import Asked

    whole = (0.0, 0.0, 1.0, 1.0)
    return Asked(record.question, record.choices, (whole,) * len(record.boxes))


def score_records(
    found: Sequence[Found],
    records: Sequence[Record],
    protocol: Protocol = "official",
    with_wups: bool = False,
) -> Evaluation:
    """Score answers against what people answered.

    Args:
        found: see `ask_records`.
        records: the questions, in the same order.
        protocol, with_wups: see `vqa.metrics.scoring.score_answers`.

    Raises:
        AppError: if no photo could be read, or WUPS cannot be had.
    """
    pairs = list(zip(found, records, strict=True))
    broken = {
        entry["image"]: entry["error"]
        for entry in found
        if "error" in entry and "refused" not in entry
    }
    kept = [(e, r) for e, r in pairs if "error" not in e or "refused" in e]
    if not kept:
        name, reason = next(iter(broken.items()))
        raise AppError(
            f"None of the {len(broken)} photos can be read, such as {name}: {reason}"
        )

    def best(entry: Found, record: Record, key: str) -> Answer:
        if "refused" in entry:
            return -1 if record.boxes else ""  # neither is ever right
        return entry[key][0]["answer"]

    scored = [record for _, record in kept]
    seen = {r.id: best(e, r, "answers") for e, r in kept}
    blind = {r.id: best(e, r, "blind") for e, r in kept}
    report = score_answers(scored, seen, blind, protocol, with_wups)
    each = score_each(scored, seen, protocol)
    sure = [each[r.id] for e, r in kept if "unsure" not in e and r.id in each]
    unsure = len(each) - len(sure)
    return Evaluation(
        report,
        unsure,
        100 * sum(sure) / len(sure) if unsure and sure else None,
        list(broken.items()),
        [(r.id, e["error"]) for e, r in kept if "refused" in e],
    )


def complete(found: Sequence[Found]) -> tuple[list[Found], str]:
    """Give every question an answer, as evaluation servers take them.

    Returns:
        the entries, with "" where there was an error; and what to say of these, which
        is "" if there are none.
    """
    empty = {"answer": "", "answers": [{"answer": ""}]}
    filled = [
        {key: entry[key] for key in entry if key != "error"} | empty
        if "error" in entry
        else entry
        for entry in found
    ]
    errors = [(e["image"], e["error"]) for e in found if "error" in e]
    lines = listed("questions without an answer, written as empty ones", errors)
    return filled, "\n".join(lines)


def read_references(source: str, split: str | None = None) -> list[Record]:
    """Read questions with people's answers, to score a file of answers against.

    A file that is named is read alone, as long as it holds the split; so is one of
    official annotations without the questions. The photos need not be there, unless
    no split is named where `split` asks for one.

    Args:
        source: what `vqa.data.read_dataset` reads.
        split: train, dev or test; None for all.

    Raises:
        AppError: if it cannot be read, or nobody answered the questions of the split.
    """
    path = FILES.find(source)
    rows = [row for _, some in read_rows(path, Path(source).is_file()) for row in some]
    if split and all(row.split != split for row in rows):
        records = read_dataset(source)
    else:
        records = [
            Record(
                row.files[-1],
                path.parent / row.files[-1],
                row.question,
                row.answers,
                row.split or "train",
                *row[5:],
            )
            for row in rows
        ]
    answered = [
        record
        for record in records
        if record.split == (split or record.split)
        and (record.answers or record.right is not None)
    ]
    if not answered and split:
        select(records, split)  # says which splits there are
    if not answered:
        raise AppError(f"{source} holds no answers to score against.")
    return answered


def score_results(
    results: Path,
    records: Sequence[Record],
    protocol: Protocol = "official",
    with_wups: bool = False,
    blind: Path | None = None,
    subset: bool = False,
    against: Path | None = None,
    direct: bool = False,
) -> tuple[Report, list[str]]:
    """Score answers from a file; questions that failed there are left out.

    Args:
        results: see `vqa.files.results.read_results`.
        records: see `read_references`.
        protocol, with_wups: see `vqa.metrics.scoring.score_answers`.
        blind: a file of answers without the photos.
        subset: whether questions that the results do not name are left out, too; a
            warning of the report counts them.
        against: a file of other answers to the same questions, to compare with.
        direct: whether questions with choices are scored by what people answered in
            their own words.

    Returns:
        the report, and the ids of the questions that failed.

    Raises:
        AppError: if answers and questions do not belong together.
    """
    if direct:
        records = [replace(record, choices=(), right=None) for record in records]
    files = {"answers": results, "blind": blind, "against": against}
    given: dict[str, dict[str, str]] = {}
    left_out: dict[str, None] = {}
    for name, path in files.items():
        if path:
            given[name], failed = match_results(read_results(path, direct), records)
            left_out |= dict.fromkeys(failed)
    asked = [record for record in records if record.id not in left_out]
    kept = [r for r in asked if all(r.id in answers for answers in given.values())]
    if len(kept) < len(asked) and not subset:
        raise _unanswered(kept, asked)
    chosen = {
        name: {record.id: answers[record.id] for record in kept}
        for name, answers in given.items()
    }
    unseen = chosen.get("blind")
    report = score_answers(kept, chosen["answers"], unseen, protocol, with_wups)
    if against:
        other = score_answers(kept, chosen["against"], None, protocol, with_wups)
        report = report.against(other)
    if silent := len(asked) - len(kept):
        said = f"questions that the results do not name, left out: {silent}"
        report = replace(report, warnings=(said, *report.warnings))
    return report, list(left_out)


def _unanswered(kept: Sequence[Record], asked: Sequence[Record]) -> AppError:
    """Say which questions have no answer, and how the others can be scored."""
    ids = {record.id for record in kept}
    missing = [record for record in asked if record.id not in ids]
    shown = ", ".join(r.id for r in missing[:3]) + ", ..." * (len(missing) > 3)
    splits = {record.split for record in missing}
    others = sorted({record.split for record in kept})
    advice = f"Add --subset to score only the {len(kept)} that have one."
    if others and not splits & set(others):
        named = " or ".join(f"--split {split}" for split in others)
        advice = (
            f"They are all of split {' and '.join(sorted(splits))}, and the others "
            f"have answers: add {named} to score those, or --subset."
        )
    return AppError(
        f"Questions without answers: {len(missing)} of {len(asked)} ({shown}). {advice}"
    )
