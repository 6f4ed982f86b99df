"""The captioner on Keras: trained weights, and the search compiled with them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from captioner.config import CaptionerConfig
from captioner.net.decoder import Memory
from captioner.net.model import Captioner, build_captioner
from captioner.search import decoding
from captioner.search.decoding import Sequences, ensemble, search
from captioner.search.rules import Rules
from shared.bundles.weights import load_weights
from shared.concepts.net import read_net
from shared.concepts.table import ConceptProbs
from shared.errors import AppError
from shared.nets.backends import predict
from shared.nets.traces import Step
from shared.text.vocabulary import Vocabulary


def load_net(
    folder: Path, config: CaptionerConfig, vocabulary: Vocabulary
) -> Captioner:
    """Build the model of a checked bundle.

    Raises:
        AppError: if its weights do not fit.
    """
    # Half precision is for training; not every processor has it.
    config = config.model_copy(update={"precision": "float32"})
    concepts = read_net(folder) if config.concepts else None
    model = build_captioner(config, vocabulary, None, concepts)
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
            each captioner in a tuple if there are several; "said", that of the first
            captioner, where it is known already; for sampling also "noise", and if
            wanted "bias", see `captioner.search.decoding.search`.

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
        started = []
        for index, captioner in enumerate(self.captioners):
            seen = (
                {"images": inputs["images"]}
                if given[0] is None
                else {"features": given[index]}
            )
            if index == 0 and "said" in inputs:
                seen["said"] = inputs["said"]
            started.append(_start(captioner, seen, self.rules.width))
        step, state = ensemble(started, ops)
        return search(
            step,
            state,
            self.rules,
            vocab_size=self.captioners[0].decoder.vocab_size,
            regions=self.captioners[0].encoder.regions,
            ops=ops,
            noise=inputs.get("noise"),
            bias=inputs.get("bias"),
        )


def _start(captioner, inputs, sequences):
    """Give the search's step function, and the state before it."""
    decoder = captioner.decoder
    features, said = captioner.look(inputs)
    memory, state = decoder.start(features, sequences, said=said)

    def step(tokens, state):
        hidden, state, alpha = decoder.step(decoder.embedding(tokens), state, memory)
        return ops.log_softmax(decoder.predict(hidden)), alpha, state

    return step, state


class Looked(NamedTuple):
    """Photos that were looked at.

    Attributes:
        features: float32 (batch size, R, D), for each model.
        seen: what they show, for models with concepts.
    """

    features: list[np.ndarray]
    seen: ConceptProbs | None


