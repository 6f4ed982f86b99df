"""Command line of the captioner, e.g. `captioner caption photos/`."""

import io
import os
import sys
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

import typer

from captioner.demo import demo
from shared.console.progress import TrainingProgress, describe, progress_bar, say
from shared.console.quiet import is_debugging, muted
from shared.errors import AppError

# Heavy imports wait inside the commands: --help takes a tenth of a second.

# Options of `caption` that are fields of `DecodingConfig`.
SEARCH = (
    *("beam_size", "groups", "diversity", "length_penalty", "min_words", "max_words"),
    *("no_repeat", "prefix", "must", "ban", "inflections"),
    *("temperature", "top_k", "top_p", "seed"),
)
CLEAR = 0.8  # the margin of --neutral, see `DecodingConfig`
WHEN_FULL = "Try a smaller --batch-size."

app = typer.Typer(
    help="Describe photos in a sentence, and train the model that does.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Split = Literal["train", "dev", "test"]
Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Photos, folders, quoted patterns such as 'in/*.jpg', or - for a list on "
        "standard input.",
    ),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Also look into inner folders.")
]
Null = Annotated[
    bool, typer.Option("--null", "-0", help="The list is of find -print0.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an output; do what is missing.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what runs, and how fast.")
]
Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        metavar="DIR",
        help="A trained model; default: the one included. Several vote.",
    ),
]
Runtime = Annotated[
    Literal["keras", "litert"] | None,
    typer.Option(help="What runs the model; default: LiteRT if it can, else Keras."),
]
BeamSize = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=50, help="Width of the search, 1 to 50."),
]
BatchSize = Annotated[
    int, typer.Option(metavar="N", min=1, max=512, help="Photos at once, 1 to 512.")
]
LengthPenalty = Annotated[
    str | None,
    typer.Option(
        metavar="X|average", help="Above 0 favours long captions; 0 to 5, or average."
    ),
]
NoRepeat = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="No N words in a row twice; 0 allows it."),
]
Official = Annotated[
    bool, typer.Option("--official", help="COCO's own scorers, and METEOR; needs Java.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files.")]
FromBundle = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="DIR", help="A trained model to start from, or `included`."
    ),
]
Data = Annotated[
    str, typer.Option(metavar="DIR", help="Photos and captions, or their annotations.")
]
DataSets = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="DIR",
        help="Photos and captions, or their annotations; may be repeated.",
    ),
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
    context: typer.Context,
    paths: Paths,
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
    recursive: Recursive = False,
    null: Null = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    num_captions: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=50, help="Captions a photo, best first."),
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
        float | None, typer.Option(metavar="X", help="Of --sample; below 1 is tamer.")
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Of --sample: from the N likeliest."),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(metavar="P", help="Of --sample: from the likeliest up to P."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Of --sample.")
    ] = None,
    batch_size: BatchSize = 8,
    model: Models = None,
    runtime: Runtime = None,
    verbose: Verbose = False,
) -> None:
    """Describe photos.

    Prints `path<TAB>caption`, a line for each caption, unless --output or
    --sidecar says where to write. Photos that cannot be read are reported and
    left out, and the exit status is then 1. How captions are searched for is the
    model's own choice unless an option says otherwise.
    """
    if resume and overwrite:
        raise typer.BadParameter("--resume keeps what --overwrite replaces; choose one")
    if beam_size and num_captions > beam_size:
        raise typer.BadParameter(
            f"--num-captions {num_captions} needs --beam-size {num_captions} or more, "
            f"not {beam_size}"
        )
    if details and (output is None or output.suffix.lower() != ".jsonl"):
        raise typer.BadParameter("--details needs an --output that ends in .jsonl")
    from captioner.job import Job, Way
    from captioner.outputs import Sidecars, open_output

    photos = _find_photos(paths, recursive, null)
    models = tuple(model or ())
    changes = _search_changes(context.params)
    way = Way(
        batch_size, num_captions, details, models, runtime, changes, verbose, check
    )
    rules: dict[str, Any] = {"resume": resume, "overwrite": overwrite}
    job = Job(photos, None, Sidecars(photos, **rules) if sidecar else None, way)
    if output:
        job.output = open_output(
            output, photos, way.settings, batch_size=batch_size, **rules
        )
    job.run()
    if job.errors:
        raise typer.Exit(1)


