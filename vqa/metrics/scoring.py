"""How often the answers to a set of questions are right.

One metric is chosen for a whole set, see `choose_metric`; questions that it cannot
score are left out, and counted in the report's warnings. All scores are times 100, as
papers print them, and stand beside those of the same net without the photo where its
answers are given: what the questions alone give away.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from shared.errors import AppError
from shared.runs.resampling import Tally, compare, find_intervals, tally_mean
from shared.runs.scores import refuse_unmatched
from vqa.metrics.accuracy import Answer, Protocol
from vqa.metrics.question_metrics import (
    ExactMatch,
    MultipleChoice,
    QuestionMetric,
    Votes,
)
from vqa.metrics.report import Report, Score
from vqa.metrics.wups import wups
from vqa.text.answers import most_common

if TYPE_CHECKING:
    from vqa.data import Record

Scorer = Callable[["Record", Answer], float]

FEW_QUESTIONS = 100
WUPS_AT = (0.9, 0.0)  # thresholds

# The first that suits a set scores all of it.
QUESTION_METRICS: tuple[QuestionMetric, ...] = (
    MultipleChoice(),
    Votes(),
    ExactMatch(),
)

_NOTES = {  # score -> what else to say of it
    "class-normalised": "class-normalised: its mean over classes of questions with "
    "the same most common answer",
    "WUPS@0.9": "WUPS: Wu-Palmer similarity of items as sets, a tenth of it below the "
    "threshold, Malinowski and Fritz 2014",
}


def choose_metric(records: Sequence["Record"]) -> QuestionMetric:
    """Choose the one metric of a set by what most of its answered questions are.

    Raises:
        AppError: if nobody answered any question.
    """
    known = _answered(records)
    return next(metric for metric in QUESTION_METRICS if metric.suits(known))


def score_answers(
    records: Sequence["Record"],
    answers: Mapping[str, Answer],
    blind: Mapping[str, Answer] | None = None,
    protocol: Protocol = "official",
    with_wups: bool = False,
) -> Report:
    """Score one answer for each question against what people answered.

    All by the metric of `choose_metric`.

    Args:
        records: the questions. Those that nobody answered, or that the metric cannot
            score, are left out.
        answers: id of the question -> answer.
        blind: the answers of the same net that did not see the photos.
        protocol: see `vqa.metrics.accuracy`.
        with_wups: add WUPS at 0.9 and 0; for exact match alone.

    Raises:
        AppError: if a question has no answer, if an answer belongs to no question,
            if nobody answered any question, or if WUPS cannot be had.
    """
    metric = choose_metric(records)
    known = [record for record in records if metric.can_score(record)]
    _check_questions(records, known, answers, "answers")
    if blind is not None:
        _check_questions(records, known, blind, "answers without the photo")
    scorers = _scorers(metric, protocol, with_wups)
    seen = _score(known, answers, scorers)
    unseen = _score(known, blind, scorers) if blind is not None else {}
    main = next(iter(scorers))

    def mean(name: str, rows: Iterable[int]) -> Score:
        rows = list(rows)
        return Score.of(
            [seen[name][row] for row in rows],
            [unseen[name][row] for row in rows] if unseen else None,
        )

    scores = {name: mean(name, range(len(known))) for name in scorers}
    classes = _classes(known) if metric.in_words else []
    if any(classes):
        each = [mean(main, rows) for rows in _group(classes).values()]
        scores["class-normalised"] = Score.across(each)
    groups = {
        title: {name: mean(main, rows) for name, rows in _group(labels).items()}
        for title, labels in _labels(known, classes).items()
    }
    photos = [record.name for record in known]

    def tally(each: Sequence[float]) -> Tally:
        return tally_mean([100 * score for score in each], photos)

    tallies = {name: tally(each) for name, each in seen.items()}
    gain = compare(tallies[main], tally(unseen[main])) if unseen else None
    notes = [note for name, note in _NOTES.items() if name in scores]
    return Report(
        scores=scores,
        groups={title: group for title, group in groups.items() if group},
        interval=find_intervals(tallies)[main],
        questions=len(known),
        photos=len(set(photos)),
        protocol="; ".join([f"{metric.protocols[protocol]} ({protocol})", *notes]),
        warnings=(*_left_out(records, metric), *_doubts(known, metric, answers)),
        gain=gain,
        tallies=tallies,
    )


def score_each(
    records: Sequence["Record"],
    answers: Mapping[str, Answer],
    protocol: Protocol = "official",
) -> dict[str, float]:
    """Give the main score of each question by its id, 0 to 1.

    By the metric of the whole set, without the questions that it cannot score; their
    mean is the main score of `score_answers`.

    Raises:
        AppError: if nobody answered any question.
    """
    metric = choose_metric(records)
    return {
        record.id: metric.score(record, answers[record.id], protocol)
        for record in records
        if metric.can_score(record)
    }


def _answered(records: Sequence["Record"]) -> list["Record"]:
    known = [r for r in records if r.answers or r.right is not None]
    if not known:
        raise AppError(
            f"Nobody's answers are known to these {len(records)} questions, so there "
            "is nothing to score against. Score a split that has answers."
        )
    return known


def _check_questions(
    records: Sequence["Record"],
    known: Sequence["Record"],
    answers: Mapping[str, Answer],
    what: str,
) -> None:
    ids = {record.id for record in records}
    problems = {
        f"Questions without {what}": [r.id for r in known if r.id not in answers],
        f"Questions that are not among those to score, with {what}": [
            name for name in answers if name not in ids
        ],
    }
    refuse_unmatched(
        problems,
        f"Scores need one answer for every question. Received {len(answers)} answers "
        f"for {len(ids)} questions; check that both are of the same split.",
    )


def _score(
    records: Sequence["Record"],
    answers: Mapping[str, Answer],
    scorers: Mapping[str, Scorer],
) -> dict[str, list[float]]:
    return {
        name: [scorer(record, answers[record.id]) for record in records]
        for name, scorer in scorers.items()
    }


def _scorers(
    metric: QuestionMetric, protocol: Protocol, with_wups: bool
) -> dict[str, Scorer]:
    """What to compute of each question, the main score first."""
    if with_wups and not isinstance(metric, ExactMatch):
        raise AppError(
            "WUPS is for questions with one answer each, such as DAQUAR's. These are "
            f"scored by {metric.name}."
        )

    def near(threshold: float) -> Scorer:
        return lambda r, a: max(wups(str(a), text, threshold) for text in r.answers)

    scorers: dict[str, Scorer] = {
        metric.name: lambda r, a: metric.score(r, a, protocol)
    }
    if with_wups:
        scorers |= {f"WUPS@{threshold}": near(threshold) for threshold in WUPS_AT}
    return scorers


def _classes(records: Sequence["Record"]) -> list[str]:
    """The answer class of each question: its most common answer.

    Of several, the one most frequent among all questions.
    """
    best = [most_common(record.answers) or [""] for record in records]
    counts = Counter(answer for answers in best for answer in answers)
    return [max(answers, key=lambda answer: counts[answer]) for answers in best]


def _labels(
    records: Sequence["Record"], classes: Sequence[str]
) -> dict[str, list[str]]:
    """What to break the score down by; questions without a label are left out."""
    types = [
        record.answer_type or (_answer_type(label) if label else "")
        for record, label in zip(records, classes or [""] * len(records), strict=True)
    ]
    return {
        "answer type": types,
        "yes or no": [label if label in ("yes", "no") else "" for label in classes],
        "question type": [record.question_type for record in records],
    }


def _answer_type(answer: str) -> str:
    if answer in ("yes", "no"):
        return "yes/no"
    return "number" if answer.isdecimal() else "other"


def _group(labels: Sequence[str]) -> dict[str, list[int]]:
    """Rows of each label, the most frequent label first."""
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label:
            rows.setdefault(label, []).append(row)
    return dict(sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])))


def _left_out(records: Sequence["Record"], metric: QuestionMetric) -> list[str]:
    known = [r for r in records if r.answers or r.right is not None]
    said = []
    if silent := len(records) - len(known):
        said.append(f"questions that nobody answered, left out: {silent}")
    if unfit := sum(not metric.can_score(record) for record in known):
        said.append(f"questions left out, as {metric.needs}: {unfit}")
    return said


def _doubts(
    known: Sequence["Record"], metric: QuestionMetric, answers: Mapping[str, Answer]
) -> list[str]:
    doubts = []
    if len(known) < FEW_QUESTIONS:
        doubts.append(f"{len(known)} questions say little; use {FEW_QUESTIONS} or more")
    doubts += metric.doubts(known)
    if empty := sum(str(answers[record.id]).strip() == "" for record in known):
        doubts.append(f"empty answers, which are wrong: {empty}")
    if len({answers[record.id] for record in known}) == 1 and len(known) > 1:
        doubts.append(
            f"the answer is always {answers[known[0].id]!r}: the model may be hardly "
            "trained"
        )
    return doubts
