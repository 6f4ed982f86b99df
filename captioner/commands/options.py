"""Options that commands of the captioner share, as types of their parameters."""

import sys
import tomllib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shared.scale.stores import Place

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
    bool,
    typer.Option("--null", "-0", help="The list is separated as by find -print0."),
]
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
    typer.Option(
        metavar="N",
        min=0,
        help="No N words in a row twice, no word beside itself; 0 allows it.",
    ),
]

Database = Annotated[
    Path, typer.Option("--db", metavar="FILE", help="The archive, such as archive.db.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other key of a recipe's [decoding]; may be repeated.",
    ),
]


def find_photos_of(paths: list[str], recursive: bool, null: bool) -> list[Path]:
    """Find photos that `Paths` stand for, see `captioner.photos.inputs.find_photos`."""
    from captioner.photos.inputs import find_photos
    from shared.console.progress import say

    _check_null(paths, null)
    return find_photos(paths, recursive, _read_input, say, null)


def find_places_of(paths: list[str], recursive: bool, null: bool) -> "list[Place]":
    """Find also those in stores, see `captioner.photos.inputs.find_places`."""
    from captioner.photos.addressed import look
    from captioner.photos.inputs import find_places
    from shared.console.progress import say

    _check_null(paths, null)
    seen = partial(look, recursive=recursive)
    return find_places(paths, recursive, _read_input, say, null, seen)


def _check_null(paths: list[str], null: bool) -> None:
    if null and "-" not in paths:
        raise typer.BadParameter("--null is about a list on standard input: add -")


def _read_input() -> bytes:
    return sys.stdin.buffer.read() if sys.stdin else b""


# Of words inside photos.
WriteMetadata = Annotated[
    bool,
    typer.Option(
        "--write-metadata", help="Put captions into the photos, as XMP and IPTC."
    ),
]
XmpSidecar = Annotated[
    bool,
    typer.Option("--xmp-sidecar", help="With --write-metadata: beside them, in .xmp."),
]
ReplaceDescriptions = Annotated[
    bool,
    typer.Option(
        "--replace-descriptions",
        help="With --write-metadata: replace also what people wrote.",
    ),
]
KeepTimes = Annotated[
    bool,
    typer.Option(
        "--keep-times", help="With --write-metadata: keep the times of the files."
    ),
]


def metadata_rules(
    write_metadata: bool, sidecar: bool, replace: bool, keep_times: bool
) -> dict[str, bool]:
    """Check the options of words inside photos, and name them as what writes does.

    Raises:
        BadParameter: if some are given, and --write-metadata is not.
    """
    if not write_metadata and (sidecar or replace or keep_times):
        raise typer.BadParameter(
            "--xmp-sidecar, --replace-descriptions and --keep-times are about "
            "--write-metadata: add that"
        )
    return {"sidecar": sidecar, "replace": replace, "keep_times": keep_times}


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
