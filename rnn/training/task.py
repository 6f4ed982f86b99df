"""What a stage of training does with a language model: chunks, steps, validation."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np

from rnn.config import ReadingConfig, RnnConfig
from rnn.net.model import LanguageModel, Learner
from rnn.net.reader import Reader
from rnn.net.symbols import Symbols
from rnn.training.evaluate import measure
from rnn.training.streams import Chunk, Streams
from shared.runs.folder import BEST
from shared.runs.trainer import Epochs, Validated
from shared.runs.training import check_numbers, compile_model, take_step


class ReadingTask:
    """A language model and what it learns from, for a `shared.runs.trainer.Trainer`.

    Args:
        config: the recipe.
        net: what is trained.
        symbols: what it knows.
        learn, dev: int32 (N,), the texts to learn from and to choose by.
        show: told the number of each step in `config.samples` once it is done.
    """

    model: Learner

    def __init__(
        self,
        config: RnnConfig,
        net: LanguageModel,
        symbols: Symbols,
        learn: np.ndarray,
        dev: np.ndarray,
        show: Callable[[int], None] = lambda step: None,
    ):
        self.config = config
        self.net = net
        self.symbols = symbols
        self.learn, self.dev = learn, dev
        self._show = show
        self._reader = Reader(net, symbols, config.net.cell)
        self.model = Learner(net, config.stages[0].batch_size)

    @property
    def kept(self) -> Mapping[str, Sequence[keras.Variable]]:
        """The net without the states of its streams."""
        return {BEST: self.net.variables}

    def prepare(self, stage: ReadingConfig) -> None:
        """Compile the model for a stage, with streams that have read nothing yet."""
        self.model = Learner(self.net, stage.batch_size)
        self.model.label_smoothing = stage.label_smoothing
        compile_model(self.model, stage, self._streams(stage).steps)

    def begin(self, stage: ReadingConfig) -> Epochs[Chunk]:
        """Cut the text into streams."""
        streams = self._streams(stage)

        def chunks(seeds: Sequence[int], start: int) -> Iterator[Chunk]:
            _, place, epoch = seeds
            before = sum(
                earlier.epochs * self._streams(earlier).steps
                for earlier in self.config.stages[:place]
            )
            return streams.chunks(seeds, start, before + epoch * streams.steps)

        return Epochs(streams.steps, chunks, self._step, self._validate)

    def _streams(self, stage: ReadingConfig) -> Streams:
        return Streams(self.learn, stage.batch_size, stage.chunk)

    def _step(self, chunk: Chunk) -> float:
        inputs = {"ids": chunk.inputs, "fresh": np.array([chunk.fresh])}
        loss = take_step(self.model, inputs, chunk.targets, None)
        if chunk.number in self.config.samples:
            self._show(chunk.number)
        return loss

    def _validate(self) -> Validated:
        """Measure the net on the text to choose by."""
        nats = measure(self._reader, self.dev).nats
        check_numbers(np.array(nats))
        return Validated([-nats], {"dev_nats": nats})
