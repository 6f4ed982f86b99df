"""Command line of the captioner, e.g. `captioner caption photos/`."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from captioner.commands import archive, find, training
from captioner.commands.alt import alt
from captioner.commands.demo import demo
from captioner.commands.options import (
    BatchSize,
    BeamSize,
    KeepTimes,
    LengthPenalty,
    Models,
    NoRepeat,
    Null,
    Paths,
    Recursive,
    ReplaceDescriptions,
    Settings,
    WriteMetadata,
    XmpSidecar,
    find_photos_of,
    find_places_of,
    metadata_rules,
    read_length_penalty,
    read_settings,
)
from shared.console import options
from shared.console.commands import check_resume, new_app, run_app

# Heavy imports wait inside the commands: --help takes a tenth of a second.

# Options of `caption` that are fields of `DecodingConfig`.
SEARCH = (
    *("beam_size", "groups", "diversity", "length_penalty", "min_words", "max_words"),
    *("no_repeat", "prefix", "must", "ban", "inflections"),
    *("temperature", "top_k", "top_p", "seed"),
)
CLEAR = 0.8  # the margin of --neutral, see `DecodingConfig`

app = new_app(
    "captioner", "Describe photos in a sentence, and train the model that does."
)


@app.command()
def caption(
    context: typer.Context,
    paths: Paths,
    output: Annotated[
        Path | None,
        options.output("Write .jsonl, .csv, .json (COCO's results) or .html."),
    ] = None,
    engine: options.Engine = "local",
    address: options.Address = None,
    parts: options.PartsForm = None,
    column: Annotated[
        str | None,
        typer.Option(help="With --engine ray: of tables, where paths or bytes are."),
    ] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write a .txt beside each photo.")
    ] = False,
    write_metadata: WriteMetadata = False,
    xmp_sidecar: XmpSidecar = False,
    replace_descriptions: ReplaceDescriptions = False,
    keep_times: KeepTimes = False,
    recursive: Recursive = False,
    null: Null = False,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    num_captions: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=50, help="Captions per photo, best first."
        ),
    ] = 1,
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="In .jsonl: each word's probability and attention, and concepts.",
        ),
    ] = False,
    beam_size: BeamSize = None,
    groups: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=50,
            help="Groups of beams that differ, of one beam each unless --beam-size.",
        ),
    ] = None,
    diversity: Annotated[
        float | None,
        typer.Option(metavar="X", min=0, help="How much groups differ; default: 0.5."),
    ] = None,
    length_penalty: LengthPenalty = None,
    min_words: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Shortest caption.")
    ] = None,
    max_words: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=200, help="Longest caption.")
    ] = None,
    no_repeat: NoRepeat = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How every caption starts.")
    ] = None,
    must: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="A word in every caption; up to 4 times."),
    ] = None,
    ban: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="A word in no caption.")
    ] = None,
    inflections: Annotated[
        bool,
        typer.Option("--inflections", help="--must and --ban mean a word's forms."),
    ] = False,
    neutral: Annotated[
        bool | None,
        typer.Option(
            "--neutral/--no-neutral",
            help="A person, unless it is clearly a man, a woman, a boy or a girl.",
        ),
    ] = None,
    grounding: Annotated[
        bool,
        typer.Option(
            "--grounding/--no-grounding",
            help="Name only what is seen, of a model with concepts.",
        ),
    ] = True,
    second_look: Annotated[
        bool,
        typer.Option(
            "--second-look/--no-second-look",
            help="Let a detector look where a caption is not sure, with concepts.",
        ),
    ] = True,
    hedge: Annotated[
        bool,
        typer.Option(
            "--hedge/--no-hedge",
            help="Claim less where a caption is probably wrong, with concepts.",
        ),
    ] = True,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Ask the VQA model whether what is named is there."
        ),
    ] = False,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw captions at random.")
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(metavar="X", help="With --sample: below 1 favours likely words."),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="With --sample: among the N likeliest words."
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="With --sample: among the likeliest words that sum to P."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="With --sample: the same captions again."
        ),
    ] = None,
    settings: Settings = None,
    batch_size: BatchSize = 8,
    model: Models = None,
    runtime: options.Runtime = None,
    verbose: options.Verbose = False,
) -> None:
    """Describe photos.

    Prints `path<TAB>caption`, a line for each caption, unless --output, --sidecar
    or --write-metadata says where to write. Photos that cannot be read are reported and
    left out, and the exit status is then 1. How captions are searched for is the
    model's own choice unless an option says otherwise.
    """
    has_output = sidecar or output is not None
    check_resume(resume, overwrite, has_output, "--output or --sidecar")
    if beam_size and num_captions > beam_size:
        raise typer.BadParameter(
            f"--num-captions {num_captions} needs --beam-size {num_captions} or more, "
            f"not {beam_size}"
        )
    in_parts = engine == "ray"
    options.check_engine(engine, output, address=address, parts=parts, column=column)
    if in_parts and sidecar:
        raise typer.BadParameter("--engine ray writes no --sidecar")
    if in_parts and write_metadata:
        raise typer.BadParameter("--engine ray writes nothing into photos")
    inside = metadata_rules(
        write_metadata, xmp_sidecar, replace_descriptions, keep_times
    )
    if details and not in_parts and (not output or output.suffix.lower() != ".jsonl"):
        raise typer.BadParameter("--details needs an --output that ends in .jsonl")
    from captioner.jobs.caption import Captioning
    from shared.files.jobs import Job, Runnable, Target

    models = tuple(model or ())
    changes = _search_changes(context.params)
    work = Captioning(
        batch_size, num_captions, details, models, runtime, changes, verbose, check
    )
    rules: dict[str, Any] = {"resume": resume, "overwrite": overwrite}
    job: Runnable
    if in_parts and output:
        from captioner.jobs.parts import caption_in_parts

        places = partial(find_places_of, recursive=recursive, null=null)
        job = caption_in_parts(
            paths, places, work, output, parts or "jsonl", address, column, **rules
        )
    else:
        photos = find_photos_of(paths, recursive, null)
        # What only these need takes some milliseconds to import.
        file, target = None, None
        if output:
            from captioner.files.outputs import open_output

            file = open_output(output, photos, work.settings, batch=batch_size, **rules)
        if sidecar:
            from captioner.files.sidecars import Sidecars

            target = Sidecars(photos, file, **rules)
        keep: Target | None = target or file
        if write_metadata:
            from captioner.metadata.target import Described

            keep = Described(photos, target or file, **inside)
        job = Job(photos, work, keep)
    job.run()
    if job.errors:
        raise typer.Exit(1)


@app.command()
def concepts(
    paths: Paths,
    output: Annotated[Path | None, options.output("Write .jsonl or .csv.")] = None,
    recursive: Recursive = False,
    null: Null = False,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Concepts per photo, best first.")
    ] = 10,
    layout: Annotated[
        Literal["table", "tsv", "jsonl"] | None,
        typer.Option(
            "--format", help="How to print; default: a table on a terminal, else tsv."
        ),
    ] = None,
    batch_size: BatchSize = 8,
    model: options.Model = None,
    runtime: options.Runtime = None,
    verbose: options.Verbose = False,
) -> None:
    """Say which words photos show, of a model with concepts.

    Prints `path<TAB>word<TAB>there<TAB>said`, a line for each concept, unless --output
    says where to write; on a terminal a table. `there` is the probability that it can
    be seen, `said` that a human caption mentions it. Photos that cannot be read are
    reported and left out, and the exit status is then 1.
    """
    check_resume(resume, overwrite, bool(output))
    if layout and output:
        raise typer.BadParameter("--format is about printing; --output goes by its end")
    from captioner.files.outputs import open_output
    from captioner.jobs.concepts import CONCEPTS, Naming
    from shared.files.jobs import Job

    photos = find_photos_of(paths, recursive, null)
    layout = layout or ("table" if sys.stdout.isatty() else "tsv")
    work = Naming(top, model, runtime, layout, batch_size, verbose)
    rules: dict[str, Any] = {"resume": resume, "overwrite": overwrite}
    file = (
        open_output(output, photos, work.settings, CONCEPTS, batch=batch_size, **rules)
        if output
        else None
    )
    job = Job(photos, work, file)
    job.run()
    if job.errors:
        raise typer.Exit(1)


def _search_changes(given: dict[str, Any]) -> dict[str, Any]:
    """Of the options of `caption`, those that change how it searches."""
    changes = {name: given[name] for name in SEARCH}
    changes = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in changes.items()
        if value is not None and value is not False and value not in ((), [])
    }
    if "length_penalty" in changes:
        changes["length_penalty"] = read_length_penalty(changes["length_penalty"])
    if given["neutral"] is not None:
        changes["neutral"] = CLEAR if given["neutral"] else 0
    if not given["second_look"]:
        changes["second_look"] = 0
    if not given["hedge"]:
        changes["hedge"] = False
    if not given["grounding"]:
        changes |= dict.fromkeys(("people", "animals", "things", "support"), 0)
    if given["sample"]:
        changes["method"] = "sample"
    settings = read_settings(given["settings"] or ())
    for key in settings:
        if key in SEARCH:
            option = key.replace("_", "-")
            raise typer.BadParameter(f"--set {key}=…: there is --{option} for that")
    return changes | settings


for _command in (
    alt,
    demo,
    *archive.COMMANDS,
    *find.COMMANDS,
    *training.COMMANDS,
):
    app.command()(_command)


def main(argv: list[str] | None = None) -> int:
    """Run one command; see `run_app`."""
    return run_app(app, argv, "Try a smaller --batch-size.")


if __name__ == "__main__":
    sys.exit(main())
