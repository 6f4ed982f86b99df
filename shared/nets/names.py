"""The recurrent cells that a recipe can name. Configs ask here, without Keras."""

from pkgutil import resolve_name
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator

STARTS = ("orthogonal", "glorot_uniform")  # of the matrices (units, units) of any cell
PLAIN = (*STARTS, "identity")  # where h goes through one such matrix, and no gate
IDENTITY = ("identity",)


class CellSource(NamedTuple):
    """A recurrent cell, and its sizes.

    Attributes:
        layer: where its class is: "package.module:class"; see
            `shared.nets.cells.Cell` for what it takes and gives.
        states: arrays that it carries from step to step, float (B, units) each; the
            first is its output.
        from_inputs: matrices (inputs, units) that it has.
        from_states: matrices (units, units) that it has.
        forgets: whether it has a forget gate, whose bias a recipe may set.
        starts: how a recipe may have the matrices (units, units) start.
    """

    layer: str
    states: int
    from_inputs: int
    from_states: int
    forgets: bool = False
    starts: tuple[str, ...] = STARTS

    def make(self, units: int, **start: Any) -> Any:
        """Make a cell of so many units; this imports Keras.

        Args:
            start: `recurrent_start` and `forget_bias`, see `shared.nets.cells.Cell`.
        """
        given = {key: value for key, value in start.items() if value is not None}
        return resolve_name(self.layer)(units, **given)

    def count_weights(self, inputs: int, units: int, layers: int) -> int:
        """Count the weights of cells on one another, without biases and peepholes."""
        read = self.from_inputs * units * (inputs + units * (layers - 1))
        return read + self.from_states * units**2 * layers


CELLS = {  # layer, states, from_inputs, from_states, forgets, starts
    "lstm": CellSource("shared.nets.cells:LSTMCell", 2, 4, 4, True),
    "gru": CellSource("shared.nets.gated:GRUCell", 1, 3, 3),
    "vanilla": CellSource("shared.nets.cells:VanillaCell", 1, 1, 1, False, PLAIN),
    "relu": CellSource("shared.nets.cells:ReluCell", 1, 1, 1, False, PLAIN),
    "irnn": CellSource("shared.nets.cells:IdentityReluCell", 1, 1, 1, False, IDENTITY),
    "peephole": CellSource("shared.nets.peepholes:PeepholeCell", 2, 4, 4, True),
    "nig": CellSource("shared.nets.peepholes:NoInputGateCell", 2, 3, 3, True),
    "nfg": CellSource("shared.nets.peepholes:NoForgetGateCell", 2, 3, 3),
    "nog": CellSource("shared.nets.peepholes:NoOutputGateCell", 2, 3, 3, True),
    "niaf": CellSource("shared.nets.peepholes:NoInputActivationCell", 2, 4, 4, True),
    "noaf": CellSource("shared.nets.peepholes:NoOutputActivationCell", 2, 4, 4, True),
    "np": CellSource("shared.nets.cells:LSTMCell", 2, 4, 4, True),
    "cifg": CellSource("shared.nets.peepholes:CoupledGatesCell", 2, 3, 3, True),
    "fgr": CellSource("shared.nets.peepholes:GateRecurrenceCell", 5, 4, 13, True),
    "mut1": CellSource("shared.nets.gated:MUT1Cell", 1, 1, 4),
    "mut2": CellSource("shared.nets.gated:MUT2Cell", 1, 1, 5),
    "mut3": CellSource("shared.nets.gated:MUT3Cell", 1, 3, 3),
}


def _check_cell(name: str) -> str:
    if name not in CELLS:
        raise ValueError(f"no cell {name!r}. There are {', '.join(CELLS)}")
    return name


CellName = Annotated[str, AfterValidator(_check_cell)]
