"""Train a head of a concept net on features, from what is known of each photo."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from shared.concepts.lessons import UNKNOWN
from shared.concepts.net import TaughtHead
from shared.runs.training import ahead, build_optimizer, take_step

EPOCHS, BATCH = 8, 64
RATE, DECAY = 1e-3, 1e-3
LOOKED_AT = 128  # photos at once, when nothing is learnt

Take = Callable[[Iterable[int]], np.ndarray]


class Exercise(NamedTuple):
    """What a head learns.

    Axes: P photos, R regions, D feature size, N outputs.

    Attributes:
        take: gives the features of photos by their rows, float32 (rows, R, D).
        targets: float (P, N), probabilities or UNKNOWN.
        weights: float (P,), how often a photo comes in an epoch.
        feature_size: D.
    """

    take: Take
    targets: np.ndarray
    weights: np.ndarray
    feature_size: int


def fit_head(
    exercise: Exercise,
    rows: np.ndarray,
    seed: int,
    tick: Callable[[int, int, int, float], None] = lambda *_: None,
) -> TaughtHead:
    """Train a new head.

    Args:
        rows: int (photos,), those to learn from; at least one.
        seed: of its first weights, its dropout and the order of photos.
        tick: told of each step: epoch from 0, step from 1, steps, loss.

    Raises:
        AppError: if its loss is no number any more, or the memory is full.
    """
    keras.utils.set_random_seed(seed)
    head = TaughtHead(exercise.targets.shape[1])
    head.build((None, None, exercise.feature_size))
    steps = max(1, round(float(exercise.weights[rows].sum()) / BATCH))
    optimizer = build_optimizer(
        head,
        steps=EPOCHS * steps,
        learning_rate=RATE,
        warmup=0.02,
        weight_decay=DECAY,
        clip_norm=100.0,
    )
    head.compile(optimizer=optimizer, loss=known_loss, jit_compile=False)
    random = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        drawn = _draw(rows, exercise.weights[rows], steps, random)
        batches = ((exercise.take(some), exercise.targets[some]) for some in drawn)
        for step, (x, y) in enumerate(ahead(batches), start=1):
            tick(epoch, step, steps, take_step(head, x, y, None))
    return head


def _draw(
    rows: np.ndarray, often: np.ndarray, steps: int, random: np.random.Generator
) -> Iterator[np.ndarray]:
    """Draw an epoch's batches; each photo comes about as often as its weight."""
    times = np.floor(often + random.random(len(rows))).astype(int)
    order = random.permutation(np.repeat(rows, times))
    if not len(order):
        order = rows
    yield from np.resize(order, steps * BATCH).reshape(steps, BATCH)  # of one shape


def known_loss(targets: Any, logits: Any) -> Any:
    """Cross entropy of each photo, summed over the outputs that are known.

    Args:
        targets: float (B, N), probabilities or UNKNOWN.
        logits: float (B, N).

    Returns:
        float32 (B,).
    """
    targets = ops.cast(targets, "float32")
    known = ops.cast(targets != UNKNOWN, "float32")
    losses = ops.softplus(logits) - targets * logits
    return ops.sum(losses * known, axis=-1)


def predict(head: TaughtHead, take: Take, rows: np.ndarray) -> np.ndarray:
    """Give a head's log odds for photos: float32 (rows, N)."""
    found = [
        ops.convert_to_numpy(head.predict_on_batch(take(some)))
        for some in batches(rows)
    ]
    return np.concatenate(found)


def batches(rows: np.ndarray) -> list[np.ndarray]:
    """Cut rows into parts of which features fit into memory."""
    return [rows[i : i + LOOKED_AT] for i in range(0, len(rows), LOOKED_AT)]
