"""What came of a comparison: a table, a box plot, and numbers. Needs no Keras."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn.comparing.config import CompareConfig
from shared.console.progress import counted
from shared.files.atomic import replace_file, write_text

GREFF, JOZEFOWICZ = "Greff et al. 2015", "Jozefowicz et al. 2015"
NOT_BETTER = f"not significantly better than the LSTM ({GREFF})"
CRITICAL = f"what it lacks is the most critical part of an LSTM ({GREFF})"
SIMPLER = f"simpler, without a significant loss ({GREFF})"
FOUND = f"better than LSTM and GRU on some tasks, not on all ({JOZEFOWICZ})"
PUBLISHED = {
    "lstm": f"with a forget bias of 1 level with the GRU ({JOZEFOWICZ})",
    "gru": "comparable to the LSTM, better than tanh (Chung et al. 2014)",
    "vanilla": "worse than cells with gates (Chung et al. 2014)",
    "irnn": "comparable to the LSTM on four benchmarks (Le et al. 2015)",
    **dict.fromkeys(("nig", "nog", "niaf", "fgr"), NOT_BETTER),
    **dict.fromkeys(("nfg", "noaf"), CRITICAL),
    **dict.fromkeys(("np", "cifg"), SIMPLER),
    **dict.fromkeys(("mut1", "mut2", "mut3"), FOUND),
}
SOURCES = (
    "Greff et al. 2015, arXiv:1503.04069 (all but `lstm`, `np` with peepholes); "
    "Jozefowicz et al. 2015, ICML; Chung et al. 2014, arXiv:1412.3555; Le et al. 2015, "
    "arXiv:1504.00941."
)
COLUMNS = 3


def write_reports(
    folder: Path,
    recipe: CompareConfig,
    tasks: Sequence[Any],
    results: Sequence[Mapping[str, Any]],
) -> None:
    """Write table.md, numbers.json and boxes.png.

    Args:
        tasks: `rnn.comparing.tasks.Task`s.
        results: see `rnn.comparing.comparison.Comparison.results`.
    """
    write_text(folder / "numbers.json", json.dumps(list(results), indent=1) + "\n")
    write_text(folder / "table.md", format_table(recipe, tasks, results))
    with replace_file(folder / "boxes.png") as new:
        draw_boxes(recipe, tasks, results).savefig(new, format="png", dpi=110)


def scores_of(
    results: Sequence[Mapping[str, Any]], task: str, cell: str, chosen: bool = True
) -> list[float]:
    """Give the scores of a cell in a task, without trainings that broke down.

    Args:
        chosen: of the seeds with the best rate, or else of all trainings.
    """
    return [
        record["score"]
        for record in results
        if (record["task"], record["cell"]) == (task, cell)
        and record["score"] is not None
        and (record["chosen"] or not chosen)
    ]


def format_table(
    recipe: CompareConfig, tasks: Sequence[Any], results: Sequence[Mapping[str, Any]]
) -> str:
    """Write the table as Markdown: the median of the seeds, worst and best."""
    names = [task.name for task in tasks]
    rows = [
        f"| cell | {' | '.join(names)} | published |",
        f"|---|{'---|' * len(names)}---|",
    ]
    for cell in recipe.cells:
        found = [_cell_text(task, results, cell) for task in tasks]
        rows.append(f"| {cell} | {' | '.join(found)} | {PUBLISHED.get(cell, '')} |")
    scores = dict.fromkeys((task.score, _better(task)) for task in tasks)
    told = "; ".join(
        f"{', '.join(task.name for task in tasks if task.score == score)}: {score}, "
        f"{better} is better"
        for score, better in scores
    )
    return (
        "\n".join(rows)
        + f"\n\n{told}. Median of {counted(recipe.seeds, 'seed')} with the best of "
        f"{counted(recipe.tries, 'learning rate')} (worst to best); all cells have as "
        f"many weights.\n\n"
        f"Published: {SOURCES}\n"
    )


def _better(task: Any) -> str:
    return "more" if task.more else "less"


def _cell_text(task: Any, results: Sequence[Mapping[str, Any]], cell: str) -> str:
    records = [r for r in results if (r["task"], r["cell"]) == (task.name, cell)]
    scores = sorted(scores_of(results, task.name, cell), reverse=not task.more)
    if not records:
        return ""
    if not scores:
        return "broke down"
    spread = f" ({scores[0]:.3f} to {scores[-1]:.3f})" if len(scores) > 1 else ""
    return f"{median(scores):.3f}{spread}, {counted(records[0]['units'], 'unit')}"


def draw_boxes(
    recipe: CompareConfig, tasks: Sequence[Any], results: Sequence[Mapping[str, Any]]
) -> Figure:
    """Draw a box for each cell over its seeds, in a panel for each task.

    The dots are all trainings, the dashed line is the first cell's median; as in Greff
    et al. 2015, whose boxes are of the best tenth of their trainings.
    """
    columns = min(COLUMNS, len(tasks))
    rows = -(-len(tasks) // columns)
    width = max(4.0, 0.38 * len(recipe.cells) + 1.2)
    size = (width * columns, 3.4 * rows + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, task in zip(places, tasks, strict=False):
        _draw_task(axes, recipe, task, results)
    for axes in figure.axes[len(tasks) :]:
        axes.set_axis_off()
    return figure


def _draw_task(
    axes: Axes, recipe: CompareConfig, task: Any, results: Sequence[Mapping[str, Any]]
) -> None:
    for place, cell in enumerate(recipe.cells):
        every = scores_of(results, task.name, cell, chosen=False)
        axes.plot([place] * len(every), every, ".", color="0.75", markersize=4)
        if scores := scores_of(results, task.name, cell):
            axes.boxplot([scores], positions=[place], widths=0.6)
            if place == 0:
                axes.axhline(median(scores), linestyle="--", color="0.6", linewidth=1)
    axes.set_xticks(range(len(recipe.cells)), recipe.cells, rotation=90)
    axes.set(title=task.name, ylabel=f"{task.score}, {_better(task)} is better")
    if task.highest is not None:
        axes.set_ylim(0, 1.05 * task.highest)
