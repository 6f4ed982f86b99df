"""The captioner without TensorFlow: LiteRT graphs, and the search in NumPy.

A bundle's LiteRT part, written by `captioner.jobs.export`:

    encoder.tflite   images uint8 (1, H, W, 3) -> features (1, R, D)
    start.tflite     features -> regions, keys, state_0, state_1, …
    step.tflite      tokens (B, N), regions, keys, states -> log_probs (B, N, V),
                     alpha (B, N, R), states; a second signature, look, gives gate_i,
                     gate_f, … as well: each gate (B, N, L U), all layers side by side

With concepts, start takes said (1, C) as well, and gives also concepts and
concept_keys, which step reads as it does regions and keys. There are two more, of which
the second has no weights and runs only for those who ask:

    concepts.tflite  features -> said, there (1, C), odds (1, R, N), see
                     `shared.concepts.graph`
    where.tflite     odds -> where (1, R, C)

Older exports lack one or both, and look; then start itself gives what concepts.tflite
does.

All but step see one photo at a time: LiteRT is as fast so, and what is found in a photo
does not depend on its batch.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from captioner.config import CaptionerConfig
from captioner.search import decoding, numpy_ops
from captioner.search.decoding import Sequences, ensemble, search
from captioner.search.rules import Rules
from shared.bundles.litert import (
    PART,
    EncoderGraph,
    Graph,
    Spec,
    Specs,
    open_graph,
)
from shared.concepts.graph import CONCEPTS, ODDS, output_specs
from shared.concepts.table import ConceptProbs
from shared.nets.names import CELLS
from shared.nets.traces import Step, find_gates

EXPORT = "captioner export"
STEP, LOOK = "step", "look"  # signatures of one file, which share weights
GRAPHS = ("encoder", "start", STEP)
FILES = tuple(f"{PART}/{graph}.tflite" for graph in GRAPHS)
WHERE = f"{PART}/where.tflite"
MORE = (CONCEPTS, WHERE)  # of models with concepts

TOKENS, FEATURES = "tokens", "features"
MEMORY = ("regions", "keys", "concepts", "concept_keys")  # what each step reads
Memory = dict[str, np.ndarray]  # features, and what is made of them, for a batch


class LiteRTRuntime:
    """Exported models, ready to look at photos and write; see
    `captioner.describing.predict`.

    Args:
        folders: checked bundles over the same words, of the same image size.
        threads: processors for each graph.
        more: for each folder, which of `MORE` it has; none by default.

    Attributes:
        vocab_sizes: words that each knows, special ones included.
        grid: rows and columns of the first one's regions.

    Raises:
        AppError: if a graph cannot be loaded.
    """

    name = "litert"

    def __init__(
        self,
        folders: Sequence[Path],
        threads: int,
        more: Sequence[Collection[str]] | None = None,
    ):
        self._nets = [
            _load(folder, threads, files)
            for folder, files in zip(folders, more or [()] * len(folders), strict=True)
        ]
        self._folder, self._threads = folders[0], threads
        self._look: Graph | None = None
        self._cells = 0  # of the first one, see `check`
        self._lock = Lock()
        self.grid = self._nets[0].encoder.grid
        scores = [net.step.outputs.get("log_probs") for net in self._nets]
        # Of another graph in the place of step, `check` says what it lacks.
        self.vocab_sizes = [sum(found.shape[-1:]) if found else 0 for found in scores]

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
        self._cells = configs[0].decoder.layers * configs[0].decoder.units
        for net, config, count in zip(self._nets, configs, concepts, strict=True):
            _check(net, config, vocab_size, count)

    def encode(self, images: np.ndarray) -> list[np.ndarray]:
        """Give the features float32 (B, R, D) of images, for each model."""
        return [
            np.stack([net.encoder.encode(image) for image in images])
            for net in self._nets
        ]

    def look(self, features: list[np.ndarray]) -> list[Memory]:
        """Get ready to write about features."""
        return [
            _join([_begin(net, row[None]) for row in rows])
            for net, rows in zip(self._nets, features, strict=True)
        ]

    def seen(self, looked: list[Memory]) -> ConceptProbs | None:
        """Give what the photos show, as the first model's concept net tells."""
        first = looked[0]
        if "said" not in first:
            return None
        return ConceptProbs(*(first[name] for name in ConceptProbs._fields))

    @property
    def can_be_told(self) -> bool:
        """Whether `tell` works: not of older exports, which find concepts in start."""
        return self._nets[0].concepts is not None

    def tell(
        self, looked: list[Memory], rows: Sequence[int], seen: ConceptProbs
    ) -> list[Memory]:
        """Tell the first model more of what photos show."""
        memory = {name: part.copy() for name, part in looked[0].items()}
        for i, row in enumerate(rows):
            found = {name: part[i : i + 1] for name, part in seen._asdict().items()}
            features = memory[FEATURES][row : row + 1]
            found |= self._nets[0].start(features=features, said=found["said"])
            for name, part in found.items():
                memory[name][row] = part[0]
        return [memory, *looked[1:]]

    def take(self, looked: list[Memory], rows: Sequence[int]) -> list[Memory]:
        """Give what `look` gives of some of the photos."""
        return [
            {name: part[list(rows)] for name, part in memory.items()}
            for memory in looked
        ]

    def where(self, looked: list[Memory]) -> np.ndarray | None:
        """Say how surely each region shows each concept, float32 (B, R, C)."""
        where = self._nets[0].where
        if not where:
            return None
        rows = looked[0][ODDS]
        return np.concatenate([where(odds=row[None])["where"] for row in rows])

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

    @property
    def remembers(self) -> tuple[str, ...]:
        """Names of what `remember` gives."""
        return tuple(name for name in self._nets[0].step.inputs if name != TOKENS)

    def remember(self, looked: list[Memory]) -> Memory:
        """Give what the first model's decoder reads of photos, and its states."""
        return {name: looked[0][name] for name in self.remembers}

    def score(self, memory: Memory, tokens: Sequence[int], rules: Rules) -> np.ndarray:
        """Give the log-probabilities float32 (B, T + 1) of a sentence and its end."""
        state = tuple(memory[name] for name in _state_names(memory))
        step = _step(self._nets[0].step, memory)
        return decoding.score(step, state, tokens, rules)

    def watch(self, looked: list[Memory], tokens: Sequence[int]) -> Iterator[Step]:
        """Read tokens about the first photo, and tell what the first model did."""
        graph, memory = self._looking(), {n: v[:1] for n, v in looked[0].items()}
        names, fixed = _state_names(memory), _fixed(graph, memory)
        gates = find_gates(graph.outputs)
        found = {name: memory[name][:, None] for name in names}
        for token in tokens:
            states = {name: found[name] for name in names}
            found = graph(tokens=np.array([[token]], np.int32), **fixed, **states)
            yield Step(
                found["log_probs"][0, 0],
                np.concatenate([found[name][0, 0] for name in names]),
                {gate: found[name][0, 0] for gate, name in gates.items()},
            )

    def _looking(self) -> Graph:
        """Load the graph that gives gates, if there is one; few ask for it."""
        with self._lock:
            if not self._look:
                self._look = step = self._nets[0].step
                if LOOK in step.names:
                    given = self._folder, self._threads, step, self._cells
                    self._look = _load_look(*given)
            return self._look

    def _start(self, looked: list[Memory], sequences: int) -> Any:
        """Give the search's step function, and the state before it."""
        started = [
            _start(net.step, memory, sequences)
            for net, memory in zip(self._nets, looked, strict=True)
        ]
        return ensemble(started, numpy_ops)


