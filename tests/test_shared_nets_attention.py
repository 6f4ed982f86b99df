import keras
import numpy as np
import pytest
from keras import ops

from shared.nets.attention import HardAttention, RegionAttention
from shared.nets.drawing import LEVELS

B, R, D, K, Q, U = 2, 5, 4, 3, 6, 3


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def layer():
    return build(RegionAttention)


@pytest.fixture
def hard():
    return build(HardAttention)


def build(kind):
    layer = kind(U)
    layer.build((None, R, D), (None, R, U), (None, None, Q))
    layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
    return layer


def attend(layer, features, query):
    found = layer(features, layer.keys(features), query)
    return [ops.convert_to_numpy(part) for part in found]


def test_equals_numpy(layer):
    features, query = normal(B, R, D, seed=7), normal(B, K, Q, seed=8)
    w, b, u, v = layer.get_weights()
    context, alpha = attend(layer, features, query)
    for i in range(B):
        for k in range(K):
            keys = features[i] @ w + b
            e = np.tanh(keys + query[i, k] @ u) @ v
            a = np.exp(e[:, 0]) / np.exp(e[:, 0]).sum()
            np.testing.assert_allclose(alpha[i, k], a, atol=1e-5)
            np.testing.assert_allclose(context[i, k], a @ features[i], atol=1e-5)


def test_weights_are_a_distribution_over_the_regions(layer):
    _, alpha = attend(layer, normal(B, R, D), 9 * normal(B, K, Q))
    assert alpha.shape == (B, K, R)
    assert (alpha >= 0).all()
    np.testing.assert_allclose(alpha.sum(-1), 1, atol=1e-6)


def test_order_of_the_regions_does_not_matter(layer):
    features, query = normal(B, R, D, seed=7), normal(B, K, Q, seed=8)
    order = np.array([3, 0, 4, 1, 2])
    context, alpha = attend(layer, features, query)
    moved_context, moved_alpha = attend(layer, features[:, order], query)
    np.testing.assert_allclose(moved_alpha, alpha[..., order], atol=1e-6)
    np.testing.assert_allclose(moved_context, context, atol=1e-5)


def test_queries_do_not_see_one_another(layer):
    features, query = normal(B, R, D, seed=7), normal(B, K, Q, seed=8)
    together, _ = attend(layer, features, query)
    alone, _ = attend(layer, features, query[:, 1:2])
    np.testing.assert_allclose(together[:, 1:2], alone, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs a tape")
def test_every_weight_gets_a_gradient(layer):
    import tensorflow as tf

    features, query = normal(B, R, D, seed=7), normal(B, K, Q, seed=8)
    with tf.GradientTape() as tape:
        context, _ = layer(features, layer.keys(features), query)
        loss = ops.sum(ops.square(context))
    gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
    assert all(float(ops.max(ops.abs(gradient))) > 0 for gradient in gradients)


def test_units_are_at_least_one():
    with pytest.raises(ValueError, match=r"at least 1\. Received: units=0"):
        RegionAttention(0)


def test_hard_attention_looks_at_the_likeliest_region(layer, hard):
    features, query = normal(B, R, D, seed=7), normal(B, K, Q, seed=8)
    _, probs = attend(layer, features, query)
    context, alpha = attend(hard, features, query)
    best = probs.argmax(-1)
    np.testing.assert_array_equal(alpha, np.eye(R)[best])
    for i in range(B):
        np.testing.assert_allclose(context[i], features[i, best[i]], atol=1e-6)


def test_hard_attention_looks_at_one_of_several_that_are_as_likely(hard):
    _, alpha = attend(hard, np.zeros((B, R, D), np.float32), normal(B, K, Q))
    np.testing.assert_array_equal(alpha.sum(-1), 1)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_hard_attention_draws_by_noise(policy):
    """Evenly spread noise draws each region as often as it is probable."""
    count = 3000
    hard = HardAttention(U, dtype=policy)
    hard.build((None, R, D), (None, R, U), (None, None, Q))
    hard.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(hard.weights)])
    features = normal(1, R, D, seed=7)
    query = np.tile(normal(1, 1, Q, seed=8), (1, count, 1))
    noise = np.arange(count)[None] * (LEVELS // count)
    context, sampled = hard(features, hard.keys(features), query, noise.astype("int32"))
    probs, chosen = (
        ops.convert_to_numpy(ops.cast(part, "float32")) for part in sampled
    )
    assert set(chosen.ravel()) == {0, 1}
    np.testing.assert_array_equal(chosen.sum(-1), 1)
    share = probs[0, 0] / probs[0, 0].sum()
    np.testing.assert_allclose(chosen[0].mean(0), share, atol=2 / count)
    context = ops.convert_to_numpy(ops.cast(context, "float32"))
    np.testing.assert_allclose(context, chosen @ features, atol=0.02)


def test_hard_attention_takes_the_expectation_without_noise(layer, hard):
    features, query = normal(B, R, D, seed=7), normal(B, K, Q, seed=8)
    context, alpha = attend(layer, features, query)
    noise = np.full((B, K), -1, np.int32)
    found, sampled = hard(features, hard.keys(features), query, noise)
    np.testing.assert_allclose(found, context, atol=1e-6)
    for part in sampled:
        np.testing.assert_allclose(part, alpha, atol=1e-6)
