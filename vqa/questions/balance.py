"""As many claims right as wrong, so that nothing can be guessed from the question."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from vqa.questions.question import Claim, Question


class Balanced(NamedTuple):
    """A question that yes or no answers, and the group of which half are right."""

    question: Question
    group: str


_Side = list[tuple[int, Claim]]  # photo's place in the list, claim about it


def balance(
    claims: Iterable[tuple[int, Claim]], most_alike: int, rng: Random
) -> dict[int, list[Balanced]]:
    """Choose as many right claims as wrong ones for each key and each wording.

    Args:
        claims: photos' places with claims about them.
        most_alike: claims of one key that are right, at most.
        rng: of the choice.

    Returns:
        questions of each photo.
    """
    pool: dict[str, tuple[_Side, _Side]] = defaultdict(lambda: ([], []))
    for photo, claim in claims:
        pool[claim.key][claim.verdict.truth].append((photo, claim))
    chosen: dict[int, list[Balanced]] = defaultdict(list)
    for key, sides in sorted(pool.items()):
        number = min(len(sides[False]), len(sides[True]), most_alike)
        drawn = [_draw(side, number, rng) for side in sides]
        for turn, pair in enumerate(zip(*drawn, strict=True)):
            for photo, claim in pair:
                group = f"{key}, {turn % len(claim.wordings)}"
                chosen[photo].append(Balanced(claim.question(turn), group))
    return chosen


def _draw(side: _Side, number: int, rng: Random) -> _Side:
    """Draw without replacement, the more usual claims more likely.

    Source: Efraimidis and Spirakis 2006, weighted random sampling.
    """
    keyed = [(rng.random() ** (1 / (c.verdict.usual + 0.01)), i, c) for i, c in side]
    keyed.sort(key=lambda entry: entry[:2])
    return [(i, claim) for _, i, claim in keyed[len(keyed) - number :]]


def thin_out(
    chosen: Mapping[int, Sequence[Balanced]], most: int, rng: Random
) -> dict[int, list[Question]]:
    """Leave out what a photo has too much of, and then what that unbalances."""
    kept: dict[int, list[Balanced]] = {}
    groups: dict[str, dict[str, list[tuple[int, Balanced]]]] = defaultdict(
        lambda: {"yes": [], "no": []}
    )
    for photo, balanced in chosen.items():
        answers: dict[str, set[str]] = defaultdict(set)
        for question, _ in balanced:
            answers[question.text].add(question.answer)
        clear = {
            one.question.text: one
            for one in balanced
            if len(answers[one.question.text]) == 1
        }
        kept[photo] = list(clear.values())
        if len(kept[photo]) > most:
            kept[photo] = rng.sample(kept[photo], most)
        for one in kept[photo]:
            groups[one.group][one.question.answer].append((photo, one))
    for _, sides in sorted(groups.items()):
        surplus = len(sides["yes"]) - len(sides["no"])
        side = sides["yes"] if surplus > 0 else sides["no"]
        for photo, one in rng.sample(side, abs(surplus)):
            kept[photo].remove(one)
    return {photo: [one.question for one in some] for photo, some in kept.items()}
