"""Command line of the VQA model, e.g. `vqa ask dog.jpg "what color is the dog?"`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from shared.console import options
from shared.console.commands import check_resume, new_app, run_app
from vqa.commands.training import COMMANDS, Server, check_server

# Heavy imports wait inside the commands: --help takes a tenth of a second.

app = new_app("vqa", "Answer questions about photos, and train the model that does.")


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
        int,
        typer.Option(metavar="N", min=1, max=100, help="Answers to print, best first."),
    ] = 5,
    blind: Annotated[
        bool, typer.Option("--blind", help="Also print the question-only baseline.")
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
        options.output("With --batch: write .jsonl, .csv or .json (VQA's results)."),
    ] = None,
    engine: options.Engine = "local",
    address: options.Address = None,
    parts: options.PartsForm = None,
    server: Server = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    model: options.Model = None,
    runtime: options.Runtime = None,
    verbose: options.Verbose = False,
) -> None:
    """Answer a question about a photo, or a file of questions.

    Prints `answer<TAB>confidence`, a line for each answer, best first; with --batch
    `image<TAB>question<TAB>answer<TAB>confidence`, a line for each question, unless
    --output says where to write. What cannot be answered is reported, and the exit
    status is then 1.
    """
    from vqa.jobs.ask import Asking, ask_one

    work = Asking(top, blind, model, runtime, verbose)
    if batch is None:
        options.check_engine("local", None, address=address, parts=parts)
        alone = {"--output": output, "--resume": resume, "--server": server}
        _refuse(alone | {"--engine ray": engine == "ray"}, "is about --batch")
        if image is None or not question:
            raise typer.BadParameter("give IMAGE and QUESTION, or --batch FILE")
        if choices and len(set(choices)) < 2:
            raise typer.BadParameter("--choices needs two different answers or more")
        ask_one(image, _one(question), choices or [], work, attention, overwrite)
        return
    single = {"IMAGE": image, "--choices": choices, "--attention": attention}
    _refuse(single, "is about one question; --batch has them in its file")
    check_resume(resume, overwrite, bool(output))
    options.check_engine(engine, output, address=address, parts=parts)
    check_server(server, output)
    from shared.files.jobs import Job, Runnable
    from vqa.files.inputs import read_questions
    from vqa.files.outputs import open_output

    rules = {"resume": resume, "overwrite": overwrite}
    job: Runnable
    if engine == "ray" and output:
        from vqa.jobs.parts import ask_in_parts, find_questions

        questions = find_questions(batch)
        job = ask_in_parts(questions, work, output, parts or "jsonl", address, **rules)
    else:
        questions = read_questions(batch)
        file = (
            open_output(output, questions, work.settings, server or "vqa", **rules)
            if output
            else None
        )
        job = Job(questions, work, file)
    job.run()
    if job.errors:
        raise typer.Exit(1)


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


for _command in COMMANDS:
    app.command()(_command)


def main(argv: list[str] | None = None) -> int:
    """Run one command; see `run_app`."""
    return run_app(app, argv, "Close other programs, or use a smaller model.")


if __name__ == "__main__":
    sys.exit(main())
