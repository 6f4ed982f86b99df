"""The VQA model on Keras: trained weights, about one photo at a time."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from shared.bundles.weights import load_weights
from shared.concepts.net import ConceptNet, read_net
from shared.nets.backends import predict
from shared.text.vocabulary import Vocabulary
from shared.vision.encoders import Encoder
from vqa.config import VqaConfig
from vqa.net.answerer import Answerer
from vqa.net.model import Vqa, build_vqa, nothing
from vqa.net.runtime import Scores
from vqa.text.answers import AnswerSpace

ROWS = 8  # questions and choices are filled up to a multiple, so that few shapes occur


def load_net(
    folder: Path, config: VqaConfig, vocabulary: Vocabulary, space: AnswerSpace | None
) -> Vqa:
    """Build the model of a checked bundle.

    Raises:
        AppError: if its weights do not fit.
    """
    # Half precision is for training; not every processor has it.
    config = config.model_copy(update={"precision": "float32"})
    concepts = read_net(folder) if config.concepts else None
    model = build_net(config, vocabulary, space, None, concepts)
    load_weights(folder, model)
    return model


def build_net(
    config: VqaConfig,
    vocabulary: Vocabulary,
    space: AnswerSpace | None,
    encoder: Encoder | None,
    concepts: ConceptNet | None = None,
) -> Vqa:
    """Make an untrained model for words and answers; see `vqa.net.model.build_vqa`."""
    answers = None
    if config.objective != "boxes":
        answers = space.answers if space else ()
    return build_vqa(config, vocabulary, answers, encoder, concepts)


class Scorer(keras.Model):
    """The answerers, or their blind twin: from features and tokens to `Scores`."""

    def __init__(self, net: Vqa | Answerer):
        super().__init__()
        self.net = net

    def call(self, inputs):
        """Score answers."""
        tokens = inputs["tokens"]
        features = inputs.get("features", nothing(tokens))
        asked = {"asked": inputs["asked"]} if "asked" in inputs else {}
        return self.net.explain(features, tokens, **asked)


class KerasRuntime:
    """A trained model that answers about photos; see `vqa.answering.predict`."""

    name = "keras"

    def __init__(self, model: Vqa):
        self.model, self.grid = model, model.encoder.grid
        self._answer, self._guess = Scorer(model), Scorer(model.blind)

    def look(self, image: np.ndarray) -> np.ndarray:
        """Give the features float32 (R, D) of an image uint8 (H, W, 3)."""
        return ops.convert_to_numpy(predict(self.model.encoder, image[None]))[0]

    def answer(
        self,
        features: np.ndarray,
        tokens: np.ndarray,
        asked: np.ndarray | None = None,
    ) -> Scores:
        """Score the answers to questions int32 (N, S) about one photo."""
        rows = {} if asked is None else {"asked": _fill(asked)[None]}
        return self._run(self._answer, tokens, features=features[None], **rows)

    def guess(self, tokens: np.ndarray) -> Scores:
        """The same by the twin that does not see the photo."""
        return self._run(self._guess, tokens)

    def encode(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn words int32 (C, L) into vectors (C, J), for each of the two nets."""
        nets = (self.model, self.model.blind)
        first, second = (
            ops.convert_to_numpy(net.encode(ops.convert_to_tensor(choices)))
            for net in nets
        )
        return first, second

    def encode_boxes(
        self, features: np.ndarray, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn boxes float32 (C, 4), 0 to 1, into vectors (C, J), for both nets."""
        places = ops.convert_to_tensor(boxes[None, None])
        nothing_seen = np.ones((1, 1, 1), np.float32)
        first, second = (
            ops.convert_to_numpy(net.encode_boxes(ops.convert_to_tensor(seen), places))[
                0, 0
            ]
            for net, seen in (
                (self.model, features[None]),
                (self.model.blind, nothing_seen),
            )
        )
        return first, second

    def _run(self, scorer: Scorer, tokens: np.ndarray, **features: Any) -> Scores:
        found = predict(scorer, {"tokens": _fill(tokens)[None], **features})
        found = (ops.convert_to_numpy(part)[0, : len(tokens)] for part in found)
        return Scores(*found)


def _fill(rows: np.ndarray) -> np.ndarray:
    """Fill up with rows of zeros."""
    filled = np.zeros((-(-len(rows) // ROWS) * ROWS, rows.shape[1]), np.int32)
    filled[: len(rows)] = rows
    return filled
