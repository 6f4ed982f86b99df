"""What a language model can do, whatever runs it."""

from pathlib import Path
from typing import Protocol

import numpy as np

from rnn.config import RnnConfig
from rnn.net.bundles import read_bundle
from rnn.net.runtime_litert import FILE, LiteRTRuntime
from rnn.net.symbols import Symbols
from shared.bundles.litert import why_not_litert
from shared.console.quiet import importing_keras


class Runtime(Protocol):
    """What runs a model, one symbol at a time. Axes: B texts, V symbols, S states."""

    name: str  # such as "keras"

    def begin(self, count: int) -> np.ndarray:
        """Give the states before a text, float32 (B, S), for so many texts."""

    def step(
        self, ids: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a symbol of each text.

        Args:
            ids: int32 (B,).
            states: before it, float32 (B, S).

        Returns:
            float32 (B, V), log-probabilities of the next symbol, and the states.
        """

    def look(
        self, ids: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Do the same and give the gates meanwhile.

        Returns:
            as `step`, and float32 (B, L U) by their names in the equations, those of
            all L layers side by side; none of cells without, or if they are not known.
        """


def load_runtime(folder: Path) -> tuple[RnnConfig, Symbols, Runtime]:
    """Load what runs a bundle: LiteRT where that works, else Keras.

    Raises:
        AppError: if there is no bundle of a language model, or it is damaged.
    """
    if not why_not_litert([folder], "rnn train"):
        config, symbols = read_bundle(folder, [FILE])
        return config, symbols, LiteRTRuntime(folder, config.net, len(symbols))
    with importing_keras():
        from rnn.net.runtime_keras import KerasRuntime, load_net
    config, symbols, net = load_net(folder)
    return config, symbols, KerasRuntime(net)
