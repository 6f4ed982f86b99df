"""Commands to train a VQA model: make and check questions, train, score, export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.console import options
from shared.console.commands import (
    advise_training,
    check_source,
    read_start,
    run_training,
)
from shared.console.progress import progress_bar, say
from shared.console.quiet import muted
from shared.errors import AppError

# Heavy imports wait inside the commands: --help takes a tenth of a second.

ABOUT_DATA = "Photos and questions, or their file"
Data = Annotated[str, options.data(f"{ABOUT_DATA}.")]
DataSets = Annotated[list[str], options.data(f"{ABOUT_DATA}; may be repeated.")]
ProtocolName = Annotated[
    Literal["official", "clean"],
    typer.Option(help="Compare answers as the published evaluator does, or cleanly."),
]
Wups = Annotated[bool, typer.Option("--wups", help="WUPS, too; needs NLTK's WordNet.")]


def questions(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Photos with captions.")
    ],
    output: Annotated[Path, options.output("Write .jsonl.")],
    labels: Annotated[
        bool,
        typer.Option(help="No captions: files or folders are named by what is shown."),
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Make questions with answers from captions, to train on.

    They are made by rules from what the captions of a photo say, and are as right as
    those.
    """
    from shared.files.atomic import check_target
    from shared.files.locks import hold
    from vqa.questions.writing import write_questions

    check_target(output, (".jsonl",), overwrite)
    context.with_resource(hold(output, "`vqa questions`"))
    print(write_questions(source, output, labels))


def data(
    source: Annotated[
        str | None,
        typer.Argument(metavar="DIR", help="Photos with questions to train on."),
    ] = None,
    answers: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Most frequent answers that will be learnt."
        ),
    ] = 1000,
    min_count: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Times that a word must occur to be learnt."
        ),
    ] = 2,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw shapes and ask, for a first try."),
    ] = None,
) -> None:
    """Check a data set before training on it.

    Decodes every photo, counts questions, answers and words, and estimates what
    training takes. The exit status is 1 if there is something to fix.
    """
    check_source(source, draw)
    if draw:
        from vqa.shapes import write_asked_shapes

        print(write_asked_shapes(draw))
        advise_training("vqa", draw)
        return
    from vqa.data import read_dataset
    from vqa.datacheck import check_dataset

    records = read_dataset(str(source))
    photos = len({record.name for record in records})
    with progress_bar("photos", photos) as advance:
        check = check_dataset(
            records,
            answers=answers,
            min_count=min_count,
            progress=lambda done, _: advance(done),
        )
    print(check)
    if not check.ok:
        raise typer.Exit(1)


def train(
    data: DataSets,
    out: options.Out,
    config: options.Config = None,
    concepts: options.Concepts = None,
    texts: options.Texts = None,
    captions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR",
            help="Captioned photos that taught the concepts; may be repeated.",
        ),
    ] = None,
    encoder_weights: options.EncoderWeights = None,
    from_bundle: options.FromBundle = None,
    cache: options.Cache = None,
) -> None:
    """Train a model, or go on where an interrupted run stopped.

    Prints the folder of the trained model.
    """
    start = read_start("vqa", config, from_bundle)
    with muted():
        from vqa.train import train as run
    run_training(
        "vqa",
        "answer",
        run,
        config,
        data,
        out,
        concepts=concepts,
        texts=texts or (),
        captions=captions or (),
        encoder_weights=encoder_weights,
        from_bundle=start,
        cache=cache,
    )


def evaluate(
    context: typer.Context,
    data: Data,
    split: Annotated[options.Split, typer.Option(help="Questions to score.")],
    model: options.Model = None,
    output: Annotated[Path | None, options.output("Write the answers, too.")] = None,
    overwrite: options.Overwrite = False,
    protocol: ProtocolName = "official",
    wups: Wups = False,
    runtime: options.Runtime = None,
) -> None:
    """Score a model on a split of a data set, with the photos and without.

    Scored is the likeliest answer, even where the model would say "not sure".
    Photos that cannot be read are listed, and their questions left out. For a split
    without answers, --output is needed: .json is the form that evaluation servers
    take, and holds an answer to each question.
    """
    from shared.files.atomic import check_target
    from shared.files.locks import hold
    from shared.files.outputs import write_file
    from vqa import evaluate as evaluation
    from vqa.data import is_answered, read_dataset, select_all
    from vqa.formats import WITH_IDS
    from vqa.predict import load_vqa

    if output:
        check_target(output, WITH_IDS, overwrite)
        context.with_resource(hold(output, "`vqa evaluate`"))
    records = select_all(read_dataset(data), split)
    can_score = any(map(is_answered, records))
    if not output:
        if not can_score:
            raise AppError(
                f"The questions of split {split} come without answers, so there is "
                "nothing to score against. Write what the model says with --output, "
                "such as -o results.json for an evaluation server."
            )
        records = list(filter(is_answered, records))
    if wups:
        evaluation.check_wups(records)
    answerer = load_vqa(model, runtime=runtime)
    with progress_bar("answers", len(records), unit="questions") as advance:
        found = evaluation.ask_records(answerer, records, advance)
    if can_score:
        if output:
            write_file(output, found, WITH_IDS)
        print(evaluation.score_records(found, records, protocol, wups))
        return
    assert output is not None
    warning = ""
    if output.suffix.lower() == ".json":
        found, warning = evaluation.complete(found)
    write_file(output, found, WITH_IDS)
    print(
        f"{len(found)} questions of split {split}, answered in {output}; no score, as "
        "they come without people's answers"
    )
    if warning:
        print(warning)


def export(
    bundle: options.Bundle,
    form: Annotated[Literal["litert"], typer.Option("--format", help="What to write.")],
    data: Data,
    precision: options.Precision = "auto",
    max_loss: Annotated[
        float,
        typer.Option(metavar="X", min=0, help="Points of the score that may be lost."),
    ] = 1.0,
) -> None:
    """Write a model in a form that runs without Keras, and check it.

    The dev questions of --data are answered by Keras and by what was written; if that
    is not much worse, it becomes a part of the bundle. With LiteRT, `vqa ask` starts
    at once and is several times faster.
    """
    with muted():
        from vqa.export import export as run
    run(bundle, data, precision=precision, max_loss=max_loss, announce=say)
    print(bundle / form)


def score(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS", help="Answers: VQA's results, our .jsonl or .csv."
        ),
    ],
    annotations: Annotated[
        str,
        typer.Argument(metavar="ANNOTATIONS", help="What `--data` takes elsewhere."),
    ],
    split: Annotated[
        options.Split | None, typer.Option(help="Questions to score; default: all.")
    ] = None,
    protocol: ProtocolName = "official",
    blind: Annotated[
        Path | None,
        typer.Option(metavar="RESULTS", help="Answers without the photos, to compare."),
    ] = None,
    subset: Annotated[
        bool, typer.Option("--subset", help="Only the questions that RESULTS names.")
    ] = False,
    wups: Wups = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RESULTS", help="Other answers to them, to compare."),
    ] = None,
) -> None:
    """Score answers from a file against what people answered.

    Questions are matched by id; without one, by photo and question. A file of
    ANNOTATIONS is read alone, without those of other splits beside it. The photos
    need not be there.
    """
    from vqa.evaluate import read_references, score_results

    records = read_references(annotations, split)
    report, left_out = score_results(
        results, records, protocol, wups, blind, subset, against
    )
    print(report)
    if left_out:
        print(f"warning: questions without an answer, left out: {len(left_out)}")


COMMANDS = (questions, data, train, evaluate, export, score)
