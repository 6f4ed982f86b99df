"""A page of what a study of errors found, which needs nothing but itself."""

import html
from collections.abc import Iterator
from itertools import groupby

from rnn.errors.study import LONG, NET, ErrorReport
from rnn.errors.tables import Table, make_tables
from shared.files.pages import begin_page

# What has a colour: the kinds of oracle, and the two models with bars.
COLOURED = [
    *("n-gram", "memory", "rare word", "word start", "punctuation", "boost", "rest"),
    *(NET, LONG),
]
_STYLE = """\
:root { color-scheme: light dark; --page: #fff; --ink: #1c1917; --edge: #ccc;
  --quiet: #595959; --c7: #b91c1c; --c8: #1d4ed8;
  --c0: #bfdbfe; --c1: #bbf7d0; --c2: #fde68a; --c3: #e9d5ff; --c4: #fecaca;
  --c5: #d6d3d1; --c6: #fbcfe8 }
@media (prefers-color-scheme: dark) {
  :root { --page: #1c1917; --ink: #f5f5f4; --edge: #444; --quiet: #aaa;
    --c7: #f87171; --c8: #60a5fa;
    --c0: #1e3a8a; --c1: #14532d; --c2: #713f12; --c3: #581c87; --c4: #7f1d1d;
    --c5: #57534e; --c6: #831843 }
}
body { color: var(--ink); background: var(--page);
  font: 1rem/1.5 system-ui, sans-serif;
  margin: 1.5rem auto; padding: 0 1rem; max-width: 60rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin-top: 2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .1rem .8rem .1rem 0; font-weight: normal }
thead th { color: var(--quiet); border-bottom: 1px solid var(--edge) }
.number { text-align: right }
.all th, .all td { font-weight: 600; padding-top: .6rem }
.bar { display: block; height: .8rem; min-width: 1px; background: var(--fill) }
.bars { width: 18rem; min-width: 10rem } .bars .bar + .bar { margin-top: 2px }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--edge);
  border-radius: .5rem; padding: 1rem; font: .95rem/1.7 ui-monospace, monospace }
mark { color: inherit; background: var(--fill); border-radius: .15rem }
p { max-width: 44rem } a { color: inherit }
"""


def make_page(report: ErrorReport, title: str) -> Iterator[str]:
    """Give the page in parts."""
    fills = "\n".join(f".k{i} {{ --fill: var(--c{i}) }}" for i in range(len(COLOURED)))
    yield begin_page(title, f"{_STYLE}{fills}\n")
    yield f"<main>\n<h1>{html.escape(title)}</h1>\n"
    for number, table in enumerate(make_tables(report)):
        yield f"<h2>{html.escape(table.title)}</h2>\n"
        yield f"<p>{html.escape(table.about)}</p>\n"
        if table.rows:
            yield from _table(table)
        if number == 1 and table.rows:  # the errors and whose they are
            yield from _passage(report)
    yield "</main>\n</html>\n"


def _table(table: Table) -> Iterator[str]:
    label = html.escape(table.title)
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table>\n'
    heads = [f"<th class=number>{html.escape(head)}" for head in table.heads[1:]]
    bars = f"<th>{table.bars}" if table.bars else ""
    yield f"<thead><tr><th>{table.heads[0]}{bars}{''.join(heads)}<tbody>\n"
    for row in table.rows:
        name, *cells = map(html.escape, row.cells)
        yield f"<tr{' class=all' if row.is_sum else ''}><th scope=row>{name}"
        if table.bars:
            yield f"<td class=bars>{''.join(_bar(*bar) for bar in row.bars)}"
        yield "".join(f"<td class=number>{cell}" for cell in cells) + "\n"
    yield "</table></div>\n"


def _bar(kind: str, part: float) -> str:
    style = f"k{COLOURED.index(kind)}"
    return f'<span class="bar {style}" style="width: {part:.1%}"></span>'


def _passage(report: ErrorReport) -> Iterator[str]:
    yield (
        f"<h2>The first {len(report.shown.symbols):,} {report.unit}</h2>\n"
        "<p>Errors have the colour of the oracle that takes them away; point at one to "
        "read which.</p>\n<pre>"
    )
    between = "" if report.unit == "characters" else " "
    pairs = zip(report.shown.symbols, report.shown.given, strict=True)
    for given, group in groupby(pairs, key=lambda pair: pair[1]):
        text = html.escape(between.join(symbol for symbol, _ in group))
        if given < 0:
            yield text + between
            continue
        kind, name, _ = report.shares[given]
        label = html.escape(f"{kind} {name}".strip())
        text = text.replace("\n", "\u21b5\n")  # else nothing of it is seen
        yield f'<mark class="k{COLOURED.index(kind)}" title="{label}">{text}</mark>'
        yield between
    yield "</pre>\n"
