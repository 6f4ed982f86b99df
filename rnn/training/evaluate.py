"""How well a model predicts a text: cross-entropy and perplexity."""

import math
from typing import NamedTuple

import numpy as np

from rnn.net.reader import Reader

STREAMS = 64


class Score(NamedTuple):
    """How well a text is predicted.

    Attributes:
        symbols: of the text.
        nats: mean of the negative natural logarithm of the probability of each symbol,
            given all before it.
        units: "character" or "word".
    """

    symbols: int
    nats: float
    units: str

    @property
    def bits(self) -> float:
        """The same in bits."""
        return self.nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """Of how many equally likely symbols the choice is as hard."""
        return math.exp(self.nats)

    def __str__(self) -> str:
        text = f"{self.nats:.4f} nats, {self.bits:.4f} bits per {self.units}"
        if self.units == "word":
            text = f"perplexity {self.perplexity:.1f} per word; {text}"
        return f"{text}; {self.symbols:,} {self.units}s"


def measure(reader: Reader, ids: np.ndarray, streams: int = STREAMS) -> Score:
    """Measure how well a model predicts a text int (N,), N at least 1."""
    total = sum(
        float(piece.log_probs.sum(dtype=np.float64))
        for piece in reader.read(ids, streams=streams)
    )
    return Score(len(ids), -total / len(ids), reader.symbols.units)
