"""Commands to train a captioner: check data, train, score, export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from captioner.commands.options import (
    BatchSize,
    BeamSize,
    LengthPenalty,
    Models,
    NoRepeat,
    read_length_penalty,
)
from shared.console import options
from shared.console.commands import (
    advise_training,
    check_source,
    read_start,
    run_training,
)
from shared.console.progress import TrainingProgress, progress_bar, say
from shared.console.quiet import importing_keras, muted

# Heavy imports wait inside the commands: --help takes a tenth of a second.

ABOUT_DATA = "Photos and captions, or their annotations"
Data = Annotated[str, options.data(f"{ABOUT_DATA}.")]
DataSets = Annotated[list[str], options.data(f"{ABOUT_DATA}; may be repeated.")]
Official = Annotated[
    bool, typer.Option("--official", help="COCO's own scorers, and METEOR; needs Java.")
]


def data(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[DIR]", help="Photos with captions to train on."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The recipe to train with."),
    ] = None,
    from_bundle: options.FromBundle = None,
    min_count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Times that a word must occur to be learnt; default: the recipe's.",
        ),
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
    check_source(source, draw)
    if draw:
        from shared.data.shapes import write_captioned_shapes

        print(write_captioned_shapes(draw))
        advise_training("captioner", draw)
        return
    from captioner.training.cost import estimate_cost
    from captioner.training.datacheck import check_dataset
    from captioner.training.recipes import read_recipe
    from shared.data.captioned import read_dataset
    from shared.runs.cost import measure_rate, report_cost

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


def train(
    data: DataSets,
    out: options.Out,
    config: options.Config = None,
    encoder_weights: options.EncoderWeights = None,
    concepts: options.Concepts = None,
    texts: options.Texts = None,
    from_bundle: options.FromBundle = None,
    cache: options.Cache = None,
    devices: options.Devices = 1,
    precision: options.TrainingPrecision = None,
) -> None:
    """Train a model, or go on where an interrupted run stopped.

    Prints the folder of the trained model.
    """
    start = read_start("captioner", config, from_bundle)
    with importing_keras():
        from captioner.training.train import train as run
    run_training(
        "captioner",
        "caption",
        run,
        config,
        data,
        out,
        concepts=concepts,
        texts=texts or (),
        encoder_weights=encoder_weights,
        from_bundle=start,
        cache=cache,
        devices=devices,
        precision=precision,
    )


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
        str, typer.Option(metavar="NAME", help="The image encoder.")
    ] = "efficientnet_lite2",
    encoder_weights: Annotated[
        str, typer.Option(metavar="imagenet|FILE", help="Its weights.")
    ] = "imagenet",
    image_size: Annotated[
        int,
        typer.Option(metavar="N", min=32, max=1024, help="Side of photos, in pixels."),
    ] = 224,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For features and answers; default: in OUT."),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seed of the random numbers.")
    ] = 0,
) -> None:
    """Teach the concepts that models are told: which words a photo shows.

    A detector's answers teach things, captions teach scenes, actions and colors, and
    ImageNet's classes come with an EfficientNet-Lite of an .npz file. The same command
    goes on where an interrupted one stopped. Prints the folder.
    """
    with muted():
        from shared.concepts.gathering import captioned, uncaptioned
        from shared.concepts.teach import teach as run
        from shared.concepts.teachers import OnnxTeacher
        from shared.vision.efficientnet_lite import SCALES, read_classifier
        from shared.vision.encoders import Encoder
    from captioner.photos.inputs import find_photos
    from shared.data.captioned import read_dataset

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


def evaluate(
    context: typer.Context,
    data: Data,
    split: Annotated[options.Split, typer.Option(help="Photos to score.")],
    model: Models = None,
    output: Annotated[Path | None, options.output("Write the captions, too.")] = None,
    overwrite: options.Overwrite = False,
    official: Official = False,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    no_repeat: NoRepeat = None,
    batch_size: BatchSize = 8,
    runtime: options.Runtime = None,
) -> None:
    """Score a model on a split of a data set.

    Photos that cannot be read are listed and left out.
    """
    from captioner.files.formats import FORMATS
    from captioner.files.outputs import say_ids
    from captioner.jobs import evaluate as evaluation
    from shared.data.captioned import read_dataset, select
    from shared.files.outputs import write_file

    if output:
        context.with_resource(evaluation.claim_output(output, overwrite))
    records = read_dataset(data)
    photos = select(records, split)
    train = [] if split == "train" else [r for r in records if r.split == "train"]
    learnt = [text for record in train for text in record.captions]
    if output:
        say_ids(output, [{"image": p.name, "image_id": p.id} for p in photos])
    from captioner.describing.predict import load_captioner

    given = {
        "beam_size": beam_size,
        "length_penalty": read_length_penalty(length_penalty),
        "no_repeat": no_repeat,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    captioner = load_captioner(model, runtime=runtime, batch_size=batch_size, **changes)
    with progress_bar("captions", len(photos)) as advance:
        found = evaluation.caption_photos(captioner, photos, advance)
    if output:
        write_file(output, found, FORMATS)
    units = captioner.vocabulary.units
    print(evaluation.score_records(found, photos, official, units, learnt))


def export(
    bundle: options.Bundle,
    form: Annotated[
        Literal["litert", "savedmodel", "onnx"],
        typer.Option("--format", help="What to write."),
    ],
    data: Data,
    precision: options.Precision = "auto",
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
        from captioner.jobs.export import export as run
    run(bundle, form, data, precision=precision, max_loss=max_loss, announce=say)
    print(bundle / form)


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
        options.Split | None, typer.Option(help="Photos to score; default: all.")
    ] = None,
    subset: Annotated[
        bool, typer.Option("--subset", help="Score only the images in RESULTS.")
    ] = False,
    units: Annotated[
        Literal["word", "character"],
        typer.Option(help="What is a word, in languages without spaces."),
    ] = "word",
    official: Official = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RESULTS", help="Other captions of them, to compare."),
    ] = None,
) -> None:
    """Score captions from a file against what people wrote.

    Images are matched by their ids; where there are none, by name, file name, file
    name without suffix, or the number in COCO's file names. A file of references is
    read alone, whatever lies beside it.
    """
    from captioner.files.references import read_learnt, read_references
    from captioner.files.results import read_results
    from captioner.jobs.evaluate import score_results

    found, other = read_results(results), read_results(against) if against else None
    written = read_references(references, split)
    learnt = [] if split == "train" else read_learnt(references)
    print(score_results(found, written, official, subset, units, learnt, other))


COMMANDS = (data, train, teach, evaluate, export, score)
