"""The captioner without TensorFlow: LiteRT graphs, and the search in NumPy.

A bundle's LiteRT part is three graphs, written by `captioner.export`:

    encoder.tflite  images uint8 (1, H, W, 3) -> features (1, R, D)
    start.tflite    features -> regions, keys, state_0, state_1, …
    step.tflite     tokens (B, N), regions, keys, states -> log_probs (B, N, V),
                    alpha (B, N, R), states

With concepts, the second gives also concepts and concept_keys, which the third reads
as it does regions and keys, and said, there (1, C) and odds (1, R, N), see
`shared.concepts`. A fourth, which has no weights, runs only for those who ask:

    where.tflite    odds -> where (1, R, C)

The first two see one photo at a time: LiteRT is as fast so, and what is found in
a photo does not depend on its batch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from captioner.config import CaptionerConfig
from captioner.search import decoding, numpy_ops
from captioner.search.decoding import Sequences, ensemble, search
from captioner.search.rules import Rules
from shared.bundles.litert import PART, EncoderGraph, Graph, Spec, Specs
from shared.bundles.manifests import locate
from shared.concepts.table import Seen
from shared.nets.names import CELLS

EXPORT = "captioner export"
GRAPHS = ("encoder", "start", "step")
FILES = tuple(f"{PART}/{graph}.tflite" for graph in GRAPHS)
WHERE = f"{PART}/where.tflite"  # of models with concepts that were exported with it
ODDS = "odds"  # what it reads

MEMORY = ("regions", "keys", "concepts", "concept_keys")  # what each step reads
Memory = dict[str, np.ndarray]  # what start.tflite gives, for a batch


class LiteRTRuntime:
    """Exported models, ready to look at photos and write; see `captioner.predict`.

    Args:
        folders: checked bundles over the same words, of the same image size.
        threads: processors for each graph.
        where: whether the first has the fourth graph, too.

    Attributes:
        vocab_sizes: words that each knows, special ones included.
        grid: rows and columns of the first one's regions.

    Raises:
        AppError: if a graph cannot be loaded.
    """

    name = "litert"

    def __init__(self, folders: Sequence[Path], threads: int, where: bool = False):
        self._nets = [_load(folder, threads) for folder in folders]
        self.grid = self._nets[0][0].grid
        self.vocab_sizes = [s.outputs["log_probs"].shape[-1] for *_, s in self._nets]
        self._where = (
            Graph(locate(folders[0], WHERE), threads, EXPORT) if where else None
        )

    def check(
        self,
        configs: Sequence[CaptionerConfig],
        vocab_size: int,
        concepts: Sequence[int],
    ) -> None:
        """Make sure that the graphs are those of such models.

        Args:
            concepts: how many each model knows.

        Raises:
            AppError: if they are not; the message names what differs.
        """
        for net, config, count in zip(self._nets, configs, concepts, strict=True):
            _check(net, config, vocab_size, count)
        if self._where:
            _check_where(self._where, self._nets[0][1], concepts[0])

    def encode(self, images: np.ndarray) -> list[np.ndarray]:
        """Give the features float32 (B, R, D) of images, for each model."""
        return [
            np.stack([encoder.encode(image) for image in images])
            for encoder, _, _ in self._nets
        ]

    def look(self, features: list[np.ndarray]) -> list[Memory]:
        """Get ready to write about features."""
        return [
            _join([start(features=row[None]) for row in rows])
            for (_, start, _), rows in zip(self._nets, features, strict=True)
        ]

    def seen(self, looked: list[Memory]) -> Seen | None:
        """Give what the photos show, as the first model's concept net tells."""
        first = looked[0]
        if "said" not in first:
            return None
        return Seen(*(first[name] for name in Seen._fields))

    def where(self, looked: list[Memory]) -> np.ndarray | None:
        """Say how surely each region shows each concept, float32 (B, R, C)."""
        if not self._where:
            return None
        rows = looked[0][ODDS]
        return np.concatenate([self._where(odds=row[None])["where"] for row in rows])

    def search(
        self,
        looked: list[Memory],
        rules: Rules,
        noise: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> Sequences:
        """Search for captions."""
        step, state = self._start(looked, rules.width)
        return search(
            step,
            state,
            rules,
            vocab_size=self.vocab_sizes[0],
            regions=looked[0]["regions"].shape[1],
            ops=numpy_ops,
            noise=noise,
            bias=bias,
        )

    def read(
        self, looked: list[Memory], tokens: Sequence[int], rules: Rules
    ) -> np.ndarray:
        """Give the log-probabilities float32 (B, T + 1, V) of the next words."""
        step, state = self._start(looked, 1)
        return np.stack(decoding.read(step, state, tokens, rules), axis=1)

    def _start(self, looked: list[Memory], sequences: int) -> Any:
        """Give the search's step function, and the state before it."""
        started = [
            _start(graph, memory, sequences)
            for (_, _, graph), memory in zip(self._nets, looked, strict=True)
        ]
        return ensemble(started, numpy_ops)


Net = tuple[EncoderGraph, Graph, Graph]  # encoder, start, step


def _load(folder: Path, threads: int) -> Net:
    encoder, start, step = (locate(folder, file) for file in FILES)
    return (
        EncoderGraph(encoder, threads, EXPORT),
        Graph(start, threads, EXPORT),
        Graph(step, threads, EXPORT),
    )


def _check(net: Net, config: CaptionerConfig, vocab_size: int, concepts: int) -> None:
    encoder, start, step = net
    encoder.check_images(config.encoder.image_size)
    features = encoder.features
    regions, decoder = features.shape[1], config.decoder
    keys = decoder.attention_units or decoder.region_units
    units, count = decoder.units, CELLS[decoder.cell].states * decoder.layers
    names = [f"state_{i}" for i in range(count)]

    def memory(rows: int) -> Specs:
        sizes = {"regions": decoder.region_units, "keys": keys}
        specs = {n: Spec("float32", (rows, regions, size)) for n, size in sizes.items()}
        if config.concepts:
            size = config.concepts.units
            slots = min(config.concepts.slots, concepts)
            keys_size = decoder.attention_units or size
            specs["concepts"] = Spec("float32", (rows, slots, size))
            specs["concept_keys"] = Spec("float32", (rows, slots, keys_size))
        return specs

    one = {name: Spec("float32", (1, units)) for name in names}
    if config.concepts:
        one |= {name: Spec("float32", (1, concepts)) for name in Seen._fields}
        if ODDS in start.outputs:
            one[ODDS] = Spec("float32", (1, regions, -1))
    start.check({"features": features}, memory(1) | one)
    states = {name: Spec("float32", (-1, -1, units)) for name in names}
    used = {name: spec for name, spec in memory(-1).items() if name in step.inputs}
    step.check(
        {"tokens": Spec("int32", (-1, -1))} | used | states,
        {
            "log_probs": Spec("float32", (-1, -1, vocab_size)),
            "alpha": Spec("float32", (-1, -1, regions)),
        }
        | states,
    )


def _check_where(graph: Graph, start: Graph, concepts: int) -> None:
    given = {name: spec for name, spec in start.outputs.items() if name == ODDS}
    regions = start.outputs["regions"].shape[1]
    graph.check(given, {"where": Spec("float32", (1, regions, concepts))})


def _start(graph: Graph, memory: Memory, sequences: int) -> Any:
    names = _state_names(memory)
    fixed = {name: memory[name] for name in graph.inputs if name in MEMORY}

    def step(tokens: np.ndarray, state: tuple[np.ndarray, ...]) -> Any:
        found = graph(
            tokens=tokens.astype(np.int32, copy=False),
            **fixed,
            **dict(zip(names, state, strict=True)),
        )
        return found["log_probs"], found["alpha"], tuple(found[n] for n in names)

    state = tuple(np.repeat(memory[n][:, None], sequences, axis=1) for n in names)
    return step, state


def _state_names(memory: Memory) -> list[str]:
    count = sum(name.startswith("state_") for name in memory)
    return [f"state_{index}" for index in range(count)]


def _join(rows: Sequence[Memory]) -> Memory:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
