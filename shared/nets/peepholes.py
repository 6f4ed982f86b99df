"""The LSTM whose gates see its memory, and what is left of it without each part."""

from typing import ClassVar

from keras import ops

from shared.nets.cells import Cell

ALWAYS = 1.0  # a gate that is not there


class PeepholeCell(Cell):
    """Long short-term memory with peepholes, the vectors p.

        i  = sigmoid(W_i x + U_i h + p_i * c + b_i)
        f  = sigmoid(W_f x + U_f h + p_f * c + b_f)
        g  = tanh(W_g x + U_g h + b_g)
        c' = f * c + i * g
        o  = sigmoid(W_o x + U_o h + p_o * c' + b_o)
        h' = o * tanh(c')

    The state is h, c. b_f starts at 1, p at 0, where it is an `LSTMCell`. Where
    `parts` lacks a gate, that gate is 1.

    Source: Gers & Schmidhuber 2000, in the form of Greff et al. 2015,
        arXiv:1503.04069, whose variants follow. Their "no peepholes" is `LSTMCell`.
    """

    state_count = 2
    parts: ClassVar = {"i": 0.0, "f": 1.0, "g": 0.0, "o": 0.0}
    forget_gate: ClassVar = {"f": 1}
    input_activation = staticmethod(ops.tanh)
    output_activation = staticmethod(ops.tanh)

    def build(self, inputs_shape, state_shape=None):
        """Create the weights."""
        super().build(inputs_shape)
        self.peepholes = {
            gate: self.vectors(f"peephole_{gate}") for gate in self.parts if gate != "g"
        }

    def advance(self, projected, state):
        """Take a step."""
        h, c = state[:2]
        summed = projected + ops.matmul(h, self.recurrent_kernel)
        summed = self.add_gates(summed, state[2:])
        parts = ops.split(summed, len(self.parts), axis=-1)
        summed = dict(zip(self.parts, parts, strict=True))
        i = self.gate("i", summed, c)
        f = self.forget(summed, c, i)
        c = f * c + i * self.input_activation(summed["g"])
        o = self.gate("o", summed, c)
        h = o * self.output_activation(c)
        gates = {"i": i, "f": f, "o": o}
        there = {name: gate for name, gate in gates.items() if gate is not ALWAYS}
        return there, (h, c, i, f, o)[: self.state_count]

    def add_gates(self, summed, gates):
        """Add what the parts see of the gates of the step before."""
        return summed

    def gate(self, name, summed, c):
        """Open a gate that sees c: float (..., U) in [0, 1], or 1 without the gate."""
        if name not in summed:
            return ALWAYS
        return ops.sigmoid(summed[name] + self.peepholes[name] * c)

    def forget(self, summed, c, i):
        """Open the forget gate."""
        return self.gate("f", summed, c)


class NoInputGateCell(PeepholeCell):
    """The peephole LSTM with i = 1: "NIG" of Greff et al. 2015."""

    parts: ClassVar = {"f": 1.0, "g": 0.0, "o": 0.0}


class NoForgetGateCell(PeepholeCell):
    """The peephole LSTM with f = 1: "NFG" of Greff et al. 2015."""

    parts: ClassVar = {"i": 0.0, "g": 0.0, "o": 0.0}
    forget_gate: ClassVar = {}


class NoOutputGateCell(PeepholeCell):
    """The peephole LSTM with o = 1: "NOG" of Greff et al. 2015."""

    parts: ClassVar = {"i": 0.0, "f": 1.0, "g": 0.0}


class NoInputActivationCell(PeepholeCell):
    """The peephole LSTM with g = W_g x + U_g h + b_g: "NIAF" of Greff et al. 2015."""

    input_activation = staticmethod(lambda x: x)


class NoOutputActivationCell(PeepholeCell):
    """The peephole LSTM with h' = o * c': "NOAF" of Greff et al. 2015."""

    output_activation = staticmethod(lambda x: x)


class CoupledGatesCell(PeepholeCell):
    """The peephole LSTM with f = 1 - i: "CIFG" of Greff et al. 2015.

    b_i starts at -1, so that f starts where that of the others does.
    """

    parts: ClassVar = {"i": -1.0, "g": 0.0, "o": 0.0}
    forget_gate: ClassVar = {"i": -1}

    def forget(self, summed, c, i):
        """Forget as much as is written."""
        return 1 - i


class GateRecurrenceCell(PeepholeCell):
    """The peephole LSTM with full gate recurrence: "FGR" of Greff et al. 2015.

        i = sigmoid(W_i x + U_i h + p_i * c + R_ii i + R_fi f + R_oi o + b_i)

    and so on for f and o; on the right are the gates of the step before. The state is
    h, c, i, f, o.
    """

    state_count = 5

    def build(self, inputs_shape, state_shape=None):
        """Create the weights; R has i, f, o in its rows and in its columns."""
        super().build(inputs_shape)
        self.gate_kernel = self.matrix("gate_kernel", 3 * self.units, 3)

    def add_gates(self, summed, gates):
        """Add what the gates see of the gates before; g sees nothing of them."""
        i, f, o = ops.split(
            ops.matmul(ops.concatenate(gates, axis=-1), self.gate_kernel), 3, axis=-1
        )
        return summed + ops.concatenate([i, f, ops.zeros_like(i), o], axis=-1)
