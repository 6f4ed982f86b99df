"""LiteRT graphs as functions, and whether this machine and a bundle have them."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from shared import bundles
from shared.errors import AppError
from shared.quiet import muted

PART = "litert"  # of a bundle


class Graph:
    """A graph as a function of named arrays, for one caller at a time.

    Args:
        path: a .tflite file with one signature.
        threads: processors to use.
        command: what exports a bundle again, for messages.

    Attributes:
        inputs: their names.
        sizes: last axis of each output, by name.

    Raises:
        AppError: if it cannot be loaded.
    """

    def __init__(self, path: Path, threads: int, command: str):
        with muted():  # it announces how it computes
            from ai_edge_litert.interpreter import Interpreter

            try:
                interpreter = Interpreter(model_path=str(path), num_threads=threads)
                interpreter.allocate_tensors()
                self._run = interpreter.get_signature_runner()
            except (ValueError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                raise AppError(
                    f"{path} cannot be loaded by LiteRT: {reason} Export the bundle "
                    f"again with `{command}`, or give --runtime keras."
                ) from error
        self._lock = Lock()  # while one batch is looked at, somebody may ask for more
        self.inputs = list(self._run.get_input_details())
        self.sizes = {
            name: int(details["shape_signature"][-1])
            for name, details in self._run.get_output_details().items()
        }

    def __call__(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Compute all outputs, by name."""
        with self._lock:
            found: dict[str, np.ndarray] = self._run(**arrays)
        return found


def why_not_litert(folders: Sequence[Path], command: str) -> str:
    """Say why LiteRT cannot run these bundles; empty if it can.

    Args:
        command: what exports a bundle, for the message.
    """
    if importlib.util.find_spec("ai_edge_litert") is None:
        return "it is not installed (pip install ai-edge-litert)."
    try:
        with muted():
            import ai_edge_litert.interpreter  # noqa: F401
    except (ImportError, OSError) as error:  # such as an old C library
        return f"it cannot be loaded here: {error}."
    for folder in folders:
        if not bundles.has_part(folder, PART):
            return (
                f"{folder} was not exported for it; `{command} {folder} --data DIR` "
                "does that."
            )
    return ""
