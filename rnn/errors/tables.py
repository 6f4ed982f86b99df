"""What a study of errors found, as tables for a terminal or a page."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from rnn.errors.braces import Closing
from rnn.errors.study import LONG, NET, PAPER, ErrorReport
from shared.console.progress import plain

PAIRS = ("number", NET, LONG)
ABOVE = f"{NET} above {LONG}"


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        cells: its name and its numbers, as text.
        bars: what is drawn on a page, name of the colour and length in 0 .. 1.
        is_sum: whether the rows below it are its parts.
    """

    cells: tuple[str, ...]
    bars: tuple[tuple[str, float], ...] = ()
    is_sum: bool = False


class Table(NamedTuple):
    """A table; without rows, what is said about it is all there is.

    Attributes:
        bars: what the bars of a page show, if there are any.
    """

    title: str
    about: str
    heads: tuple[str, ...] = ()
    rows: Sequence[Row] = ()
    bars: str = ""


def make_tables(report: ErrorReport) -> Iterator[Table]:
    """Give the tables of a report, in the order of reading."""
    unit, judged = report.unit, report.judged
    yield Table(
        "The net beside n-gram models",
        f"{judged:,} {unit} were judged. An error is one that gets a probability below "
        f"0.5. The n-gram models learnt from {report.learnt:,} {unit}, by interpolated "
        "modified Kneser-Ney smoothing.",
        ("model", f"nats per {unit[:-1]}", "errors"),
        [
            Row((model, f"{nats:.3f}", _percent(report.errors[model], judged)))
            for model, nats in report.nats.items()
        ],
    )
    yield _share_table(report)
    yield Table(
        "Errors of the net and of n-gram models",
        f"In % of the {unit}, for each order of the n-gram model.",
        ("order", "both", "net only", "n-gram only", "neither"),
        [
            Row((str(o.order), *(_percent(part, judged) for part in o[1:])))
            for o in report.overlap
        ],
    )
    if compared := report.compared():
        yield Table(
            "Symbols that they find most differently",
            "Mean probability of a symbol where it comes next.",
            ("symbol", *PAIRS),
            [_pair(show(s.symbol), s.number, s.probabilities) for s in compared],
            ABOVE,
        )
    yield _closing_table(report)


def _share_table(report: ErrorReport) -> Table:
    title = "What would have spared the net its errors"
    total, kinds = report.errors[NET], report.kinds()
    if not total:
        about = f"It makes none: it gives each of the {report.unit} at least 0.5."
        return Table(title, about)
    widest = max(kinds.values())
    rows = []
    for kind, shares in groupby(report.shares, key=lambda share: share.kind):
        parts = [(s.name, s.errors, False) for s in shares if s.name]
        for name, errors, is_sum in [(kind, kinds[kind], True), *parts]:
            cells = (name, _percent(errors, total))
            rows.append(Row(cells, ((kind, errors / widest),), is_sum))
    return Table(
        title,
        f"The net makes {total:,}. Each oracle takes away those that it would have "
        f"known, of what the ones before it left; after {PAPER}.",
        ("oracle", "share"),
        rows,
        "share of the errors",
    )


def _closing_table(report: ErrorReport) -> Table:
    opening, closing = report.pair[0], report.pair[1]
    title = f"The closing {closing} by its distance to {opening}"
    if not report.closing:
        return Table(
            title,
            f"What was judged has no {closing} that closes a {opening}, so this is "
            "left out; choose another pair with --pair.",
        )
    return Table(
        title,
        f"Mean probability of {closing} where it comes next.",
        ("distance", *PAIRS),
        [_pair(distance(c), c.number, c.probabilities) for c in report.closing],
        ABOVE,
    )


def _pair(name: str, number: int, probabilities: dict[str, float]) -> Row:
    values = [probabilities[model] for model in (NET, LONG)]
    bars = zip((NET, LONG), values, strict=True)
    return Row((name, f"{number:,}", *(f"{v:.2f}" for v in values)), tuple(bars))


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"


def show(symbol: str) -> str:
    """Write a symbol so that it can be seen."""
    named = {" ": "space", "\n": "end of line", "\t": "tab"}
    return named.get(symbol) or (symbol if symbol.isprintable() else plain(symbol))


def distance(closing: Closing) -> str:
    """Word a range of distances, such as "11-20"."""
    if closing.farthest is None:
        return f"{closing.nearest:,} or more"
    return f"{closing.nearest:,}-{closing.farthest:,}"
