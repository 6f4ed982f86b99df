"""What cells do, as one HTML page that needs nothing but itself."""

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from rnn.cells.digits import surprise_digits, surprise_view, to_digits, views
from rnn.cells.gates_plot import draw_gates
from rnn.cells.inspecting import CLOSED, OPEN, Findings, Subject
from rnn.cells.scoring import EXPLAINED, PARTLY, from_level
from shared.files.pages import begin_page

MOST_CELLS, EACH, OTHERS = 60, 3, 6  # that can be chosen; of each probe; unexplained


def make_page(subject: Subject, findings: Findings) -> str:
    """Make the page about what was found."""
    title = f"What the cells of {subject.name} do"
    style = _shared("cells.css") + _read("inspect.css")
    script = _shared("cells.js") + _read("inspect.js")
    # "<" could end the element that holds the data.
    data = json.dumps(_data(subject, findings), ensure_ascii=False)
    return Template(_read("inspect.html")).substitute(
        head=begin_page(title, style, script=script),
        title=escape(title),
        about=escape(_about(subject, findings)),
        unit=subject.unit,
        script=script,
        data=data.replace("<", "\\u003c"),
        summary=_summary(findings),
        probes=_probes(subject, findings),
        gates=draw_gates(subject, findings),
        how=_how(subject),
    )


def _read(name: str) -> str:
    return (files("rnn.cells") / name).read_text("utf-8")


def _shared(name: str) -> str:
    return (files("shared") / "web" / "page" / name).read_text("utf-8")


def name_cell(cell: int, units: int) -> str:
    """Name one of the cells of all layers, counting from 1."""
    return f"cell {cell % units + 1} of layer {cell // units + 1}"


def _about(subject: Subject, findings: Findings) -> str:
    layers = "1 layer" if subject.layers == 1 else f"{subject.layers} layers"
    about = f"It has {layers} of {subject.units} {subject.cell} cells, and read "
    about += f"{subject.text}."
    if np.isfinite(findings.nats):
        about += f" It needed {findings.nats:.3f} nats per {subject.unit}."
    return about


def _summary(findings: Findings) -> str:
    strength = findings.scores.strength
    count = len(strength)
    clear = int((strength >= EXPLAINED).sum())
    partly = int((strength >= PARTLY).sum()) - clear
    rest = count - clear - partly
    return (
        f"<p>Of {count} cells, a probe explains {clear} ({clear / count:.0%}), and "
        f"explains {partly} in part ({partly / count:.0%}). No probe explains the "
        f"other {rest} ({rest / count:.0%}).</p>"
    )


def best_cells(findings: Findings, probe: int, count: int) -> list[int]:
    """Give the cells that tell most of a probe, the best first."""
    order = np.argsort(-findings.scores.strengths[probe], kind="stable")
    return [int(cell) for cell in order[:count]]


def _choose_cells(findings: Findings) -> list[int]:
    """Choose the cells that the page shows, the best-explained first."""
    scores = findings.scores
    strength = scores.strength
    order = np.argsort(-strength, kind="stable")
    best = {c for p in range(len(scores.probes)) for c in best_cells(findings, p, EACH)}
    best = {cell for cell in best if strength[cell] >= PARTLY}
    explained = [int(c) for c in order if strength[c] >= PARTLY and c not in best]
    best |= {*explained[: max(0, MOST_CELLS - OTHERS - len(best))]}
    moves = np.where(strength < PARTLY, findings.activities.std(0), -1)
    others = [
        int(c) for c in np.argsort(-moves, kind="stable")[:OTHERS] if moves[c] >= 0
    ]
    return sorted({*best, *others}, key=lambda cell: (-strength[cell], cell))


def _data(subject: Subject, findings: Findings) -> dict[str, Any]:
    """Give what the script needs."""
    flags = list(subject.marks.flags.values())
    numbers = [None] * len(subject.marks.numbers)
    return {
        "unit": subject.unit,
        "excerpts": [
            {
                "heading": f"From {subject.unit} {one.start + 1:,}: {one.reason}",
                "symbols": list(subject.shown[one.start : one.end]),
            }
            for one in findings.excerpts
        ],
        "holds": [*(_bits(holds[findings.places]) for holds in flags), *numbers],
        "views": list(_views(findings)),
        "cells": [_cell(subject, findings, cell) for cell in _choose_cells(findings)],
    }


