"""What a finished training of a captioner leaves to look at: figures, a card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from captioner.config import CaptionerConfig
from captioner.metrics.report import Report
from shared.data.captioned import Record
from shared.runs import figures
from shared.runs.checkpoints import Progress, history_key
from shared.runs.reports import describe_data, describe_run, warn_boldly


def describe(
    recipe: CaptionerConfig,
    learn: Sequence[Record],
    dev: Sequence[Record],
    data: Sequence[str],
    origin: str | Path,
    progress: Progress,
    report: Report,
) -> dict[str, Any]:
    """Give all that is needed to repeat a run, and what came of it, for JSON."""
    counts = {
        "train_photos": len(learn),
        "train_captions": sum(len(record.captions) for record in learn),
        "dev_photos": len({r.name for r in dev} - {r.name for r in learn}),
    }
    return describe_run(recipe, data, counts, origin, progress, report.to_dict())


def write_card(run: Mapping[str, Any], recipe: CaptionerConfig, words: int) -> str:
    """Write the bundle's card, in Markdown."""
    data, scores = run["data"], run["scores"]
    net = recipe.decoder
    attention = f"{net.attention if net.attention_units else 'no'} attention"
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
    return f"""# A captioner

{recipe.encoder.name} at {recipe.encoder.image_size} px, {recipe.decoder.layers} \
{recipe.decoder.cell} of {recipe.decoder.units} units, {attention}, {words} words.

## Trained on

{data["source"]}: {data["train_photos"]} photos with {data["train_captions"]} \
captions; chosen by its captions of {chosen_by}.

{describe_data(recipe.about)}

## Scores on the photos it was chosen by

{_score_table(scores["scores"], (run["scores_before"] or {}).get("scores"))}

{_changes(run.get("changes", ()))}\
{_by_set(run, recipe.choose_by)}{warn_boldly(scores["images"])}\
{scores["images"]} photos, {scores["distinct_captions"]} different captions. \
Search: {recipe.decoding}. \
{scores["protocol"]}.{unsure}

## Limits

It knows {words} words and what was in its training photos; of anything else it \
says the nearest thing that it knows. What it says of people, their age and sex above \
all, is a guess from their looks and can be wrong and hurt. Nobody should act on a \
caption alone.
"""


def _changes(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines) + "\n" * bool(lines)


def _by_set(run: Mapping[str, Any], metric: str) -> str:
    """Give the score of each data set by itself, if several chose the model."""
    judged = [epoch for epoch in run["history"] if "dev_sets" in epoch]
    if not judged:
        return ""
    best = max(judged, key=lambda epoch: epoch[history_key(metric)])
    names = run["data"]["source"].split(", ")
    if len(names) != len(best["dev_sets"]):  # one has no photos to choose by
        names = [str(place) for place in range(1, len(best["dev_sets"]) + 1)]
    parts = zip(names, best["dev_sets"], strict=True)
    sets = ", ".join(f"{name} {score:.1f}" for name, score in parts)
    return f"{metric} of each data set, before weights were rounded: {sets}.\n\n"


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


def draw_curves(history: Sequence[Mapping[str, Any]], metric: str, path: Path) -> None:
    """Draw loss and the metric that chose the epoch over the epochs, as a PNG."""
    figures.draw_curves(
        history,
        path,
        "training loss (reward, if self-critical)",
        f"dev {metric}, %",
        {history_key(metric): ""},
    )


def draw_samples(
    photos: Sequence[Record],
    texts: Mapping[str, str],
    before: Mapping[str, str],
    path: Path,
) -> None:
    """Draw a sheet of photos with their captions and a human one, as a PNG.

    Args:
        texts: by the photos' names, those that could be read.
        before: the same of the model that was started from, if any.
    """
    samples = []
    for photo in photos:
        if photo.name in texts:
            lines = [texts[photo.name], f"({photo.captions[0]})"]
            if photo.name in before:
                lines.insert(0, f"Before: {before[photo.name]}")
            samples.append((photo.image, lines))
    figures.draw_samples(samples, path)
