"""Command line of the captioner, e.g. `captioner caption photos/`."""

import io
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from captioner.progress import TrainingProgress, describe, progress_bar, say
from shared.errors import AppError
from shared.quiet import is_debugging, quiet_tensorflow

# Heavy imports wait inside the commands: --help takes a tenth of a second.

app = typer.Typer(
    help="Describe photos in a sentence, and train the model that does.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Split = Literal["train", "dev", "test"]
Model = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A trained model; default: the one included."),
]
BeamSize = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=50, help="Width of the search, 1 to 50."),
]
BatchSize = Annotated[
    int, typer.Option(metavar="N", min=1, max=512, help="Photos at once, 1 to 512.")
]
Official = Annotated[
    bool, typer.Option("--official", help="COCO's own scorers, and METEOR; needs Java.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files.")]
Data = Annotated[
    str, typer.Option(metavar="DIR", help="Photos and captions, or their annotations.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"captioner {version('sightread')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_print_version,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    pass


@app.command()
def caption(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Photos, folders, quoted patterns such as 'in/*.jpg', or - for a "
            "list on standard input.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write .jsonl, .csv, .json (COCO's results) or .html.",
        ),
    ] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write a .txt beside each photo.")
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Also look into inner folders."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted output.")
    ] = False,
    overwrite: Overwrite = False,
    num_captions: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=50, help="Captions a photo, best first."),
    ] = 1,
    beam_size: BeamSize = None,
    batch_size: BatchSize = 16,
    model: Model = None,
) -> None:
    """Describe photos.

    Prints `path<TAB>caption`, a line for each caption, unless --output or
    --sidecar says where to write. Photos that cannot be read are reported and
    left out, and the exit status is then 1.
    """
    if resume and overwrite:
        raise typer.BadParameter("--resume keeps what --overwrite replaces; choose one")
    if beam_size and num_captions > beam_size:
        raise typer.BadParameter(
            f"--num-captions {num_captions} needs --beam-size {num_captions} or more, "
            f"not {beam_size}"
        )
    from captioner.captioning import Job
    from captioner.inputs import find_photos
    from captioner.outputs import Output, Sidecars

    photos = find_photos(paths, recursive, lambda: sys.stdin.buffer.read(), say)
    rules = {"resume": resume, "overwrite": overwrite}
    file = Output(output, photos, batch_size=batch_size, **rules) if output else None
    beside = Sidecars(photos, **rules) if sidecar else None
    job = Job(photos, file, beside, batch_size, num_captions, model, beam_size)
    job.run()
    if job.errors:
        raise typer.Exit(1)


@app.command()
def data(
    source: Annotated[
        str, typer.Argument(metavar="DIR", help="Photos with captions to train on.")
    ],
    min_count: Annotated[
        int, typer.Option(min=1, help="Times that a word must occur to be learnt.")
    ] = 4,
) -> None:
    """Check a data set before training on it.

    Decodes every photo, counts captions and words, and estimates what training
    takes. The exit status is 1 if there is something to fix.
    """
    from captioner.data import read_dataset
    from captioner.datacheck import check_dataset

    records = read_dataset(source)
    with progress_bar("photos", len(records)) as advance:
        check = check_dataset(
            records, min_count=min_count, progress=lambda done, _: advance(done)
        )
    print(check)
    if not check.ok:
        raise typer.Exit(1)


@app.command()
def train(
    data: Data,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The run; one that exists goes on.")
    ],
    config: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The recipe.")
    ] = None,
    encoder_weights: Annotated[
        str | None,
        typer.Option(metavar="imagenet|none|FILE", help="Instead of the recipe's."),
    ] = None,
    from_bundle: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="A trained model to start from, or `included`.",
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For features; default: in OUT.")
    ] = None,
) -> None:
    """Train a model, or go on where an interrupted run stopped.

    Prints the folder of the trained model.
    """
    if config is None and from_bundle is None:
        from shared.config import recipe_names

        names = ", ".join(recipe_names("captioner-"))
        raise typer.BadParameter(f"give --config (a file, {names}), or --from")
    with quiet_tensorflow():
        from captioner.train import train as run
    if str(from_bundle) == "included":
        from captioner.predict import SHIPPED

        from_bundle = SHIPPED
    with TrainingProgress() as progress:
        bundle = run(
            config,
            data,
            out,
            encoder_weights=encoder_weights,
            from_bundle=from_bundle,
            cache=cache,
            announce=progress.announce,
            tick=progress.tick,
        )
    print(bundle)


@app.command()
def evaluate(
    data: Data,
    split: Annotated[Split, typer.Option(help="Photos to score.")],
    model: Model = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the captions, too."),
    ] = None,
    overwrite: Overwrite = False,
    official: Official = False,
    beam_size: BeamSize = None,
    batch_size: BatchSize = 16,
) -> None:
    """Score a model on a split of a data set.

    Photos that cannot be read are listed and left out.
    """
    from captioner import evaluate as evaluation
    from captioner.data import read_dataset, select
    from captioner.formats import write_file

    if output:
        evaluation.check_output(output, overwrite)
    photos = select(read_dataset(data), split)
    with quiet_tensorflow():
        from captioner.predict import load_captioner
    captioner = load_captioner(model, beam_size=beam_size, batch_size=batch_size)
    with progress_bar("captions", len(photos)) as advance:
        records = evaluation.caption_photos(captioner, photos, advance)
    if output:
        write_file(output, records)
    print(evaluation.score_records(records, photos, official))


@app.command()
def score(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS", help="Captions: COCO's results or our .jsonl."
        ),
    ],
    references: Annotated[
        str,
        typer.Argument(metavar="REFERENCES", help="What `--data` takes elsewhere."),
    ],
    split: Annotated[
        Split | None, typer.Option(help="Photos to score; default: all.")
    ] = None,
    official: Official = False,
) -> None:
    """Score captions from a file against what people wrote.

    Photos are matched by name, file name, file name without suffix, or the number
    in COCO's file names.
    """
    from captioner.evaluate import read_references, score_results
    from captioner.results import read_results

    report, left_out = score_results(
        read_results(results), read_references(references, split), official
    )
    print(report)
    if left_out:
        print(f"warning: photos without a caption, left out: {len(left_out)}")


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0, 1 after a problem, 2 for a command line that is not understood, 130 if
        interrupted.
    """
    # Whatever bytes a file name has, they are printed as they are.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        typer.main.get_command(app).main(argv, prog_name="captioner")
    except SystemExit as end:  # the only way out
        return end.code if isinstance(end.code, int) else 1
    except (AppError, OSError, MemoryError) as error:
        if is_debugging():
            raise
        say(f"error: {describe(error)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
