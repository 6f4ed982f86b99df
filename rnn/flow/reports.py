"""What flows back, as a table, a picture, and numbers for others. Needs no Keras."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn.flow.toy import Toy

SHOWN = (1, 10, 25, 50, 99)  # distances in a table
COLUMNS = 4
LEAST, MOST = 1e-12, 1e4  # of what a picture shows


def format_flow(lines: Sequence[Any]) -> str:
    """Write `rnn.flow.gradients.Line`s as a table, a layer a row.

    The norms are shares of that at distance 0.
    """
    distances = [k for k in SHOWN if k < len(lines[0].norms)]
    width = max(8, *(len(line.cell) for line in lines))
    start = max(8, *(len(line.start) for line in lines))
    layers = any(line.layer > 1 for line in lines)
    head = f"{'cell':{width}}  {'start':{start}}  " + ("layer  " if layers else "")
    rows = [f"{head}largest sv" + "".join(f"{f'dL/dh {k}':>11}" for k in distances)]
    for line in lines:
        row = f"{line.cell:{width}}  {line.start:{start}}  "
        row += f"{line.layer:5}  " if layers else ""
        shares = "".join(f"{_share(line.norms, k):>11}" for k in distances)
        rows.append(f"{row}{line.largest:9.3f}{shares}")
    return "\n".join(rows)


def _share(norms: Sequence[float], distance: int) -> str:
    share = norms[distance] / norms[0] if norms[0] else math.nan
    return f"{share:.2g}"


def format_toy(toys: Sequence[Toy]) -> str:
    """Write what flows back through the toy as a table."""
    last = len(toys[0].norms) - 1
    distances = sorted({0, *(k for k in SHOWN if k < last), last})
    rows = ["  rate" + "".join(f"{f'dL/dh {k}':>11}" for k in distances)]
    for toy in toys:
        norms = "".join(f"{toy.norms[k]:11.2g}" for k in distances)
        rows.append(f"{toy.rate:6.2f}{norms}")
    return "\n".join(rows)


def format_clipping(history: Iterable[Mapping[str, Any]]) -> str:
    """Write how often clipping acted in a run, an epoch a row; "" if nobody knows."""
    known = [epoch for epoch in history if epoch.get("clipped") is not None]
    if not known:
        return ""
    width = max(5, *(len(epoch["stage"]) for epoch in known))
    rows = [f"{'stage':{width}}  epoch  mean norm    largest  clipped"]
    for epoch in known:
        norms = [epoch.get(key) for key in ("gradient_norm", "gradient_norm_most")]
        mean, most = (math.nan if norm is None else norm for norm in norms)
        name = f"{epoch['stage']:{width}}  {epoch['epoch']:5}"
        rows.append(f"{name}  {mean:9.3g}  {most:9.3g}  {epoch['clipped']:7.1%}")
    return "\n".join(rows)


def flow_numbers(lines: Sequence[Any]) -> list[dict[str, Any]]:
    """Give lines for JSON; what is no finite number is null."""
    return [
        line._asdict()
        | {"norms": [norm if math.isfinite(norm) else None for norm in line.norms]}
        for line in lines
    ]


def draw_flow(lines: Sequence[Any]) -> Figure:
    """Draw the norms over the distance: a panel for each cell and layer."""
    panels = list(dict.fromkeys((line.cell, line.layer) for line in lines))
    starts = list(dict.fromkeys(line.start for line in lines))
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    size = (max(6, 3.6 * columns), 2.9 * rows + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    places = figure.subplots(
        rows, columns, squeeze=False, sharex=True, sharey=True
    ).flat
    several = any(layer > 1 for _, layer in panels)
    drawn: dict[str, Any] = {}
    for axes, (cell, layer) in zip(places, panels, strict=False):
        for line in lines:
            if (line.cell, line.layer) == (cell, layer):
                color = f"C{starts.index(line.start)}"
                drawn[line.start] = _draw_line(axes, line, color)
        axes.set(title=f"{cell}, layer {layer}" if several else cell, yscale="log")
        axes.grid(alpha=0.3)
    for axes in [*figure.axes][len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel("distance from the loss, steps")
    figure.supylabel("norm of dL/dh, share of that at distance 0")
    if any(line.bound for line in lines):
        drawn["bound (Pascanu et al. 2013)"] = figure.axes[0].plot([], [], "k:")[0]
    figure.legend(
        drawn.values(), drawn.keys(), loc="outside upper center", ncols=len(drawn)
    )
    return figure


def _draw_line(axes: Axes, line: Any, color: str) -> Any:
    first = line.norms[0] or 1.0
    if line.bound:
        limits = [line.bound**k for k in range(len(line.norms))]
        axes.plot([*map(_shown, limits)], ":", color=color)
    return axes.plot([_shown(norm / first) for norm in line.norms], color=color)[0]


def _shown(share: float) -> float:
    return share if LEAST <= share <= MOST else math.nan


def draw_toy(toys: Sequence[Toy]) -> Figure:
    """Draw what flows back through the toy."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for toy in toys:
        axes.plot(
            toy.norms, "o-", markersize=3, label=f"W scaled to a rate of {toy.rate:g}"
        )
    axes.set(
        xlabel="distance from the loss, steps", ylabel="norm of dL/dh", yscale="log"
    )
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
