"""Attention over image regions."""

import keras
from keras import ops


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

    def call(self, features, keys, query):
        """Give the context and the weights of each query."""
        # Not by [:, None]: LiteRT cannot slice where two axes have no fixed size.
        from_query = ops.expand_dims(self.from_query(query), 2)  # (B, K, 1, units)
        hidden = ops.tanh(ops.expand_dims(keys, 1) + from_query)  # (B, K, R, units)
        alpha = ops.softmax(self.score(hidden)[..., 0], axis=-1)  # (B, K, R)
        return ops.matmul(alpha, features), alpha
