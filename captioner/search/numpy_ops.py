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
    exp,
    expand_dims,
    full,
    full_like,
    log,
    logical_and,
    logical_not,
    logical_or,
    matmul,
    max,
    maximum,
    minimum,
    not_equal,
    reshape,
    round,
    shape,
    stack,
    sum,
    take,
    take_along_axis,
    tile,
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
    "exp",
    "expand_dims",
    "full",
    "full_like",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "minimum",
    "not_equal",
    "reshape",
    "round",
    "scatter_update",
    "shape",
    "stack",
    "sum",
    "take",
    "take_along_axis",
    "tile",
    "top_k",
    "where",
    "while_loop",
    "zeros",
]

FEW = 64  # up to so many, the largest are found sooner one by one than by sorting


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
    top = np.maximum(x.max(axis=axis, keepdims=True), np.finfo(x.dtype).min)
    with np.errstate(divide="ignore"):  # of nothing but -inf it is -inf
        total = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis)


def scatter_update(
    inputs: np.ndarray, indices: np.ndarray, updates: np.ndarray
) -> np.ndarray:
    """A copy with `updates` (M,) at `indices` int (M, axes)."""
    copy = inputs.copy()
    copy[tuple(indices.T)] = updates
    return copy


def top_k(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest of the last axis, largest first, and their indices int32."""
    rows = x.reshape(-1, x.shape[-1])
    if k > FEW or x.shape[-1] <= FEW:
        index = np.argsort(-rows, axis=-1, kind="stable")[:, :k]
    else:
        rest = np.maximum(rows, np.finfo(x.dtype).min)  # a copy, all above -inf
        all_rows = np.arange(len(rows))
        index = np.empty((len(rows), k), np.int32)
        for place in range(k):
            index[:, place] = best = rest.argmax(axis=-1)
            rest[all_rows, best] = -np.inf
    index = index.reshape(*x.shape[:-1], k)
    return np.take_along_axis(x, index, axis=-1), index.astype(np.int32)


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Repeat `body` on the variables while `cond` holds for them."""
    while cond(*loop_vars):
        loop_vars = tuple(body(*loop_vars))
    return loop_vars