@app.command()
def concepts(
    paths: Paths,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write .jsonl or .csv."),
    ] = None,
    recursive: Recursive = False,
    null: Null = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Concepts a photo, best first.")
    ] = 10,
    layout: Annotated[
        Literal["table", "tsv", "jsonl"] | None,
        typer.Option(
            "--format", help="Of what is printed; default: table on a terminal."
        ),
    ] = None,
    batch_size: BatchSize = 8,
    model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A trained model; default: the one included."),
    ] = None,
    runtime: Runtime = None,
    verbose: Verbose = False,
) -> None:
    """Say which words photos show, of a model with concepts.

    Prints `path<TAB>word<TAB>there<TAB>said`, a line for each concept, unless --output
    says where to write; on a terminal a table. `there` is the probability that it can
    be seen, `said` that a human caption mentions it. Photos that cannot be read are
    reported and left out, and the exit status is then 1.
    """
    if resume and overwrite:
        raise typer.BadParameter("--resume keeps what --overwrite replaces; choose one")
    if resume and not output:
        raise typer.BadParameter("--resume needs the --output to go on with")
    if layout and output:
        raise typer.BadParameter("--format is about printing; --output goes by its end")
    from captioner.concepts_job import CONCEPTS, Naming
    from captioner.job import Job
    from captioner.outputs import open_output

    photos = _find_photos(paths, recursive, null)
    layout = layout or ("table" if sys.stdout.isatty() else "tsv")
    way = Naming(top, model, runtime, layout, batch_size, verbose)
    job = Job(photos, way=way)
    if output:
        job.output = open_output(
            output,
            photos,
            way.settings,
            batch_size=batch_size,
            resume=resume,
            overwrite=overwrite,
            kind=CONCEPTS,
        )
    job.run()
    if job.errors:
        raise typer.Exit(1)


app.command()(demo)


@app.command()
def data(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[DIR]", help="Photos with captions to train on."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The recipe to train with."),
    ] = None,
    from_bundle: FromBundle = None,
    min_count: Annotated[
        int | None,
        typer.Option(min=1, help="Instead of the recipe's: times to see a word."),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw shapes with captions, for a first try."),
    ] = None,
) -> None:
    """Check a data set before training on it.

    Decodes every photo, counts captions and words as training will, and estimates
    what that takes: with the recipe of --config, or further from the model of --from,
    by default the one included. The exit status is 1 if there is something to fix.
    """
    if (source is None) == (draw is None):
        raise typer.BadParameter("give either DIR to check, or --draw DIR")
    if draw:
        from shared.data.shapes import write_captioned_shapes

        print(write_captioned_shapes(draw))
        say(
            "Train on them: captioner train --config captioner-tiny "
            f"--data {quote(str(draw))} --out runs/shapes"
        )
        return
    from captioner.cost import estimate_cost, measure_rate
    from captioner.data import read_dataset
    from captioner.datacheck import check_dataset, report_cost
    from captioner.recipes import read_recipe

    records = read_dataset(str(source))
    recipe, name, first = read_recipe(config, from_bundle, records)
    if min_count:
        words = recipe.vocabulary.model_copy(update={"min_count": min_count})
        recipe = recipe.model_copy(update={"vocabulary": words})
    with progress_bar("photos", len(records)) as advance:
        check = check_dataset(
            records,
            recipe.vocabulary,
            first=first,
            progress=lambda done, _: advance(done),
        )
    sizes = check.learn, check.choose, len(first) + check.kept
    cost = estimate_cost(recipe, *sizes, measure_rate())
    print(report_cost(cost, name), check, sep="\n\n")
    if not check.ok:
        raise typer.Exit(1)


