"""What a language model can do, whatever runs it."""

from typing import Protocol

import numpy as np


class Runtime(Protocol):
    """What runs a model, one symbol at a time. Axes: B texts, V symbols."""

    name: str  # such as "keras"

    def begin(self, count: int) -> list[np.ndarray]:
        """Give the states before a text, for so many texts."""

    def step(
        self, ids: np.ndarray, states: list[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Read a symbol of each text.

        Args:
            ids: int32 (B,).
            states: before it; each float32 (B, U).

        Returns:
            float32 (B, V), log-probabilities of the next symbol, and the states.
        """
