"""The command that finds photos of an archive."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from captioner.commands.options import Database, Models
from shared.console import options
from shared.console.progress import counted, plain, say

LONGEST_TITLE = 200  # characters

# Heavy imports wait inside the command: --help takes a tenth of a second.


def find(
    db: Database,
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="What the photos show, in English."),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(metavar="PHOTO", help="Photos that show what this one shows."),
    ] = None,
    near_duplicates: Annotated[
        bool,
        typer.Option("--near-duplicates", help="Groups of photos that are the same."),
    ] = False,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Photos to give.")
    ] = 20,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="What must not be there: people."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Taken then or later: 2019, 2019-07-14."),
    ] = None,
    output: Annotated[
        Path | None,
        options.output("Write .jsonl, or .html to look at, with why each was found."),
    ] = None,
    overwrite: options.Overwrite = False,
    model: Models = None,
    runtime: options.Runtime = None,
) -> None:
    """Find photos of an archive by a sentence.

    Prints `path<TAB>caption`, the best first, unless --output says where to write.
    Photos are judged by their captions, by the words that they show, and by how
    probable the model finds the sentence for them; what a person wrote counts most.
    """
    if sum((text is not None, like is not None, near_duplicates)) != 1:
        raise typer.BadParameter("give TEXT, or --like PHOTO, or --near-duplicates")
    from captioner.archive import found
    from captioner.archive.finding import open_archive
    from shared.files.outputs import claim, write_file

    held: AbstractContextManager[object] = nullcontext()
    sought = text or (f"Like {like.name}" if like else "The same")
    formats = found.formats(plain(sought)[:LONGEST_TITLE])
    if output:
        held = claim(output, formats, "`captioner find`", overwrite)
    conditions = tuple(without or ()), since
    with held, open_archive(db, tuple(model or ()), runtime) as finder:
        if others := finder.count_others():
            said = counted(others, "photo was", "photos were")
            say(f"note: {said} captioned by another model, and cannot be found")
        if near_duplicates:
            groups = finder.near_duplicates(*conditions)
            records = list(found.to_grouped_records(groups))
            noun = counted(len(groups), "group")
            say(f"{noun} of photos that show the same, {len(records)} in all")
        else:
            photos = (
                finder.like(like, top, *conditions)
                if like
                else finder.find(text or "", top, *conditions)
            )
            records = list(found.to_records(photos))
        if output:
            write_file(output, records, formats)
            return
    for record in records:
        group = f"{record['group']}\t" if near_duplicates else ""
        print(f"{group}{plain(record['image'])}\t{plain(record['caption'])}")


COMMANDS = (find,)