@app.command()
def train(
    data: DataSets,
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
    concepts: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What `teach` wrote, for a recipe with them."),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Captions without photos; may be repeated."),
    ] = None,
    from_bundle: FromBundle = None,
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
    with muted():
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
            concepts=concepts,
            texts=texts or (),
            from_bundle=from_bundle,
            cache=cache,
            announce=progress.announce,
            tick=progress.tick,
        )
    print(bundle)
    say(
        "To caption faster, and without TensorFlow: "
        f"captioner export {quote(str(bundle))} --format litert --data {quote(data[0])}"
    )


@app.command()
def teach(
    data: Annotated[
        list[str],
        typer.Option(metavar="DIR", help="Photos and captions; several times: more."),
    ],
    teacher: Annotated[
        Path,
        typer.Option(metavar="FILE", help="An ONNX detector of COCO's 80 things."),
    ],
    out: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="The folder to write."),
    ],
    photos: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Photos without captions, to learn from."),
    ] = None,
    labelled: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Photos of what their file or folder names."),
    ] = None,
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="What looks at photos.")
    ] = "efficientnet_lite2",
    encoder_weights: Annotated[
        str, typer.Option(metavar="imagenet|FILE", help="Its weights.")
    ] = "imagenet",
    image_size: Annotated[
        int, typer.Option(metavar="N", min=32, max=1024, help="What it looks at, px.")
    ] = 224,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For features and answers; default: in OUT."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
) -> None:
    """Teach the concepts that models are told: which words a photo shows.

    A detector's answers teach things, captions teach scenes, actions and colours, and
    ImageNet's classes come with an EfficientNet-Lite of an .npz file. The same command
    goes on where an interrupted one stopped. Prints the folder.
    """
    with muted():
        from shared.concepts.gathering import captioned, uncaptioned
        from shared.concepts.teach import teach as run
        from shared.concepts.teachers import OnnxTeacher
        from shared.vision.efficientnet_lite import SCALES, read_classifier
        from shared.vision.encoders import Encoder
    from captioner.data import read_dataset
    from captioner.inputs import find_photos

    sources = [captioned(name, read_dataset(name)) for name in data]
    for folders, has_labels in ((photos, False), (labelled, True)):
        for name in folders or ():
            paths = find_photos([name], True, bytes, say)
            sources.append(uncaptioned(name, paths, has_labels))
    knows = encoder in SCALES and encoder_weights.endswith(".npz")
    with TrainingProgress() as progress:
        folder = run(
            sources,
            Encoder(encoder, image_size, encoder_weights),
            read_classifier(encoder_weights) if knows else None,
            OnnxTeacher(teacher),
            out,
            cache=cache,
            seed=seed,
            announce=progress.announce,
            tick=progress.tick,
        )
    print(folder)


@app.command()
def evaluate(
    context: typer.Context,
    data: Data,
    split: Annotated[Split, typer.Option(help="Photos to score.")],
    model: Models = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the captions, too."),
    ] = None,
    overwrite: Overwrite = False,
    official: Official = False,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    no_repeat: NoRepeat = None,
    batch_size: BatchSize = 8,
    runtime: Runtime = None,
) -> None:
    """Score a model on a split of a data set.

    Photos that cannot be read are listed and left out.
    """
    from captioner import evaluate as evaluation
    from captioner.data import read_dataset, select
    from captioner.formats import write_file
    from shared.files.locks import hold

    if output:
        evaluation.check_output(output, overwrite)
        context.with_resource(hold(output, "`captioner evaluate`"))
    photos = select(read_dataset(data), split)
    from captioner.predict import load_captioner

    changes = _given(
        beam_size=beam_size,
        length_penalty=_number_or_word(length_penalty),
        no_repeat=no_repeat,
    )
    captioner = load_captioner(model, runtime=runtime, batch_size=batch_size, **changes)
    with progress_bar("captions", len(photos)) as advance:
        records = evaluation.caption_photos(captioner, photos, advance)
    if output:
        write_file(output, records)
    units = captioner.vocabulary.units
    print(evaluation.score_records(records, photos, official, units))


