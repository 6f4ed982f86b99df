"""Command line of the answerer, e.g. `vqa ask dog.jpg "what color is the dog?"`."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from shared.console.progress import TrainingProgress, describe, progress_bar, say
from shared.console.quiet import is_debugging, muted
from shared.errors import AppError

# Heavy imports wait inside the commands: --help takes a tenth of a second.

WHEN_FULL = "Close other programs, or use a smaller model."

app = typer.Typer(
    help="Answer questions about photos, and train the model that does.",
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
Runtime = Annotated[
    Literal["keras", "litert"] | None,
    typer.Option(help="What runs the model; default: LiteRT if it can, else Keras."),
]
ProtocolName = Annotated[
    Literal["official", "clean"],
    typer.Option(help="Compare answers as the published evaluator does, or cleanly."),
]
Wups = Annotated[bool, typer.Option("--wups", help="WUPS, too; needs NLTK's WordNet.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files.")]
DataSets = Annotated[
    list[str],
    typer.Option(
        "--data", metavar="DIR", help="Photos and questions, or their file; repeatable."
    ),
]
Data = Annotated[
    str, typer.Option(metavar="DIR", help="Photos and questions, or their file.")
]


class _ManyChoices(TyperCommand):
    """A command whose --choices takes all words up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat --choices before each of its words, as click knows it."""
        try:
            words = list(_repeat("--choices", args))
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx) from error
        return super().parse_args(ctx, words)


def _repeat(option: str, words: list[str]) -> Iterator[str]:
    left = iter(words)
    inside = empty = False
    for word in left:
        ends = word.startswith("-") and not _is_number(word)
        if inside and not ends:
            yield f"{option}={word}"
            empty = False
            continue
        if empty:
            break
        inside = word.split("=")[0] == option
        empty = word == option
        if not empty:
            yield word
        if word == "--":
            yield from left
    if empty:
        raise ValueError(f"{option} needs answers to choose among")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"vqa {version('sightread')}")
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


@app.command(cls=_ManyChoices)
def ask(
    image: Annotated[
        Path | None, typer.Argument(metavar="IMAGE", help="A photo.")
    ] = None,
    question: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="In English, quoted or not."),
    ] = None,
    choices: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A B ...",
            help="Choose among these answers: all words up to the next option.",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="Answers, best first.")
    ] = 5,
    blind: Annotated[
        bool, typer.Option("--blind", help="Say as well what it would guess unseen.")
    ] = False,
    attention: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw where it looked: .png, .jpg, .webp."),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ask all questions of a .jsonl or .csv: image, question, and maybe "
            "choices, id.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Of --batch: write .jsonl, .csv or .json (VQA's results).",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an output; do what is missing.")
    ] = False,
    overwrite: Overwrite = False,
    model: Model = None,
    runtime: Runtime = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what runs, and how fast.")
    ] = False,
) -> None:
    """Answer a question about a photo, or a file of questions.

    Prints `answer<TAB>confidence`, a line for each answer, best first; with --batch
    `image<TAB>question<TAB>answer<TAB>confidence`, a line for each question, unless
    --output says where to write. What cannot be answered is reported, and the exit
    status is then 1.
    """
    from vqa.job import Job, Way, ask_one

    way = Way(top, blind, model, runtime, verbose)
    if batch is None:
        _refuse({"--output": output, "--resume": resume}, "is about --batch")
        if image is None or not question:
            raise typer.BadParameter("give IMAGE and QUESTION, or --batch FILE")
        if choices and len(set(choices)) < 2:
            raise typer.BadParameter("--choices needs two different answers or more")
        ask_one(image, _one(question), choices or [], way, attention, overwrite)
        return
    alone = {"IMAGE": image, "--choices": choices, "--attention": attention}
    _refuse(alone, "is about one question; --batch has them in its file")
    if resume and overwrite:
        raise typer.BadParameter("--resume keeps what --overwrite replaces; choose one")
    if resume and not output:
        raise typer.BadParameter("--resume needs the --output to go on with")
    from vqa.inputs import read_questions
    from vqa.outputs import open_output

    questions = read_questions(batch)
    rules = {"resume": resume, "overwrite": overwrite}
    job = Job(questions, None, way)
    if output:
        job.output = open_output(output, questions, way.settings, **rules)
    job.run()
    if job.errors:
        raise typer.Exit(1)


@app.command()
def questions(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Photos with captions.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write .jsonl.")
    ],
    labels: Annotated[
        bool,
        typer.Option(help="No captions: files or folders are named by what is shown."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Make questions with answers from captions, to train on.

    They are made by rules from what the captions of a photo say, and are as right as
    those.
    """
    from shared.files.locks import hold
    from vqa.formats import check_target
    from vqa.questions.making import write_questions

    check_target(output, overwrite, (".jsonl",))
    context.with_resource(hold(output, "`vqa questions`"))
    print(write_questions(source, output, labels))


