"""Questions, read word after word into vectors."""

import keras
from keras import layers, ops

from shared.text.vocabulary import PAD, UNK
from vqa.config import NetConfig

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
        self.cells = config.make_cells()
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
