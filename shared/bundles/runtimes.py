"""What runs the models of bundles: LiteRT where that works, else Keras."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from shared.bundles.litert import why_not_litert
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


def say_runtime(name: str, why_not_litert: str) -> None:
    """Say what runs, and why it is not LiteRT where that was not wished."""
    reason = f", because with LiteRT {why_not_litert}" if why_not_litert else ""
    say(f"runtime: {name}{reason}")
