"""A language model without TensorFlow: one LiteRT graph that reads a symbol.

A bundle's LiteRT part, written by `rnn.training.export`:

    step.tflite  ids int32 (B,), states float32 (B, S) -> log_probs float32 (B, V),
                 states, gate_i, gate_f, …; S numbers are the states of all layers side
                 by side, and so are those of each gate, float32 (B, L U)

Older exports lack the gates.
"""

from pathlib import Path

import numpy as np

from rnn.config import NetConfig
from shared.bundles.litert import PART, Graph, Spec
from shared.bundles.manifests import locate
from shared.nets.names import CELLS
from shared.nets.traces import find_gates

FILE = f"{PART}/step.tflite"
ADVICE = "rnn train"


class LiteRTRuntime:
    """An exported model, one symbol at a time; see `rnn.net.runtime.Runtime`.

    Args:
        folder: a checked bundle.
        config: sizes of the net.
        symbols: V, that it knows.

    Raises:
        AppError: if the graph cannot be loaded, or is that of another net.
    """

    name = "litert"

    def __init__(self, folder: Path, config: NetConfig, symbols: int):
        self._size = config.layers * CELLS[config.cell].states * config.units
        self._graph = Graph(locate(folder, FILE), 1, ADVICE)
        states = {"states": Spec("float32", (-1, self._size))}
        self._gates = find_gates(self._graph.outputs)
        gate = Spec("float32", (-1, config.layers * config.units))
        self._graph.check(
            {"ids": Spec("int32", (-1,)), **states},
            {"log_probs": Spec("float32", (-1, symbols)), **states}
            | dict.fromkeys(self._gates.values(), gate),
        )

    def begin(self, count: int) -> np.ndarray:
        """Give the states before a text, for so many texts."""
        return np.zeros((count, self._size), np.float32)

    def step(
        self, ids: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a symbol of each text; give log-probabilities of the next one."""
        log_probs, after, _ = self.look(ids, states)
        return log_probs, after

    def look(
        self, ids: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Do the same and give the gates meanwhile."""
        found = self._graph(ids=ids, states=states)
        gates = {gate: found[name] for gate, name in self._gates.items()}
        return found["log_probs"], found["states"], gates
