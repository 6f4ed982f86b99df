"""The tasks that `rnn compare` trains nets on: copying, and a text by characters."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import keras
import numpy as np

from rnn.comparing.config import CompareConfig, TextConfig, solve_units
from rnn.comparing.copying import compile_to_compare, train_copier
from rnn.config import NetConfig, VocabularyConfig
from rnn.net.model import LanguageModel, Learner
from rnn.net.reader import Reader
from rnn.net.symbols import Symbols
from rnn.training.evaluate import measure
from rnn.training.streams import Chunk, Streams
from rnn.training.texts import Text
from shared.runs.training import BrokeDown, take_step

Tick = Callable[[], None]  # told of each step that is done


class Task(NamedTuple):
    """A task that each cell learns.

    Attributes:
        name: such as "copy 50".
        score: what is measured.
        more: whether more of it is better.
        highest: the best score that there can be, if there is one.
        units: how many a cell of this name has within the budget.
        steps: of a training.
        train: trains the cell of a name, of so many units, with a learning rate and a
            seed; gives the score, or None if the training broke down.
    """

    name: str
    score: str
    more: bool
    highest: float | None
    units: Callable[[str], int]
    steps: int
    train: Callable[[str, int, float, int, Tick], float | None]


def make_tasks(config: CompareConfig, text: Text | None) -> list[Task]:
    """Give the tasks of a recipe.

    Args:
        text: for [text].
    """
    tasks = []
    if copying := config.copying:
        tasks += [
            Task(
                name=f"copy {distance}",
                score="share of symbols copied",
                more=True,
                highest=1.0,
                units=partial(solve_units, copying.weights, 2 * copying.symbols + 1),
                steps=copying.steps,
                train=partial(train_copier, copying, distance),
            )
            for distance in copying.distances
        ]
    if config.text and text:
        symbols = Symbols.of(text.train, VocabularyConfig())
        learn, dev = symbols.encode(text.train), symbols.encode(text.dev)
        dev = dev[: config.text.judged]
        tasks.append(
            Task(
                name="text",
                score="nats per character",
                more=False,
                highest=None,
                units=partial(solve_units, config.text.weights, len(symbols)),
                steps=config.text.steps,
                train=partial(_read, config.text, symbols, learn, dev),
            )
        )
    return tasks


def _read(
    config: TextConfig,
    symbols: Symbols,
    learn: np.ndarray,
    dev: np.ndarray,
    cell: str,
    units: int,
    rate: float,
    seed: int,
    tick: Tick,
) -> float | None:
    """Train a language model, and measure it on the text to choose by."""
    keras.utils.set_random_seed(seed)
    net = LanguageModel(NetConfig(cell=cell, units=units), len(symbols))
    model = Learner(net, config.batch_size)
    compile_to_compare(model, config, rate)
    chunks = _chunks(Streams(learn, config.batch_size, config.chunk), seed)
    try:
        for _ in range(config.steps):
            chunk = next(chunks)
            inputs = {"ids": chunk.inputs, "fresh": np.array([chunk.fresh])}
            take_step(model, inputs, chunk.targets, None)
            tick()
    except BrokeDown:
        return None
    nats = measure(Reader(net, symbols, cell), dev).nats
    return float(nats) if np.isfinite(nats) else None


def _chunks(streams: Streams, seed: int) -> Iterator[Chunk]:
    """Give the chunks of one epoch after the other."""
    epoch = 0
    while True:
        yield from streams.chunks([seed, epoch], 0, 0)
        epoch += 1


class Enough(Exception):
    """A training is broken off, as its first steps were all that was wanted."""


def estimate_seconds(task: Task, cell: str, units: int) -> float:
    """Say how long a training takes, by its first steps."""
    times = [time.monotonic()]

    def tick() -> None:
        times.append(time.monotonic())
        if len(times) > 6:
            raise Enough

    try:
        task.train(cell, units, 1e-4, 0, tick)
    except Enough:
        start = times[1] - times[0]  # the first step is slow: the graph is made
        return start + task.steps * float(np.median(np.diff(times[1:])))
    return times[-1] - times[0]
