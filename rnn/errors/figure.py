"""A picture of what a study of errors found."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn.errors.study import LONG, NET, ErrorReport
from rnn.errors.tables import distance, show
from shared.runs.figures import save_figure

COLOURS = {  # of the kinds of oracle
    "n-gram": "#3b82f6",
    "memory": "#16a34a",
    "rare word": "#d97706",
    "word start": "#9333ea",
    "punctuation": "#dc2626",
    "boost": "#78716c",
    "rest": "#db2777",
}


def draw_report(report: ErrorReport, title: str, path: Path) -> None:
    """Draw a report, as a PNG."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    figure.suptitle(title, parse_math=False)
    grid = figure.add_gridspec(3, 2)
    _draw_shares(report, figure.add_subplot(grid[:, 0]))
    for row, draw in enumerate((_draw_overlap, _draw_symbols, _draw_closing)):
        draw(report, figure.add_subplot(grid[row, 1]))
    save_figure(figure, path, dpi=110)


def _draw_shares(report: ErrorReport, axes: Axes) -> None:
    total = max(1, report.errors[NET])
    kinds = report.kinds()
    shares = report.shares[::-1]
    values = [share.errors / total for share in shares]
    labels = [f"{share.kind} {share.name}".strip() for share in shares]
    colours = [COLOURS[share.kind] for share in shares]
    axes.barh(range(len(shares)), values, color=colours)
    axes.set_yticks(range(len(shares)), labels, fontsize=8)
    axes.margins(y=0.01)
    axes.set(
        xlabel="share of the errors; each has what those above it left",
        title=f"{report.errors[NET]:,} errors in {report.judged:,} {report.unit}",
    )
    legend = [f"{kind}: {errors / total:.1%}" for kind, errors in kinds.items()]
    handles = [axes.barh(0, 0, color=COLOURS[kind]) for kind in kinds]
    axes.legend(handles, legend, loc="center right", fontsize=9)


def _draw_overlap(report: ErrorReport, axes: Axes) -> None:
    orders = [str(o.order) for o in report.overlap]
    bottom = [0.0] * len(orders)
    for key, label, colour in (
        ("both", "both", "#57534e"),
        ("net_only", "net only", "#dc2626"),
        ("ngram_only", "n-gram only", "#3b82f6"),
    ):
        part = [getattr(o, key) / report.judged for o in report.overlap]
        axes.bar(orders, part, bottom=bottom, label=label, color=colour)
        bottom = [a + b for a, b in zip(bottom, part, strict=True)]
    axes.set(xlabel="order of the n-gram model", ylabel="errors", title="Whose errors")
    axes.legend(fontsize=9)


def _draw_symbols(report: ErrorReport, axes: Axes) -> None:
    scores = report.compared()
    places = range(len(scores))
    for model, colour in ((NET, "#dc2626"), (LONG, "#3b82f6")):
        values = [s.probabilities[model] for s in scores]
        axes.plot(places, values, "o", label=model, color=colour)
    labels = [show(s.symbol).replace(" ", "\n") for s in scores]
    axes.set_xticks(places, labels, parse_math=False)
    axes.set(ylabel="probability", title="Symbols that they find most differently")
    axes.legend(fontsize=9)


def _draw_closing(report: ErrorReport, axes: Axes) -> None:
    axes.set(title=f"{report.pair[1]} by its distance to {report.pair[0]}")
    if not report.closing:
        axes.text(0.5, 0.5, "none in this text", ha="center", va="center")
        axes.set_axis_off()
        return
    far = [distance(c).replace(" ", "\n") for c in report.closing]
    labels = [f"{d}\n({c.number:,})" for d, c in zip(far, report.closing, strict=True)]
    for model, colour in ((NET, "#dc2626"), (LONG, "#3b82f6")):
        values = [c.probabilities[model] for c in report.closing]
        axes.plot(labels, values, "o-", label=model, color=colour)
    axes.set(ylim=(0, 1), ylabel="probability")
    axes.tick_params("x", labelsize=7)
    axes.legend(fontsize=9)
