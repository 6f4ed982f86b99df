"""What a finished training of a VQA model leaves to look at: figures, a card."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.runs import figures
from shared.runs.checkpoints import Progress, history_key
from shared.runs.reports import describe_data, describe_run, warn_boldly
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary
from vqa.answering.confidence import to_confidence
from vqa.config import VqaConfig
from vqa.data import Record
from vqa.metrics.criteria import Outcome
from vqa.metrics.report import Report, Score
from vqa.metrics.scoring import score_answers
from vqa.text.answers import AnswerSpace
from vqa.training.calibration import (
    LEAST,
    Bin,
    calibration_error,
    reliability,
)

SHOWN_GROUPS = 12


def describe(
    recipe: VqaConfig,
    learn: Sequence[Record],
    dev: Sequence[Record],
    space: AnswerSpace | None,
    data: Sequence[str],
    origin: str | Path,
    progress: Progress,
    outcome: Outcome,
) -> dict[str, Any]:
    """Give all that is needed to repeat a run, and what came of it, for JSON."""
    report = score_outcome(dev, outcome, space)
    temperature = recipe.answering.temperature
    confidence = to_confidence(outcome.seen, temperature, recipe.soft)
    bins = reliability(confidence.max(axis=1), outcome.right)
    learnt = {record.id for record in learn}
    counts = {
        "train_photos": len({record.name for record in learn}),
        "train_questions": len(learn),
        "dev_photos": len({record.name for record in dev if record.id not in learnt}),
        "dev_questions": len(dev),
    }
    return {
        **describe_run(recipe, data, counts, origin, progress, report.to_dict()),
        "reliability": [one._asdict() for one in bins],
        "calibration_error": calibration_error(bins),
    }


def score_outcome(
    dev: Sequence[Record], outcome: Outcome, space: AnswerSpace | None
) -> Report:
    """Score what a model makes of the dev questions.

    One that answers in words of its own is not scored as if it had chosen among some.
    """
    if space:
        dev = [replace(record, choices=(), right=None) for record in dev]
    chosen, blind = (
        _choose(dev, scores, space) for scores in (outcome.seen, outcome.guessed)
    )
    return score_answers(dev, chosen, blind)


def _choose(
    records: Sequence[Record], scores: np.ndarray, space: AnswerSpace | None
) -> dict[str, str]:
    """Give the answer with the highest score, by the question's id."""
    best = scores.argmax(axis=1).tolist()
    return {
        record.id: space.answers[index]
        if space
        else (record.choices[index] if record.choices else str(index))
        for record, index in zip(records, best, strict=True)
    }


def write_card(
    run: Mapping[str, Any],
    recipe: VqaConfig,
    vocabulary: Vocabulary,
    space: AnswerSpace | None,
) -> str:
    """Write the bundle's card, in Markdown."""
    data, net = run["data"], recipe.net
    hops = f"attention in {net.hops} hops" if net.hops else "no attention"
    words = len(vocabulary) - len(SPECIAL_WORDS)
    answers = f"{len(space)} answers" if space else f"answers: {recipe.objective}"
    if not data["dev_photos"]:
        chosen_by = "the same questions, so that the scores below flatter"
        found = "as in the model it came from, since it has learnt all these questions"
    else:
        chosen_by = (
            f"its {data['dev_questions']} questions about {data['dev_photos']} other "
            "photos"
        )
        found = "which was found on the same questions"
        if data["dev_questions"] < LEAST:
            found = f"which was not found on them, as they are fewer than {LEAST}"
    return f"""# A VQA model

{recipe.encoder.name} at {recipe.encoder.image_size} px, {net.layers} {net.cell} of \
{net.units} units for the question, {hops}, {words} words, {answers}.

## Trained on

{data["source"]}: {data["train_questions"]} questions about {data["train_photos"]} \
photos; chosen by {chosen_by}.

{describe_data(recipe.about)}

## Scores on the questions it was chosen by

"Blind" is the same net, trained without photos: what the questions alone give away.

{_score_table(run["scores"], run["scores_before"])}

{warn_boldly(data["dev_photos"])}{run["scores"]["protocol"]}.

## Confidence

Scores are divided by {recipe.answering.temperature:g} before they become confidence,
{found}. Below {recipe.answering.unsure:.2f} it says \
"not sure". The mean distance between the first two columns is \
{100 * run["calibration_error"]:.1f} points.

{_reliability_table([Bin(**one) for one in run["reliability"]])}

## Limits

It knows {words} words and what was in its training photos and questions; to anything \
else it says the nearest thing that it knows. It does not read text, recognise \
persons, or know what is not in the photo. What it says of people, their age and sex \
above all, is a guess from their looks and can be wrong and hurt. Nobody should act on \
an answer alone.
"""


def _score_table(scores: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """Write the scores, and beside them those of the model that was started from."""
    new = " before this training |" if before else ""
    rows = [
        f"| |{new} score | blind | questions |",
        f"|---|{new and '---|'}---|---|---|",
    ]
    old = {"": before["scores"], **before["groups"]} if before else {}
    groups = {"": scores["scores"], **scores["groups"]}
    for title, group in groups.items():
        for name, entry in list(group.items())[:SHOWN_GROUPS]:
            score = Score(entry["value"], entry["questions"], entry["blind"])
            label = f"{title}: {name}" if title else name
            blind = "" if score.blind is None else f"{score.blind:.1f}"
            was = f" {old[title][name]['value']:.1f} |" if before else ""
            rows.append(
                f"| {label} |{was} {score.value:.1f} | {blind} | {score.questions} |"
            )
    return "\n".join(rows)


def _reliability_table(bins: Sequence[Bin]) -> str:
    rows = ["| confidence | right | questions |", "|---|---|---|"]
    rows += [f"| {b.confidence:.2f} | {b.right:.2f} | {b.questions} |" for b in bins]
    return "\n".join(rows)


def draw_curves(history: Sequence[Mapping[str, Any]], metric: str, path: Path) -> None:
    """Draw loss and the metric that chose the epoch, of both nets, as a PNG."""
    curves = {history_key(metric): "", "dev_blind": ", blind"}
    title = f"dev {metric.replace('_', ' ')}, %"
    figures.draw_curves(history, path, "training loss of both nets", title, curves)


def draw_samples(
    dev: Sequence[Record],
    space: AnswerSpace | None,
    outcome: Outcome,
    recipe: VqaConfig,
    path: Path,
) -> None:
    """Draw a sheet of dev photos, each with a question and its answer, as a PNG."""
    firsts = {record.name: index for index, record in reversed([*enumerate(dev)])}
    chosen = _choose(dev, outcome.seen, space)
    temperature = recipe.answering.temperature
    confidence = to_confidence(outcome.seen, temperature, recipe.soft).max(axis=1)
    samples = []
    for index in figures.choose_samples([*firsts.values()]):
        record = dev[index]
        people = ", ".join(dict.fromkeys(record.answers)) or str(record.right)
        answer = f"{chosen[record.id]} ({confidence[index]:.0%})"
        samples.append((record.image, [record.question, answer, f"(people: {people})"]))
    figures.draw_samples(samples, path)
