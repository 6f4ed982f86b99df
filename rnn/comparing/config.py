"""What `rnn compare` compares, and how: the schema of its recipe. Needs no Keras."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, model_validator

from shared.config import Config
from shared.errors import AppError
from shared.nets.names import CELLS, CellName
from shared.runs.recipes import Positive, Seed

Rate = Annotated[float, Field(gt=0, le=1)]
Budget = Annotated[int, Field(ge=100, le=1_000_000_000)]
Clip = Annotated[float, Field(gt=0, le=1e9)]


class CopyingConfig(Config):
    """The copy task, see `rnn.comparing.copying`.

    Attributes:
        distances: each is a task of its own.
        symbols: different ones to remember.
        weights: most weights of a net, biases and peepholes not counted.
        steps: of a training.
        batch_size: sequences in a step.
        clip_norm: highest norm of a step's gradient.
    """

    distances: Annotated[tuple[Positive, ...], Field(min_length=1)] = (10, 25, 50, 100)
    symbols: int = Field(8, ge=2, le=1000)
    weights: Budget = 10_000
    steps: Positive = 1000
    batch_size: Positive = 64
    clip_norm: Clip = 1.0


class TextConfig(Config):
    """A text by characters, see `rnn.config.ReadingConfig`.

    Attributes:
        weights: most weights of a net, biases and peepholes not counted.
        steps: of a training.
        batch_size: B, streams.
        chunk: T, symbols of each stream in a step.
        clip_norm: highest norm of a step's gradient.
        judged: symbols of the text to choose by that a net is measured on, at most.
    """

    weights: Budget = 200_000
    steps: Positive = 1000
    batch_size: Positive = 32
    chunk: Annotated[int, Field(ge=1, le=10_000)] = 64
    clip_norm: Clip = 1.0
    judged: Positive = 50_000


class CaptionsConfig(Config):
    """Captions by the features of the included captioner, see `rnn.comparing.captions`.

    Attributes:
        weights: most weights of a decoder, without the vectors of words and biases.
        epochs: passes over the photos.
        batch_size: photos in a step.
    """

    weights: Budget = 2_500_000
    epochs: Positive = 3
    batch_size: Positive = 25


class CompareConfig(Config):
    """A whole recipe.

    Attributes:
        seed: of the learning rates.
        cells: what is compared.
        tries: learning rates that each cell is tried with, the same for all, drawn
            from `rates` so that their logarithms are uniform; the first seed decides
            which is a cell's best.
        seeds: trainings with the best rate, from other weights and other data.
        copying, text, captions: the tasks; None leaves one out.
    """

    seed: Seed = 1
    cells: Annotated[tuple[CellName, ...], Field(min_length=1)] = tuple(CELLS)
    tries: int = Field(4, ge=1, le=1000)
    seeds: int = Field(3, ge=1, le=1000)
    rates: tuple[Rate, Rate] = (0.001, 0.03)
    copying: CopyingConfig | None = None
    text: TextConfig | None = None
    captions: CaptionsConfig | None = None

    @model_validator(mode="after")
    def _can_be_compared(self) -> "CompareConfig":
        if self.rates[0] > self.rates[1]:
            raise ValueError(
                f"`rates` are the lowest and the highest. Received: {self.rates}"
            )
        if not (self.copying or self.text or self.captions):
            raise ValueError("there is no task: add [copying], [text] or [captions]")
        if len(set(self.cells)) != len(self.cells):
            raise ValueError(f"`cells` differ. Received: {self.cells}")
        return self


def count_weights(cell: str, units: int, size: int) -> int:
    """Count the weights of a net of one layer, without biases and peepholes.

    Args:
        cell: a key of `shared.nets.names.CELLS`.
        size: of the vectors that it reads, and of those that it says.
    """
    return CELLS[cell].count_weights(size, units, 1) + units * size


def solve_units(budget: int, size: int, cell: str) -> int:
    """Give the most units that a net of one layer can have with so many weights.

    Args:
        budget: the weights.
        size, cell: see `count_weights`.

    Raises:
        AppError: if even one unit has more weights.
    """

    def fits(units: int) -> bool:
        return count_weights(cell, units, size) <= budget

    if not fits(1):
        raise AppError(
            f"A net of {budget:,} weights is too small for the cell {cell!r}, which "
            f"needs {count_weights(cell, 1, size):,} for one unit. Raise "
            "`weights` in the recipe."
        )
    return find_largest(fits)


def find_largest(fits: Callable[[int], bool]) -> int:
    """Give the largest number that fits, if 1 does and all below one that does."""
    low, high = 1, 2
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
