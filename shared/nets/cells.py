"""Recurrent cells: one step, with explicit state. The plain ones, and the LSTM."""

from typing import ClassVar

import keras
from keras import ops


class Cell(keras.layers.Layer):
    """One step of a recurrent net, with explicit state.

    A cell that differs from W x + U h + b in what it learns has its own `build`.

    Axes: X input size, U units; any axes before the last are batch.

    Args:
        units: size of each state, at least 1.

    Attributes:
        state_count: states that it carries from step to step; h is the first.
        parts: what W x + U h + b consists of, in the order of the weights' columns:
            the name in the equations, and where its bias starts.
        recurrent_start: how U starts, see `keras.initializers`.

    Call arguments:
        inputs: float (..., X).
        state: as many float (..., U) as `state_count` says.

    Returns:
        output: float (..., U), the new h.
        state: the new state.

    Raises:
        ValueError: if `units` is less than 1.
    """

    state_count = 1
    parts: ClassVar[dict[str, float]]
    recurrent_start = "orthogonal"

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        self.units = units

    def build(self, inputs_shape, state_shape=None):
        """Create the weights W, U and b."""
        count = len(self.parts)
        self.kernel = self.matrix("kernel", inputs_shape[-1], count, "glorot_uniform")
        self.recurrent_kernel = self.matrix(
            "recurrent_kernel", self.units, count, self.recurrent_start
        )
        self.bias = self.add_weight(
            name="bias", shape=(count * self.units,), initializer=self._initial_bias
        )
        self.built = True

    def matrix(self, name, rows, count=1, start="orthogonal"):
        """Create `count` matrices (rows, U), side by side."""
        shape = (rows, count * self.units)
        return self.add_weight(name=name, shape=shape, initializer=start)

    def vectors(self, name, count=1):
        """Create `count` vectors (U,) of zeros, in a row."""
        shape = (count * self.units,)
        return self.add_weight(name=name, shape=shape, initializer="zeros")

    def _initial_bias(self, shape, dtype=None):
        starts = self.parts.values()
        return ops.concatenate([ops.full((self.units,), x, dtype) for x in starts])

    def sum_up(self, inputs, h):
        """Give W x + U h + b, all parts side by side."""
        found = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        return found + self.bias


class VanillaCell(Cell):
    """The simple recurrent net: h' = tanh(W x + U h + b).

    Source: Elman 1990.
    """

    parts: ClassVar = {"h": 0.0}
    activation = staticmethod(ops.tanh)

    def call(self, inputs, state):
        """Advance by one step."""
        h = self.activation(self.sum_up(inputs, state[0]))
        return h, (h,)


class ReluCell(VanillaCell):
    """The same with relu: h' = max(0, W x + U h + b)."""

    activation = staticmethod(ops.relu)


class IdentityReluCell(ReluCell):
    """The same with relu and a U that starts as the identity, which keeps h.

    Source: Le et al. 2015, arXiv:1504.00941 ("IRNN").
    """

    recurrent_start = "identity"


class LSTMCell(Cell):
    """Long short-term memory.

        i = sigmoid(W_i x + U_i h + b_i)
        f = sigmoid(W_f x + U_f h + b_f)
        g = tanh(W_g x + U_g h + b_g)
        o = sigmoid(W_o x + U_o h + b_o)
        c' = f * c + i * g
        h' = o * tanh(c')

    The state is h, c. b_f starts at 1, so that a new cell remembers (Jozefowicz et
    al. 2015).

    Source: Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000.
    """

    state_count = 2
    parts: ClassVar = {"i": 0.0, "f": 1.0, "g": 0.0, "o": 0.0}

    def call(self, inputs, state):
        """Advance by one step."""
        h, c = state
        i, f, g, o = ops.split(self.sum_up(inputs, h), 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, (h, c)
