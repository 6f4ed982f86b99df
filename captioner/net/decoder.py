"""The recurrent decoder: what the next word is, given an image and the words so far."""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from captioner.config import DecoderConfig
from shared.concepts.slots import ConceptSlots
from shared.nets.attention import ATTENTIONS, RegionAttention
from shared.nets.cells import side_by_side
from shared.nets.drawing import draw, to_unit


class Memory(NamedTuple):
    """What the decoder keeps of an image while it writes."""

    regions: keras.KerasTensor  # float (B, R, P)
    keys: keras.KerasTensor  # float (B, R, attention units); unused without it
    concepts: keras.KerasTensor | None = None  # float (B, S, concept units)
    concept_keys: keras.KerasTensor | None = None  # float (B, S, attention units)


class Decoder(keras.layers.Layer):
    """Predict the next word from the image and the words so far.

    With attention (Xu et al. 2015, with the regions f_r first projected to P):

        f_r      = relu(W_f feature_r + b_f)
        h_0, c_0 = tanh(W_init mean(f) + b_init)
        z_t      = sigmoid(W_beta h_{t-1} + b_beta) * attention(f, h_{t-1})
        h_t      = cell([E y_{t-1}, z_t], h_{t-1})
        logits_t = L_o tanh(E y_{t-1} + L_h h_t + b_h + L_z z_t) + b_o

    where attention(f, h) is soft, a weighted mean of all f_r, or hard, a single one.
    Without attention (Vinyals et al. 2015), W_i mean(f) + b_i is the cell's input
    one step before the first word, its state is 0 before that, and there is no z.

    A tied decoder has L_o = E transposed. Of several layers, the lowest reads the
    words and z, the highest is h_t in the equations.

    With concepts (You et al. 2016), the likeliest words of the photo are a second
    memory g_s, see `shared.concepts.slots`; a second z, attended and gated in the same
    way, stands beside the first in all three places, and [mean(f), mean(g)] gives h_0.
    Of what was never seen, f_r is a learnt vector: captions without photos teach how
    to speak of the concepts alone.

    Axes: B images, K sequences per image, T tokens, R regions, D feature size,
    P projected size, E word size, U units, V words, C concepts, S slots.

    Args:
        config: sizes and dropout.
        vocab_size: V.
        slots: how concepts are attended to; None is a decoder without them.

    Call arguments:
        features: float (B, R, D), or None where there are no images.
        tokens: int32 (B, K, T), each starting with bos.
        said: float (B, C), for each concept the probability that a caption says it.
        seen: float (B,), 1 where the image may be looked at, 0 where only `said` may;
            None is 1.
        region_noise: int32 (B, K, T), by which hard attention draws regions, see
            `HardAttention`; None, as at writing time, takes the likeliest ones.
        word_noise: int32 (B, K, T), uniform in [0, `LEVELS`) at the tokens that give
            way to what the model would say, drawn by it; -1 at the others. None keeps
            all tokens. The first is kept in any case.

    Returns:
        logits: float32 (B, K, T, V), of the word after each token.
        alpha: float32 (B, K, T, R), attention while it was chosen; uniform
            without attention, and (B, K, T, 1) without images. With region_noise,
            `Sampled` of two such arrays.

    Source: Xu et al. 2015, arXiv:1502.03044; Vinyals et al. 2015,
        arXiv:1411.4555; Press & Wolf 2017, arXiv:1608.05859, for the tying; You et
        al. 2016, arXiv:1603.03925, for the concepts; Feng et al. 2019,
        arXiv:1811.10787, for captions without photos; Bengio et al. 2015,
        arXiv:1506.03099, for reading the model's own words.
    """

    def __init__(
        self,
        config: DecoderConfig,
        vocab_size: int,
        slots: ConceptSlots | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.attends = config.attention_units > 0
        self.draws = config.draws
        self.slots = slots
        self.vocab_size = vocab_size
        self.fixed_words = 0
        self.project = layers.Dense(config.region_units, activation="relu")
        self.embedding = layers.Embedding(
            vocab_size,
            config.embed_dim,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=config.embed_dim**-0.5
            ),
        )
        self.cells = config.make_cells()
        if self.attends:
            self.attention = ATTENTIONS[config.attention](config.attention_units)
            count = sum(cell.state_count for cell in self.cells)
            self.to_state = layers.Dense(count * config.units, activation="tanh")
            self.gate = layers.Dense(config.region_units, activation="sigmoid")
            self.from_context = layers.Dense(config.embed_dim, use_bias=False)
        else:
            self.from_image = layers.Dense(config.embed_dim)
        if slots:
            units = slots.mix.units
            self.concept_attention = RegionAttention(config.attention_units or units)
            self.concept_gate = layers.Dense(units, activation="sigmoid")
            self.from_concepts = layers.Dense(config.embed_dim, use_bias=False)
        self.from_hidden = layers.Dense(config.embed_dim)
        self.to_words = None if config.tied else layers.Dense(vocab_size)
        self.region_dropout = layers.Dropout(config.region_dropout)
        self.embed_dropout = layers.Dropout(config.embed_dropout)
        self.output_dropout = layers.Dropout(config.output_dropout)

    def build(self, features_shape, tokens_shape=None):
        """Create the weights."""
        regions, units = features_shape[1], self.cells[0].units
        self.project.build(features_shape)
        projected = (None, regions, self.project.units)
        words = (None, None, self.embedding.output_dim)
        self.embedding.build()
        hidden = (None, None, units)
        read, summary = words[-1], projected[-1]
        if self.slots:
            count, size = self.slots.count, self.slots.mix.units
            concepts = (None, count, size)
            self.slots.build((None, len(self.slots.tokens)), words[1:])
            keys = (None, count, self.concept_attention.units)
            self.concept_attention.build(concepts, keys, hidden)
            self.concept_gate.build(hidden)
            self.from_concepts.build(concepts)
            read, summary = read + size, summary + size
            self.unseen = self.add_weight(
                name="unseen", shape=(projected[-1],), initializer="glorot_uniform"
            )
        if self.attends:
            self.attention.build(
                projected, (None, regions, self.attention.units), hidden
            )
            self.to_state.build((None, summary))
            self.gate.build(hidden)
            self.from_context.build(projected)
            read += projected[-1]
        else:
            self.from_image.build((None, summary))
        inputs = (None, None, read)
        for cell in self.cells:
            cell.build(inputs)
            inputs = hidden
        self.from_hidden.build(hidden)
        if self.draws:  # nats a word, of those that know nothing
            self.baseline = self.add_weight(
                name="baseline",
                shape=(),
                initializer=keras.initializers.Constant(-np.log(self.vocab_size)),
                trainable=False,
                aggregation="mean",  # of several devices
            )
        if self.to_words is None:
            self.bias = self.add_weight(
                name="bias", shape=(self.vocab_size,), initializer="zeros"
            )
        else:
            self.to_words.build(words)
        self.built = True

    def start(
        self,
        features,
        sequences,
        training=False,
        said=None,
        seen=None,
        vectors=None,
    ):
        """Prepare an image for `sequences` sequences.

        Args:
            features: float (B, R, D), or None.
            sequences: K.
            said: float (B, C), needed by a decoder with concepts.
            seen: float (B,), or None.
            vectors: float (C, E), of the concepts, if they are known already.

        Returns:
            memory: Memory.
            state: tuple of float (B, K, U), each cell's states, lowest cell first.
        """
        if features is None:
            regions = self._look_at_nothing(said)
        else:
            features = self.region_dropout(features, training=training)
            regions = self.project(features)
        if seen is not None:
            seen = ops.cast(seen, regions.dtype)[:, None, None]
            regions = seen * regions + (1 - seen) * ops.cast(self.unseen, seen.dtype)
        summary = ops.mean(regions, axis=1)
        concepts, concept_keys = None, None
        if self.slots:
            if vectors is None:
                vectors = self.slots.vectors(self._table(regions.dtype))
            concepts = self.slots(said, vectors)
            concept_keys = self.concept_attention.keys(concepts)
            summary = ops.concatenate([summary, ops.mean(concepts, axis=1)], axis=-1)
        keys = self.attention.keys(regions) if self.attends else regions
        memory = Memory(regions, keys, concepts, concept_keys)
        units = self.cells[0].units
        if self.attends:
            states = self.to_state(summary)
            count = states.shape[-1] // units
            state = tuple(ops.split(states, count, axis=-1)) if count > 1 else (states,)
        else:
            image = self.from_image(summary)[:, None]
            zeros = ops.repeat(ops.zeros_like(image[..., :1]), units, axis=-1)
            nothing = (zeros,) * sum(cell.state_count for cell in self.cells)
            _, state, _ = self.step(image, nothing, memory)
            state = tuple(part[:, 0] for part in state)
        return memory, tuple(
            ops.repeat(part[:, None, :], sequences, axis=1) for part in state
        )

    def _look_at_nothing(self, said):
        """Give the regions (B, 1, P) of images that are not there: all are alike."""
        unseen = ops.cast(self.unseen, self.compute_dtype)
        return ops.tile(unseen[None, None], (ops.shape(said)[0], 1, 1))

    def train_words_from(self, first):
        """Train nothing but what is said of the words from this id on; 0 trains all.

        All else that was known stays exactly as it was.
        """
        said = (self.embedding, self.to_words)
        for layer in self._flatten_layers(include_self=False):
            layer.trainable = not first or layer in said
        if self.slots:
            self.unseen.trainable = not first
        self.fixed_words = first

    def _trained(self, weight, axis=0):
        """Give a weight of words, of which those that are fixed get no step."""
        if not self.fixed_words:
            return weight
        fixed, free = ops.split(weight, [self.fixed_words], axis=axis)
        return ops.concatenate([ops.stop_gradient(fixed), free], axis=axis)

    def _table(self, dtype):
        """Give the vectors of all words (V, E)."""
        # float32 weights, so that a half-precision policy applies here as well
        return ops.cast(self._trained(self.embedding.embeddings), dtype)

    def step(self, words, state, memory, *noise):
        """Read one word vector per sequence.

        Args:
            words: float (B, K, E).
            state: tuple of float (B, K, U).
            memory: Memory.
            noise: int32 (B, K), for hard attention in training; see there.

        Returns:
            hidden: float (B, K, E), to be given to `predict`.
            state: the new state.
            alpha: float (B, K, R), or with noise, `Sampled`.
        """
        return self._step(words, state, memory, *noise)[:3]

    def look_at(self, words, state, memory):
        """Do the same and give the gates meanwhile.

        Returns:
            as `step`, and float (B, K, L U) by their names in the equations, those of
            all L cells side by side.
        """
        return self._step(words, state, memory, looking=True)

    def _step(self, words, state, memory, *noise, looking=False):
        last = state[-self.cells[-1].state_count]
        read, told, alpha = [words], [], None
        if self.attends:
            context, alpha = self.attention(memory.regions, memory.keys, last, *noise)
            context = self.gate(last) * context
            read, told = [*read, context], [self.from_context(context)]
        if self.slots:
            context, _ = self.concept_attention(
                memory.concepts, memory.concept_keys, last
            )
            context = self.concept_gate(last) * context
            read, told = [*read, context], [*told, self.from_concepts(context)]
        inputs = ops.concatenate(read, axis=-1) if told else words
        top, state, gates = self._advance(inputs, state, looking)
        hidden = sum(told, words + self.from_hidden(top))
        if alpha is None:
            regions = memory.regions.shape[1]
            ones = ops.ones_like(top[..., :1])
            alpha = ops.tile(ones / regions, (1, 1, regions))
        return hidden, state, alpha, gates

    def _advance(self, inputs, state, looking):
        """Take one step in every layer; give the gates as well if `looking`."""
        new, opened = (), []
        for cell in self.cells:
            part, state = state[: cell.state_count], state[cell.state_count :]
            if looking:
                gates, part = cell.advance(cell.project(inputs), part)
                inputs = part[0]
                opened.append(gates)
            else:
                inputs, part = cell(inputs, part)
            new += tuple(part)
        return inputs, new, side_by_side(opened) if looking else {}

    def predict(self, hidden, training=False):
        """Turn float (..., E) into float32 logits (..., V)."""
        hidden = self.output_dropout(ops.tanh(hidden), training=training)
        if self.to_words is not None and not self.fixed_words:
            return ops.cast(self.to_words(hidden), "float32")
        if self.to_words is not None:
            table, bias = self._trained(self.to_words.kernel, 1), self.to_words.bias
            table = ops.cast(table, hidden.dtype)
        else:
            table, bias = ops.transpose(self._table(hidden.dtype)), self.bias
        logits = ops.cast(ops.matmul(hidden, table), "float32")
        return logits + ops.cast(self._trained(bias), "float32")

    def call(
        self,
        features,
        tokens,
        said=None,
        seen=None,
        region_noise=None,
        word_noise=None,
        training=False,
    ):
        """Read whole captions, each word after seeing the true one before it."""
        memory, state = self.start(features, tokens.shape[1], training, said, seen)
        table = self._table(self.compute_dtype)

        def embed(tokens):
            words = ops.take(table, tokens, axis=0)
            return self.embed_dropout(words, training=training)

        words = embed(tokens)
        hidden: list = []
        alpha: list = []
        for t in range(tokens.shape[2]):
            read = words[:, :, t]
            if word_noise is not None and t:
                wanted = word_noise[:, :, t]
                own = embed(self._draw_words(hidden[-1], wanted))
                read = ops.where(ops.expand_dims(wanted < 0, -1), read, own)
            noise = () if region_noise is None else (region_noise[:, :, t],)
            out, state, looked = self.step(read, state, memory, *noise)
            hidden.append(out)
            alpha.append(looked)
        logits = self.predict(ops.stack(hidden, axis=2), training)
        return logits, keras.tree.map_structure(_join, *alpha)

    def _draw_words(self, hidden, noise):
        """Draw int32 (B, K), words that the model says, by noise (B, K)."""
        probs = ops.softmax(self.predict(hidden))
        return draw(probs, to_unit(noise, ops), ops)


def _join(*steps):
    """Make one float32 (B, K, T, R) of what was looked at in each step."""
    return ops.cast(ops.stack(steps, axis=2), "float32")
