"""Reads a short text symbol by symbol, and keeps what the cells do: see `Trace`.

Long ones are read faster by `rnn.net.reader`, which needs Keras.
"""

from collections.abc import Iterable

import numpy as np

from rnn.net.runtime import Runtime
from rnn.writing.writer import read_prime
from shared.nets.traces import Step, Trace, join
from shared.runs.recipes import CellConfig


def trace(
    runtime: Runtime, start: np.ndarray, ids: Iterable[int], cells: CellConfig
) -> Trace:
    """Read a text, each symbol after those before it.

    Args:
        runtime: the model.
        start: int (N,), what is read before, N at least 1.
        ids: of the text, at least one.
        cells: of the model.
    """
    log_probs, states = read_prime(runtime, start)
    steps, said = [], []
    for index in ids:
        said.append(log_probs[0, index])
        log_probs, states, gates = runtime.look(np.array([index], np.int32), states)
        opened = {name: values[0] for name, values in gates.items()}
        steps.append(Step(log_probs[0], states[0], opened))
    return join(steps, said, cells.cell, cells.layers)
