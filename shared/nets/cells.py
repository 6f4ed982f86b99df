"""Recurrent cells: one step, with explicit state. The plain ones, and the LSTM."""

from typing import ClassVar

import keras
from keras import ops


class Cell(keras.layers.Layer):
    """One step of a recurrent net, with explicit state.

    A cell that differs from W x + U h + b in what it learns has its own `build`. What
    it sees of the inputs does not depend on the state: `project` computes it of all
    steps at once, and `advance` goes on from there.

    Axes: X input size, U units; any axes before the last are batch.

    Args:
        units: size of each state, at least 1.
        recurrent_start: how each matrix (U, U) starts by itself, see
            `keras.initializers`; None is as the cell's class says, of all that lie
            side by side together.
        forget_bias: where the bias of the forget gate starts; None is as `parts` says.

    Attributes:
        state_count: states that it carries from step to step; h is the first.
        parts: what W x + U h + b consists of, in the order of the weights' columns:
            the name in the equations, and where its bias starts.
        forget_gate: the part that forgets, and the sign of its bias when it does not.
        recurrent_start: how U starts, see `keras.initializers`.

    Call arguments:
        inputs: float (..., X), or int (...), the places of the ones in one-hot vectors.
        state: as many float (..., U) as `state_count` says.

    Returns:
        output: float (..., U), the new h.
        state: the new state.

    Raises:
        ValueError: if `units` is less than 1, or there is no gate for `forget_bias`.
    """

    state_count = 1
    parts: ClassVar[dict[str, float]]
    forget_gate: ClassVar[dict[str, int]] = {}
    recurrent_start = "orthogonal"

    def __init__(self, units, recurrent_start=None, forget_bias=None, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        if forget_bias is not None and not self.forget_gate:
            raise ValueError(
                f"{type(self).__name__} has no forget gate. Received: "
                f"forget_bias={forget_bias}"
            )
        self.units = units
        self.forget_bias = forget_bias
        self.each_start = recurrent_start

    def build(self, inputs_shape, state_shape=None):
        """Create the weights W, U and b."""
        count = len(self.parts)
        self.kernel = self.matrix("kernel", inputs_shape[-1], count, "glorot_uniform")
        self.recurrent_kernel = self.matrix("recurrent_kernel", self.units, count)
        self.bias = self.add_weight(
            name="bias", shape=(count * self.units,), initializer=self._initial_bias
        )
        self.built = True

    def matrix(self, name, rows, count=1, start=None):
        """Create `count` matrices (rows, U), side by side.

        Args:
            start: see `keras.initializers`; None, for those that states go through, is
                what the recipe says.
        """
        if start is None:
            start = self._start_each if self.each_start else self.recurrent_start
        shape = (rows, count * self.units)
        return self.add_weight(name=name, shape=shape, initializer=start)

    def _start_each(self, shape, dtype=None):
        """Start each matrix (U, U) of those that lie on and beside one another."""

        def start(_):  # each anew: one initializer would give the same to all
            make = keras.initializers.get(self.each_start)
            return make((self.units, self.units), dtype)

        rows, columns = (range(size // self.units) for size in shape)
        beside = [ops.concatenate([*map(start, columns)], axis=1) for _ in rows]
        return ops.concatenate(beside, axis=0)

    def vectors(self, name, count=1):
        """Create `count` vectors (U,) of zeros, in a row."""
        shape = (count * self.units,)
        return self.add_weight(name=name, shape=shape, initializer="zeros")

    def _initial_bias(self, shape, dtype=None):
        starts = dict(self.parts)
        if self.forget_bias is not None:
            starts |= {
                p: sign * self.forget_bias for p, sign in self.forget_gate.items()
            }
        values = starts.values()
        return ops.concatenate([ops.full((self.units,), x, dtype) for x in values])

    def call(self, inputs, state):
        """Advance by one step."""
        _, new = self.advance(self.project(inputs), state)
        return new[0], new

    def gates(self, inputs, state):
        """Give what a step computes between 0 and 1.

        Returns:
            float (..., U) by the name in the equations; nothing of a cell without.
        """
        return self.advance(self.project(inputs), state)[0]

    def project(self, inputs):
        """Give W x + b, all parts side by side."""
        return self.read(inputs, self.kernel) + self.bias

    def read(self, inputs, weight):
        """Give W x; of one-hot vectors, their rows of W."""
        if keras.backend.is_int_dtype(inputs.dtype):
            return ops.take(weight, inputs, axis=0)
        return ops.matmul(inputs, weight)

    def advance(self, projected, state):
        """Take a step.

        Args:
            projected: what `project` gives.

        Returns:
            the gates, see `gates`, and the new state.
        """
        raise NotImplementedError


def side_by_side(layers):
    """Join the gates of cells on one another, float (..., U) by name, to (..., L U)."""
    return {
        name: ops.concatenate([gates[name] for gates in layers], axis=-1)
        for name in layers[0]
    }


class VanillaCell(Cell):
    """The simple recurrent net: h' = tanh(W x + U h + b).

    Source: Elman 1990.
    """

    parts: ClassVar = {"h": 0.0}
    activation = staticmethod(ops.tanh)

    def advance(self, projected, state):
        """Take a step."""
        seen = ops.matmul(state[0], self.recurrent_kernel)
        return {}, (self.activation(projected + seen),)


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
    forget_gate: ClassVar = {"f": 1}

    def advance(self, projected, state):
        """Take a step."""
        h, c = state
        summed = projected + ops.matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(summed, 4, axis=-1)
        i, f, o = ops.sigmoid(i), ops.sigmoid(f), ops.sigmoid(o)
        c = f * c + i * ops.tanh(g)
        return {"i": i, "f": f, "o": o}, (o * ops.tanh(c), c)
