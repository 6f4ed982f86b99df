"""How often answers are right: VQA accuracy, exact match, multiple choice.

Which of them fits is told by the data, see `score_answers`. All scores are times
100, as papers print them, and stand beside those of the same net without the photo
where its answers are given: what the questions alone give away.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from shared.errors import AppError
from vqa.accuracy import Answer, Protocol, choice_match, exact_match, vqa_accuracy
from vqa.answers import MIN_VOTES, most_common
from vqa.scores import Report, Score, confidence_interval
from vqa.wups import wups

if TYPE_CHECKING:
    from vqa.data import Record

__all__ = [
    "Answer",
    "Protocol",
    "Report",
    "Score",
    "choice_match",
    "exact_match",
    "score_answers",
    "vqa_accuracy",
    "wups",
]

Scorer = Callable[["Record", Answer], float]

FEW_QUESTIONS = 100

_PROTOCOLS = {
    ("votes", "official"): "VQA accuracy with the answer processing of the published "
    "evaluator: min(c / 3, 1) for c people of the same answer, averaged over leaving "
    "out each person",
    ("votes", "clean"): "VQA accuracy of normalised answers: min(c / 3, 1) for c "
    "people of the same answer, averaged over leaving out each person",
    ("exact", "official"): "exact match in lower case, of items between commas as a "
    "set; one accepted answer is enough",
    ("exact", "clean"): "exact match of normalised answers, of items between commas "
    "as a set; one accepted answer is enough",
    ("choice", "official"): "share of questions whose right choice is chosen",
    ("choice", "clean"): "share of questions whose right choice is chosen",
}

_NOTES = {  # score -> what else to say of it
    "class-normalised": "class-normalised: its mean over classes of questions with "
    "the same most common answer",
    "WUPS@0.9": "WUPS: Wu-Palmer similarity of items as sets, a tenth of it below the "
    "threshold, Malinowski and Fritz 2014",
}


def score_answers(
    records: Sequence["Record"],
    answers: Mapping[str, Answer],
    blind: Mapping[str, Answer] | None = None,
    protocol: Protocol = "official",
    with_wups: bool = False,
) -> Report:
    """Score one answer for each question against what people answered.

    Multiple choice where each record knows its right choice or box; VQA accuracy
    where each has `MIN_VOTES` answers or more and some repeat, so that they are
    votes; otherwise exact match with any of the accepted answers.

    Args:
        records: the questions. Those that nobody answered are left out.
        answers: id of the question -> answer.
        blind: the answers of the same net that did not see the photos.
        protocol: see `vqa_accuracy` and `exact_match`.
        with_wups: add WUPS at 0.9 and 0; for exact match alone.

    Raises:
        AppError: if a question has no answer, if an answer belongs to no question,
            if nobody answered any question, or if WUPS cannot be had.
    """
    known = _answered(records)
    _check_questions(records, known, answers, "answers")
    if blind is not None:
        _check_questions(records, known, blind, "answers without the photo")
    kind = _kind(known)
    scorers = _scorers(kind, protocol, with_wups)
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
    classes = [] if kind == "choice" else _classes(known)
    if any(classes):
        each = [mean(main, rows) for rows in _group(classes).values()]
        scores["class-normalised"] = Score.across(each)
    groups = {
        title: {name: mean(main, rows) for name, rows in _group(labels).items()}
        for title, labels in _labels(known, classes).items()
    }
    notes = [note for name, note in _NOTES.items() if name in scores]
    return Report(
        scores=scores,
        groups={title: group for title, group in groups.items() if group},
        interval=confidence_interval(seen[main], [r.name for r in known]),
        questions=len(known),
        photos=len({r.name for r in known}),
        protocol="; ".join([f"{_PROTOCOLS[kind, protocol]} ({protocol})", *notes]),
        warnings=tuple(_doubts(records, known, answers)),
    )


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
    for problem, names in problems.items():
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise AppError(
                f"{problem}: {len(names)} ({shown}). Scores need one answer for every "
                f"question. Received {len(answers)} answers for {len(ids)} questions; "
                "check that both are of the same split."
            )


def _kind(records: Sequence["Record"]) -> Literal["choice", "votes", "exact"]:
    if all(record.right is not None for record in records):
        return "choice"
    votes = [record.answers for record in records]
    if min(map(len, votes)) >= MIN_VOTES and any(len(set(v)) < len(v) for v in votes):
        return "votes"
    return "exact"


def _score(
    records: Sequence["Record"],
    answers: Mapping[str, Answer],
    scorers: Mapping[str, Scorer],
) -> dict[str, list[float]]:
    return {
        name: [scorer(record, answers[record.id]) for record in records]
        for name, scorer in scorers.items()
    }


def _scorers(kind: str, protocol: Protocol, with_wups: bool) -> dict[str, Scorer]:
    """What to compute of each question, the main score first."""
    if with_wups and kind != "exact":
        raise AppError(
            "WUPS is for questions with one answer each, such as DAQUAR's. These are "
            f"scored by {'multiple choice' if kind == 'choice' else 'VQA accuracy'}."
        )
    if kind == "choice":
        return {"multiple choice": lambda record, answer: choice_match(answer, record)}
    if kind == "votes":
        return {"VQA accuracy": lambda r, a: vqa_accuracy(str(a), r.answers, protocol)}

    def near(threshold: float) -> Scorer:
        return lambda r, a: max(wups(str(a), text, threshold) for text in r.answers)

    scorers: dict[str, Scorer] = {
        "exact match": lambda r, a: exact_match(str(a), r.answers, protocol)
    }
    if with_wups:
        scorers |= {f"WUPS@{threshold}": near(threshold) for threshold in (0.9, 0.0)}
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


def _doubts(
    records: Sequence["Record"],
    known: Sequence["Record"],
    answers: Mapping[str, Answer],
) -> list[str]:
    doubts = []
    if len(known) < len(records):
        doubts.append(
            f"questions that nobody answered, left out: {len(records) - len(known)}"
        )
    if len(known) < FEW_QUESTIONS:
        doubts.append(f"{len(known)} questions say little; use {FEW_QUESTIONS} or more")
    if empty := sum(str(answers[record.id]).strip() == "" for record in known):
        doubts.append(f"empty answers, which are wrong: {empty}")
    if len({answers[record.id] for record in known}) == 1 and len(known) > 1:
        doubts.append(
            f"the answer is always {answers[known[0].id]!r}: the model may be hardly "
            "trained"
        )
    return doubts
