"""The command `captioner alt`: alternative texts for the images of a site."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from captioner.commands.options import BatchSize, Models, Settings, read_settings
from shared.console import options
from shared.console.progress import plain, progress_bar, say
from shared.files.formats import Record

# Heavy imports wait inside the command: --help takes a tenth of a second.


def alt(
    site: Annotated[
        Path,
        typer.Argument(metavar="SITE", help="A folder of HTML, templates, Markdown."),
    ],
    write: Annotated[
        bool, typer.Option("--write", help="Insert the texts into the pages.")
    ] = False,
    lang: Annotated[
        bool,
        typer.Option("--lang", help='Add lang="en" where a page is not in English.'),
    ] = False,
    output: Annotated[
        Path | None, options.output("Write a report: .html, .csv or .jsonl.")
    ] = None,
    overwrite: options.Overwrite = False,
    settings: Settings = None,
    batch_size: BatchSize = 8,
    model: Models = None,
    runtime: options.Runtime = None,
    verbose: options.Verbose = False,
) -> None:
    """Describe the images of a site that have no alternative text.

    Changes nothing unless --write is given, and then only adds alt="…" to <img> tags
    and to ![](…) in Markdown; code in templates (PHP, Twig, Vue, …) stays. Prints
    `page:line<TAB>image<TAB>text<TAB>why it is left` for each image without a text,
    unless --output says where to write. Images that are decorative, elsewhere, or of
    which the model is not sure are left. The exit status is 1 if a page or a photo
    cannot be read, or a page cannot be written.
    """
    from captioner.alt.job import describe_site
    from captioner.alt.report import FORMATS, to_line
    from captioner.jobs.caption import Captioning
    from shared.files.outputs import claim, write_file

    changes = read_settings(settings or ())
    work = Captioning(
        batch_size, 1, False, tuple(model or ()), runtime, changes, verbose
    )
    work.settings()  # refuses what is impossible before pages are read

    def describe(photos: Sequence[Path]) -> Iterator[Record]:
        do = work.load()
        with progress_bar("captions", len(photos)) as advance:
            done = 0
            for batch in do(photos, range(len(photos)), lambda place: None):
                for _, record in batch:
                    yield record
                done += len(batch)
                advance(done)

    with ExitStack() as held:
        if output:
            held.enter_context(claim(output, FORMATS, "`captioner alt`", overwrite))
        outcome = describe_site(site, describe, write, lang)
        if output:
            write_file(output, outcome.records, FORMATS)
    for record in outcome.records:
        if "error" in record:
            say(f"error: {plain(record['page'])}: {record['error']}")
        elif not output:
            print(to_line(record))
    say(outcome.summary(write))
    if outcome.errors:
        raise typer.Exit(1)
