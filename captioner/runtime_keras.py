"""The captioner on Keras: trained weights, and the search compiled with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from captioner import decoding
from captioner.choosing import width
from captioner.config import CaptionerConfig
from captioner.decoding import Sequences, ensemble, search
from captioner.model import Captioner, build_captioner
from captioner.rules import Rules
from shared.errors import AppError
from shared.weights import load_weights


def load_model(folder: Path, config: CaptionerConfig, vocab_size: int) -> Captioner:
    """Build the model of a checked bundle.

    Raises:
        AppError: if its weights do not fit.
    """
    # Half precision is for training; not every processor has it.
    config = config.model_copy(update={"precision": "float32"})
    model = build_captioner(config, vocab_size, None)
    load_weights(folder, model)
    return model


class Search(keras.Model):
    """Captioners with a search behind them, as one compiled function.

    Args:
        captioners: trained models over the same words, at least one; their weights
            are read at every call. The mean of their probabilities is searched.
        rules: how to search.

    Call arguments:
        inputs: dict of "images" uint8 (B, H, W, 3) or "features" (B, R, D), one for
            each captioner in a tuple if there are several; for sampling also
            "noise", as of `captioner.decoding.search`.

    Returns:
        Sequences.
    """

    def __init__(self, captioners: Sequence[Captioner], rules: Rules):
        super().__init__()
        self.captioners = list(captioners)
        self.rules = rules

    def call(self, inputs):
        """Search for the captions of a batch."""
        given = inputs.get("features")
        given = given if isinstance(given, (tuple, list)) else (given,)
        steps, states = [], []
        for index, captioner in enumerate(self.captioners):
            features = (
                captioner.encoder(inputs["images"])
                if given[0] is None
                else given[index]
            )
            step, state = _start(captioner.decoder, features, width(self.rules))
            steps.append(step)
            states.append(state)
        return search(
            ensemble(steps, [len(state) for state in states], ops),
            tuple(part for state in states for part in state),
            self.rules,
            vocab_size=self.captioners[0].decoder.vocab_size,
            regions=self.captioners[0].encoder.regions,
            ops=ops,
            noise=inputs.get("noise"),
        )


def _start(decoder, features, sequences):
    """Give a step function of `captioner.decoding`, and the state before it."""
    memory, state = decoder.start(features, sequences)

    def step(tokens, state):
        hidden, state, alpha = decoder.step(decoder.embedding(tokens), state, memory)
        return ops.log_softmax(decoder.predict(hidden)), alpha, state

    return step, state


class KerasRuntime:
    """Trained models, ready to look at photos and write; see `captioner.predict`.

    Args:
        models: over the same words, of the same image size.
        batch_size: photos at a time; every batch is filled up to it, so that each
            search is compiled once.
    """

    name = "keras"

    def __init__(self, models: Sequence[Captioner], batch_size: int):
        self.models = list(models)
        self.batch_size = batch_size
        self._searches: dict[Rules, Search] = {}

    def look(self, images: np.ndarray) -> list[np.ndarray]:
        """Give the features float32 (batch size, R, D) of images, for each model."""
        batch = _fill(images, self.batch_size)
        return [_run(model.encoder, batch, self.batch_size) for model in self.models]

    def search(
        self, looked: list[np.ndarray], rules: Rules, noise: np.ndarray | None
    ) -> Sequences:
        """Search for captions; every batch has the batch size's rows."""
        # Compiling takes seconds, so the last few searches are kept.
        if rules not in self._searches:
            self._searches[rules] = Search(self.models, rules)
            if len(self._searches) > 8:
                self._searches.pop(next(iter(self._searches)))
        inputs: dict[str, Any] = {"features": tuple(looked)}
        if noise is not None:
            inputs["noise"] = _fill(noise, self.batch_size)
        found = _run(self._searches[rules], inputs, self.batch_size)
        return Sequences(*map(ops.convert_to_numpy, found))

    def read(
        self, looked: list[np.ndarray], tokens: Sequence[int], rules: Rules
    ) -> np.ndarray:
        """Give the log-probabilities float32 (batch size, V) of the next word."""
        started = [
            _start(model.decoder, ops.convert_to_tensor(features), 1)
            for model, features in zip(self.models, looked, strict=True)
        ]
        step = ensemble(
            [step for step, _ in started], [len(state) for _, state in started], ops
        )
        state = tuple(part for _, state in started for part in state)
        return ops.convert_to_numpy(decoding.read(step, state, tokens, rules))


def _fill(rows: np.ndarray, count: int) -> np.ndarray:
    filled = np.zeros((count, *rows.shape[1:]), rows.dtype)
    filled[: len(rows)] = rows
    return filled


def _run(model: keras.Model, inputs: Any, batch_size: int) -> Any:
    try:
        return model.predict_on_batch(inputs)
    except Exception as error:
        if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's
            raise
        raise AppError(
            f"The memory is too small for {batch_size} photos at once. Give a smaller "
            "--batch-size."
        ) from error
