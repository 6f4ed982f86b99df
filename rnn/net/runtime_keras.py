"""A language model in Keras, from its bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnn.config import RnnConfig
from rnn.net.bundles import read_bundle
from rnn.net.model import LanguageModel
from rnn.net.symbols import Symbols
from shared.bundles.weights import load_weights


def load_net(folder: Path) -> tuple[RnnConfig, Symbols, LanguageModel]:
    """Load a bundle.

    Raises:
        AppError: if there is no bundle of a language model, or it is damaged.
    """
    config, symbols = read_bundle(folder)
    net = LanguageModel(config.net, len(symbols))
    load_weights(folder, net)
    return config, symbols, net


class KerasRuntime:
    """A net, one symbol at a time; see `rnn.net.runtime.Runtime`.

    Args:
        net: the model, as it is: weights that change are seen.
    """

    name = "keras"

    def __init__(self, net: LanguageModel):
        self._net = net
        self._run = tf.function(self._step, reduce_retracing=True)

    def begin(self, count: int) -> np.ndarray:
        """Give the states before a text, for so many texts."""
        return np.zeros((count, self._net.state_size), np.float32)

    def step(
        self, ids: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a symbol of each text; give log-probabilities of the next one."""
        log_probs, after, _ = self._run(ids, states)
        return log_probs.numpy(), after.numpy()

    def look(
        self, ids: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Do the same and give the gates meanwhile."""
        log_probs, after, gates = self._run(ids, states)
        known = {name: values.numpy() for name, values in gates.items()}
        return log_probs.numpy(), after.numpy(), known

    def _step(self, ids: Any, states: Any) -> Any:
        return self._net.look_at(ids, states)