@app.command()
def export(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="The folder of a trained model.")
    ],
    form: Annotated[
        Literal["litert", "savedmodel", "onnx"],
        typer.Option("--format", help="What to write."),
    ],
    data: Data,
    precision: Annotated[
        Literal["auto", "int8", "float16"],
        typer.Option(
            help="Of LiteRT's encoder; auto is int8 if that loses little enough."
        ),
    ] = "auto",
    max_loss: Annotated[
        float, typer.Option(metavar="X", min=0, help="CIDEr-D that may be lost.")
    ] = 1.0,
) -> None:
    """Write a model in a form that runs without Keras, and check it.

    The dev photos of --data are captioned by Keras and by what was written; if that
    is not much worse, it becomes a part of the bundle. With LiteRT, `captioner
    caption` starts at once and is several times faster.
    """
    with muted():
        from captioner.export import export as run
    run(bundle, form, data, precision=precision, max_loss=max_loss, announce=say)
    print(bundle / form)


@app.command()
def score(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS", help="Captions: COCO's results, our .jsonl or .csv."
        ),
    ],
    references: Annotated[
        str,
        typer.Argument(metavar="REFERENCES", help="What `--data` takes elsewhere."),
    ],
    split: Annotated[
        Split | None, typer.Option(help="Photos to score; default: all.")
    ] = None,
    subset: Annotated[
        bool, typer.Option("--subset", help="Score only the images in RESULTS.")
    ] = False,
    units: Annotated[
        Literal["word", "character"],
        typer.Option(help="What is a word, in languages without spaces."),
    ] = "word",
    official: Official = False,
) -> None:
    """Score captions from a file against what people wrote.

    Images are matched by their ids; where there are none, by name, file name, file
    name without suffix, or the number in COCO's file names. A file of references is
    read alone, whatever lies beside it.
    """
    from captioner.evaluate import score_results
    from captioner.references import read_references
    from captioner.results import read_results

    found = read_results(results)
    written = read_references(references, split)
    print(score_results(found, written, official, subset, units))


def _find_photos(paths: list[str], recursive: bool, null: bool) -> list[Path]:
    if null and "-" not in paths:
        raise typer.BadParameter("--null is about a list on standard input: add -")
    from captioner.inputs import find_photos

    def read_input() -> bytes:
        return sys.stdin.buffer.read() if sys.stdin else b""

    return find_photos(paths, recursive, read_input, say, null)


def _search_changes(given: dict[str, Any]) -> dict[str, Any]:
    """Of the options of `caption`, those that change how it searches."""
    changes = {name: given[name] for name in SEARCH}
    changes = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in changes.items()
        if value is not None and value is not False and value not in ((), [])
    }
    if "length_penalty" in changes:
        changes["length_penalty"] = _number_or_word(changes["length_penalty"])
    if given["neutral"] is not None:
        changes["neutral"] = CLEAR if given["neutral"] else 0
    if not given["hedge"]:
        changes["hedge"] = False
    if not given["grounding"]:
        changes |= dict.fromkeys(("people", "animals", "things", "support"), 0)
    return changes | ({"method": "sample"} if given["sample"] else {})


def _given(**options: Any) -> dict[str, Any]:
    """Keep the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _number_or_word(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        if text != "average":
            raise typer.BadParameter(
                f"--length-penalty is a number from 0 to 5, or average, not {text}"
            ) from None
        return text


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0, 1 after a problem, 2 for a command line that is not understood, 130 if
        interrupted.
    """
    # A closed stream's number would go to the next file that is opened.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
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
        say(f"error: {describe(error, WHEN_FULL)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
