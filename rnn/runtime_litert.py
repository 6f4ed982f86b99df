"""A language model without TensorFlow: one LiteRT graph that reads a symbol.

A bundle's LiteRT part, written by `rnn.export`:

    step.tflite  ids int32 (B,), states float32 (B, S) -> log_probs float32 (B, V),
                 states; S numbers are the states of all layers side by side
"""

from pathlib import Path

import numpy as np

from rnn.config import NetConfig
from shared.bundles.litert import PART, Graph, Spec
from shared.bundles.manifests import locate
from shared.nets.names import CELLS

FILE = f"{PART}/step.tflite"
ADVICE = "rnn train"


class LiteRTRuntime:
    """An exported model, one symbol at a time; see `rnn.runtime.Runtime`.

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
        self._graph.check(
            {"ids": Spec("int32", (-1,)), **states},
            {"log_probs": Spec("float32", (-1, symbols)), **states},
        )

    def begin(self, count: int) -> np.ndarray:
        """Give the states before a text, for so many texts."""
        return np.zeros((count, self._size), np.float32)

    def step(
        self, ids: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a symbol of each text; give log-probabilities of the next one."""
        found = self._graph(ids=ids, states=states)
        return found["log_probs"], found["states"]