@app.command()
def data(
    source: Annotated[
        str | None,
        typer.Argument(metavar="DIR", help="Photos with questions to train on."),
    ] = None,
    answers: Annotated[
        int, typer.Option(min=1, help="Most frequent answers that will be learnt.")
    ] = 1000,
    min_count: Annotated[
        int, typer.Option(min=1, help="Times that a word must occur to be learnt.")
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
    if (source is None) == (draw is None):
        raise typer.BadParameter("give either DIR to check, or --draw DIR")
    if draw:
        from vqa.shapes import write_asked_shapes

        print(write_asked_shapes(draw))
        say(
            "Train on them: vqa train --config vqa-tiny "
            f"--data {quote(str(draw))} --out runs/shapes"
        )
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


@app.command()
def train(
    data: DataSets,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The run; one that exists goes on.")
    ],
    config: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The recipe.")
    ] = None,
    concepts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="What `captioner teach` wrote, for a recipe with them."
        ),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Captions without photos, to ask about; repeatable."
        ),
    ] = None,
    captions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR", help="Captioned photos that taught the concepts; repeatable."
        ),
    ] = None,
    encoder_weights: Annotated[
        str | None,
        typer.Option(
            metavar="imagenet|none|FILE|BUNDLE", help="Instead of the recipe's."
        ),
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

        names = ", ".join(recipe_names("vqa-"))
        raise typer.BadParameter(f"give --config (a file, {names}), or --from")
    with muted():
        from vqa.train import train as run
    if str(from_bundle) == "included":
        from vqa.predict import SHIPPED

        from_bundle = SHIPPED
    with TrainingProgress() as progress:
        bundle = run(
            config,
            data,
            out,
            concepts=concepts,
            texts=texts or (),
            captions=captions or (),
            encoder_weights=encoder_weights,
            from_bundle=from_bundle,
            cache=cache,
            announce=progress.announce,
            tick=progress.tick,
        )
    print(bundle)
    say(
        "To answer faster, and without TensorFlow: "
        f"vqa export {quote(str(bundle))} --format litert --data {quote(data[0])}"
    )


@app.command()
def evaluate(
    context: typer.Context,
    data: Data,
    split: Annotated[Split, typer.Option(help="Questions to score.")],
    model: Model = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the answers, too."),
    ] = None,
    overwrite: Overwrite = False,
    protocol: ProtocolName = "official",
    wups: Wups = False,
    runtime: Runtime = None,
) -> None:
    """Score a model on a split of a data set, with the photos and without.

    Scored is the likeliest answer, even where the model would say "not sure".
    Photos that cannot be read are listed, and their questions left out. For a split
    without answers, --output is needed: .json is the form that evaluation servers
    take, and holds an answer to each question.
    """
    from shared.files.locks import hold
    from vqa import evaluate as evaluation
    from vqa.data import is_answered, read_dataset, select_all
    from vqa.formats import check_target, write_file
    from vqa.predict import load_vqa

    if output:
        check_target(output, overwrite)
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
            write_file(output, found, with_ids=True)
        print(evaluation.score_records(found, records, protocol, wups))
        return
    assert output is not None
    warning = ""
    if output.suffix.lower() == ".json":
        found, warning = evaluation.complete(found)
    write_file(output, found, with_ids=True)
    print(
        f"{len(found)} questions of split {split}, answered in {output}; no score, as "
        "they come without people's answers"
    )
    if warning:
        print(warning)


@app.command()
def export(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="The folder of a trained model.")
    ],
    form: Annotated[Literal["litert"], typer.Option("--format", help="What to write.")],
    data: Data,
    precision: Annotated[
        Literal["auto", "int8", "float16"],
        typer.Option(help="Of the encoder; auto is int8 if that loses little enough."),
    ] = "auto",
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


@app.command()
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
        Split | None, typer.Option(help="Questions to score; default: all.")
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
) -> None:
    """Score answers from a file against what people answered.

    Questions are matched by id; without one, by photo and question. A file of
    ANNOTATIONS is read alone, without those of other splits beside it. The photos
    need not be there.
    """
    from vqa.evaluate import read_references, score_results

    report, left_out = score_results(
        results, read_references(annotations, split), protocol, wups, blind, subset
    )
    print(report)
    if left_out:
        print(f"warning: questions without an answer, left out: {len(left_out)}")


def _refuse(options: dict[str, Any], why: str) -> None:
    """Refuse options that were given and would change nothing."""
    for name, value in options.items():
        if value:
            raise typer.BadParameter(f"{name} {why}")


def _one(words: list[str]) -> str:
    """Join a question's words; several questions, or photos, are not one."""
    from shared.vision.images import IMAGE_SUFFIXES

    first = Path(words[0])
    if len(words) > 1 and first.suffix.lower() in IMAGE_SUFFIXES:
        raise typer.BadParameter(
            f"one photo at a time, and {first} is the second; --batch takes a file of "
            "photos and questions"
        )
    if len(words) > 1 and any(" " in word.strip() for word in words):
        raise typer.BadParameter(
            f"one question at a time, not {len(words)}; --batch takes a file of them"
        )
    return " ".join(words)


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
        typer.main.get_command(app).main(argv, prog_name="vqa")
    except SystemExit as end:  # the only way out
        return end.code if isinstance(end.code, int) else 1
    except (AppError, OSError, MemoryError) as error:
        if is_debugging():
            raise
        say(f"error: {describe(error, WHEN_FULL)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
