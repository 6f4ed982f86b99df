import numpy as np
import pytest
import tensorflow as tf

from rnn.net.model import along
from shared.nets.cells import LSTMCell
from shared.nets.lstm_along import lstm_along

T, B, U = 7, 3, 5


def normal(*shape, seed):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def by_steps(projected, weight, h, c):
    cell = LSTMCell(U)
    cell.recurrent_kernel = weight  # all that a step needs of it

    def step(inputs, state):
        _, new = cell.advance(inputs, state)
        return {"h": new[0]}, new

    kept, (_, last) = along(step, projected, (h, c))
    return kept["h"], last


def _with_gradient(run, given, wanted):
    @tf.function
    def both(*given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            hs, last = run(*given)
            loss = tf.reduce_sum(hs * wanted[0]) + tf.reduce_sum(last * wanted[1])
        return hs, last, *tape.gradient(loss, given)

    return [one.numpy() for one in both(*given)]


@pytest.mark.parametrize("scale", [0.5, 5.0])
def test_equals_the_cell_and_its_gradient_that_of_tensorflow(scale):
    given = [
        scale * normal(T, B, 4 * U, seed=0),
        normal(U, 4 * U, seed=1),
        normal(B, U, seed=2),
        normal(B, U, seed=3),
    ]
    wanted = normal(T, B, U, seed=4), normal(B, U, seed=5)
    mine, true = (_with_gradient(run, given, wanted) for run in (lstm_along, by_steps))
    for one, other in zip(mine, true, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, rtol=1e-4)
