"""The VQA model: an encoder, a net that answers, and its twin that sees nothing."""

import math

import keras
import numpy as np
from keras import layers, ops

from shared.attention import RegionAttention
from shared.cells import CELLS
from shared.encoders import Encoder
from shared.text import PAD, UNK
from vqa.config import NetConfig, VqaConfig

IMPOSSIBLE = -1e9  # score of a choice that only fills the others' row
SPREAD = 40503  # brings pairs of ids into slots; Knuth's, 2 ** 16 / golden ratio, odd


class QuestionReader(keras.layers.Layer):
    """Read a question, word after word, into a vector.

        (h, c)_s = cell(E word_s, (h, c)_{s-1})    where word s is real
        q        = tanh(W [h_S, c_S, sum over s of E_bag word_s,
                              sum over s of E_pair slot(word_s, word_{s+1})] + b)

    With several cells on one another, the final h and c of all of them are put side
    by side (Antol et al. 2015: "deeper LSTM Q"). The bag of words is there only if
    the recipe says so: what a question is about is learnt from it in a tenth of the
    steps that the cell needs, which then adds the order of the words. So are the
    pairs of words: from few questions, that is a better way to learn what follows
    what. A pair has one of so many slots; which, its ids decide, and some share one.

    Axes: B photos, N questions per photo, S words, Q question size.

    Call arguments:
        tokens: int32 (B, N, S), padded at the end.

    Returns:
        float (B, N, Q).
    """

    def __init__(self, config: NetConfig, vocab_size: int, **kwargs):
        super().__init__(**kwargs)
        self.embedding = layers.Embedding(
            vocab_size,
            config.embed_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
        )
        self.cells = [CELLS[config.cell](config.units) for _ in range(config.layers)]
        self.bag = (
            layers.Embedding(
                vocab_size,
                config.bag_units,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=0.2),
            )
            if config.bag_units
            else None
        )
        self.pairs = (
            layers.Embedding(
                config.pairs,
                config.bag_units,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
            )
            if config.pairs
            else None
        )
        self.to_question = layers.Dense(config.question_units, activation="tanh")
        self.word_dropout = config.word_dropout
        self.embed_dropout = layers.Dropout(config.embed_dropout)
        self.seeds = keras.random.SeedGenerator()

    def build(self, tokens_shape=None):
        """Create the weights."""
        inputs = (None, None, self.embedding.output_dim)
        self.embedding.build()
        for cell in self.cells:
            cell.build(inputs)
            inputs = (None, None, cell.units)
        size = sum(cell.state_count * cell.units for cell in self.cells)
        if self.bag:
            self.bag.build()
            size += self.bag.output_dim
        if self.pairs:
            self.pairs.build()
            size += self.pairs.output_dim
        self.to_question.build((None, None, size))
        self.built = True

    def call(self, tokens, training=False):
        """Give the questions' vectors."""
        real = ops.expand_dims(ops.not_equal(tokens, PAD), -1)  # (B, N, S, 1)
        if training and self.word_dropout:
            tokens = self._forget(tokens)
        words = self.embed_dropout(self.embedding(tokens), training=training)
        zeros = ops.zeros_like(ops.repeat(words[:, :, 0, :1], self.cells[0].units, -1))
        states = [(zeros,) * cell.state_count for cell in self.cells]
        for s in range(tokens.shape[2]):
            inputs, mask = words[:, :, s], real[:, :, s]
            for index, cell in enumerate(self.cells):
                inputs, new = cell(inputs, states[index])
                states[index] = tuple(
                    ops.where(mask, after, before)
                    for after, before in zip(new, states[index], strict=True)
                )
        found = [part for state in states for part in state]
        if self.bag:
            bag = self.bag(tokens)
            found.append(ops.sum(bag * ops.cast(real, bag.dtype), axis=2))
        if self.pairs:
            slots = tokens[:, :, :-1] * SPREAD + tokens[:, :, 1:]
            pairs = self.pairs(slots % self.pairs.input_dim)
            pairs = ops.sum(pairs * ops.cast(real[:, :, 1:], pairs.dtype), axis=2)
            found.append(self.embed_dropout(pairs, training=training))
        return self.to_question(ops.concatenate(found, axis=-1))

    def _forget(self, tokens):
        draws = keras.random.uniform(ops.shape(tokens), seed=self.seeds)
        forgotten = ops.logical_and(
            draws < self.word_dropout, ops.not_equal(tokens, PAD)
        )
        return ops.where(forgotten, UNK, tokens)


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
    feature of the cells under the box, its corners and area] + b_b).

    Axes: B photos, N questions per photo, S words of a question, R regions, D
    feature size, J joint size, H hops, A answers, C choices, L words of an answer.

    Args:
        config: sizes and dropout.
        vocab_size: words, of questions and answers.
        answers: int32 (A, L), the words of the answers that can be given, padded; or
            None for a net that chooses among boxes.

    Call arguments:
        features: float (B, R, D).
        tokens: int32 (B, N, S), the questions.
        choices: what to choose from instead of the answers: int32 (B, N, C, L), their
            words, padded; or boxes float (B, N, C, 4): left, top, right, bottom, each
            0 to 1 of the photo's size. None is all answers.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = config
        self.answers = answers
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
        self.region_dropout = layers.Dropout(config.region_dropout)
        self.joint_dropout = layers.Dropout(config.joint_dropout)

    def build(self, features_shape, tokens_shape=None, choices_shape=None):
        """Create the weights."""
        _, regions, size = features_shape
        units, asked = self.config.joint_units, self.config.question_units
        self.grid = _grid(regions)
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

    def _add_answers(self, count):
        """Create what belongs to the answers of the vocabulary."""
        units = self.config.joint_units
        self.residual = self.add_weight(
            name="residual",
            shape=(count, units),
            initializer=keras.initializers.RandomNormal(stddev=units**-0.5),
        )
        self.bias = self.add_weight(name="bias", shape=(count,), initializer="zeros")

    def call(self, features, tokens, choices=None, training=False):
        """Score answers or choices."""
        joint, alpha = self.join(features, tokens, training)
        if choices is None:
            scores = self.score(joint)
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

    def join(self, features, tokens, training=False):
        """Let questions meet photos.

        Returns:
            joint: float (B, N, J).
            alpha: as of the call.
        """
        question = self.reader(tokens, training=training)
        whole = self._shorten(ops.mean(features, axis=1, keepdims=True))
        whole = self.region_dropout(whole, training=training)
        seen = [whole + ops.zeros_like(question[..., :1])]  # (B, N, D)
        regions = self._see(features, training) if self.attentions else None
        query, alphas = question, []
        for attention in self.attentions:
            context, alpha = attention(regions, attention.keys(regions), query)
            query = query + context
            seen.append(context)
            alphas.append(alpha)
        if not self.attentions:
            even = np.full(features.shape[1], 1 / features.shape[1], np.float32)
            alphas.append(ops.zeros_like(question[..., :1]) + even)
        joint = self._fuse(question, self.from_photo(ops.concatenate(seen, axis=-1)))
        alpha = ops.cast(ops.stack(alphas, axis=2), "float32")
        return self.joint_dropout(joint, training=training), alpha

    def explain(self, features, tokens):
        """Give joint, scores of all answers, and alpha; see `vqa.runtime`."""
        joint, alpha = self.join(features, tokens)
        known = self.answers is not None and len(self.answers)
        scores = self.score(joint) if known else joint[..., :0]
        return joint, scores, alpha

    def score(self, joint):
        """Score all answers of the vocabulary: float (B, N, A)."""
        vectors = self.encode(ops.convert_to_tensor(self.answers)) + self.residual
        return ops.matmul(joint, ops.transpose(vectors)) + self.bias

    def encode(self, answers):
        """Turn answers' words, int32 (..., L), into vectors (..., J)."""
        words = self.reader.embedding(answers)
        real = ops.cast(ops.not_equal(answers, PAD), words.dtype)
        real = ops.expand_dims(real, -1)  # LiteRT cannot write it as [..., None]
        count = ops.maximum(ops.sum(real, axis=-2), 1.0)
        return self.to_choice(ops.sum(words * real, axis=-2) / count)

    def encode_boxes(self, features, boxes):
        """Turn boxes, float (B, N, C, 4), into vectors (B, N, C, J)."""
        left, top, right, bottom = (boxes[..., i : i + 1] for i in range(4))
        x0, y0, x1, y1 = (ops.convert_to_tensor(edge) for edge in _edges(self.grid))
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
        places = ops.convert_to_tensor(self.grid, features.dtype)
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

    Call arguments:
        inputs: dict of "images" uint8 (B, H, W, 3), or "features" (B, R, D) where
            they are known already; "tokens" int32 (B, N, S); and "choices", where
            the objective needs them.

    Returns:
        scores of each answerer, and of the twin, as of `Answerer`.
    """

    def __init__(
        self,
        encoder: Encoder,
        answerers: list[Answerer],
        blind: Answerer,
        objective: str = "answers",
        soft: bool = False,
    ):
        super().__init__(name="vqa")
        self.encoder = encoder
        self.answerers = list(answerers)
        self.blind = blind
        self.objective = objective
        self.soft = soft
        for answerer in self.answerers:
            answerer.build((None, encoder.regions, encoder.feature_size))
        blind.build((None, 1, 1))
        self.built = True
        self.label_smoothing = 0.0

    def features(self, inputs):
        """Give float (B, R, D), computed only where "features" is missing."""
        return (
            inputs["features"]
            if "features" in inputs
            else self.encoder(inputs["images"])
        )

    def call(self, inputs, training=False):
        """Score answers, or choices, with and without the photo."""
        tokens, choices = inputs["tokens"], inputs.get("choices")
        features = self.features(inputs)
        seen = [
            answerer(features, tokens, choices, training=training)[0]
            for answerer in self.answerers
        ]
        guessed, _ = self.blind(nothing(tokens), tokens, choices, training=training)
        return (*seen, guessed)

    def explain(self, features, tokens):
        """Give joint, scores of all answers, and alpha, of all answerers together.

        As `Answerer.explain`; joint is float (B, N, members * J), and its product with
        a vector of `encode` is the mean of the members' scores.
        """
        found = [answerer.explain(features, tokens) for answerer in self.answerers]
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
            y: float (B, N, A or C), how right each answer is.
            sample_weight: float (B, N), the weight of each question.
        """
        losses = [
            answer_loss(scores, y, self.soft, self.label_smoothing, sample_weight)
            for scores in y_pred
        ]
        return sum(losses)


