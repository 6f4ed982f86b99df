"""Pictures of a finished run, which matplotlib draws."""

import textwrap
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.figure import Figure

from shared.errors import AppError
from shared.vision.images import StoredImage, read_image

SAMPLES = 24
COLUMNS = 4

T = TypeVar("T")


def draw_curves(
    history: Sequence[Mapping[str, Any]],
    path: Path,
    loss: str,
    score: str,
    curves: Mapping[str, str],
) -> None:
    """Draw loss, scores and the norm of the gradient over the epochs, as a PNG.

    The norm is before clipping, and behind it is how often clipping acted; a history
    of version 0.1 has neither.

    Args:
        history: see `shared.runs.checkpoints.Progress`.
        loss, score: titles of the two axes.
        curves: keys of the scores, and what their labels have after the stage's name;
            those that have something are dashed.
    """
    flows = any(epoch.get("gradient_norm") for epoch in history)
    figure = Figure(figsize=(13.5 if flows else 9, 4), layout="constrained")
    left, right, *more = figure.subplots(1, 3 if flows else 2)
    epochs = range(1, len(history) + 1)
    for stage in dict.fromkeys(epoch["stage"] for epoch in history):
        rows = [i for i in epochs if history[i - 1]["stage"] == stage]
        for key, suffix in {"loss": "", **curves}.items():
            axes, style = left if key == "loss" else right, "--" if suffix else "-"
            values = [history[i - 1].get(key) for i in rows]
            axes.plot(rows, values, style, marker="o", label=stage + suffix)
    left.set(xlabel="epoch", ylabel=loss)
    right.set(xlabel="epoch", ylabel=score)
    right.legend()
    for axes in more:
        _draw_flow(history, axes)
    save_figure(figure, path, dpi=100)


def _draw_flow(history: Sequence[Mapping[str, Any]], axes: Any) -> None:
    """Draw the norm of the gradient, and how often clipping acted."""
    epochs = range(1, len(history) + 1)
    shares = axes.twinx()
    clipped = [100 * (epoch.get("clipped") or 0) for epoch in history]
    shares.bar(epochs, clipped, color="0.88")
    shares.set(ylim=(0, 100), ylabel="steps with clipping, % (bars)")
    for key, style in {"gradient_norm": "-o", "gradient_norm_most": ":"}.items():
        values = [epoch.get(key) or float("nan") for epoch in history]
        label = "largest of a step" if style == ":" else "mean"
        axes.plot(epochs, values, style, label=label)
    axes.set(xlabel="epoch", ylabel="norm of the gradient", yscale="log")
    axes.set_zorder(shares.get_zorder() + 1)  # lines before bars
    axes.patch.set_visible(False)
    axes.legend()


def choose_samples(items: Sequence[T]) -> Sequence[T]:
    """Choose some items for a picture, evenly."""
    return items[:: max(1, len(items) // SAMPLES)][:SAMPLES]


def draw_samples(
    samples: Iterable[tuple[Path | StoredImage, Sequence[str]]], path: Path
) -> None:
    """Draw a sheet of photos, each with lines of text above it, as a PNG.

    Args:
        samples: photos and lines, see `choose_samples`; a photo that went bad since it
            was looked at is left out.
    """
    shown = list(samples)
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 4 * rows), layout="constrained")
    places = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for place, (photo, lines) in zip(places, shown, strict=False):
        try:
            place.imshow(read_image(photo, 224))
        except AppError:
            continue
        title = "\n".join(textwrap.fill(line, 42) for line in lines)
        place.set_title(title, fontsize=9, parse_math=False)  # "$" is a dollar
    for place in figure.axes:
        place.set_axis_off()
    save_figure(figure, path, dpi=70)


def save_figure(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure as a PNG; letters that its font lacks become boxes, unsaid.

    Captions and questions are of any language, and whoever reads the picture sees the
    box.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")
        figure.savefig(path, dpi=dpi, format="png")
