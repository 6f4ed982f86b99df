"""Scores of a set of answers, and the report of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shared.console.progress import counted
from shared.runs.resampling import Difference, Interval, Tally, compare
from shared.runs.scores import last_lines, list_differences

_SHOWN = 20  # groups of a kind in the printed report


@dataclass(frozen=True)
class Score:
    """A score times 100, and the same without the photo.

    Attributes:
        value: 0 to 100, not rounded.
        questions: how many it is the mean of.
        blind: the score of the answers without the photo, if known.
    """

    value: float
    questions: int
    blind: float | None = None

    @property
    def rounded(self) -> float:
        """The value as the published VQA evaluator prints it."""
        return round(self.value, 2)

    @classmethod
    def of(cls, seen: Sequence[float], blind: Sequence[float] | None = None) -> "Score":
        """Average scores from 0 to 1, in the evaluator's order of operations."""
        return cls(
            100 * float(sum(seen)) / len(seen),
            len(seen),
            100 * float(sum(blind)) / len(blind) if blind is not None else None,
        )

    @classmethod
    def across(cls, scores: Sequence["Score"]) -> "Score":
        """Average over groups, each of the same weight whatever its size."""
        blind = [score.blind for score in scores if score.blind is not None]
        return cls(
            sum(score.value for score in scores) / len(scores),
            sum(score.questions for score in scores),
            sum(blind) / len(blind) if blind else None,
        )


@dataclass(frozen=True)
class Report:
    """Scores of a set of answers; `str()` of it is a table.

    Attributes:
        scores: name -> score, the main one first. "class-normalised" is the mean
            over the classes of answers, so that rare answers weigh as much as "yes".
        groups: kind of group -> name -> main score of its questions, largest first:
            "answer type", "yes or no" (what people answered), "question type".
        interval: 95 % confidence interval of the main score, times 100. Whole photos
            are drawn for it, with all their questions.
        questions: how many were scored.
        photos: how many they are about.
        protocol: how the main score is computed.
        warnings: reasons to doubt the scores or the answers.
        gain: of the main score over that without the photo, if it is known.
        differences: by score, from other answers to the same questions, if any.
        tallies: what scores that are means over questions follow from.
    """

    scores: Mapping[str, Score]
    groups: Mapping[str, Mapping[str, Score]]
    interval: Interval
    questions: int
    photos: int
    protocol: str
    warnings: tuple[str, ...] = ()
    gain: Difference | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(
        default_factory=dict, repr=False, compare=False
    )

    def to_dict(self) -> dict[str, Any]:
        """Give all but the tallies, ready for JSON; scores also with two digits."""
        found = asdict(replace(self, tallies={}))
        del found["tallies"]

        def entry(score: Score) -> dict[str, Any]:
            return {**asdict(score), "rounded": score.rounded}

        return {
            **found,
            "gain": self.gain and self.gain._asdict(),
            "differences": {n: d._asdict() for n, d in self.differences.items()},
            "scores": {name: entry(score) for name, score in self.scores.items()},
            "groups": {
                title: {name: entry(score) for name, score in group.items()}
                for title, group in self.groups.items()
            },
        }

    def against(self, other: "Report") -> "Report":
        """Add by how much each score is above that of other answers.

        Args:
            other: of the same questions.
        """
        shared = [name for name in self.tallies if name in other.tallies]
        found = {n: compare(self.tallies[n], other.tallies[n]) for n in shared}
        return replace(self, differences=found)

    def __str__(self) -> str:
        width = max(
            [16, *(len(name) + 2 for group in self.groups.values() for name in group)]
        )
        has_blind = any(score.blind is not None for score in self.scores.values())
        blind = f"{'blind':>8}{'gain':>8}" if has_blind else ""
        lines = [f"{'':{width}}{'score':>8}{blind}{'questions':>11}"]
        lines += [_row(name, score, width) for name, score in self.scores.items()]
        for title, group in self.groups.items():
            lines += ["", f"by {title}"]
            lines += [
                _row(f"  {name}", group[name], width) for name in list(group)[:_SHOWN]
            ]
            if len(group) > _SHOWN:
                lines.append(f"  ... and {len(group) - _SHOWN} more")
        low, high = self.interval
        main = next(iter(self.scores))
        lines += [
            "",
            f"{counted(self.questions, 'question')} about "
            f"{counted(self.photos, 'photo')}; {main} {low:.1f} to {high:.1f} with "
            "95 % confidence",
            *([f"gain over blind: {self.gain}"] if self.gain else []),
            *last_lines(self.protocol, self.warnings),
            *list_differences(self.differences),
        ]
        return "\n".join(lines)


def _row(name: str, score: Score, width: int) -> str:
    blind = (
        f"{score.blind:8.2f}{score.value - score.blind:+8.2f}"
        if score.blind is not None
        else ""
    )
    return f"{name:{width}}{score.rounded:8.2f}{blind}{score.questions:11}"
