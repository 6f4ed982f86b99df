"""Runs a model over a long text: how likely each symbol is, and what the cells do."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rnn.net.bundles import find_bundle
from rnn.net.model import LanguageModel
from rnn.net.runtime_keras import load_net
from rnn.net.symbols import Symbols
from shared.text.vocabulary import BOS

CHUNK = 128
SHOWN = ("h", "shown")  # what is no gate
WARM_UP = 256  # symbols that a stream reads before its own


class Piece(NamedTuple):
    """Of a text that is read; t symbols that follow one another.

    Attributes:
        start: index of its first symbol in the text.
        log_probs: float32 (t,), natural logarithm of the probability of each symbol,
            given all before it.
        outputs: for each layer float32 (t, U): tanh(c) of a cell with a memory c, else
            h; empty if not asked for.
        gates: for each layer, by their names in the equations, float32 (t, U) from 0
            to 1; empty if not asked for.
    """

    start: int
    log_probs: np.ndarray
    outputs: list[np.ndarray]
    gates: list[dict[str, np.ndarray]]


class Reader:
    """A model that reads texts.

    The activity at a symbol is that after it was read.

    Args:
        net: the model.
        symbols: what it knows.
        cell: name of its cells.

    Attributes:
        net, symbols, cell: see above.
        layers: of cells.
        units: of each.
    """

    def __init__(self, net: LanguageModel, symbols: Symbols, cell: str):
        self.net, self.symbols, self.cell = net, symbols, cell
        self.layers, self.units = len(net.cells), net.cells[0].units
        self._scores = tf.function(self._score, reduce_retracing=True)
        self._looks = tf.function(self._look, reduce_retracing=True)

    def read(
        self,
        ids: np.ndarray,
        *,
        outputs: bool = False,
        gates: bool = False,
        streams: int = 1,
    ) -> Iterator[Piece]:
        """Read a text.

        Args:
            ids: int (N,), see `Symbols.encode`.
            outputs, gates: whether the pieces have them.
            streams: pieces of the text that are read side by side, each after the
                `WARM_UP` symbols before it: several are much faster, and their first
                symbols a little less likely than they should be.

        Yields:
            pieces that make up the text; with several streams, not in its order.
        """
        if not len(ids):
            return
        streams = max(1, min(streams, len(ids) // (2 * WARM_UP)))
        warm = WARM_UP if streams > 1 else 0
        # The first stream needs no warming up, and has as many symbols in all.
        length = -(-(len(ids) + (streams - 1) * warm) // streams)
        begins = (length - warm) * np.arange(streams)
        firsts = begins + np.where(begins, warm, 0)
        ids = np.asarray(ids, np.int32)
        run = self._looks if outputs or gates else self._scores
        start = np.full((1, streams), BOS, np.int32), ids[begins][None]
        before, states, _ = run(*start, self.net.begin(streams))
        for begin in range(0, length, CHUNK):
            steps = np.arange(begin, min(begin + CHUNK, length))[:, None]
            places = begins + steps  # (t, B), of the symbols that are read
            inputs, targets = (
                ids[np.minimum(places + more, len(ids) - 1)] for more in (0, 1)
            )
            found, states, activity = run(inputs, targets, states)
            log_probs = np.concatenate([before, found])  # the last is of the next chunk
            before = log_probs[-1:]
            own = (places >= firsts) & (places < np.append(firsts[1:], len(ids)))
            yield from _pieces(
                places, own, log_probs[:-1], _numpy(activity), outputs, gates
            )

    def _score(self, ids: Any, targets: Any, states: Any) -> Any:
        logits, states = self.net(ids, states)
        return _pick(logits, targets), states, []

    def _look(self, ids: Any, targets: Any, states: Any) -> Any:
        logits, states, activity = self.net.look(ids, states)
        return _pick(logits, targets), states, activity


def load_reader(source: str) -> Reader:
    """Load a model that reads texts.

    Args:
        source: a bundle's folder, or "included".

    Raises:
        AppError: if there is no bundle of a language model, or it is damaged.
    """
    config, symbols, net = load_net(find_bundle(source))
    return Reader(net, symbols, config.net.cell)


def _pick(logits: Any, targets: Any) -> Any:
    log_probs = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    return tf.gather(log_probs, targets, batch_dims=2)


def _numpy(activity: Any) -> list[dict[str, np.ndarray]]:
    """Give the activity as it lies in memory; `numpy()` would copy it."""
    return [
        {name: np.asarray(memoryview(a)) for name, a in layer.items()}
        for layer in activity
    ]


def _pieces(
    places: np.ndarray,
    own: np.ndarray,
    log_probs: np.ndarray,
    activity: list[dict[str, np.ndarray]],
    outputs: bool,
    gates: bool,
) -> Iterator[Piece]:
    """Give what each stream has read of its own."""
    for stream in np.flatnonzero(own.any(axis=0)):
        first, count = own[:, stream].argmax(), own[:, stream].sum()
        rows = slice(first, first + count)  # its own follow one another
        layers = [{n: a[rows, stream] for n, a in layer.items()} for layer in activity]
        yield Piece(
            int(places[first, stream]),
            log_probs[rows, stream],
            [layer["shown"] for layer in layers] if outputs else [],
            [{n: layer[n] for n in layer if n not in SHOWN} for layer in layers]
            if gates
            else [],
        )
