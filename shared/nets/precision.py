"""The numbers that layers compute with."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Let the layers that are made inside the block have this policy.

    Args:
        name: such as "float32" or "mixed_bfloat16".
    """
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(usual)
