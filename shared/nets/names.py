"""The recurrent cells that a recipe can name. Configs ask here, without Keras."""

from pkgutil import resolve_name
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator


class CellSource(NamedTuple):
    """A recurrent cell, and its sizes.

    Attributes:
        layer: where its class is: "package.module:class"; see
            `shared.nets.cells.LSTMCell` for what it takes and gives.
        states: arrays that it carries from step to step, float (B, units) each; the
            first is its output.
        gates: products of (inputs, units) and (units, units) in a step.
    """

    layer: str
    states: int
    gates: int

    def make(self, units: int) -> Any:
        """Make a cell of so many units; this imports Keras."""
        return resolve_name(self.layer)(units)


CELLS = {
    "lstm": CellSource("shared.nets.cells:LSTMCell", states=2, gates=4),
}


def _check_cell(name: str) -> str:
    if name not in CELLS:
        raise ValueError(f"no cell {name!r}. There are {', '.join(CELLS)}")
    return name


CellName = Annotated[str, AfterValidator(_check_cell)]
