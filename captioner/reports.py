"""What a finished training run leaves to look at: pictures, figures, a card."""

import platform
import textwrap
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras
from matplotlib.figure import Figure

from captioner.config import CaptionerConfig
from captioner.data import Record
from captioner.metrics.report import Report
from shared.errors import AppError
from shared.runs.briefing import warn_of_few
from shared.runs.checkpoints import Progress
from shared.runs.figures import save_figure
from shared.vision.images import read_image

SAMPLES = 24
COLUMNS = 4


def describe_run(
    recipe: CaptionerConfig,
    learn: Sequence[Record],
    dev: Sequence[Record],
    data: Sequence[str],
    started_from: str | Path,
    progress: Progress,
    report: Report,
) -> dict[str, Any]:
    """Give all that is needed to repeat a run, and what came of it, for JSON."""
    packages = ("sightread", "keras", "tensorflow", "numpy", "pillow")
    return {
        "data": {
            "source": ", ".join(Path(source).resolve().name for source in data),
            "train_photos": len(learn),
            "train_captions": sum(len(record.captions) for record in learn),
            "dev_photos": len({r.name for r in dev} - {r.name for r in learn}),
        },
        "started_from": Path(started_from).name,
        "scores": report.to_dict(),
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # under another name, such as tensorflow-cpu
        return "unknown"


def write_card(run: Mapping[str, Any], recipe: CaptionerConfig, words: int) -> str:
    """Write the bundle's card, in Markdown."""
    data, scores = run["data"], run["scores"]
    attention = "soft attention" if recipe.decoder.attention_units else "no attention"
    unsure = ""
    if recipe.confidence:
        unsure = (
            " Its confidence is the probability that a caption is right about its main "
            f"thing, of photos like these; below {recipe.unsure} it is unsure."
        )
    elif recipe.unsure:
        unsure = f" Captions of less than {recipe.unsure} confidence are much worse."
    chosen_by = "the same photos, so that those of others will be worse"
    if data["dev_photos"]:
        chosen_by = f"{data['dev_photos']} other photos"
    few = warn_of_few(scores["images"])
    few = few and f"**{few}**\n\n"
    return f"""# A captioner

{recipe.encoder.name} at {recipe.encoder.image_size} px, {recipe.decoder.layers} \
{recipe.decoder.cell} of {recipe.decoder.units} units, {attention}, {words} words.

## Trained on

{data["source"]}: {data["train_photos"]} photos with {data["train_captions"]} \
captions; chosen by its captions of {chosen_by}.

{recipe.about.strip() or "Nobody has described this data, its licence and limits yet."}

## Scores on the photos it was chosen by

{_score_table(scores["scores"], (run["scores_before"] or {}).get("scores"))}

{_by_set(run)}{few}{scores["images"]} photos, {scores["distinct_captions"]} different \
captions. \
Search: {recipe.decoding}. \
{scores["protocol"]}.{unsure}

## Limits

It knows {words} words and what was in its training photos; of anything else it \
says the nearest thing that it knows. What it says of people, their age and sex above \
all, is a guess from their looks and can be wrong and hurt. Nobody should act on a \
caption alone.
"""


def _by_set(run: Mapping[str, Any]) -> str:
    """Give the score of each data set by itself, if several chose the model."""
    judged = [epoch for epoch in run["history"] if "dev_sets" in epoch]
    if not judged:
        return ""
    best = max(judged, key=lambda epoch: epoch["dev_cider_d"])
    names = run["data"]["source"].split(", ")
    if len(names) != len(best["dev_sets"]):  # one has no photos to choose by
        names = [str(place) for place in range(1, len(best["dev_sets"]) + 1)]
    parts = zip(names, best["dev_sets"], strict=True)
    sets = ", ".join(f"{name} {score:.1f}" for name, score in parts)
    return f"CIDEr-D of each data set, before weights were rounded: {sets}.\n\n"


def _score_table(
    scores: Mapping[str, float], before: Mapping[str, float] | None
) -> str:
    """Write the scores, and beside them those of the model that was started from."""
    if before is None:
        rows = ["| score | value |", "|---|---|"]
        rows += [f"| {name} | {score:.1f} |" for name, score in scores.items()]
    else:
        rows = ["| score | before this training | after |", "|---|---|---|"]
        rows += [f"| {n} | {before[n]:.1f} | {s:.1f} |" for n, s in scores.items()]
    return "\n".join(rows)


def draw_curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw loss and dev CIDEr-D over the epochs, as a PNG."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(history) + 1)
    for stage in dict.fromkeys(epoch["stage"] for epoch in history):
        rows = [i for i in epochs if history[i - 1]["stage"] == stage]
        for axes, key in ((left, "loss"), (right, "dev_cider_d")):
            values = [history[i - 1][key] for i in rows]
            axes.plot(rows, values, marker="o", label=stage)
    left.set(xlabel="epoch", ylabel="training loss (reward, if self-critical)")
    right.set(xlabel="epoch", ylabel="dev CIDEr-D, %")
    left.legend()
    save_figure(figure, path, dpi=100)


def draw_samples(dev: Sequence[Record], texts: Mapping[str, str], path: Path) -> None:
    """Draw a sheet of dev photos with their captions and a human one, as a PNG."""
    shown = [record for record in dev if record.name in texts]
    shown = shown[:: max(1, len(shown) // SAMPLES)][:SAMPLES]
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 4 * rows), layout="constrained")
    for place, record in zip(
        figure.subplots(rows, COLUMNS, squeeze=False).flat, shown, strict=False
    ):
        try:
            place.imshow(read_image(record.image, 224))
        except AppError:  # it went bad since it was captioned
            continue
        lines = [texts[record.name], f"({record.captions[0]})"]
        title = "\n".join(textwrap.fill(line, 42) for line in lines)
        place.set_title(title, fontsize=9, parse_math=False)  # "$" is a dollar
    for place in figure.axes:
        place.set_axis_off()
    save_figure(figure, path, dpi=70)
