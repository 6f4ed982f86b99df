"""The VQA model without TensorFlow: LiteRT graphs, about one photo at a time.

A bundle's LiteRT part, written by `vqa.jobs.export`:

    encoder.tflite  images uint8 (1, H, W, 3) -> features (1, R, D)
    answer.tflite   features, tokens (1, N, S) -> joint (1, N, J), scores (1, N, A),
                    alpha (1, N, H, R)
    blind.tflite    tokens -> joint, scores, alpha, by the twin
    choose.tflite   choices (C, L) -> vectors (C, J), blind_vectors; or, of a model that
                    points, features and boxes (1, 1, C, 4) -> the same

There are no scores where the answers come with the question. What a question does not
need is not loaded.

With concepts, answer takes asked (1, N, M) as well, see `vqa.text.asked`, and what
there is of them in the photo, said and there, which another graph tells of its
features: concepts.tflite, see `shared.concepts.graph`. Older exports have that inside
answer.
"""

from pathlib import Path
from threading import Lock

import numpy as np

from shared.bundles.litert import (
    PART,
    AnyGraph,
    EncoderGraph,
    Graph,
    Spec,
    Specs,
    open_graph,
)
from shared.concepts.graph import output_specs
from shared.concepts.table import ConceptProbs
from vqa.config import VqaConfig
from vqa.net.runtime import Scores
from vqa.text.asked import MOST

EXPORT = "vqa export"
GRAPHS = ("encoder", "answer", "blind", "choose")
FILES = tuple(f"{PART}/{graph}.tflite" for graph in GRAPHS)


class LiteRTRuntime:
    """An exported model, ready to look at photos and answer; see
    `vqa.answering.predict`.

    Args:
        folder: a checked bundle.
        threads: processors for each graph.
        config: recipe of the model.
        answers: those that it knows.
        concepts: words of its concept net, if that is a graph of its own; else 0.

    Attributes:
        grid: rows and columns of the regions.

    Raises:
        AppError: if a graph cannot be loaded.
    """

    name = "litert"

    def __init__(
        self,
        folder: Path,
        threads: int,
        config: VqaConfig,
        answers: int,
        concepts: int = 0,
    ):
        self._folder, self._threads = folder, threads
        self._later: dict[str, Graph] = {}  # loaded when they are first needed
        self._loading = Lock()  # two first questions load one graph
        self._config, self._answers = config, answers
        self._encoder = self._load("encoder", EncoderGraph)
        self._encoder.check_images(config.encoder.image_size)
        self._features, self.grid = self._encoder.features, self._encoder.grid
        self._answer = self._load("answer", Graph)
        self._concepts, self._concept_specs = None, {}
        if concepts:
            self._concepts = self._load("concepts", Graph)
            self._concept_specs = output_specs(self._features.shape[1], concepts)
            self._concepts.check({"features": self._features}, self._concept_specs)
        self._answer.check(*self._expected("answer"))

    def look(self, image: np.ndarray) -> np.ndarray:
        """Give the features float32 (R, D) of an image uint8 (H, W, 3)."""
        return self._encoder.encode(image)

    def answer(
        self,
        features: np.ndarray,
        tokens: np.ndarray,
        asked: np.ndarray | None = None,
    ) -> Scores:
        """Score the answers to questions int32 (N, S) about one photo."""
        rows = {} if asked is None else {"asked": asked[None]}
        if self._concepts:
            found = self._concepts(features=features[None])
            rows |= {name: found[name] for name in ConceptProbs._fields}
        given = {"features": features[None], "tokens": tokens[None], **rows}
        return _scores(self._answer(**given))

    def guess(self, tokens: np.ndarray) -> Scores:
        """The same by the twin that does not see the photo."""
        return _scores(self._get("blind")(tokens=tokens[None]))

    def encode(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn words int32 (C, L) into vectors (C, J), for each of the two nets."""
        found = self._get("choose")(choices=choices)
        return found["vectors"], found["blind_vectors"]

    def encode_boxes(
        self, features: np.ndarray, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn boxes float32 (C, 4), 0 to 1, into vectors (C, J), for both nets."""
        found = self._get("choose")(features=features[None], boxes=boxes[None, None])
        return found["vectors"][0, 0], found["blind_vectors"][0, 0]

    def _get(self, graph: str) -> Graph:
        with self._loading:
            if graph not in self._later:
                loaded = self._load(graph, Graph)
                loaded.check(*self._expected(graph))
                self._later[graph] = loaded
            return self._later[graph]

    def _expected(self, graph: str) -> tuple[Specs, Specs]:
        """Tell what a graph takes and gives if it is one of such a model."""
        config, regions = self._config, self._features.shape[1]
        seen: Specs = {"features": self._features}
        tokens: Specs = {"tokens": Spec("int32", (1, -1, config.vocabulary.max_words))}
        joint, members = config.net.joint_units, config.members
        if graph == "answer":
            alpha = (max(1, config.net.hops), regions)
            if config.concepts:
                tokens |= {"asked": Spec("int32", (1, -1, MOST))}
            if self._concepts:
                specs = self._concept_specs
                tokens |= {name: specs[name] for name in ConceptProbs._fields}
            return seen | tokens, _score_specs(members * joint, self._answers, alpha)
        if graph == "blind":
            return tokens, _score_specs(joint, self._answers, (1, 1))
        asked: Specs = {"choices": Spec("int32", (-1, -1))}
        rows: tuple[int, ...] = (-1,)
        if config.objective == "boxes":
            asked = seen | {"boxes": Spec("float32", (1, 1, -1, 4))}
            rows = (1, 1, -1)
        sizes = {"vectors": members * joint, "blind_vectors": joint}
        return asked, {n: Spec("float32", (*rows, size)) for n, size in sizes.items()}

    def _load(self, graph: str, kind: type[AnyGraph]) -> AnyGraph:
        file = f"{PART}/{graph}.tflite"
        return open_graph(kind, self._folder, file, self._threads, EXPORT)


def _score_specs(joint: int, answers: int, alpha: tuple[int, int]) -> Specs:
    sizes: dict[str, tuple[int, ...]] = {"joint": (joint,), "alpha": alpha}
    if answers:
        sizes["scores"] = (answers,)
    return {name: Spec("float32", (1, -1, *size)) for name, size in sizes.items()}


def _scores(found: dict[str, np.ndarray]) -> Scores:
    joint, alpha = found["joint"][0], found["alpha"][0]
    none = np.zeros((len(joint), 0), np.float32)
    return Scores(joint, found["scores"][0] if "scores" in found else none, alpha)
