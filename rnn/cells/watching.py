"""What recurrent cells do while a model runs, step by step."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops

from rnn.net.model import look_of
from rnn.net.reader import SHOWN, Piece

Step = dict[str, np.ndarray]
"""What a cell did, float32 (..., U) by name, see `rnn.net.model.LanguageModel.look`."""


@contextmanager
def watching(cells: Sequence[Any]) -> Iterator[list[list[Step]]]:
    """Record each step of cells in the block, where nothing may be compiled.

    Args:
        cells: built ones, see `shared.nets.cells.Cell`.

    Yields:
        the steps of each cell, in order; they come as the block goes on.
    """
    steps: list[list[Step]] = [[] for _ in cells]
    for cell, recorded in zip(cells, steps, strict=True):
        cell.call = _recording(cell, recorded)
    try:
        yield steps
    finally:
        for cell in cells:
            del cell.call  # that of its class shows again


def _recording(cell: Any, recorded: list[Step]) -> Callable[..., Any]:
    look = look_of(cell)

    def call(inputs: Any, state: Any) -> Any:
        kept, new = look(cell.project(inputs), state)
        recorded.append({n: ops.convert_to_numpy(part) for n, part in kept.items()})
        return new[0], new

    return call


def to_piece(
    steps: Sequence[Sequence[Step]],
    row: tuple[int, ...],
    start: int,
    log_probs: np.ndarray,
) -> Piece:
    """Make a piece of the first steps of one sequence of a batch.

    Args:
        steps: of each cell.
        row: which sequence it is.
        start: place of its first symbol in the text.
        log_probs: float32 (t,), NaN where nothing was predicted; as many steps count.
    """
    layers = [
        {
            name: np.stack([step[name][row] for step in cell[: len(log_probs)]])
            for name in cell[0]
        }
        for cell in steps
    ]
    gates = [{n: layer[n] for n in layer if n not in SHOWN} for layer in layers]
    return Piece(start, log_probs, [layer["shown"] for layer in layers], gates)
