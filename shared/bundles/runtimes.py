"""What runs the models of bundles: LiteRT where that works, else Keras."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from shared.bundles.litert import why_not_litert
from shared.bundles.manifests import identify
from shared.console.progress import say
from shared.errors import AppError

RuntimeName = Literal["keras", "litert"]


def choose_runtime(
    folders: Sequence[Path], wanted: RuntimeName | None, command: str
) -> RuntimeName:
    """Choose what runs bundles.

    Args:
        folders: the bundles.
        wanted: None is LiteRT where that works, else Keras.
        command: what exports a bundle, for the message.

    Raises:
        AppError: if LiteRT is wanted and cannot run them, or there is no bundle.
        ValueError: if there is no such runtime.
    """
    if wanted not in (None, *get_args(RuntimeName)):
        raise ValueError(
            f"`runtime` must be one of {get_args(RuntimeName)} or None. Received: "
            f"runtime={wanted!r}"
        )
    reason = "" if wanted == "keras" else why_not_litert(folders, command)
    if wanted and reason:
        raise AppError(f"LiteRT cannot run this: {reason}")
    return "keras" if wanted == "keras" or reason else "litert"


def identify_models(
    folders: Sequence[Path], wanted: RuntimeName | None, command: str
) -> dict[str, Any]:
    """Give what results depend on of bundles, "model" and "runtime", loading none.

    Args:
        folders, wanted, command: see `choose_runtime`.

    Raises:
        AppError: if there is no bundle.
    """
    runtime = wanted or ("keras" if why_not_litert(folders, command) else "litert")
    return {"model": identify(folders, runtime), "runtime": runtime}


def say_runtime(
    name: str, folders: Sequence[Path], wanted: RuntimeName | None, command: str
) -> None:
    """Say what runs bundles, and why it is not LiteRT where that was not wished.

    Args:
        folders, wanted, command: see `choose_runtime`.
    """
    reason = "" if wanted else why_not_litert(folders, command)
    say(f"runtime: {name}{f', because with LiteRT {reason}' if reason else ''}")
