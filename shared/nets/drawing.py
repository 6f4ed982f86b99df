"""Draw one of several things by their probabilities, from numbers given beforehand."""

from typing import Any

# Of noise as int32: of floats, a layer in half precision would keep few digits.
LEVELS = 2**24


def to_unit(noise: Any, ops: Any) -> Any:
    """Turn noise int32 (...) in [0, `LEVELS`) into float32 in [0, 1)."""
    return ops.cast(noise, "float32") / LEVELS


def draw(probs: Any, noise: Any, ops: Any) -> Any:
    """Give the first place at which the summed probabilities exceed the noise.

    Args:
        probs: float (..., N), which need not sum to 1.
        noise: float (...), uniform in [0, 1).
        ops: `keras.ops`, or `captioner.search.numpy_ops`.

    Returns:
        int32 (...), never a place whose probability is 0, if another's is not.
    """
    reached = ops.cumsum(probs, axis=-1)
    level = noise[..., None] * reached[..., -1:]
    place = ops.sum(ops.cast(reached <= level, "int32"), axis=-1)
    # By rounding, the noise may reach the sum.
    last = ops.sum(ops.cast(reached < reached[..., -1:], "int32"), axis=-1)
    return ops.cast(ops.minimum(place, last), "int32")
