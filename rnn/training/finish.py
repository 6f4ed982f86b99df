"""What is made of a language model that was trained: a bundle, scores, and reports."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnn.config import RnnConfig
from rnn.net.bundles import TASK
from rnn.net.model import LanguageModel
from rnn.net.reader import load_reader
from rnn.training.evaluate import Score, measure
from rnn.training.task import ReadingTask
from shared.bundles.folder import write_bundle
from shared.config import format_config
from shared.errors import AppError
from shared.runs.checkpoints import Progress
from shared.runs.figures import draw_curves
from shared.runs.folder import BUNDLE, Run
from shared.runs.reports import describe_data, describe_run, write_reports


def finish(task: ReadingTask, test: np.ndarray, progress: Progress, run: Run) -> Path:
    """Write the bundle, measure what was written, and write the reports.

    Args:
        task: with the net as it was when it was best.
        test: int32 (N,), the text to judge by.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if something cannot be written.
    """
    bundle = run.folder / BUNDLE

    def write(card: str) -> None:
        write_bundle(
            bundle,
            task=TASK,
            config=format_config(task.config),
            vocabulary=task.symbols.vocabulary.to_text(),
            model=task.net,
            card=card,
        )

    write("Not measured yet.\n")
    reader = load_reader(str(bundle))  # what is measured has rounded weights
    scores = {"dev": measure(reader, task.dev), "test": measure(reader, test)}
    for name, score in scores.items():
        run.announce(f"{name}: {score}")
    figures = {name: score._asdict() for name, score in scores.items()}
    counts = {"train_symbols": len(task.learn), "different_symbols": len(task.symbols)}
    described = describe_run(task.config, run.data, counts, "none", progress, figures)
    write(write_card(described, task.config, scores))
    _export(task, reader.net, run)
    pictures = {
        "curves.png": partial(
            draw_curves,
            progress.history,
            loss="training loss, nats",
            score="dev, nats",
            curves={"dev_nats": ""},
        )
    }
    write_reports(run.folder, described, pictures)
    return bundle


def _export(task: ReadingTask, net: LanguageModel, run: Run) -> None:
    """Add what runs without Keras; where that fails, the bundle does without."""
    try:
        from rnn.training.export import export  # needs LiteRT

        export(run.folder / BUNDLE, task.config.net, net, task.dev, run.announce)
    except (AppError, ImportError) as error:
        run.announce(f"The model was not exported for LiteRT: {error}")


def write_card(
    run: Mapping[str, Any], recipe: RnnConfig, scores: Mapping[str, Score]
) -> str:
    """Write the bundle's card, in Markdown."""
    net, units = recipe.net, recipe.vocabulary.units
    data = run["data"]
    rows = "\n".join(
        f"| {name} | {score.symbols:,} | {score.nats:.4f} | {score.bits:.4f} "
        f"| {score.perplexity:.2f} |"
        for name, score in scores.items()
    )
    return f"""# A language model by {units}s

{net.layers} {net.cell} of {net.units} units, {data["different_symbols"] - 4} \
different {units}s.

## Trained on

{data["source"]}: {data["train_symbols"]:,} {units}s.

{describe_data(recipe.about)}

## How well it predicts

| text | {units}s | nats per {units} | bits | perplexity |
|---|---|---|---|---|
{rows}

The weights were chosen by dev; test was not looked at.

## Limits

It writes what its text made likely, in its language and with its opinions. Nothing it
says is true because it says it.
"""
