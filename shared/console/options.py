"""Options that several commands have, as types of a command's parameters."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Split = Literal["train", "dev", "test"]

Model = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A trained model; default: the one included."),
]
Runtime = Annotated[
    Literal["keras", "litert"] | None,
    typer.Option(help="What runs the model; default: LiteRT if it can, else Keras."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what runs, and how fast.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an output; do what is missing.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files.")]

# Of many photos.
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="ray: workers on all processors, or on a cluster's."),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT", help="Of a cluster of Ray; default: start Ray here."
    ),
]
PartsForm = Annotated[
    Literal["jsonl", "parquet"] | None,
    typer.Option(help="With --engine ray: what --output, a folder, is of; or jsonl."),
]

# Of training.
Config = Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The recipe.")]
Out = Annotated[
    Path, typer.Option(metavar="DIR", help="The run; one that exists goes on.")
]
FromBundle = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="DIR", help="A trained model to start from, or `included`."
    ),
]
EncoderWeights = Annotated[
    str | None,
    typer.Option(metavar="imagenet|none|FILE|BUNDLE", help="Instead of the recipe's."),
]
Cache = Annotated[
    Path | None, typer.Option(metavar="DIR", help="For features; default: in OUT.")
]
Concepts = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="What `captioner teach` wrote, for a recipe with them."
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Captions without photos; may be repeated."),
]
Devices = Annotated[
    int, typer.Option(metavar="N", min=1, help="GPUs that share each step's batch.")
]
TrainingPrecision = Annotated[
    Literal["float32", "mixed_bfloat16", "mixed_float16"] | None,
    typer.Option("--precision", help="Of the arithmetic, instead of the recipe's."),
]

# Of exporting.
Bundle = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="The folder of a trained model.")
]
Precision = Annotated[
    Literal["auto", "int8", "float16"],
    typer.Option(
        help="For LiteRT's encoder; auto takes int8 if that loses little enough."
    ),
]


def output(about: str) -> Any:
    """Give the option --output, or -o; `about` says what is written."""
    return typer.Option("--output", "-o", metavar="FILE", help=about)


def data(about: str) -> Any:
    """Give the option --data; `about` says what a data set of the command is."""
    return typer.Option("--data", metavar="DIR", help=about)


def check_engine(engine: str, output: Path | None, **others: object) -> None:
    """Refuse --engine ray without a folder to write, and what is about it without it.

    Args:
        others: options that are only for it, by name; None if they were not given.
    """
    if engine != "ray":
        for name, value in others.items():
            if value is not None:
                raise typer.BadParameter(f"--{name} is about --engine ray: add that")
        return
    if output is None:
        raise typer.BadParameter("--engine ray needs --output DIR, a folder for parts")
    if output.suffix.lower() in (".jsonl", ".json", ".csv", ".html", ".parquet"):
        raise typer.BadParameter(
            f"--engine ray writes a folder of parts, not a file: --output {output} "
            f"would be --output {output.with_suffix('')}"
        )
