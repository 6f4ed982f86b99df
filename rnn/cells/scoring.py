"""How well each cell tells what a probe asks, counted while a text is read.

Activities come as levels, 0 to 255, so that counting them is enough to try every
threshold: of a million characters and 512 cells nothing is kept but histograms. The
first half of the text chooses; what is reported is how that fares on the second.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

LEVELS = 256
ROWS = 16384  # symbols that are counted at once
EXPLAINED, PARTLY = 0.8, 0.5  # strengths from which a probe explains a cell


def to_levels(values: np.ndarray, bounded: bool = True) -> np.ndarray:
    """Turn activities into levels uint8, in the same order.

    Args:
        values: float of any shape, in -1..1 if `bounded`. Others become
            x / (1 + |x|) first.
    """
    if not bounded:
        values = values / (1 + np.abs(values))
    levels = np.clip(values, -1, 1)
    levels *= 127.5
    levels += 128
    return levels.astype(np.uint8)


def from_level(level: int) -> float:
    """Give the least activity in -1..1 that has a level."""
    return max(-1.0, (level - 128) / 127.5)


class Scores(NamedTuple):
    """How well cells tell what probes ask, on the half that did not choose.

    Axes: F yes/no probes, P all probes, those first; U cells.

    Attributes:
        probes: their names.
        balanced: float (F, U), balanced accuracy of the chosen threshold, 0 to 1.
        f1: float (F, U), of the same threshold.
        thresholds: int (F, U), the lowest level above it.
        above: bool (F, U), whether yes is above it.
        correlations: float (P - F, U), -1 to 1.
        strengths: float (P, U), 0 to 1, by which probes of both kinds are compared:
            2 x balanced accuracy - 1, or the correlation without its sign.
        best: int (U,), the probe that each cell tells best, chosen by the first half.
    """

    probes: list[str]
    balanced: np.ndarray
    f1: np.ndarray
    thresholds: np.ndarray
    above: np.ndarray
    correlations: np.ndarray
    strengths: np.ndarray
    best: np.ndarray

    @property
    def strength(self) -> np.ndarray:
        """Strength of each cell's best probe: float (U,)."""
        found: np.ndarray = self.strengths[self.best, np.arange(len(self.best))]
        return found

    def value(self, probe: int, cell: int) -> float:
        """Balanced accuracy, or the correlation."""
        scores, flags = self.balanced, len(self.balanced)
        if probe >= flags:
            scores, probe = self.correlations, probe - flags
        return float(scores[probe, cell])

    def describe(self, probe: int, cell: int) -> str:
        """Put a score into words: "0.94 balanced accuracy", "correlation -0.85"."""
        value = f"{self.value(probe, cell):.2f}"
        if probe < len(self.balanced):
            return f"{value} balanced accuracy"
        return f"correlation {value}"


