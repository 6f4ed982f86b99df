"""The operations of `keras.ops` that a search needs, in NumPy.

Same names, arguments and results, so that one search runs on either. Axes and
types are as in Keras' documentation; ties go to the lower index.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import (
    all,
    any,
    arange,
    concatenate,
    cumsum,
    equal,
    expand_dims,
    full,
    full_like,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    not_equal,
    reshape,
    shape,
    stack,
    sum,
    take,
    take_along_axis,
    tile,
    transpose,
    where,
    zeros,
)

__all__ = [
    "all",
    "any",
    "arange",
    "argsort",
    "cast",
    "concatenate",
    "convert_to_tensor",
    "cumsum",
    "equal",
    "expand_dims",
    "full",
    "full_like",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "maximum",
    "minimum",
    "not_equal",
    "one_hot",
    "reshape",
    "scatter_update",
    "shape",
    "softmax",
    "stack",
    "sum",
    "take",
    "take_along_axis",
    "tile",
    "top_k",
    "transpose",
    "where",
    "while_loop",
    "zeros",
]

FEW = 16  # up to so many, the largest one by one are found sooner than by parting


def argsort(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Indices int32 that sort along an axis, lowest first, ties in order."""
    return np.argsort(x, axis=axis, kind="stable").astype(np.int32)


def cast(x: Any, dtype: str) -> np.ndarray:
    """The same numbers as another type."""
    return np.asarray(x).astype(dtype, copy=False)


def convert_to_tensor(x: Any, dtype: str | None = None) -> np.ndarray:
    """An array, as it is."""
    return np.asarray(x, dtype)


def logsumexp(x: np.ndarray, axis: int) -> np.ndarray:
    """Logarithm of the sum of exponentials along an axis."""
    top = x.max(axis=axis, keepdims=True)
    total = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis)


def one_hot(x: np.ndarray, num_classes: int) -> np.ndarray:
    """float32 (..., num_classes), 1 at the index."""
    return (x[..., None] == np.arange(num_classes)).astype(np.float32)


def scatter_update(
    inputs: np.ndarray, indices: np.ndarray, updates: np.ndarray
) -> np.ndarray:
    """A copy with `updates` (M,) at `indices` int (M, axes)."""
    copy = inputs.copy()
    copy[tuple(indices.T)] = updates
    return copy


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Exponentials, divided by their sum along an axis."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def top_k(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest of the last axis, largest first, and their indices int32."""
    if k > FEW:
        index = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    else:
        rest, found = x.copy(), []
        for _ in range(k):
            best = rest.argmax(axis=-1)[..., None]
            np.put_along_axis(rest, best, -np.inf, axis=-1)
            found.append(best)
        index = np.concatenate(found, axis=-1)
    return np.take_along_axis(x, index, axis=-1), index.astype(np.int32)


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Repeat `body` on the variables while `cond` holds for them."""
    while cond(*loop_vars):
        loop_vars = tuple(body(*loop_vars))
    return loop_vars
