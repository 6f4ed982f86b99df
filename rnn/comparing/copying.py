"""The copy task: a symbol that was read long ago is to be said again.

A sequence is noise, in which one of the symbols to remember stands; after it come some
steps of noise, and then the mark at which it is asked for. The distance is the number
of steps between the symbol and the mark. In training each sequence has a distance of
its own, up to the task's, so that a net may learn the near before the far; what is
judged is the task's distance alone.

Like the tasks of Hochreiter & Schmidhuber 1997, with noise in between; Le et al. 2015,
arXiv:1504.00941, and Arjovsky et al. 2016, arXiv:1511.06464, have relatives of it.

Axes: T steps, B sequences.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from rnn.comparing.config import CopyingConfig, TextConfig
from rnn.config import NetConfig
from rnn.net.model import LanguageModel
from shared.runs.training import BrokeDown, build_optimizer, take_step

JUDGED = 1000  # sequences


class Sequences(NamedTuple):
    """Sequences, and what is to be said at their last step.

    Attributes:
        ids: int32 (T, B), T being the distance + 1: below the number of symbols are
            those to remember, as many more are noise, the last id is the mark.
        answers: int32 (B,).
    """

    ids: np.ndarray
    answers: np.ndarray


def draw_sequences(
    rng: np.random.Generator, distances: np.ndarray, longest: int, symbols: int
) -> Sequences:
    """Draw sequences.

    Args:
        distances: int (B,), of each sequence, from 1 to `longest`.
        longest: T - 1.
        symbols: different ones to remember.
    """
    count = len(distances)
    ids = rng.integers(symbols, 2 * symbols, (longest + 1, count))
    answers = rng.integers(symbols, size=count)
    ids[longest - distances, np.arange(count)] = answers
    ids[-1] = 2 * symbols
    return Sequences(ids.astype(np.int32), answers.astype(np.int32))


class Copier(keras.Model):
    """A net that reads sequences and says the symbol at their end.

    Call arguments:
        ids: int32 (T, B).

    Returns:
        logits: float (B, 2 * symbols + 1).
    """

    def __init__(self, cell: str, units: int, symbols: int):
        super().__init__()
        size = 2 * symbols + 1
        self.net = LanguageModel(NetConfig(cell=cell, units=units), size)
        self.built = True

    def call(self, ids: Any, training: bool = False) -> Any:
        """Give the logits after the last step."""
        logits, _ = self.net(ids, self.net.begin(ops.shape(ids)[1]), training=training)
        return logits[-1]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Give the mean cross-entropy of the answers, in nats."""
        found = keras.losses.sparse_categorical_crossentropy(
            y, y_pred, from_logits=True
        )
        return ops.mean(found)


def compile_to_compare(
    model: keras.Model, config: CopyingConfig | TextConfig, rate: float
) -> None:
    """Compile a net for the steps of a task, with this highest learning rate."""
    optimizer = build_optimizer(
        model,
        steps=config.steps,
        learning_rate=rate,
        warmup=0.05,
        final_rate=0.1,
        clip_norm=config.clip_norm,
    )
    model.compile(optimizer=optimizer, jit_compile=False)


def train_copier(
    config: CopyingConfig,
    distance: int,
    cell: str,
    units: int,
    rate: float,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> float | None:
    """Train a net on the copy task, and give the share of symbols that it then says.

    Args:
        rate: highest learning rate.
        seed: of the weights and of the sequences to learn from; those to judge by are
            always the same.
        tick: told of each step that is done.

    Returns:
        0 to 1, at the distance; None if the training broke down.
    """
    keras.utils.set_random_seed(seed)
    model = Copier(cell, units, config.symbols)
    compile_to_compare(model, config, rate)
    rng = np.random.default_rng(seed)
    for _ in range(config.steps):
        distances = rng.integers(1, distance + 1, size=config.batch_size)
        drawn = draw_sequences(rng, distances, distance, config.symbols)
        try:
            take_step(model, drawn.ids, drawn.answers, None)
        except BrokeDown:
            return None
        tick()
    far = np.full(JUDGED, distance)
    ids, answers = draw_sequences(
        np.random.default_rng(0), far, distance, config.symbols
    )
    found = ops.argmax(model.predict_on_batch(ids), axis=-1)
    return float(np.mean(ops.convert_to_numpy(found) == answers))
