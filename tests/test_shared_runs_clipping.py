"""What a step's gradient was like, and what is left of it, recomputed in NumPy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from shared.runs.clipping import (
    ClippingAdamW,
    Flow,
    lasting_variables,
    read_flow,
    summarize,
)
from shared.runs.training import build_optimizer

NORMAL = np.random.default_rng(0).normal


def optimize(gradients, clips, steps=3):
    """Apply gradients, scaled anew in each step, to new weights.

    Returns:
        the weights, and what was told of each step.
    """
    weights = [keras.Variable(np.ones(g.shape, "float32")) for g in gradients]
    optimizer = ClippingAdamW(0.1, weight_decay=0.0, **clips)
    optimizer.build(weights)
    told = []
    for step in range(steps):
        scaled = [tf.constant(g * 4.0**step, tf.float32) for g in gradients]
        optimizer.apply(scaled, weights)
        told.append(read_flow(optimizer))
    return [ops.convert_to_numpy(w) for w in weights], told


GRADIENTS = [NORMAL(size=(3, 2)), NORMAL(size=4)]
NORM = math.sqrt(sum((g**2).sum() for g in GRADIENTS))
LARGEST = max(np.abs(g).max() for g in GRADIENTS)


def test_the_norm_is_told_as_it_was_before_clipping():
    _, told = optimize(GRADIENTS, {"clip_norm": 2 * NORM})
    assert [flow.norm for flow in told] == pytest.approx(
        [NORM, 4 * NORM, 16 * NORM], rel=1e-5
    )
    assert [flow.clipped for flow in told] == [False, True, True]


def adam(gradients, limit):
    """Adam by its equations, of gradients that go through a function."""
    weights = [np.ones(g.shape) for g in gradients]
    m, v = ([np.zeros(g.shape) for g in gradients] for _ in range(2))
    for step in range(3):
        now = limit([g * 4.0**step for g in gradients])
        for i, g in enumerate(now):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            best = m[i] / (1 - 0.9 ** (step + 1))
            spread = np.sqrt(v[i] / (1 - 0.999 ** (step + 1)))
            weights[i] = weights[i] - 0.1 * best / (spread + 1e-7)
    return weights


def by_norm(gradients):
    norm = math.sqrt(sum((g**2).sum() for g in gradients))
    return [g * min(1, 1.5 * NORM / norm) for g in gradients]


def by_value(gradients):
    return [np.clip(g, -1.5 * LARGEST, 1.5 * LARGEST) for g in gradients]


@pytest.mark.parametrize(
    ("clips", "limit"),
    [
        ({"clip_norm": 1.5 * NORM}, by_norm),
        ({"clip_norm": 1e-9, "clip_value": 1.5 * LARGEST}, by_value),
    ],
)
def test_what_is_left_of_a_gradient_moves_the_weights(clips, limit):
    found, told = optimize(GRADIENTS, clips)
    for one, other in zip(found, adam(GRADIENTS, limit), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert [flow.clipped for flow in told] == [False, True, True]


@pytest.mark.parametrize(
    "clips", [{"clip_norm": 1.5}, {"clip_norm": 9, "clip_value": 1}]
)
def test_of_a_row_that_occurs_twice_the_sum_counts(clips):
    table = keras.Variable(np.zeros((3, 2), "float32"))
    optimizer = ClippingAdamW(0.1, weight_decay=0.0, **clips)
    optimizer.build([table])
    twice = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 1]), tf.constant([3, 2]))
    optimizer.apply([twice], [table])
    assert read_flow(optimizer) == Flow(pytest.approx(math.sqrt(8)), True)


def test_two_groups_are_told_of_as_one():
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)]
    )
    low = model.layers[0].trainable_variables
    optimizer = build_optimizer(
        model, steps=9, learning_rate=0.1, slow_rate=0.1, slow=low, clip_norm=3.0
    )
    gradients = [NORMAL(size=v.shape) for v in model.trainable_variables]
    for scale in (1, 100):
        scaled = [tf.constant(scale * g, tf.float32) for g in gradients]
        optimizer.apply(scaled, model.trainable_variables)
        flow = read_flow(optimizer)
        norm = math.sqrt(sum((scale * g**2 * scale).sum() for g in gradients))
        assert flow.norm == pytest.approx(norm, rel=1e-5)
    assert flow.clipped


def test_variables_without_a_gradient_are_left_alone():
    weights = [keras.Variable(np.ones(2, "float32")) for _ in range(2)]
    optimizer = ClippingAdamW(0.1, weight_decay=0.0, clip_norm=1.0)
    optimizer.build(weights)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([tf.constant([3.0, 4.0]), None], weights)
    assert read_flow(optimizer) == Flow(pytest.approx(5.0), True)
    assert ops.convert_to_numpy(weights[1]).tolist() == [1, 1]


def test_a_checkpoint_has_what_it_had_before():
    """Runs that began before clipping told anything go on."""
    plain, clipping = (
        keras.optimizers.AdamW(0.1, global_clipnorm=1.0),
        ClippingAdamW(0.1, clip_norm=1.0),
    )
    for optimizer in (plain, clipping):
        optimizer.build([keras.Variable(np.ones((2, 3), "float32"))])
    kept = lasting_variables(clipping)
    assert [v.shape for v in plain.variables] == [v.shape for v in kept]
    assert read_flow(plain) is None


def test_steps_are_summed_up_for_the_history():
    assert summarize([]) == {}
    flows = [Flow(1.0, False), Flow(2.00004, True), Flow(math.inf, True)]
    assert summarize(flows) == {
        "gradient_norm": 1.5,
        "gradient_norm_most": 2.0,
        "clipped": 0.6667,
    }
    nothing = summarize([Flow(math.nan, True)])
    assert nothing == {
        "gradient_norm": None,
        "gradient_norm_most": None,
        "clipped": 1.0,
    }
