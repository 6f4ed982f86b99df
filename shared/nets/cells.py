"""Recurrent cells: one step, with explicit state."""

import keras
from keras import ops


class LSTMCell(keras.layers.Layer):
    """Long short-term memory.

        i = sigmoid(W_i x + U_i h + b_i)
        f = sigmoid(W_f x + U_f h + b_f)
        g = tanh(W_g x + U_g h + b_g)
        o = sigmoid(W_o x + U_o h + b_o)
        c' = f * c + i * g
        h' = o * tanh(c')

    b_f starts at 1, so that a new cell remembers (Jozefowicz et al. 2015).

    Axes: X input size, U units; any axes before the last are batch.

    Args:
        units: size of the state, at least 1.

    Call arguments:
        inputs: float (..., X).
        state: (h, c), each float (..., U).

    Returns:
        output: float (..., U), the new h.
        state: the new (h, c).

    Source: Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000.
    """

    state_count = 2

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        self.units = units

    def build(self, inputs_shape, state_shape=None):
        """Create the weights; the gates' columns are in the order i, f, g, o."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(inputs_shape[-1], 4 * self.units),
            initializer="glorot_uniform",
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, 4 * self.units),
            initializer="orthogonal",
        )
        self.bias = self.add_weight(
            name="bias", shape=(4 * self.units,), initializer=self._initial_bias
        )
        self.built = True

    def _initial_bias(self, shape, dtype=None):
        zeros, ones = ops.zeros((self.units,), dtype), ops.ones((self.units,), dtype)
        return ops.concatenate([zeros, ones, zeros, zeros])

    def call(self, inputs, state):
        """Advance by one step."""
        h, c = state
        gates = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(gates + self.bias, 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, (h, c)
