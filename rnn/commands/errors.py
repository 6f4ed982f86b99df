"""The command `rnn errors`."""

from pathlib import Path
from typing import Annotated

import typer

from rnn.commands.options import Bundle, texts
from shared.console import options


def errors(
    context: typer.Context,
    bundle: Bundle,
    text: Annotated[
        list[str],
        texts(
            "What the model was trained on; may be repeated. Its test part, else the "
            "last tenth, is judged."
        ),
    ],
    train: Annotated[
        list[str] | None,
        texts(
            "What the n-gram models learn from instead; then all of --text is judged."
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        options.output("Write .html, .json or .png, too. May be repeated."),
    ] = None,
    overwrite: options.Overwrite = False,
    length: Annotated[
        int | None,
        typer.Option(metavar="N", min=100, help="Judge so many symbols at most."),
    ] = None,
    pair: Annotated[
        str, typer.Option(metavar="XY", help="Opening and closing brace.")
    ] = "{}",
) -> None:
    """Study where a model errs, and what would have spared it its errors.

    Its errors are shown beside those of n-gram models, and given to oracles one after
    the other: n-gram models, memory, rare words, word starts, punctuation, boosts.
    """
    from rnn.errors.formats import ENDINGS, as_text, write_report
    from rnn.errors.job import find_errors, title
    from shared.files.outputs import claim

    for path in output or []:
        context.with_resource(claim(path, ENDINGS, "`rnn errors`", overwrite))
    report = find_errors(bundle, text, train or [], length=length, pair=pair)
    print(as_text(report))
    for path in output or []:
        write_report(report, title(bundle, text), path)
