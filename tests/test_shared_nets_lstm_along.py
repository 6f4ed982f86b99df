import numpy as np
import pytest
import tensorflow as tf

from rnn.model import along
from shared.nets.cells import LSTMCell
from shared.nets.lstm_along import lstm_along

T, B, U = 7, 3, 5


def normal(*shape, seed):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def by_steps(projected, weight, h, c):
    cell = LSTMCell(U)
    cell.build((None, 1))
    cell.recurrent_kernel = weight

    def step(inputs, state):
        _, new = cell.advance(inputs, state)
        return {"h": new[0]}, new

    kept, (_, last) = along(step, projected, (h, c))
    return kept["h"], last


@pytest.mark.parametrize("scale", [0.5, 5.0])
def test_equals_the_cell_and_its_gradient_that_of_tensorflow(scale):
    given = [
        scale * normal(T, B, 4 * U, seed=0),
        normal(U, 4 * U, seed=1),
        normal(B, U, seed=2),
        normal(B, U, seed=3),
    ]
    wanted = normal(T, B, U, seed=4), normal(B, U, seed=5)
    found = []
    for run in (lstm_along, by_steps):

        @tf.function
        def both(*given, run=run):
            with tf.GradientTape() as tape:
                tape.watch(given)
                outputs = run(*given)
                hs, last = outputs
                loss = tf.reduce_sum(hs * wanted[0]) + tf.reduce_sum(last * wanted[1])
            return [*outputs, *tape.gradient(loss, given)]

        found.append([one.numpy() for one in both(*given)])
    for mine, true in zip(*found, strict=True):
        np.testing.assert_allclose(mine, true, atol=2e-5, rtol=1e-4)
