"""The VQA model: an encoder, nets that answer, and their twin that sees nothing."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from shared.concepts.net import ConceptNet
from shared.nets.precision import dtype_policy
from shared.runs.devices import WHOLE
from shared.text.vocabulary import Vocabulary
from shared.vision.encoders import Encoder
from vqa.config import VqaConfig
from vqa.net.answerer import Answerer
from vqa.net.evidence import Evidence, Facts, tell
from vqa.net.losses import answer_loss
from vqa.text.asked import Concepts
from vqa.text.words import encode_answers


class Vqa(keras.Model):
    """Encoder, answerers, and a twin of theirs that never sees a photo.

    Several answerers learn for themselves and answer by the mean of their scores,
    which errs less than each of them. The twin says how far the questions alone would
    have led: an answer that needs no photo proves nothing.

    Args:
        encoder: the convolutional net.
        answerers: nets of the same sizes, at least one.
        blind: the twin.
        objective, soft: see `vqa.config.VqaConfig`.
        concepts: tells the words that a photo shows, for answerers with concepts; it
            is never trained here.

    Call arguments:
        inputs: dict of "images" uint8 (B, H, W, 3), or "features" (B, R, D) where
            they are known already, or neither of questions without photos; "tokens"
            int32 (B, N, S); and "choices", where the objective needs them. With
            concepts also "asked" int32 (B, N, M), see `vqa.text.asked`; "said" and
            "there" float (B, V), where they are known already; and maybe "seen" float
            (B,), 0 where the photo may not be looked at.

    Returns:
        scores of each answerer, and of the twin, see `Answerer`.
    """

    def __init__(
        self,
        encoder: Encoder,
        answerers: list[Answerer],
        blind: Answerer,
        objective: str = "answers",
        soft: bool = False,
        concepts: ConceptNet | None = None,
    ):
        super().__init__(name="vqa")
        self.encoder = encoder
        self.concepts = concepts
        if concepts:
            concepts.freeze(encoder.feature_size)
        self.answerers = list(answerers)
        self.blind = blind
        self.objective = objective
        self.soft = soft
        for answerer in self.answerers:
            answerer.build((None, encoder.regions, encoder.feature_size))
        blind.build((None, 1, 1))
        self.built = True
        self.label_smoothing = 0.0

    def look(self, inputs):
        """Give features (B, R, D), and Facts, computed only where they are missing."""
        features, asked = inputs.get("features"), inputs.get("asked")
        seen = inputs.get("seen")
        if features is None and "images" in inputs:
            features = self.encoder(inputs["images"])
        if asked is None:
            return features, None
        if features is None:  # questions without photos
            size = (1, self.encoder.regions, self.encoder.feature_size)
            seen = ops.zeros_like(inputs["said"][:, 0])
            features = seen[:, None, None] + ops.zeros(size)
        if self.concepts and "said" not in inputs:
            said, there = self.concepts(features)
        else:
            said, there = inputs["said"], inputs["there"]
        return features, Facts(tell(said, there), asked, seen)

    def call(self, inputs, training=False):
        """Score answers, or choices, with and without the photo."""
        tokens, choices = inputs["tokens"], inputs.get("choices")
        features, facts = self.look(inputs)
        seen = [
            answerer(features, tokens, choices, facts, training=training)[0]
            for answerer in self.answerers
        ]
        guessed, _ = self.blind(nothing(tokens), tokens, choices, training=training)
        return (*seen, guessed)

    def explain(self, features, tokens, **told):
        """Give joint, scores of all answers, and alpha, of all answerers together.

        As `Answerer.explain`; joint is float (B, N, members * J), and its product with
        a vector of `encode` is the mean of the members' scores.

        Args:
            told: of a net with concepts, "asked", and maybe "said" and "there"; see the
                inputs of the call.
        """
        _, facts = self.look({"features": features, **told})
        found = [a.explain(features, tokens, facts) for a in self.answerers]
        joints, scores, alphas = zip(*found, strict=True)
        count = len(found)
        joint = ops.concatenate(joints, axis=-1) / count
        return joint, sum(scores) / count, sum(alphas) / count

    def encode(self, choices):
        """Turn words, int32 (..., L), into vectors (..., members * J)."""
        vectors = [answerer.encode(choices) for answerer in self.answerers]
        return ops.concatenate(vectors, axis=-1)

    def encode_boxes(self, features, boxes):
        """Turn boxes, float (B, N, C, 4), into vectors (B, N, C, members * J)."""
        vectors = [a.encode_boxes(features, boxes) for a in self.answerers]
        return ops.concatenate(vectors, axis=-1)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Give the loss of a training step: of all nets, which share no weight.

        Args:
            x: inputs; of a part of a batch, with what `count_whole` says of the whole.
            y: float (B, N, A or C), how right each answer is.
            sample_weight: float (B, N), the weight of each question.
        """
        whole = x[WHOLE]["weights"] if x and WHOLE in x else None
        smoothing = self.label_smoothing
        losses = [
            answer_loss(scores, y, self.soft, smoothing, sample_weight, whole)
            for scores in y_pred
        ]
        return sum(losses)

    @staticmethod
    def count_whole(targets, weights):
        """Say what the loss of a batch is divided by, see `divide_steps`."""
        whole = np.sum(weights) if weights is not None else targets[..., 0].size
        return {"weights": whole}


def nothing(tokens):
    """Give the features that a blind net sees: float (B, 1, 1), all ones."""
    ones = ops.ones_like(ops.cast(tokens[:, 0, 0], "float32"))
    return ops.reshape(ones, (-1, 1, 1))  # sizes that a graph knows


def build_vqa(
    config: VqaConfig,
    vocabulary: Vocabulary,
    answers: Sequence[str] | None,
    encoder: Encoder | None,
    concepts: ConceptNet | None = None,
) -> Vqa:
    """Make an untrained model.

    Args:
        vocabulary: words of questions and answers.
        answers: those that can be given; None for a net that chooses among boxes.
        encoder: None is that of the config, with random weights.
        concepts: for a config with concepts.
    """
    if encoder is None:
        encoder = Encoder(config.encoder.name, config.encoder.image_size, None)
    words = None if answers is None else encode_answers(answers, vocabulary)
    count = len(vocabulary)
    with dtype_policy(config.precision):
        answerers = [
            Answerer(
                config.net,
                count,
                words,
                _find_evidence(config, vocabulary, answers, concepts),
                encoder.grid,
                name=f"answerer_{index}",
            )
            for index in range(config.members)
        ]
        # One region, as the twin has, needs no attention.
        sizes = config.net.model_copy(update={"hops": 0})
        blind = Answerer(sizes, count, words, name="blind")
    return Vqa(encoder, answerers, blind, config.objective, config.soft, concepts)


def _find_evidence(
    config: VqaConfig,
    vocabulary: Vocabulary,
    answers: Sequence[str] | None,
    concepts: ConceptNet | None,
) -> Evidence | None:
    if not config.concepts or not concepts:
        return None
    names = Concepts(concepts.words).name(answers or ())
    return Evidence(config.concepts, concepts.words, vocabulary, names)
