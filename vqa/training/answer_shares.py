"""What the answers of a data set say about themselves, before any model is trained.

How much a list of answers can reach, and how much one gets right without looking.
Answers are compared as training does, by what `vqa.text.answers.normalize` makes of
them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vqa.data import Record, Split
from vqa.metrics.accuracy import exact_match, vqa_accuracy
from vqa.text.answers import MIN_VOTES, AnswerSpace, are_votes, most_common

SIZES = (10, 30, 100, 300, 500, 1000, 2000, 3000, 5000)
GROUPS, ANSWERS_SHOWN = 10, 3


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
        metric: "VQA accuracy" if the answers are votes, else "exact match".
        ceilings: size of an answer list -> split -> score of always choosing the best,
            0 to 1.
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
    metric: str
    ceilings: dict[int, dict[Split, float]]
    priors: dict[Split, tuple[float, float]]
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
                f"without looking, {split}, {self.metric}:",
                f"  always {self.groups[0].answers[0][0]!r:17.17} {overall:.1%}",
                f"  by the first two words   {by_kind:.1%}",
            ]
        if self.ceilings:
            splits = list(next(iter(self.ceilings.values())))
            lines += [
                "",
                f"most {self.metric} that the most frequent answers allow, "
                f"of which training takes {self.answers}:",
            ]
            lines.append("  answers " + "".join(f"{split:>10}" for split in splits))
            for size, scores in self.ceilings.items():
                cells = "".join(f"{scores[split]:>10.1%}" for split in splits)
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
    counts = Counter(best for r in train for best in most_common(r.answers))
    judged = {split: found for split, found in asked.items() if found and train}
    votes = are_votes(r.answers for found in (train, *asked.values()) for r in found)
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
        metric="VQA accuracy" if votes else "exact match",
        ceilings=_ceilings(train, judged, sizes) if judged else {},
        priors={
            s: _priors(train, found, openings, votes) for s, found in judged.items()
        },
        chance={split: sum(all_) / len(all_) for split, all_ in chances.items()},
    )


def best_answer(record: Record) -> str:
    """The answer that most people gave, of several the first; "" if nobody did."""
    return next(iter(most_common(record.answers)), "")


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


def _ceilings(
    train: Sequence[Record],
    judged: Mapping[Split, Sequence[Record]],
    sizes: Sequence[int],
) -> dict[int, dict[Split, float]]:
    space = AnswerSpace.from_answers((r.answers for r in train), max(sizes))
    each = {
        split: space.ceilings((r.answers for r in found), sizes)
        for split, found in judged.items()
    }
    return {
        size: {split: scores[place] for split, scores in each.items()}
        for place, size in enumerate(sizes)
    }


def _priors(
    train: Sequence[Record],
    asked: Sequence[Record],
    openings: Mapping[str, str],
    votes: bool,
) -> tuple[float, float]:
    by_opening: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in train:
        best = best_answer(record)
        for kind in {"", openings[record.id]}:
            by_opening[kind][best] += 1
    usual = {kind: counts.most_common(1)[0][0] for kind, counts in by_opening.items()}
    score = vqa_accuracy if votes else exact_match
    scorable = [r for r in asked if not votes or len(r.answers) >= MIN_VOTES]

    def always(kinds: Iterable[str]) -> float:
        scores = [
            score(usual.get(kind, usual[""]), record.answers, "clean")
            for record, kind in zip(scorable, kinds, strict=True)
        ]
        return sum(scores) / len(scores) if scores else 0.0

    return always([""] * len(scorable)), always([openings[r.id] for r in scorable])
