"""Commands about an archive of photos."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from captioner.commands.options import (
    BatchSize,
    Database,
    KeepTimes,
    Models,
    Null,
    Paths,
    Recursive,
    ReplaceDescriptions,
    Settings,
    WriteMetadata,
    XmpSidecar,
    find_photos_of,
    metadata_rules,
    read_settings,
)
from shared.console import options
from shared.console.progress import counted, plain, say

if TYPE_CHECKING:
    from captioner.archive.editing import Edits
    from shared.files.sqlite import sqlite3

# Heavy imports wait inside the commands: --help takes a tenth of a second.


def index(
    paths: Paths,
    db: Database,
    recursive: Recursive = False,
    null: Null = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow folders until Ctrl-C.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Also what another model or --set captioned."),
    ] = False,
    settings: Settings = None,
    batch_size: BatchSize = 8,
    model: Models = None,
    runtime: options.Runtime = None,
    verbose: options.Verbose = False,
) -> None:
    """Caption photos that are new or have changed, and keep that in an archive.

    Photos are known by their content: one that was moved is not captioned again, and
    keeps what people wrote about it. Those that are no longer in the folders are marked
    as vanished. Photos that cannot be read are reported and tried again next time; the
    exit status is then 1. An interruption loses nothing: run it again.
    """
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    if watch and len(folders) < len(paths):
        raise typer.BadParameter("--watch follows folders; give nothing else")
    photos = [] if watch else find_photos_of(paths, recursive, null)
    from captioner.archive.indexing import Indexer
    from captioner.archive.watching import watch as follow
    from captioner.jobs.caption import Captioning
    from shared.data.archive import ARCHIVE
    from shared.files.databases import opened
    from shared.files.locks import hold

    captioning = Captioning(
        batch_size,
        models=tuple(model or ()),
        runtime=runtime,
        changes=read_settings(settings or ()),
        verbose=verbose,
    )
    captioning.settings()  # refuses what cannot be before a file is made
    with (
        opened(db, ARCHIVE, write=True, create=True) as database,
        hold(db, "`captioner index`"),
    ):
        indexer = Indexer(database, captioning, again)
        if watch:
            follow(indexer, folders, recursive)
        else:
            indexer.run(photos)
            indexer.mark_vanished(folders, photos, recursive)
        say(f"{db}: {counted(indexer.store.count(), 'photo')}; {indexer.tally}")
        others = indexer.store.count_others()
        if others and not again:
            say(
                f"note: {counted(others, 'photo was', 'photos were')} captioned by "
                "another model or with other settings; --again captions them anew"
            )
    if indexer.tally.errors and not watch:
        raise typer.Exit(1)


def edit(
    db: Database,
    photo: Annotated[
        str | None,
        typer.Argument(metavar="PHOTO", help="Its path, or digits of its SHA-256."),
    ] = None,
    caption: Annotated[
        str | None, typer.Argument(metavar="CAPTION", help="What it shows.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Leave the photo to the model again.")
    ] = False,
    output: Annotated[
        Path | None,
        options.output("Write all captions as .csv, to be changed and come back."),
    ] = None,
    overwrite: options.Overwrite = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take over what was changed in such a file, or in one of `captioner "
            "caption`.",
        ),
    ] = None,
    write_metadata: WriteMetadata = False,
    xmp_sidecar: XmpSidecar = False,
    replace_descriptions: ReplaceDescriptions = False,
    keep_times: KeepTimes = False,
) -> None:
    """Describe photos of an archive in your own words.

    No later run replaces them; they are shown and searched instead of the model's, and
    `captioner train --from included --data FILE` learns from them. Without PHOTO and
    --from, prints `path<TAB>caption` of all photos that people described.
    --write-metadata also puts the words into the photos that are described, or listed.
    """
    inside = metadata_rules(
        write_metadata, xmp_sidecar, replace_descriptions, keep_times
    )
    if write_metadata and (remove or output):
        raise typer.BadParameter("--write-metadata goes with words for photos")
    said = caption is not None or remove
    ways = [photo is not None, output is not None, source is not None]
    if sum(ways) > 1 or (photo is not None) != said or (caption and remove):
        raise typer.BadParameter(
            "give PHOTO and CAPTION, or PHOTO and --remove, or --output, or --from"
        )
    from captioner.archive import editing
    from shared.data.archive import ARCHIVE
    from shared.errors import AppError
    from shared.files.databases import opened

    if output:
        from shared.files.outputs import claim, write_file

        with (
            opened(db, ARCHIVE) as database,
            claim(output, editing.SHEET, "`captioner edit`", overwrite),
        ):
            write_file(output, editing.list_library(database), editing.SHEET)
        return
    with opened(db, ARCHIVE, write=any(ways) or write_metadata) as database:
        changed: Mapping[int, str]
        if photo is not None:
            found = editing.find_photo(database, photo)
            if found is None:
                raise AppError(
                    f"{photo} is no photo of {db}. Add it with `captioner index`, or "
                    "give 8 digits of its SHA-256, or more."
                )
            changed = {found: editing.words_of_person(database, found)}
            editing.write_edit(database, found, caption)
        elif source:
            edits = editing.read_edits(database, source)
            _say_edits(edits, source, db)
            changed = edits.changed
        else:
            listed = list(editing.list_edits(database))
            for _, path, text in listed:
                print(f"{plain(path)}\t{plain(text)}")
            changed = {number: "" for number, *_ in listed}
        if write_metadata:
            _put_into_photos(database, changed, inside)


def _put_into_photos(
    database: "sqlite3.Connection", changed: Mapping[int, str], rules: dict[str, bool]
) -> None:
    """Put words of people into photos, and say what is left."""
    from captioner.archive.writing_back import describe_photos
    from captioner.metadata.target import say_rest
    from shared.errors import AppError

    counts = Counter[str]()
    for _, came in describe_photos(database, changed, **rules):
        counts["error" if isinstance(came, AppError) else came] += 1
        if isinstance(came, AppError):
            say(plain(f"error: {came}"))
    say_rest(counts)
    if counts["error"]:
        raise typer.Exit(1)


def _say_edits(edits: "Edits", source: Path, db: Path) -> None:
    changed = counted(len(edits.changed), "photo")
    say(f"{changed} described anew, {edits.removed} left to the model again")
    if edits.unknown:
        say(
            f"note: names in {source} that are no photos of {db}: "
            f"{len(edits.unknown)}, such as {edits.unknown[0]}"
        )


COMMANDS = (index, edit)