def nothing(tokens):
    """Give the features that a blind net sees: float (B, 1, 1), all ones."""
    ones = ops.ones_like(ops.cast(tokens[:, 0, 0], "float32"))
    return ops.reshape(ones, (-1, 1, 1))  # sizes that a graph knows


def build_vqa(
    config: VqaConfig,
    vocab_size: int,
    answers: np.ndarray | None,
    encoder: Encoder | None,
) -> Vqa:
    """Make an untrained model.

    Args:
        vocab_size, answers: as of `Answerer`.
        encoder: None is that of the config, with random weights.
    """
    if encoder is None:
        encoder = Encoder(config.encoder.name, config.encoder.image_size, None)
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:  # the nets' parts take the policy that is in force
        answerers = [
            Answerer(config.net, vocab_size, answers, name=f"answerer_{index}")
            for index in range(config.members)
        ]
        # One region, as the twin has, needs no attention.
        sizes = config.net.model_copy(update={"hops": 0})
        blind = Answerer(sizes, vocab_size, answers, name="blind")
    finally:
        keras.config.set_dtype_policy(usual)
    return Vqa(encoder, answerers, blind, config.objective, config.soft)


def answer_loss(scores, targets, soft, label_smoothing, weights=None):
    """Cross-entropy per question.

    Args:
        scores: float (B, N, A), before the softmax, or the sigmoid if `soft`.
        targets: float (B, N, A): how right each answer is, 0 to 1.
        soft: whether each answer is right or wrong by itself (a sum of A binary
            cross-entropies); else exactly one of them is right.
        label_smoothing: share of the target spread over all possible answers, if not
            `soft`.
        weights: float (B, N), one a question, or None for 1.

    Returns:
        float scalar, nats per question of weight 1.
    """
    if soft:
        likely = ops.maximum(scores, 0.0) - scores * targets
        losses = ops.sum(likely + ops.log1p(ops.exp(-ops.abs(scores))), axis=-1)
    else:
        possible = ops.cast(scores > IMPOSSIBLE, "float32")
        even = possible / ops.maximum(ops.sum(possible, axis=-1, keepdims=True), 1.0)
        targets = targets * (1 - label_smoothing) + label_smoothing * even
        losses = ops.logsumexp(scores, axis=-1) * ops.sum(targets, axis=-1)
        losses = losses - ops.sum(targets * scores, axis=-1)
    if weights is None:
        return ops.mean(losses)
    weights = ops.cast(weights, "float32")
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1e-6)


def _grid(regions: int) -> np.ndarray:
    """Centres of a square grid's cells, row by row: float32 (R, 2), -1 to 1."""
    side = math.isqrt(regions)
    centres = (np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1
    down, across = np.meshgrid(centres, centres, indexing="ij")
    return np.stack([across.ravel(), down.ravel()], axis=1)


def _edges(grid: np.ndarray) -> list[np.ndarray]:
    """Left, top, right and bottom of the cells, each float32 (R,), 0 to 1."""
    half = 0.5 / math.isqrt(len(grid))
    across, down = (grid.T + 1) / 2
    return [across - half, down - half, across + half, down + half]