def _cell(subject: Subject, findings: Findings, cell: int) -> dict[str, Any]:
    scores = findings.scores
    strength = scores.strength[cell]
    has = len(scores.probes) > 0
    probe = int(scores.best[cell]) if has else None
    group = "Explained" if strength >= EXPLAINED else "Explained in part"
    return {
        "name": name_cell(cell, subject.units).capitalize(),
        "group": group if strength >= PARTLY else "Not explained",
        "probe": probe,
        "what": "" if probe is None else scores.probes[probe],
        "told": "no probe" if probe is None else _told(findings, probe, cell),
        "rule": "" if probe is None else _rule(findings, probe, cell),
        "lines": {
            "activity": to_digits(findings.activities[:, cell]),
            **{n: to_digits(levels[:, cell]) for n, levels in findings.gates.items()},
        },
    }


def _told(findings: Findings, probe: int, cell: int) -> str:
    scores = findings.scores
    return f"{scores.probes[probe]}, {scores.describe(probe, cell)}"


def _rule(findings: Findings, probe: int, cell: int) -> str:
    scores = findings.scores
    if probe < len(scores.balanced):
        side = "above" if scores.above[probe, cell] else "below"
        cut = from_level(int(scores.thresholds[probe, cell]))
        return f"Yes is {side} {cut:.2f}; F1 {scores.f1[probe, cell]:.2f}."
    return ""


def _views(findings: Findings) -> Iterator[dict[str, Any]]:
    yield from views(findings.gates)
    if np.isfinite(findings.nats):
        yield surprise_view() | {"line": surprise_digits(findings.log_probs)}


def _bits(flags: np.ndarray) -> str:
    return (flags + np.uint8(ord("0"))).tobytes().decode()


def _probes(subject: Subject, findings: Findings) -> str:
    heads = ("Probe", "Holds at", "Best cell", "Score", "F1", "Next")
    rows = "".join(
        _row(subject, findings, probe) for probe in range(len(findings.scores.probes))
    )
    left = "; ".join(f"{n} ({why})" for n, why in subject.marks.missing.items())
    left = f"<p>Left out: {escape(left)}.</p>" if left else ""
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        '<div class="scroll" tabindex="0" role="group" aria-labelledby="probes"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>{left}"
    )


def _row(subject: Subject, findings: Findings, probe: int) -> str:
    scores, units = findings.scores, subject.units
    best, *others = best_cells(findings, probe, EACH)
    name = scores.probes[probe]
    share = f1 = ""
    if name in subject.marks.flags:
        share = f"{subject.marks.flags[name].mean():.1%}"
        f1 = f"{scores.f1[probe, best]:.2f}"
    following = ", ".join(
        f"{name_cell(cell, units)} ({scores.value(probe, cell):.2f})" for cell in others
    )
    return (
        f'<tr><th scope="row">{escape(name)}</th><td class="number">{share}</td>'
        f"<td>{name_cell(best, units)}</td><td>{scores.describe(probe, best)}</td>"
        f'<td class="number">{f1}</td><td>{following}</td></tr>\n'
    )


def _how(subject: Subject) -> str:
    return f"""<dl>
<dt>Activity</dt>
<dd>What a cell holds once a {subject.unit} was read: tanh of c of an LSTM, h of other
cells. Cells and layers are counted from 1.</dd>
<dt>Balanced accuracy</dt>
<dd>The cell says yes on one side of a threshold. Its accuracy where yes is right and
its accuracy where no is right are averaged: 0.5 is a guess, 1 is always right. F1 is
the harmonic mean of the precision and recall of yes.</dd>
<dt>Two halves</dt>
<dd>The first half of the text chose each threshold, and each cell's probe. All scores
are those of the second half, from which the excerpts are, too.</dd>
<dt>Explained</dt>
<dd>A probe explains a cell from a balanced accuracy of {(1 + EXPLAINED) / 2:.2f}, or a
correlation of {EXPLAINED:.2f} of either sign, and in part from
{(1 + PARTLY) / 2:.2f}, or {PARTLY:.2f}. An unexplained cell may do something that no
probe asks for, and an explained one may do more than its probe asks.</dd>
<dt>Saturated</dt>
<dd>A gate below {CLOSED} lets hardly anything through, one above {OPEN} nearly all. A
cell whose forget gate is always open remembers; one whose forget gate is always closed
does without the past (Karpathy, Johnson &amp; Fei-Fei 2016, arXiv:1506.02078).</dd>
</dl>"""
