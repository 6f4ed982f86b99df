"""The net that scores answers to a question about the regions of a photo."""

import keras
import numpy as np
from keras import layers, ops

from shared.nets.attention import RegionAttention
from shared.text.vocabulary import PAD
from shared.vision.grid import Grid, centres, edges
from vqa.config import NetConfig
from vqa.net.evidence import ASKED_FIGURES, Evidence
from vqa.net.losses import IMPOSSIBLE
from vqa.net.reader import QuestionReader


class Answerer(keras.layers.Layer):
    """Score the answers to questions about photos.

        g     = mean over r of feature_r, made sqrt(D) long if the recipe says so
        f_r   = tanh(W_f [feature_r, made so, too, x_r, y_r] + b_f)
        q     = the question's vector, see `QuestionReader`
        u_0   = q
        u_k   = u_{k-1} + c_k,    c_k = attention_k(f, u_{k-1})     for each hop k
        v     = tanh(W_v [g, c_1, c_2, ...] + b_v)
        j     = v * (W_p q + b_p) + relu(W_q q + b_q)    fused by product,
                relu(W_j [q, v] + b_j)                   by concatenation, or
                relu(W_j (W_p q + b_p + v) + b_j)        by a sum
        score = j . (W_a mean(E words of answer a) + r_a) + b_a

    r_a and b_a belong to the answers of the vocabulary; of any other answer they are
    0, so that it can be scored as well. With boxes, the score is j . tanh(W_b [mean
    feature of the cells under the box, its corners and area] + b_b). With concepts,
    every hop looks at them, too; v sees as well what it finds there and m, and n_a is
    added to the score; see `Evidence`.

    Axes: B photos, N questions per photo, S words of a question, R regions, D
    feature size, J joint size, H hops, A answers, C choices, L words of an answer.

    Args:
        config: sizes and dropout.
        vocab_size: words, of questions and answers.
        answers: int32 (A, L), the words of the answers that can be given, padded; or
            None for a net that chooses among boxes.
        evidence: what brings concepts to bear; None for a net without.
        grid: rows and columns of the regions, R in all.

    Call arguments:
        features: float (B, R, D).
        tokens: int32 (B, N, S), the questions.
        choices: what to choose from instead of the answers: int32 (B, N, C, L), their
            words, padded; or boxes float (B, N, C, 4): left, top, right, bottom, each
            0 to 1 of the photo's size. None is all answers.
        facts: for a net with concepts, what is told of the photos.

    Returns:
        scores: float32 (B, N, A), or (B, N, C) for choices; before the softmax.
        alpha: float32 (B, N, H, R), how much each hop looked at each region; uniform,
            with H = 1, without hops.

    Source: Antol et al. 2015, arXiv:1505.00468; Yang et al. 2016, arXiv:1511.02274;
        Zhu et al. 2016, arXiv:1511.03416.
    """

    def __init__(
        self,
        config: NetConfig,
        vocab_size: int,
        answers: np.ndarray | None,
        evidence: Evidence | None = None,
        grid: Grid = (1, 1),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = config
        self.places, self.edges = centres(grid), edges(grid)
        self.answers = answers
        self.evidence = evidence
        self.reader = QuestionReader(config, vocab_size)
        self.project = layers.Dense(config.question_units, activation="tanh")
        self.attentions = [
            RegionAttention(config.attention_units) for _ in range(config.hops)
        ]
        units = config.joint_units
        self.from_photo = layers.Dense(units, activation="tanh")
        self.from_question = layers.Dense(units)
        self.to_joint = layers.Dense(units, activation="relu")
        activation = "tanh" if answers is None else None
        self.to_choice = layers.Dense(
            config.joint_units, use_bias=answers is None, activation=activation
        )
        if evidence:
            self.concept_attentions = [
                RegionAttention(config.attention_units) for _ in range(config.hops)
            ]
            self.from_concepts = [
                layers.Dense(config.question_units) for _ in range(config.hops - 1)
            ]
        self.region_dropout = layers.Dropout(config.region_dropout)
        self.joint_dropout = layers.Dropout(config.joint_dropout)

    def build(self, features_shape, tokens_shape=None, choices_shape=None):
        """Create the weights."""
        _, regions, size = features_shape
        if regions != len(self.places):
            raise ValueError(
                f"`grid` must have as many cells as there are regions, {regions}. "
                f"Received: {len(self.places)}"
            )
        units, asked = self.config.joint_units, self.config.question_units
        self.reader.build()
        if self.attentions:
            self.project.build((None, None, size + 2))
        for attention in self.attentions:
            attention.build(
                (None, regions, asked),
                (None, regions, attention.units),
                (None, None, asked),
            )
        seen = size + asked * len(self.attentions)
        if self.evidence:
            seen += self._build_evidence(self.evidence, size)
        self.from_photo.build((None, None, seen))
        if self.config.fusion != "concat":
            self.from_question.build((None, None, asked))
        fused = {"product": asked, "concat": asked + units, "sum": units}
        self.to_joint.build((None, None, fused[self.config.fusion]))
        if self.answers is None:
            self.to_choice.build((None, None, None, size + 5))
        else:
            self.to_choice.build((None, self.reader.embedding.output_dim))
            if len(self.answers):
                self._add_answers(len(self.answers))
        self.built = True

    def _build_evidence(self, evidence, size):
        """Create what listens to concepts; give how much of it v sees."""
        asked = self.config.question_units
        slots, units = evidence.slots.count, evidence.units
        evidence.build((None, self.reader.embedding.output_dim), asked)
        for attention in self.concept_attentions:
            attention.build(
                (None, slots, units),
                (None, slots, attention.units),
                (None, None, asked),
            )
        for to_query in self.from_concepts:
            to_query.build((None, None, units))
        self.unseen = self.add_weight(
            name="unseen", shape=(size,), initializer="random_normal"
        )
        return units * len(self.concept_attentions) + ASKED_FIGURES

    def _add_answers(self, count):
        """Create what belongs to the answers of the vocabulary."""
        units = self.config.joint_units
        self.residual = self.add_weight(
            name="residual",
            shape=(count, units),
            initializer=keras.initializers.RandomNormal(stddev=units**-0.5),
        )
        self.bias = self.add_weight(name="bias", shape=(count,), initializer="zeros")

    def call(self, features, tokens, choices=None, facts=None, training=False):
        """Score answers or choices."""
        joint, named, alpha = self.join(features, tokens, facts, training)
        if choices is None:
            scores = self.score(joint, named)
        else:
            among_boxes = self.answers is None
            vectors = (
                self.encode_boxes(features, choices)
                if among_boxes
                else self.encode(choices)
            )  # (B, N, C, J)
            scores = ops.matmul(vectors, joint[..., None])[..., 0]
            real = ops.any(ops.not_equal(choices, 0), axis=-1)
            scores = ops.where(real, ops.cast(scores, "float32"), IMPOSSIBLE)
        return ops.cast(scores, "float32"), alpha

    def join(self, features, tokens, facts=None, training=False):
        """Let questions meet photos.

        Returns:
            joint: float (B, N, J).
            named: float (B, N, A), what concepts add to the scores of the vocabulary's
                answers; None for a net without.
            alpha: see the call.
        """
        question = self.reader(tokens, training=training)
        if facts is not None:
            features = self._hide(features, facts.seen)
        whole = self._shorten(ops.mean(features, axis=1, keepdims=True))
        whole = self.region_dropout(whole, training=training)
        seen = [whole + ops.zeros_like(question[..., :1])]  # (B, N, D)
        found, alpha = self._look(features, question, facts, training)
        joint = self._fuse(question, self.from_photo(ops.concatenate(seen + found, -1)))
        joint = self.joint_dropout(joint, training=training)
        named = self.evidence.point(facts.told, question) if self.evidence else None
        return joint, named, alpha

    def _look(self, features, question, facts, training):
        """Look at regions and concepts, hop by hop: what is found, and alpha."""
        regions = self._see(features, training) if self.attentions else None
        if self.evidence:
            embeddings = self.reader.embedding.embeddings
            slots = self.evidence.attend(facts.told, embeddings)
        query, found, alphas = question, [], []
        for hop, attention in enumerate(self.attentions):
            context, alpha = attention(regions, attention.keys(regions), query)
            found.append(context)
            alphas.append(alpha)
            if self.evidence:
                listen = self.concept_attentions[hop]
                heard, _ = listen(slots, listen.keys(slots), query)
                found.append(heard)
                if hop < len(self.from_concepts):
                    query = query + self.from_concepts[hop](heard)
            query = query + context
        if self.evidence:
            found.append(self.evidence.mentioned(facts.told, facts.asked))
        if not self.attentions:
            even = np.full(features.shape[1], 1 / features.shape[1], np.float32)
            alphas.append(ops.zeros_like(question[..., :1]) + even)
        return found, ops.cast(ops.stack(alphas, axis=2), "float32")

    def _hide(self, features, seen):
        """Put what stands for nothing in place of photos that may not be looked at."""
        if seen is None:
            return features
        seen = ops.cast(seen, features.dtype)[:, None, None]
        return seen * features + (1 - seen) * ops.cast(self.unseen, features.dtype)

    def explain(self, features, tokens, facts=None):
        """Give joint, scores of all answers, and alpha; see `vqa.net.runtime`."""
        joint, named, alpha = self.join(features, tokens, facts)
        known = self.answers is not None and len(self.answers)
        scores = self.score(joint, named) if known else joint[..., :0]
        return joint, scores, alpha

    def score(self, joint, named=None):
        """Score all answers of the vocabulary: float (B, N, A)."""
        vectors = self.encode(ops.convert_to_tensor(self.answers)) + self.residual
        scores = ops.matmul(joint, ops.transpose(vectors)) + self.bias
        return scores if named is None else scores + named

    def encode(self, answers):
        """Turn answers' words, int32 (..., L), into vectors (..., J)."""
        words = self.reader.embedding(answers)
        real = ops.cast(ops.not_equal(answers, PAD), words.dtype)
        real = ops.expand_dims(real, -1)  # LiteRT cannot write it as [..., None]
        along = len(real.shape) - 2  # LiteRT sums constants wrongly along axis -2
        count = ops.maximum(ops.sum(real, axis=along), 1.0)
        return self.to_choice(ops.sum(words * real, axis=along) / count)

    def encode_boxes(self, features, boxes):
        """Turn boxes, float (B, N, C, 4), into vectors (B, N, C, J)."""
        left, top, right, bottom = (boxes[..., i : i + 1] for i in range(4))
        x0, y0, x1, y1 = map(ops.convert_to_tensor, self.edges)
        across = ops.minimum(right, x1) - ops.maximum(left, x0)  # (B, N, C, R)
        down = ops.minimum(bottom, y1) - ops.maximum(top, y0)
        overlap = ops.relu(across) * ops.relu(down)
        overlap = overlap / ops.maximum(ops.sum(overlap, axis=-1, keepdims=True), 1e-6)
        count = ops.shape(boxes)
        flat = ops.reshape(overlap, (count[0], -1, overlap.shape[-1]))
        inside = ops.matmul(flat, self._shorten(features))
        inside = ops.reshape(inside, (*count[:3], features.shape[-1]))
        area = (right - left) * (bottom - top)
        return self.to_choice(ops.concatenate([inside, boxes, area], axis=-1))

    def _see(self, features, training):
        """Give the regions to attend to: float (B, R, Q)."""
        features = self._shorten(features)
        features = self.region_dropout(features, training=training)
        places = ops.convert_to_tensor(self.places, features.dtype)
        places = ops.zeros_like(features[..., :2]) + places
        return self.project(ops.concatenate([features, places], axis=-1))

    def _shorten(self, features):
        features = ops.cast(features, self.compute_dtype)
        if not self.config.normalize:
            return features
        squares = ops.mean(ops.square(features), axis=-1, keepdims=True)
        return features * ops.rsqrt(squares + 1e-6)

    def _fuse(self, question, seen):
        if self.config.fusion == "concat":
            return self.to_joint(ops.concatenate([question, seen], axis=-1))
        if self.config.fusion == "sum":
            return self.to_joint(self.from_question(question) + seen)
        return seen * self.from_question(question) + self.to_joint(question)
