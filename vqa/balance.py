"""What the answers of a data set say about themselves, before any model is trained.

How much a list of answers can reach, and how much one gets right without looking.
Answers are compared in lower case, without white space around them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vqa.data import Record, Split

SIZES = (10, 30, 100, 300, 500, 1000, 2000, 3000, 5000)
PEOPLE = 10  # who answer each question of VQA
GROUPS, ANSWERS_SHOWN = 10, 3


class Score(NamedTuple):
    """How many questions get a right answer.

    Attributes:
        exact: share whose most common answer is given, 0 to 1.
        soft: official accuracy, 0 to 1, over the questions that ten people answered;
            None if there are none.
    """

    exact: float
    soft: float | None

    def __str__(self) -> str:
        soft = "" if self.soft is None else f" ({self.soft:.1%} official)"
        return f"{self.exact:.1%}{soft}"


class Group(NamedTuple):
    """Training questions of one kind, with their most frequent answers and counts."""

    name: str
    questions: int
    answers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Balance:
    """How the answers are spread.

    Attributes:
        different: most common answers that differ, in train.
        once: how many of them belong to one question only.
        groups: all training questions, then those of the most frequent kinds.
        kinds: what makes a kind: "type" or "first words".
        answers: size of the answer list that training will use.
        ceilings: size of an answer list -> split -> score of always choosing the best.
        priors: split -> scores of always giving train's most frequent answer: of all,
            and of the question's kind by its first words.
        chance: split -> share of the choices that are right; only of questions that
            have choices or boxes.
    """

    different: int
    once: int
    groups: tuple[Group, ...]
    kinds: str
    answers: int
    ceilings: dict[int, dict[Split, Score]]
    priors: dict[Split, tuple[Score, Score]]
    chance: dict[Split, float]

    def __str__(self) -> str:
        lines = []
        if self.different:
            lines.append(
                f"answers: {self.different} different in train, {self.once} of them "
                f"to one question only; the most frequent, by {self.kinds}:"
            )
        for group in self.groups:
            shares = (f"{a} {n / group.questions:.1%}" for a, n in group.answers)
            lines.append(
                f"  {group.name:24.24}{group.questions:8}  {'; '.join(shares)}"
            )
        for split, (overall, by_kind) in self.priors.items():
            lines += [
                "",
                f"without looking, {split}:",
                f"  always {self.groups[0].answers[0][0]!r:17.17} {overall}",
                f"  by the first two words   {by_kind}",
            ]
        if self.ceilings:
            splits = list(next(iter(self.ceilings.values())))
            lines += [
                "",
                "most that can be reached with the most frequent answers, of which "
                f"training takes {self.answers}:",
            ]
            lines.append("  answers " + "".join(f"{split:>26}" for split in splits))
            for size, scores in self.ceilings.items():
                cells = "".join(f"{scores[split]!s:>26}" for split in splits)
                lines.append(f"  {size:7} {cells}")
        if self.chance:
            shown = ", ".join(f"{s} {share:.1%}" for s, share in self.chance.items())
            lines += ["", f"right by choosing blindly: {shown}"]
        return "\n".join(lines)


def weigh_answers(
    records: Iterable[Record], openings: Mapping[str, str], answers: int
) -> Balance:
    """Count the answers of a data set.

    Args:
        records: of all splits.
        openings: the first words of each question, by the question's id.
        answers: size of the answer list that training will use.
    """
    asked: dict[Split, list[Record]] = {"train": [], "dev": [], "test": []}
    chances: defaultdict[Split, list[float]] = defaultdict(list)
    for record in records:
        if best_answer(record):
            asked[record.split].append(record)
        if options := record.choices or record.boxes:
            chances[record.split].append(1 / len(options))
    train = asked.pop("train")
    counts = Counter(best_answer(record) for record in train)
    judged = {split: found for split, found in asked.items() if found and train}
    ranks = {answer: rank for rank, (answer, _) in enumerate(counts.most_common())}
    answers = min(answers, len(counts))
    sizes = sorted({size for size in SIZES if size < len(counts)} | {answers})
    typed = any(record.question_type for record in train)
    return Balance(
        different=len(counts),
        once=sum(count == 1 for count in counts.values()),
        groups=_groups(
            train, {r.id: r.question_type for r in train} if typed else openings
        ),
        kinds="type" if typed else "first words",
        answers=answers,
        ceilings={
            size: {s: _ceiling(found, ranks, size) for s, found in judged.items()}
            for size in sizes
            if judged
        },
        priors={s: _priors(train, found, openings) for s, found in judged.items()},
        chance={split: sum(all_) / len(all_) for split, all_ in chances.items()},
    )


def best_answer(record: Record) -> str:
    """The answer that most people gave, of several the first; "" if nobody did."""
    return max(votes, key=votes.__getitem__) if (votes := _votes(record)) else ""


def official_score(count: int) -> float:
    """Accuracy of an answer that `count` of ten people gave.

    The mean, over the ten ways to leave one person out, of min(others / 3, 1).

    Source: Antol et al. 2015, arXiv:1505.00468.
    """
    left_in = count * min((count - 1) / 3, 1) + (PEOPLE - count) * min(count / 3, 1)
    return left_in / PEOPLE


def _votes(record: Record) -> dict[str, int]:
    votes: dict[str, int] = {}
    for answer in record.answers:
        if key := answer.strip().lower():
            votes[key] = votes.get(key, 0) + 1
    return votes


def _groups(train: Sequence[Record], kinds: Mapping[str, str]) -> tuple[Group, ...]:
    by_kind: defaultdict[str, Counter[str]] = defaultdict(Counter)
    everything: Counter[str] = Counter()
    for record in train:
        answer = best_answer(record)
        by_kind[kinds[record.id]][answer] += 1
        everything[answer] += 1
    largest = sorted(by_kind.items(), key=lambda item: (-item[1].total(), item[0]))
    shown = largest[:GROUPS] if len(largest) > 1 else []
    return tuple(
        Group(name or "(none)", counts.total(), tuple(counts.most_common(number)))
        for name, counts, number in [
            ("all", everything, 2 * ANSWERS_SHOWN),
            *((name, counts, ANSWERS_SHOWN) for name, counts in shown),
        ]
        if counts
    )


def _ceiling(asked: Sequence[Record], ranks: Mapping[str, int], size: int) -> Score:
    def known(answer: str) -> bool:
        return ranks.get(answer, size) < size

    exact, soft = 0, []
    for record in asked:
        exact += known(best_answer(record))
        if len(record.answers) == PEOPLE:
            votes = _votes(record).items()
            scores = (official_score(count) for answer, count in votes if known(answer))
            soft.append(max(scores, default=0.0))
    return Score(exact / len(asked), sum(soft) / len(soft) if soft else None)


def _priors(
    train: Sequence[Record], asked: Sequence[Record], openings: Mapping[str, str]
) -> tuple[Score, Score]:
    by_opening: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in train:
        for kind in {"", openings[record.id]}:
            by_opening[kind][best_answer(record)] += 1
    usual = {kind: counts.most_common(1)[0][0] for kind, counts in by_opening.items()}

    def always(kinds: Iterable[str]) -> Score:
        exact, soft = 0, []
        for record, kind in zip(asked, kinds, strict=True):
            answer = usual.get(kind, usual[""])
            exact += answer == best_answer(record)
            if len(record.answers) == PEOPLE:
                soft.append(official_score(_votes(record).get(answer, 0)))
        return Score(exact / len(asked), sum(soft) / len(soft) if soft else None)

    return always([""] * len(asked)), always([openings[r.id] for r in asked])
