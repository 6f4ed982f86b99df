"""Command to compare recurrent cells: `rnn compare`."""

from pathlib import Path
from typing import Annotated

import typer

from rnn.commands.options import texts
from shared.console.progress import say
from shared.console.quiet import importing_keras


def compare(
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Of the results; one that exists goes on."),
    ],
    config: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="The recipe.")
    ] = "compare-cells",
    text: Annotated[list[str] | None, texts("Text files; may be repeated.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Photos with captions; may be repeated."),
    ] = None,
) -> None:
    """Compare cells fairly: one budget of weights, the same tries, several seeds.

    Goes on where an interrupted comparison stopped. Prints the table; OUT has it as
    table.md, with boxes.png and numbers.json.
    """
    with importing_keras():
        from rnn.comparing.comparison import compare as run
    table = run(config, out, text=text or [], data=data or [], announce=say)
    print(table.read_text("utf-8"), end="")
