"""A text as streams that are read side by side, chunk after chunk. Needs no Keras.

Axes: N symbols of the text, B streams, T symbols of each in a chunk.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from shared.errors import AppError
from shared.text.vocabulary import BOS


class Chunk(NamedTuple):
    """What a step of training reads.

    Attributes:
        inputs: int32 (T, B), each symbol.
        targets: int32 (T, B), the one after it.
        fresh: whether all streams begin here, so that the state before is none.
        number: of the step, from 1, among those of all stages.
    """

    inputs: np.ndarray
    targets: np.ndarray
    fresh: bool
    number: int


class Streams:
    """The chunks of an epoch.

    The B streams are so many pieces of the text, of one length. Where the first begins
    differs from epoch to epoch, and with it where chunks are cut.

    Args:
        ids: int (N,), the text.
        streams: B.
        chunk: T.

    Attributes:
        steps: chunks in an epoch.

    Raises:
        AppError: if the text is too short for a chunk of each stream.
    """

    def __init__(self, ids: np.ndarray, streams: int, chunk: int):
        self.ids, self.streams, self.chunk = ids, streams, chunk
        self.steps = len(ids) // (streams * chunk)
        if not self.steps:
            raise AppError(
                f"The text to learn from has {len(ids):,} symbols, and the recipe "
                f"reads {streams} streams of {chunk} at once: {streams * chunk:,}. "
                "Give a longer text, or lower the stage's batch_size or chunk."
            )

    def chunks(self, seeds: Sequence[int], start: int, before: int) -> Iterator[Chunk]:
        """Give the chunks of an epoch.

        Args:
            seeds: of the epoch.
            start: the first step to give.
            before: steps of all epochs before.
        """
        length = self.steps * self.chunk
        spare = len(self.ids) - self.streams * length
        first = int(np.random.default_rng(seeds).integers(spare + 1))
        symbols = np.concatenate([[BOS], self.ids]).astype(np.int32)
        # The input of a stream's first symbol is the one before it.
        begins = first + length * np.arange(self.streams)
        places = begins + np.arange(self.chunk + 1)[:, None]  # (T + 1, B)
        for step in range(start, self.steps):
            rows = symbols[places + step * self.chunk]
            yield Chunk(rows[:-1], rows[1:], step == 0, before + step + 1)
