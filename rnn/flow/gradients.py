"""What flows back: the norm of dL/dh over the distance, of new cells and of a model.

Axes: T steps, B sequences, X input size, U units.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rnn.net.model import LanguageModel
from shared.nets.names import CELLS

SEQUENCES = 16
AS_USUAL = "as usual"
BIASES = (0.0, 3.0)  # of forget gates, beside the usual one
READS = ("kernel", "embedding")  # matrices that no state goes through


class Line(NamedTuple):
    """What flows back through one layer.

    Attributes:
        cell: a key of `shared.nets.names.CELLS`.
        start: how its weights started, or "after training".
        layer: from 1.
        norms: for each distance 0 to T - 1 between h and the loss, the norm of dL/dh,
            the median of the sequences.
        singular: largest singular value of each matrix between states, by the names
            of the weights, in the order of their columns.
        bound: what the norm is multiplied by at a step, at the most; None for cells
            with gates, of which it is not known.
    """

    cell: str
    start: str
    layer: int
    norms: list[float]
    singular: dict[str, list[float]]
    bound: float | None

    @property
    def largest(self) -> float:
        """The largest of the singular values."""
        return max(max(values) for values in self.singular.values())


def flow_back(
    cells: Sequence[Any], inputs: Any, judge: Callable[[Any], Any]
) -> np.ndarray:
    """Give the norm of dL/dh of each layer, at each distance from the loss.

    Args:
        cells: on one another, the lowest first, built.
        inputs: float (T, B, X), or int (T, B) for one-hot vectors.
        judge: of the highest h after the last step, float (B, U), gives the loss L of
            each sequence, float (B,).

    Returns:
        float32 (layers, T, B); at distance k is h_{T-k}.
    """
    steps, sequences = inputs.shape[:2]
    found = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for cell in cells:
            projected = cell.project(inputs)
            state = tuple(
                ops.zeros((sequences, cell.units)) for _ in range(cell.state_count)
            )
            tape.watch(state)
            kept = []
            for t in range(steps):
                _, state = cell.advance(projected[t], state)
                kept.append(state[0])
            found.append(kept)
            inputs = ops.stack(kept)
        loss = ops.sum(judge(kept[-1]))
    gradients = tape.gradient(loss, found, unconnected_gradients="zero")
    norms = [[np.linalg.norm(g, axis=-1) for g in layer[::-1]] for layer in gradients]
    return np.array(norms, np.float32)


def singular_values(cell: Any) -> dict[str, list[float]]:
    """Give the largest singular value of each matrix (U, U) that a state goes through.

    Returns:
        by the weight's name, of its matrices in their order.
    """
    found = {}
    for weight in cell.weights:
        if len(weight.shape) == 2 and weight.name not in READS:
            values = ops.convert_to_numpy(weight).astype(float)
            parts = [
                part
                for rows in np.split(values, len(values) // cell.units)
                for part in np.split(rows, rows.shape[1] // cell.units, axis=1)
            ]
            found[weight.name] = [float(np.linalg.norm(part, 2)) for part in parts]
    return found


def describe(cell: Any, name: str, start: str, layer: int, norms: np.ndarray) -> Line:
    """Put together what there is to say of a layer.

    The bound is that of Pascanu et al. 2013, arXiv:1211.5063, section 2.1: with a
    squashing function whose slope is at most 1, as of tanh and relu, a step multiplies
    the gradient's norm by no more than the largest singular value of U. Below 1 it has
    to vanish; above 1 it may explode.
    """
    singular = singular_values(cell)
    plain = CELLS[name].states == 1 and CELLS[name].from_states == 1
    bound = max(max(values) for values in singular.values()) if plain else None
    middle = [float(norm) for norm in np.median(norms, axis=1)]
    return Line(name, start, layer, middle, singular, bound)


def starts_of(name: str) -> dict[str, dict[str, Any]]:
    """Give the ways in which a new cell of this name may start, as options of it."""
    source = CELLS[name]
    found: dict[str, dict[str, Any]] = {AS_USUAL: {}}
    if source.starts != ("identity",):
        found |= {start: {"recurrent_start": start} for start in source.starts}
    if source.from_states == 1:  # a single matrix is orthogonal as usual
        found.pop("orthogonal", None)
    if source.forgets:
        biases = {f"forget bias {bias:g}": {"forget_bias": bias} for bias in BIASES}
        found |= biases
    return found


def measure_new(
    names: Iterable[str], units: int, steps: int, seed: int
) -> Iterable[Line]:
    """Measure new cells, each in all the ways in which it may start.

    They read normally distributed vectors; the loss is a random direction of the last
    h, so that the norm at distance 0 is 1.

    Args:
        names: of cells.
        units: U, and the size of the inputs.
        steps: T.
        seed: of inputs, weights and directions; all cells read the same.
    """
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(steps, SEQUENCES, units)).astype(np.float32)
    ends = rng.normal(size=(SEQUENCES, units)).astype(np.float32)
    ends /= np.linalg.norm(ends, axis=1, keepdims=True)
    for name in names:
        for start, options in starts_of(name).items():
            keras.utils.set_random_seed(seed)
            cell = CELLS[name].make(units, **options)
            cell.build((None, units))
            (norms,) = flow_back(
                [cell], tf.constant(inputs), lambda h: ops.sum(h * ends, axis=-1)
            )
            yield describe(cell, name, start, 1, norms)


def measure_model(
    net: LanguageModel, name: str, ids: np.ndarray, start: str
) -> list[Line]:
    """Measure a language model along texts; L is its loss on the symbol after each.

    Args:
        name: of its cells.
        ids: int32 (T + 1, B), texts side by side.
        start: what to call its weights.
    """
    seen = net.embedding(ids[:-1]) if net.embedding else tf.constant(ids[:-1])

    def judge(h: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(
            ids[-1], net.to_symbols(h), from_logits=True
        )

    norms = flow_back(net.cells, seen, judge)
    layers = enumerate(zip(net.cells, norms, strict=True), 1)
    return [
        describe(cell, name, start, layer, found) for layer, (cell, found) in layers
    ]
