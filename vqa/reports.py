"""What a finished training run leaves to look at: pictures, figures, a card."""

import platform
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure

from shared.errors import AppError
from shared.runs.briefing import warn_of_few
from shared.runs.checkpoints import Progress
from shared.runs.figures import save_figure
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary
from shared.vision.images import read_image
from vqa.answers import AnswerSpace
from vqa.calibration import (
    LEAST,
    Bin,
    calibration_error,
    reliability,
    to_confidence,
)
from vqa.config import VqaConfig
from vqa.data import Record
from vqa.metrics.report import Report, Score
from vqa.metrics.scoring import score_answers

SAMPLES = 24
COLUMNS = 4
SHOWN_GROUPS = 12


class Outcome(NamedTuple):
    """What a model makes of the dev questions. Axes: questions, A answers or choices.

    Attributes:
        seen: float (questions, A), scores by the model.
        guessed: the same by its twin, which does not see the photos.
        targets: how right each answer is.
    """

    seen: np.ndarray
    guessed: np.ndarray
    targets: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """How right the model's answers are: float (questions,)."""
        return self.targets[np.arange(len(self.targets)), self.seen.argmax(axis=1)]


def describe_run(
    recipe: VqaConfig,
    learn: Sequence[Record],
    dev: Sequence[Record],
    space: AnswerSpace | None,
    data: Sequence[str],
    started_from: str | Path,
    progress: Progress,
    outcome: Outcome,
) -> dict[str, Any]:
    """Give all that is needed to repeat a run, and what came of it, for JSON."""
    packages = ("sightread", "keras", "tensorflow", "numpy", "pillow")
    report = score_outcome(dev, outcome, space)
    temperature = recipe.answering.temperature
    confidence = to_confidence(outcome.seen, temperature, recipe.soft)
    bins = reliability(confidence.max(axis=1), outcome.right)
    return {
        "data": {
            "source": ", ".join(Path(source).resolve().name for source in data),
            "train_photos": len({record.name for record in learn}),
            "train_questions": len(learn),
            "dev_photos": len({record.name for record in dev}),
            "dev_questions": len(dev),
        },
        "started_from": Path(started_from).name,
        "scores": report.to_dict(),
        "reliability": [one._asdict() for one in bins],
        "calibration_error": calibration_error(bins),
        "scores_before": progress.before,
        "history": progress.history,
        "seconds": round(sum(epoch["seconds"] for epoch in progress.history)),
        "versions": {
            "python": platform.python_version(),
            "backend": keras.backend.backend(),
            **{package: _version(package) for package in packages},
        },
        "recipe": recipe.model_dump(mode="json"),
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # under another name, such as tensorflow-cpu
        return "unknown"


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
    found = (
        "which was found on the same questions"
        if data["dev_questions"] >= LEAST
        else f"which was not found on these questions, as they are fewer than {LEAST}"
    )
    few = warn_of_few(data["dev_photos"])
    few = few and f"**{few}**\n\n"
    return f"""# A VQA model

{recipe.encoder.name} at {recipe.encoder.image_size} px, {net.layers} {net.cell} of \
{net.units} units for the question, {hops}, {words} words, {answers}.

## Trained on

{data["source"]}: {data["train_questions"]} questions about {data["train_photos"]} \
photos; chosen by its {data["dev_questions"]} questions about {data["dev_photos"]} \
other photos.

{recipe.about.strip() or "Nobody has described this data, its licence and limits yet."}

## Scores on the questions it was chosen by

"Blind" is the same net, trained without photos: what the questions alone give away.

{_score_table(run["scores"], run["scores_before"])}

{few}{run["scores"]["protocol"]}.

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


def draw_curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw loss and dev accuracy over the epochs, as a PNG."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(history) + 1)
    for stage in dict.fromkeys(epoch["stage"] for epoch in history):
        rows = [i for i in epochs if history[i - 1]["stage"] == stage]
        for axes, key, style in (
            (left, "loss", "-"),
            (right, "dev_accuracy", "-"),
            (right, "dev_blind", "--"),
        ):
            values = [history[i - 1][key] for i in rows]
            label = f"{stage}, blind" if style == "--" else stage
            axes.plot(rows, values, style, marker="o", label=label)
    left.set(xlabel="epoch", ylabel="training loss of both nets")
    right.set(xlabel="epoch", ylabel="dev accuracy, %")
    right.legend()
    save_figure(figure, path, dpi=100)


def draw_samples(
    dev: Sequence[Record],
    space: AnswerSpace | None,
    outcome: Outcome,
    recipe: VqaConfig,
    path: Path,
) -> None:
    """Draw a sheet of dev photos, each with a question and its answer, as a PNG."""
    firsts = {record.name: index for index, record in reversed([*enumerate(dev)])}
    shown = list(firsts.values())[:: max(1, len(firsts) // SAMPLES)][:SAMPLES]
    chosen = _choose(dev, outcome.seen, space)
    temperature = recipe.answering.temperature
    confidence = to_confidence(outcome.seen, temperature, recipe.soft).max(axis=1)
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 4 * rows), layout="constrained")
    for place, index in zip(
        figure.subplots(rows, COLUMNS, squeeze=False).flat, shown, strict=False
    ):
        record = dev[index]
        try:
            place.imshow(read_image(record.image, 224))
        except AppError:  # it went bad since it was looked at
            continue
        people = ", ".join(dict.fromkeys(record.answers)) or str(record.right)
        answer = f"{chosen[record.id]} ({confidence[index]:.0%})"
        lines = [record.question, answer, f"(people: {people})"]
        title = "\n".join(textwrap.fill(line, 42) for line in lines)
        place.set_title(title, fontsize=9, parse_math=False)  # "$" is a dollar
    for place in figure.axes:
        place.set_axis_off()
    save_figure(figure, path, dpi=70)
