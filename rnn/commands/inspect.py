"""The command `rnn inspect`, which shows what single cells do."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rnn.commands.options import Bundle, texts
from shared.console import options
from shared.console.progress import progress_bar, say

# Heavy imports wait inside the commands: --help takes a tenth of a second.

MOST = 1_000_000


def inspect(
    context: typer.Context,
    bundle: Bundle,
    text: Annotated[
        list[str],
        texts(
            "Text to read; for a captioner photos with captions, for a VQA model "
            "questions."
        ),
    ],
    output: Annotated[Path, options.output("The page to write, .html.")],
    language: Annotated[
        Literal["prose", "python", "c"] | None,
        typer.Option(help="What kind of text it is; default: guessed."),
    ] = None,
    most: Annotated[
        int, typer.Option(metavar="N", min=1, help="Characters or words to read.")
    ] = MOST,
    overwrite: options.Overwrite = False,
) -> None:
    """Show what single cells do: a page with the text colored by a cell.

    Prints `probe<TAB>layer<TAB>cell<TAB>score`, the best cell of each probe: balanced
    accuracy of a yes/no probe, or the correlation with a number.
    """
    from rnn.cells.html_page import best_cells, make_page
    from rnn.cells.inspecting import look_inside
    from rnn.cells.subjects import open_subject
    from shared.files.atomic import writing
    from shared.files.outputs import claim

    context.with_resource(claim(output, [".html"], "`rnn inspect`", overwrite))
    subject = open_subject(bundle, text, most, language, say)
    with progress_bar("reading", len(subject.shown), unit="symbols") as tick:
        findings = look_inside(subject, tick)
    with writing(output) as file:
        file.write(make_page(subject, findings))
    scores = findings.scores
    for probe, name in enumerate(scores.probes):
        (cell,) = best_cells(findings, probe, 1)
        layer, place = divmod(cell, subject.units)
        value = scores.value(probe, cell)
        print(f"{name}\t{layer + 1}\t{place + 1}\t{value:.3f}")