class Scorer:
    """Compare cells with probes, block after block of a text.

    Axes: N symbols of the text, n of a block, U cells.

    Args:
        flags: yes/no probes by name: bool (N,), true and false in each half.
        numbers: other probes by name: float32 (N,), not constant in any half.
        size: N.
        cells: U.
    """

    def __init__(
        self,
        flags: Mapping[str, np.ndarray],
        numbers: Mapping[str, np.ndarray],
        size: int,
        cells: int,
    ):
        self.names, self._cells = [*flags, *numbers], cells
        self._flags = list(flags.values())
        halves = np.arange(size) >= size // 2
        self._halves = halves.astype(int)
        numbers_of = np.stack([*numbers.values()]) if numbers else np.zeros((0, size))
        self._truth = np.zeros((len(numbers), size), np.float32)
        for half in (0, 1):  # as deviations in units of their own, so that r is a mean
            part = numbers_of[:, halves == half]
            part = part - part.mean(1, keepdims=True)
            self._truth[:, halves == half] = part / part.std(1, keepdims=True)
        self._counts = np.zeros((2, 1 + len(flags), cells, LEVELS), np.int64)
        self._products = np.zeros((2, len(numbers), cells))
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        # Kept, as to be given so much memory anew takes longer than to count.
        self._bins, self._some = np.empty((2, ROWS * cells), np.intp)

    def add(self, start: int, levels: np.ndarray) -> None:
        """Take the levels uint8 (n, U) of the symbols from `start` on, in any order."""
        self._waiting.append((np.arange(start, start + len(levels)), levels))
        if sum(len(rows) for rows, _ in self._waiting) >= ROWS:
            self._count()

    def _count(self) -> None:
        rows = np.concatenate([rows for rows, _ in self._waiting])
        levels = np.concatenate([levels for _, levels in self._waiting])
        self._waiting = []
        for half in (0, 1):
            here = self._halves[rows] == half
            for at in np.array_split(np.flatnonzero(here), here.sum() // ROWS + 1):
                self._count_half(half, rows[at], levels[at])

    def _count_half(self, half: int, rows: np.ndarray, levels: np.ndarray) -> None:
        counts = self._counts[half]
        bins = self._bins[: levels.size].reshape(levels.shape)
        np.add(levels, LEVELS * np.arange(self._cells), out=bins)
        counts[0] += self._histograms(bins)
        for index, flags in enumerate(self._flags, 1):
            at = np.flatnonzero(flags[rows])
            some = self._some[: len(at) * self._cells].reshape(-1, self._cells)
            # "clip", as anything else has `take` make a copy first
            counts[index] += self._histograms(bins.take(at, 0, some, "clip"))
        around = levels.astype(np.float32) - LEVELS / 2
        # This way round, as BLAS is slow where the first of two has few rows.
        self._products[half] += (around.T @ self._truth[:, rows].T).T

    def _histograms(self, bins: np.ndarray) -> np.ndarray:
        found = np.bincount(bins.reshape(-1), minlength=self._cells * LEVELS)
        return found.reshape(self._cells, LEVELS)

    def finish(self) -> Scores:
        """Give the scores of all that was added."""
        if self._waiting:
            self._count()
        found = [self._judge_flag(index) for index in range(1, len(self._flags) + 1)]
        shape = (len(found), self._cells)
        chosen, balanced, f1, cuts, above = (
            (np.array(part).reshape(shape) for part in zip(*found, strict=True))
            if found
            else [np.zeros(shape)] * 5
        )
        first, second = map(self._correlations, (0, 1))
        choose = np.concatenate([2 * chosen - 1, np.abs(first)])
        strengths = np.concatenate([2 * balanced - 1, second * np.sign(first)])
        return Scores(
            self.names,
            balanced,
            f1,
            cuts,
            above.astype(bool),
            second,
            np.clip(strengths, 0, 1),
            choose.argmax(0) if len(choose) else np.zeros(self._cells, int),
        )

    def _judge_flag(self, index: int) -> tuple[np.ndarray, ...]:
        """Choose each cell's threshold, and measure it on the other half."""
        everything, yes = self._counts[:, 0], self._counts[:, index]
        # (2, U, LEVELS): how many are at this level or above
        yes_above, no_above = map(_count_above, (yes, everything - yes))
        gains = yes_above / yes_above[..., :1] - no_above / no_above[..., :1]
        cuts = np.abs(gains[0]).argmax(-1)  # (U,)
        at = (slice(None), np.arange(self._cells), cuts)
        gain, above = gains[at], gains[at][0] > 0
        chosen, balanced = (1 + np.where(above, gain, -gain)) / 2
        hits, alarms = yes_above[at][1], no_above[at][1]
        yes_all, no_all = yes_above[1, :, 0], no_above[1, :, 0]
        hits = np.where(above, hits, yes_all - hits)
        alarms = np.where(above, alarms, no_all - alarms)
        f1 = 2 * hits / (hits + alarms + yes_all)
        return chosen, balanced, f1, cuts, above

    def _correlations(self, half: int) -> np.ndarray:
        counts, levels = self._counts[half, 0], np.arange(LEVELS)
        sizes = np.maximum(1, counts.sum(-1))
        means = counts @ levels / sizes
        spread = np.sqrt(counts @ levels**2 / sizes - means**2)
        found = self._products[half] / sizes / np.maximum(spread, 1e-9)
        return np.where(spread > 1e-6, found, 0.0)


def _count_above(counts: np.ndarray) -> np.ndarray:
    found: np.ndarray = counts[..., ::-1].cumsum(-1)[..., ::-1]
    return found
