"""Read a text with a net, and keep what tells what its cells do.

The activities of a long text are too many to keep: they are counted while they come,
and kept as levels only for excerpts, which are chosen before.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnn.cells.probes import Marks, Probes, ask
from rnn.cells.scoring import Scorer, Scores, to_levels
from rnn.cells.word_probes import Sentences
from shared.runs.ahead import ahead

if TYPE_CHECKING:
    from rnn.net.reader import Piece
    from shared.runs.recipes import CellConfig

CLOSED, OPEN = 0.1, 0.9  # a gate below or above is saturated; Karpathy et al. 2016
SIZES = {"character": (2400, 400), "word": (600, 100)}  # of the first, other excerpts
MOST = 10  # of the others
PIECES = 256  # that are read ahead: a few steps of all streams
SHOWN_OFTEN = 5  # places in the excerpts where each probe should hold
UNBOUNDED = ("relu", "irnn")  # cells whose activity has no upper limit


class Subject(NamedTuple):
    """A net, and a text for it to read.

    Axes: N symbols of the text, U units.

    Attributes:
        name: the model, for the heading.
        text: what is read, such as "1,000,000 characters of warpeace.txt".
        unit: what a symbol is: "character" or "word".
        shown: N symbols as they are shown; white space at the end separates words.
        starts: int, sorted: where excerpts may start, such as at lines.
        marks: answers of the probes about the text.
        cell: name of its cells, see `shared.nets.names`.
        layers: how many.
        units: U.
        read: gives the pieces, in any order; all are about this text.
    """

    name: str
    text: str
    unit: str
    shown: Sequence[str]
    starts: np.ndarray
    marks: Marks
    cell: str
    layers: int
    units: int
    read: Callable[[], "Iterable[Piece]"]


def of_sentences(
    name: str,
    source: str,
    sentences: Sequence[Sequence[str]],
    probes: Probes,
    cells: "CellConfig",
    read: Callable[[], "Iterable[Piece]"],
) -> Subject:
    """Let a net of `cells` read sentences, word by word; see `Subject`.

    Args:
        source: what they are, such as "340 questions of asked.txt".
    """
    kept = Sentences(sentences)
    return Subject(
        name,
        f"{len(kept.words):,} words of {source}",
        "word",
        kept.shown(),
        np.unique(kept.starts),
        ask(probes, kept),
        cells.cell,
        cells.layers,
        cells.units,
        read,
    )


class Excerpt(NamedTuple):
    """A part of the text: `start` to before `end`, shown for `reason`."""

    start: int
    end: int
    reason: str


class Findings(NamedTuple):
    """What reading brought to light.

    Axes: E symbols of all excerpts, one after the other; the cells of all layers are
    C = layers x U, layer by layer.

    Attributes:
        scores: of all cells.
        excerpts: parts of the second half of the text.
        places: int (E,), which symbols of the text are in them.
        activities: uint8 (E, C), levels of -1..1, see `rnn.cells.scoring.to_levels`.
        gates: uint8 (E, C) of each gate, levels of 0..1.
        log_probs: float32 (E,); NaN where nothing was predicted.
        closed, opened: float (C,) of each gate, the share of steps in which it is
            below `CLOSED`, above `OPEN`.
        nats: minus the mean log-probability of a symbol, or NaN of a net that predicts
            none.
    """

    scores: Scores
    excerpts: list[Excerpt]
    places: np.ndarray
    activities: np.ndarray
    gates: dict[str, np.ndarray]
    log_probs: np.ndarray
    closed: dict[str, np.ndarray]
    opened: dict[str, np.ndarray]
    nats: float


def look_inside(
    subject: Subject, tick: Callable[[int], None] = lambda done: None
) -> Findings:
    """Read the text once, and score all cells.

    Args:
        tick: told how many symbols were read in all.
    """
    size, cells = len(subject.shown), subject.layers * subject.units
    scorer = Scorer(subject.marks.flags, subject.marks.numbers, size, cells)
    excerpts = choose_excerpts(
        size, subject.marks.flags, subject.starts, *SIZES[subject.unit]
    )
    places = np.concatenate([np.arange(one.start, one.end) for one in excerpts])
    rows = np.full(size, -1)
    rows[places] = np.arange(len(places))
    activities = np.zeros((len(places), cells), np.uint8)
    log_probs = np.zeros(len(places), np.float32)
    gates: dict[str, np.ndarray] = {}
    saturated: dict[str, np.ndarray] = {}
    nats, predicted, done = 0.0, 0, 0
    bounded = subject.cell not in UNBOUNDED
    for piece in ahead(subject.read(), PIECES):
        levels = to_levels(_beside(piece.outputs), bounded)
        scorer.add(piece.start, levels)
        at = rows[piece.start : piece.start + len(levels)]
        kept, into = at >= 0, at[at >= 0]
        activities[into] = levels[kept]
        log_probs[into] = piece.log_probs[kept]
        nats -= float(np.nansum(piece.log_probs, dtype=float))
        predicted += int(np.isfinite(piece.log_probs).sum())
        for name, values in _side_by_side(piece.gates):
            if name not in gates:
                gates[name] = np.zeros((len(places), cells), np.uint8)
                saturated[name] = np.zeros((2, cells), int)
            gates[name][into] = (values[kept] * 255).round()
            saturated[name] += _count_saturated(values)
        done += len(levels)
        tick(done)
    return Findings(
        scorer.finish(),
        excerpts,
        places,
        activities,
        gates,
        log_probs,
        {name: counts[0] / size for name, counts in saturated.items()},
        {name: counts[1] / size for name, counts in saturated.items()},
        nats / predicted if predicted else np.nan,
    )


def _side_by_side(
    layers: Sequence[dict[str, np.ndarray]],
) -> Iterator[tuple[str, np.ndarray]]:
    """Give each gate of all layers (t, C)."""
    for name in layers[0] if layers else ():
        yield name, _beside([layer[name] for layer in layers])


def _beside(layers: Sequence[np.ndarray]) -> np.ndarray:
    """Join the layers (t, U) to (t, C); a single one is not copied."""
    return layers[0] if len(layers) == 1 else np.concatenate(layers, axis=1)


def _count_saturated(values: np.ndarray) -> np.ndarray:
    """Count for each cell the steps in which a gate (t, C) is closed, and open."""
    # As bytes, of which sums are faster than `np.count_nonzero`.
    found = (np.less(values, CLOSED), np.greater(values, OPEN))
    return np.stack([which.view(np.uint8).sum(0, dtype=np.uint32) for which in found])


def choose_excerpts(
    size: int, flags: dict[str, np.ndarray], starts: np.ndarray, long: int, short: int
) -> list[Excerpt]:
    """Choose parts of the second half, which did not choose any threshold.

    The first is long; short ones are added for probes that hold nowhere in those
    before.
    """

    def part(place: int, length: int, reason: str) -> Excerpt:
        later = starts[np.searchsorted(starts, place) :][:1]
        near = later.size and later[0] < min(size, place + short // 4)
        start = int(later[0]) if near else place
        return Excerpt(start, min(size, start + length), reason)

    middle = size // 2
    chosen = [part(middle, long, "the middle of the text")]
    for name, holds in flags.items():
        seen = sum(holds[one.start : one.end].sum() for one in chosen)
        if seen >= SHOWN_OFTEN or len(chosen) > MOST:
            continue
        places = middle + np.flatnonzero(holds[middle:])
        place = int(places[len(places) // 2]) - short // 2
        new = part(max(middle, place), short, name)
        if not any(new.start < one.end and one.start < new.end for one in chosen):
            chosen.append(new)
    return chosen
