"""Attention over image regions: to all of them, or to one."""

from typing import NamedTuple

import keras
from keras import ops

from shared.nets.drawing import draw, to_unit


class RegionAttention(keras.layers.Layer):
    """Weigh image regions by how much they matter to a query vector.

        k_r     = W f_r + b
        e_r     = v . tanh(k_r + U q)
        alpha   = softmax(e) over the regions
        context = sum over r of alpha_r f_r

    The keys k do not depend on the query: `keys` computes them once per image,
    and any number of queries per image share them.

    Axes: B batch, R regions, D feature size, K queries per image, Q query size.

    Args:
        units: size of the hidden layer that scores one region, at least 1.

    Call arguments:
        features: float (B, R, D), one row per region.
        keys: float (B, R, units), from `keys(features)`.
        query: float (B, K, Q), for example the decoder's hidden states.

    Returns:
        context: float (B, K, D), the weighted mean of `features`.
        alpha: float (B, K, R), weights in [0, 1] that sum to 1 over R.

    Raises:
        ValueError: if `units` is less than 1.

    Source: Bahdanau et al. 2015, arXiv:1409.0473; over image regions in Xu et
        al. 2015, arXiv:1502.03044.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        self.units = units
        self.from_features = keras.layers.Dense(units, dtype=self.dtype_policy)
        self.from_query = keras.layers.Dense(
            units, use_bias=False, dtype=self.dtype_policy
        )
        self.score = keras.layers.Dense(1, use_bias=False, dtype=self.dtype_policy)

    def build(self, features_shape, keys_shape, query_shape):
        """Create the weights."""
        self.from_features.build(features_shape)
        self.from_query.build(query_shape)
        self.score.build((*query_shape[:-1], features_shape[1], self.units))
        self.built = True

    def keys(self, features):
        """Give float (B, R, units), the part of the score that has no query in it."""
        return self.from_features(features)

    def weigh(self, keys, query):
        """Give alpha."""
        # Not by [:, None]: LiteRT cannot slice where two axes have no fixed size.
        from_query = ops.expand_dims(self.from_query(query), 2)  # (B, K, 1, units)
        hidden = ops.tanh(ops.expand_dims(keys, 1) + from_query)  # (B, K, R, units)
        return ops.softmax(self.score(hidden)[..., 0], axis=-1)  # (B, K, R)

    def call(self, features, keys, query):
        """Give the context and the weights of each query."""
        alpha = self.weigh(keys, query)
        return ops.matmul(alpha, features), alpha


class Sampled(NamedTuple):
    """Where hard attention looks in training.

    Attributes:
        probs: float (..., R), how probable it was to look at each region.
        chosen: float (..., R), what the context was made of: 1 at the region that was
            drawn and 0 elsewhere; or `probs`, where none was to be drawn.
    """

    probs: keras.KerasTensor
    chosen: keras.KerasTensor


class HardAttention(RegionAttention):
    """Look at a single region.

        s       = the likeliest region, or one drawn by the alpha of `RegionAttention`
        context = f_s

    Drawing has no gradient: what teaches alpha is `captioner.net.losses.region_loss`,
    and the queries for which nothing is drawn, whose context is the expected one, sum
    over r of alpha_r f_r.

    Call arguments:
        features, keys, query: see `RegionAttention`.
        noise: int32 (B, K), uniform in [0, `LEVELS`), to draw by; -1 where the
            expectation is to be taken. None looks at the likeliest region.

    Returns:
        context: float (B, K, D).
        alpha: float (B, K, R), 1 at the region and 0 elsewhere; with noise, `Sampled`.

    Source: Xu et al. 2015, arXiv:1502.03044, section 4.1.
    """

    def call(self, features, keys, query, noise=None):
        """Give the context of each query, and where it is from."""
        probs = self.weigh(keys, query)
        count = probs.shape[-1]
        if noise is None:
            _, best = ops.top_k(probs, 1)  # Keras' argmax is not for LiteRT
            alpha = ops.cast(ops.equal(ops.arange(count), best), probs.dtype)
            return ops.matmul(alpha, features), alpha
        drawn = draw(ops.cast(probs, "float32"), to_unit(noise, ops), ops)
        drawn = ops.one_hot(drawn, count, dtype=probs.dtype)
        chosen = ops.where(ops.expand_dims(noise < 0, -1), probs, drawn)
        return ops.matmul(chosen, features), Sampled(probs, chosen)


ATTENTIONS = {"soft": RegionAttention, "hard": HardAttention}
