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
from shared.console.quiet import importing_keras, muted
from shared.errors import AppError

# Heavy imports wait inside the commands: --help takes a tenth of a second.

ABOUT_DATA = "Photos and questions, or their file"
Data = Annotated[str, options.data(f"{ABOUT_DATA}.")]
DataSets = Annotated[list[str], options.data(f"{ABOUT_DATA}; may be repeated.")]
ProtocolName = Annotated[
    Literal["official", "clean"],
    typer.Option(help="Compare answers as the published evaluator does, or cleanly."),
]
Server = Annotated[
    Literal["vqa", "gqa", "vizwiz", "aokvqa"] | None,
    typer.Option(
        "--server",
        help="Whose server takes the .json; default: the data set's, or vqa.",
    ),
]
Wups = Annotated[bool, typer.Option("--wups", help="WUPS, too; needs NLTK's WordNet.")]


def check_server(server: str | None, output: Path | None) -> None:
    """Refuse --server where it would change nothing.

    Raises:
        typer.BadParameter: if the output is no .json.
    """
    if server and (output is None or output.suffix.lower() != ".json"):
        raise typer.BadParameter("--server needs an --output that ends in .json")


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
    from shared.files.outputs import claim
    from vqa.questions.writing import write_questions

    context.with_resource(claim(output, (".jsonl",), "`vqa questions`", overwrite))
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
        from vqa.training.shapes import write_asked_shapes

        print(write_asked_shapes(draw))
        advise_training("vqa", draw)
        return
    from shared.runs.cost import measure_rate, report_cost
    from vqa.data import read_dataset
    from vqa.training.cost import estimate_cost
    from vqa.training.datacheck import check_dataset
    from vqa.training.recipes import read_further

    records = read_dataset(str(source))
    photos = len({record.name for record in records})
    with progress_bar("photos", photos) as advance:
        check = check_dataset(
            records,
            answers=answers,
            min_count=min_count,
            progress=lambda done, _: advance(done),
        )
    recipe, name = read_further(records)
    cost = estimate_cost(recipe, check.sizes, measure_rate())
    print(report_cost(cost, name), check, sep="\n\n")
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
    devices: options.Devices = 1,
    precision: options.TrainingPrecision = None,
) -> None:
    """Train a model, or go on where an interrupted run stopped.

    Prints the folder of the trained model.
    """
    start = read_start("vqa", config, from_bundle)
    with importing_keras():
        from vqa.training.train import train as run
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
        devices=devices,
        precision=precision,
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
    server: Server = None,
    runtime: options.Runtime = None,
) -> None:
    """Score a model on a split of a data set, with the photos and without.

    Scored is the likeliest answer, even where the model would say "not sure".
    Photos that cannot be read are listed, and their questions left out. For a split
    without answers, --output is needed: .json is the form that the data set's
    evaluation server takes, and holds an answer to each question.
    """
    check_server(server, output)
    from shared.files.outputs import claim, write_file
    from vqa.answering.predict import load_vqa
    from vqa.data import is_answered, read_dataset, select_all
    from vqa.files.formats import WITH_IDS
    from vqa.jobs import evaluate as evaluation

    if output:
        context.with_resource(claim(output, WITH_IDS, "`vqa evaluate`", overwrite))
    every = read_dataset(data)
    records = select_all(every, split)
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
    formats, asked, warning = WITH_IDS, records, ""
    if output and output.suffix.lower() == ".json":
        from vqa.files.servers import as_direct, find_server, formats_for, name_settings

        server = server or find_server(data, every)
        formats = formats_for(server)
        if server == "aokvqa":  # asks for both, about a photo that is looked at once
            asked = [*records, *as_direct(records)]
    answerer = load_vqa(model, runtime=runtime)
    with progress_bar("answers", len(asked), unit="questions") as advance:
        answers = evaluation.ask_records(answerer, asked, advance)
    found, direct = answers[: len(records)], answers[len(records) :]
    written = found
    if not can_score and formats is not WITH_IDS:
        written, warning = evaluation.complete(found)
    if direct:
        written = name_settings(written, [r.choices for r in records], direct)
    if output:
        write_file(output, written, formats)
    if can_score:
        print(evaluation.score_records(found, records, protocol, wups))
        return
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
        from vqa.jobs.export import export as run
    run(bundle, data, precision=precision, max_loss=max_loss, announce=say)
    print(bundle / form)


def score(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS",
            help="Answers: VQA's results, those of other servers, our .jsonl or .csv.",
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
    direct: Annotated[
        bool,
        typer.Option("--direct", help="Of A-OKVQA, answers instead of choices."),
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
    from vqa.jobs.evaluate import read_references, score_results

    records = read_references(annotations, split)
    report, left_out = score_results(
        results, records, protocol, wups, blind, subset, against, direct
    )
    print(report)
    if left_out:
        print(f"warning: questions without an answer, left out: {len(left_out)}")


COMMANDS = (questions, data, train, evaluate, export, score)
