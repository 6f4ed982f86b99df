"""What recurrent cells did at each symbol of a short text, whatever ran them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from shared.nets.names import CELLS

GATE = "gate_"  # how graphs name what they give of a gate


class Step(NamedTuple):
    """What a net did at one symbol; of V symbols, and L U cells with S states in all.

    Attributes:
        log_probs: float32 (V,), of the next symbol.
        states: float32 (S,), those of all layers side by side.
        gates: float32 (L U,), see `Trace`.
    """

    log_probs: np.ndarray
    states: np.ndarray
    gates: dict[str, np.ndarray]


class Trace(NamedTuple):
    """Of a text; T symbols, and the L U cells of all layers, layer by layer.

    Attributes:
        log_probs: float32 (T,), natural logarithm of the probability of each symbol,
            given all before it; NaN of one that was given.
        outputs: float32 (T, L U), once the symbol was read: tanh(c) of a cell with a
            memory c, else h.
        gates: by their names in the equations, float32 (T, L U) from 0 to 1; none of
            cells without, or if they are not known.
    """

    log_probs: np.ndarray
    outputs: np.ndarray
    gates: dict[str, np.ndarray]


def find_gates(outputs: Iterable[str]) -> dict[str, str]:
    """Give the outputs of a graph that are gates, by their names in the equations."""
    return {n.removeprefix(GATE): n for n in sorted(outputs) if n.startswith(GATE)}


def join(steps: Sequence[Step], said: Sequence[float], cell: str, layers: int) -> Trace:
    """Make a trace of steps, one of them at least.

    Args:
        said: what `Trace.log_probs` becomes.
        cell: name of the cells.
        layers: L.
    """
    gates = steps[0].gates
    return Trace(
        np.array(said, np.float32),
        shown(np.stack([step.states for step in steps]), cell, layers),
        {gate: np.stack([step.gates[gate] for step in steps]) for gate in gates},
    )


def shown(states: np.ndarray, cell: str, layers: int) -> np.ndarray:
    """Give what is shown of cells, see `Trace`, by their states.

    Args:
        states: float (..., S), those of all layers side by side.
        cell: name of the cells.
        layers: L.

    Returns:
        float (..., L U).
    """
    count = CELLS[cell].states
    parts = states.reshape(*states.shape[:-1], layers, count, -1)
    found = np.tanh(parts[..., 1, :]) if count > 1 else parts[..., 0, :]
    return found.reshape(*states.shape[:-1], -1)
