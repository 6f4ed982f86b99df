"""How often gates are saturated: a plot for each gate of each layer, and in words."""

from html import escape

import numpy as np

from rnn.cells.digits import name_gate
from rnn.cells.inspecting import CLOSED, OPEN, Findings, Subject

ALWAYS = 0.9  # share of steps from which a gate counts as always open, or closed
_SIDE, _LEFT, _TOP = 200, 44, 6  # of the plot's square, and room for its axes


def draw_gates(subject: Subject, findings: Findings) -> str:
    """Draw each gate as a dot: how often it is open, and how often closed.

    Source: Karpathy et al. 2016, arXiv:1506.02078, figure 3.
    """
    if not findings.gates:
        return f"<p>A {escape(subject.cell)} cell has no gates.</p>"
    return "".join(
        f'<h3>Layer {layer + 1}</h3>\n<div class="plots">\n'
        + "".join(
            _figure(
                name,
                index,
                *(
                    shares[name].reshape(subject.layers, -1)[layer]
                    for shares in (findings.closed, findings.opened)
                ),
            )
            for index, name in enumerate(findings.gates)
        )
        + "</div>\n"
        for layer in range(subject.layers)
    )


def _figure(gate: str, index: int, closed: np.ndarray, opened: np.ndarray) -> str:
    """Draw one gate of a layer's cells; closed and opened float (U,)."""
    name = name_gate(gate)
    told = (
        f"{_count(opened)} open (&gt; {OPEN}) in {ALWAYS:.0%} of the steps or more, "
        f"{_count(closed)} closed (&lt; {CLOSED}). On average open in "
        f"{opened.mean():.0%} of the steps, closed in {closed.mean():.0%}."
    )
    dots = "".join(
        f"M{_LEFT + _SIDE * x:.0f} {_TOP + _SIDE * (1 - y):.0f}h0"
        for x, y in zip(opened, closed, strict=True)
    )
    corner, bottom = _LEFT + _SIDE, _TOP + _SIDE
    ticks = "".join(
        f'<text x="{_LEFT + _SIDE * at:.0f}" y="{bottom + 14}" text-anchor="middle">'
        f'{at:.1g}</text><text x="{_LEFT - 6}" y="{bottom - _SIDE * at + 4:.0f}" '
        f'text-anchor="end">{at:.1g}</text>'
        for at in (0, 0.5, 1)
    )
    return (
        f'<figure><svg viewBox="0 0 {corner + 10} {bottom + 32}" role="img" '
        f'aria-label="{name}: how often each cell\'s is open and closed">'
        f'<path d="M{_LEFT} {_TOP}H{corner}V{bottom}H{_LEFT}Z"/>'
        f'<path d="M{_LEFT} {_TOP}L{corner} {bottom}" stroke-dasharray="4 4"/>'
        f'<path class="gate" style="stroke: var(--gate-{index % 4})" d="{dots}"/>'
        f'{ticks}<text x="{_LEFT + _SIDE // 2}" y="{bottom + 28}" '
        f'text-anchor="middle">share '
        f'of steps above {OPEN}</text><text x="10" y="{_TOP + _SIDE // 2}" '
        f'text-anchor="middle" transform="rotate(-90 10 {_TOP + _SIDE // 2})">share of '
        f"steps below {CLOSED}</text></svg>"
        f"<figcaption><strong>{name}</strong>: of {len(opened)} cells, {told}"
        "</figcaption></figure>\n"
    )


def _count(shares: np.ndarray) -> int:
    return int((shares >= ALWAYS).sum())
