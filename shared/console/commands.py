"""What every command line of the package has: its app, its end, and its advice."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from shared.console.progress import TrainingProgress, describe, say
from shared.console.quiet import is_debugging
from shared.errors import AppError
from shared.included import included_model


def new_app(name: str, about: str) -> typer.Typer:
    """Begin a command that has others, with the option --version.

    Args:
        name: of the command.
        about: what it does, in a sentence.
    """
    app = typer.Typer(
        name=name,
        help=about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    def print_version(wanted: bool) -> None:
        if wanted:
            from importlib.metadata import version

            print(f"{name} {version('sightread')}")
            raise typer.Exit

    @app.callback()
    def _options(
        version: Annotated[
            bool,
            typer.Option(
                "--version",
                is_eager=True,
                callback=print_version,
                help="Show the version.",
            ),
        ] = False,
    ) -> None:
        pass

    return app


def run_app(app: typer.Typer, argv: list[str] | None, when_full: str) -> int:
    """Run one command of an app of `new_app`.

    Args:
        argv: words of the command line; None are those of the process.
        when_full: what to do if memory is short, for the message.

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
        typer.main.get_command(app).main(argv, prog_name=app.info.name)
    except SystemExit as end:  # the only way out
        return end.code if isinstance(end.code, int) else 1
    except (AppError, OSError, MemoryError) as error:
        if is_debugging():
            raise
        say(f"error: {describe(error, when_full)}")
    return 1


def check_resume(
    resume: bool, overwrite: bool, has_output: bool, outputs: str = "--output"
) -> None:
    """Refuse --resume with --overwrite, or without anything to go on with.

    Args:
        outputs: the options that give something to go on with.
    """
    if resume and overwrite:
        raise typer.BadParameter("--resume keeps what --overwrite replaces; choose one")
    if resume and not has_output:
        raise typer.BadParameter(f"--resume needs the {outputs} to go on with")


def check_source(source: str | None, draw: Path | None) -> None:
    """Refuse to check a data set and draw one at once, or neither."""
    if (source is None) == (draw is None):
        raise typer.BadParameter("give either DIR to check, or --draw DIR")


def read_start(
    command: str, config: str | None, from_bundle: Path | None
) -> Path | None:
    """Read what --from takes, and refuse a training of nothing.

    Returns:
        the folder of the bundle to start from; None for a new model by --config.
    """
    if config is None and from_bundle is None:
        from shared.config import recipe_names

        names = ", ".join(recipe_names(f"{command}-"))
        raise typer.BadParameter(f"give --config (a file, {names}), or --from")
    return included_model(command) if str(from_bundle) == "included" else from_bundle


def run_training(
    command: str,
    verb: str,
    train: Callable[..., Path],
    config: str | None,
    data: Sequence[str],
    out: Path,
    **options: Any,
) -> None:
    """Train, show how far it is, and say how to make the result faster.

    Args:
        command: whose training it is.
        verb: what its models do, such as "answer".
        train: takes config, data, out, options, announce and tick, the latter as
            `TrainingProgress` has them; gives the folder of the trained model.
        config, data, out: see `train`.
        options: others for `train`.
    """
    with TrainingProgress() as progress:
        bundle = train(
            config,
            data,
            out,
            announce=progress.announce,
            tick=progress.tick,
            **options,
        )
    print(bundle)
    say(
        f"To {verb} faster, and without TensorFlow: {command} export "
        f"{quote(str(bundle))} --format litert --data {quote(data[0])}"
    )


def advise_training(command: str, folder: Path) -> None:
    """Say how to train on shapes that were drawn."""
    say(
        f"Train on them: {command} train --config {command}-tiny "
        f"--data {quote(str(folder))} --out runs/shapes"
    )
