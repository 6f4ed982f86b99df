"""The likeliest concepts of a photo, as vectors that a net attends to."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from shared.concepts.config import ConceptsConfig
from shared.text.vocabulary import PAD, UNK, Vocabulary

Shape = Sequence[Any]  # sizes, or None
LEAST = 0.003  # probabilities are kept this far from 0 and 1 before their log-odds
FIRST, NEVER = 2.0, -2.0  # added to probabilities to choose slots, so beyond them all


def to_odds(probs: Any) -> Any:
    """Give a fifth of the log odds of probabilities, so that they are of a net's size.

    log(p / (1 - p)) / 5, of p kept within `LEAST` and 1 - `LEAST`
    """
    near = ops.clip(probs, LEAST, 1 - LEAST)
    return (ops.log(near) - ops.log(1 - near)) / 5


class ConceptSlots(keras.layers.Layer):
    """Turn the probabilities of all concepts into vectors for the likeliest.

        slots = the S concepts of highest p, those of `always` first
        g_s   = relu(W [e_s, p_s, log(p_s / (1 - p_s)) / 5] + b)

    where e_s is the mean vector of the concept's words. A concept with a word that
    the vocabulary does not have is never among them.

    Axes: B images, C concepts, S slots, E word size, U units.

    Args:
        config: S, U, and `always`.
        concepts: the C concepts, in the order of their probabilities.
        vocabulary: the words that have vectors.

    Call arguments:
        said: float (B, C), the probabilities.
        vectors: float (C, E), of `vectors`.

    Returns:
        float (B, S, U).

    Source: You et al. 2016, arXiv:1603.03925, for attending to words that a photo is
        likely to show.
    """

    def __init__(
        self,
        config: ConceptsConfig,
        concepts: Sequence[str],
        vocabulary: Vocabulary,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        split = [vocabulary.split(concept) for concept in concepts]
        self.tokens = np.full((len(split), max(map(len, split))), PAD, np.int32)
        for row, words in zip(self.tokens, split, strict=True):
            row[: len(words)] = vocabulary.to_ids(words)
        self.bonus = np.zeros(len(split), np.float32)
        self.bonus[[concept in config.always for concept in concepts]] = FIRST
        self.bonus[(self.tokens == UNK).any(axis=1)] = NEVER
        self.count = min(config.slots, len(split))
        self.mix = layers.Dense(config.units, activation="relu")

    def build(self, said_shape: Shape, vectors_shape: Shape) -> None:
        """Create the weights."""
        self.mix.build((said_shape[0], self.count, vectors_shape[-1] + 2))
        self.built = True

    def vectors(self, embeddings: Any) -> Any:
        """Give float (C, E), the vector of each concept, of those of words (V, E)."""
        is_word = ops.cast(self.tokens != PAD, embeddings.dtype)[..., None]
        found = ops.take(embeddings, self.tokens, axis=0) * is_word
        return ops.sum(found, axis=1) / ops.sum(is_word, axis=1)

    def call(self, said: Any, vectors: Any) -> Any:
        """Give the vectors of the likeliest."""
        bonus = ops.cast(self.bonus, said.dtype)
        best, places = ops.top_k(said + bonus, self.count)
        probs = best - ops.take(bonus, places, axis=0)
        told = ops.stack([probs, to_odds(probs)], axis=-1)
        words = ops.take(vectors, places, axis=0)
        return self.mix(ops.concatenate([words, ops.cast(told, words.dtype)], axis=-1))