class KerasRuntime:
    """Trained models, ready to look at photos and write; see
    `captioner.describing.predict`.

    Args:
        models: over the same words, of the same image size.
        batch_size: photos at a time; every batch is filled up to it, so that each
            search is compiled once.
        fused: whether TensorFlow's searches are compiled by XLA, and run on the two
            halves of a batch side by side, their products being too small for two
            processors: a quarter faster, after half a second more to start.
    """

    name = "keras"

    def __init__(
        self, models: Sequence[Captioner], batch_size: int, fused: bool = False
    ):
        self.models = list(models)
        self.grid = self.models[0].encoder.grid
        self.batch_size = batch_size
        self.fused = fused and keras.backend.backend() == "tensorflow"
        self._halves = 2 if self.fused and batch_size % 2 == 0 else 1
        self._pool = ThreadPoolExecutor(self._halves)
        self._searches: dict[tuple[Rules, bool], Search] = {}
        self._lock = Lock()

    def encode(self, images: np.ndarray) -> list[np.ndarray]:
        """Give the features float32 (batch size, R, D) of images, for each model."""
        batch = _fill(images, self.batch_size)
        return [_run(model.encoder, batch, self.batch_size) for model in self.models]

    def look(self, features: list[np.ndarray]) -> Looked:
        """Get ready to write about features."""
        filled = [_fill(array, self.batch_size) for array in features]
        seen = None
        if concepts := self.models[0].concepts:
            told = _run(concepts, filled[0], self.batch_size)
            seen = ConceptProbs(*map(ops.convert_to_numpy, told))
        return Looked(filled, seen)

    def seen(self, looked: Looked) -> ConceptProbs | None:
        """Give what the photos show, as the first model's concept net tells."""
        return looked.seen

    @property
    def can_be_told(self) -> bool:
        """Whether `tell` works."""
        return bool(self.models[0].concepts)

    def tell(self, looked: Looked, rows: Sequence[int], seen: ConceptProbs) -> Looked:
        """Tell the first model more of what photos show."""
        told = ConceptProbs(*map(np.array, looked.seen or ()))
        for all_rows, part in zip(told, seen, strict=True):
            all_rows[list(rows)] = part
        return looked._replace(seen=told)

    def take(self, looked: Looked, rows: Sequence[int]) -> Looked:
        """Give what `look` gives of some of the photos; filled up again."""
        features, seen = looked

        def pick(part: np.ndarray) -> np.ndarray:
            return _fill(part[list(rows)], self.batch_size)

        return Looked(
            [*map(pick, features)], ConceptProbs(*map(pick, seen)) if seen else None
        )

    def where(self, looked: Looked) -> np.ndarray | None:
        """Say how surely each region shows each concept, float32 (batch size, R, C)."""
        concepts = self.models[0].concepts
        if not concepts:
            return None
        _, odds = concepts.look(ops.convert_to_tensor(looked.features[0]))
        found: np.ndarray = ops.convert_to_numpy(concepts.where(odds))
        return found

    def search(
        self,
        looked: Looked,
        rules: Rules,
        noise: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> Sequences:
        """Search for captions; every batch has the batch size's rows."""
        halves: list[dict[str, Any]] = [
            {"features": features}
            for features in zip(
                *(np.split(f, self._halves) for f in looked.features), strict=True
            )
        ]
        if looked.seen:
            said = np.split(looked.seen.said, self._halves)
            for half, part in zip(halves, said, strict=True):
                half["said"] = part
        for name, numbers in (("noise", noise), ("bias", bias)):
            if numbers is not None:
                parts = np.split(_fill(numbers, self.batch_size), self._halves)
                for half, part in zip(halves, parts, strict=True):
                    half[name] = part
        with self._lock:
            model = self._searches.get((rules, bias is None))
            model = model or self._compile(rules, halves[0])
        found = self._pool.map(lambda half: _run(model, half, self.batch_size), halves)
        both = [map(ops.convert_to_numpy, half) for half in found]
        return Sequences(*map(np.concatenate, zip(*both, strict=True)))

    def _compile(self, rules: Rules, inputs: dict[str, Any]) -> Search:
        """Make a search and run it once; the last few are kept."""
        model = Search(self.models, rules)
        if self.fused:
            model.compile(jit_compile=True)
            _run(model, inputs, self.batch_size)
        self._searches[rules, "bias" not in inputs] = model
        if len(self._searches) > 8:
            self._searches.pop(next(iter(self._searches)))
        return model

    def read(self, looked: Looked, tokens: Sequence[int], rules: Rules) -> np.ndarray:
        """Give log-probabilities float32 (batch size, T + 1, V) of the next words."""
        given = [{"features": ops.convert_to_tensor(f)} for f in looked.features]
        if looked.seen:
            given[0]["said"] = ops.convert_to_tensor(looked.seen.said)
        pairs = zip(self.models, given, strict=True)
        step, state = ensemble([_start(*pair, 1) for pair in pairs], ops)
        found = decoding.read(step, state, tokens, rules)
        return np.stack([ops.convert_to_numpy(one) for one in found], axis=1)

    @property
    def remembers(self) -> tuple[str, ...]:
        """Names of what `remember` gives."""
        decoder = self.models[0].decoder
        count = sum(cell.state_count for cell in decoder.cells)
        return (
            *(("regions", "keys") if decoder.attends else ()),
            *(("concepts", "concept_keys") if decoder.slots else ()),
            *(f"state_{index}" for index in range(count)),
        )

    def remember(self, looked: Looked) -> dict[str, np.ndarray]:
        """Give what the first model's decoder reads of photos, and its states."""
        given = {"features": ops.convert_to_tensor(looked.features[0])}
        if looked.seen:
            given["said"] = ops.convert_to_tensor(looked.seen.said)
        features, said = self.models[0].look(given)
        memory, state = self.models[0].decoder.start(features, 1, said=said)
        states = {f"state_{index}": part[:, 0] for index, part in enumerate(state)}
        found = memory._asdict() | states
        return {name: ops.convert_to_numpy(found[name]) for name in self.remembers}

    def score(
        self, memory: dict[str, np.ndarray], tokens: Sequence[int], rules: Rules
    ) -> np.ndarray:
        """Give the log-probabilities float32 (B, T + 1) of a sentence and its end."""
        decoder = self.models[0].decoder
        given = {name: ops.convert_to_tensor(rows) for name, rows in memory.items()}
        parts = [given.pop(name) for name in self.remembers if name[:6] == "state_"]
        nothing = ops.zeros_like(parts[0])  # of a decoder that attends to no regions
        kept = Memory(**({"regions": nothing, "keys": nothing} | given))

        def step(tokens, state):
            words = decoder.embedding(ops.convert_to_tensor(tokens))
            hidden, state, alpha = decoder.step(words, state, kept)
            return ops.log_softmax(decoder.predict(hidden)), alpha, state

        return decoding.score(step, tuple(parts), tokens, rules)

    def watch(self, looked: Looked, tokens: Sequence[int]) -> Iterator[Step]:
        """Read tokens about the first photo, and tell what the first model did."""
        decoder = self.models[0].decoder
        given = {"features": ops.convert_to_tensor(looked.features[0][:1])}
        if looked.seen:
            given["said"] = ops.convert_to_tensor(looked.seen.said[:1])
        features, said = self.models[0].look(given)
        memory, state = decoder.start(features, 1, said=said)
        for token in tokens:
            words = decoder.embedding(ops.convert_to_tensor([[token]], "int32"))
            hidden, state, _, gates = decoder.look_at(words, state, memory)
            log_probs = ops.log_softmax(decoder.predict(hidden))
            first = (ops.convert_to_numpy(part)[0, 0] for part in (log_probs, *state))
            yield Step(
                next(first),
                np.concatenate([*first]),
                {n: ops.convert_to_numpy(part)[0, 0] for n, part in gates.items()},
            )


def _fill(rows: np.ndarray, count: int) -> np.ndarray:
    filled = np.zeros((count, *rows.shape[1:]), rows.dtype)
    filled[: len(rows)] = rows
    return filled


def _run(model: keras.Model, inputs: Any, batch_size: int) -> Any:
    try:
        return predict(model, inputs)
    except Exception as error:
        if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's
            raise
        raise AppError(
            f"The memory is too small for {batch_size} photos at once. Give a smaller "
            "--batch-size."
        ) from error
