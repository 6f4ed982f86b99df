"""Options that commands of the captioner share, as types of their parameters."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        metavar="DIR",
        help="A trained model; default: the one included. Several: an ensemble.",
    ),
]
BeamSize = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, max=50, help="Sequences kept at each step; 1 is greedy."
    ),
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

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other key of a recipe's [decoding]; may be repeated.",
    ),
]


def read_settings(given: Iterable[str]) -> dict[str, Any]:
    """Read what --set takes: values as in TOML, where text needs no quotes."""
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set takes KEY=VALUE, not {text}")
        try:
            found[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except ValueError:
            found[key.strip()] = value.strip()
    return found


def read_length_penalty(text: str | None) -> float | str | None:
    """Read what --length-penalty takes; only `average` is no number."""
    try:
        return None if text is None else float(text)
    except ValueError:
        if text != "average":
            raise typer.BadParameter(
                f"--length-penalty is a number from 0 to 5, or average, not {text}"
            ) from None
        return text