class _Net(NamedTuple):
    """The graphs of one model."""

    encoder: EncoderGraph
    start: Graph
    step: Graph
    concepts: Graph | None
    where: Graph | None


def _load(folder: Path, threads: int, more: Collection[str]) -> _Net:
    def load(file: str, signature: str = "") -> Graph:
        return open_graph(Graph, folder, file, threads, EXPORT, signature)

    encoder, start, step = FILES
    return _Net(
        open_graph(EncoderGraph, folder, encoder, threads, EXPORT),
        load(start),
        load(step, STEP),
        *(load(file) if file in more else None for file in MORE),
    )


def _load_look(folder: Path, threads: int, step: Graph, cells: int) -> Graph:
    """Load the signature that gives gates of so many cells beside what `step` gives."""
    look = open_graph(Graph, folder, FILES[-1], threads, EXPORT, LOOK)
    gates = find_gates(look.outputs).values()
    gate = Spec("float32", (-1, -1, cells))
    look.check(step.inputs, step.outputs | dict.fromkeys(gates, gate))
    return look


def _begin(net: _Net, features: np.ndarray) -> Memory:
    """Look at one photo, float32 (1, R, D)."""
    kept = {FEATURES: features}
    if not net.concepts:
        return kept | net.start(features=features)
    found = net.concepts(features=features)
    return kept | found | net.start(features=features, said=found["said"])


def _check(net: _Net, config: CaptionerConfig, vocab_size: int, concepts: int) -> None:
    net.encoder.check_images(config.encoder.image_size)
    features = net.encoder.features
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

    given: Specs = {"features": features}
    one = memory(1) | {name: Spec("float32", (1, units)) for name in names}
    if config.concepts:
        seen = output_specs(regions, concepts)
        if net.concepts:
            net.concepts.check(given, seen)
            given |= {"said": seen["said"]}
        else:
            asked = seen.keys() - (set() if ODDS in net.start.outputs else {ODDS})
            one |= {name: seen[name] for name in asked}
    net.start.check(given, one)
    states = {name: Spec("float32", (-1, -1, units)) for name in names}
    used = {n: spec for n, spec in memory(-1).items() if n in net.step.inputs}
    net.step.check(
        {TOKENS: Spec("int32", (-1, -1))} | used | states,
        {
            "log_probs": Spec("float32", (-1, -1, vocab_size)),
            "alpha": Spec("float32", (-1, -1, regions)),
        }
        | states,
    )
    if net.where:
        odds = (net.concepts or net.start).outputs.get(ODDS)
        given = {ODDS: odds} if odds else {}
        net.where.check(given, {"where": Spec("float32", (1, regions, concepts))})


def _start(graph: Graph, memory: Memory, sequences: int) -> Any:
    names = _state_names(memory)
    state = tuple(np.repeat(memory[n][:, None], sequences, axis=1) for n in names)
    return _step(graph, memory), state


def _step(graph: Graph, memory: Memory) -> Any:
    names, fixed = _state_names(memory), _fixed(graph, memory)

    def step(tokens: np.ndarray, state: tuple[np.ndarray, ...]) -> Any:
        found = graph(
            tokens=tokens.astype(np.int32, copy=False),
            **fixed,
            **dict(zip(names, state, strict=True)),
        )
        return found["log_probs"], found["alpha"], tuple(found[n] for n in names)

    return step


def _fixed(graph: Graph, memory: Memory) -> Memory:
    """Give what each step reads again."""
    return {name: memory[name] for name in graph.inputs if name in MEMORY}


def _state_names(memory: Memory) -> list[str]:
    count = sum(name.startswith("state_") for name in memory)
    return [f"state_{index}" for index in range(count)]


def _join(rows: Sequence[Memory]) -> Memory:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
