"""Train heads of a concept net on features, from what is known of each photo."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from shared.concepts.lessons import Lesson
from shared.concepts.net import Take, TaughtHead, predict
from shared.concepts.regression import UNKNOWN
from shared.errors import AppError
from shared.files.atomic import replace_file
from shared.runs.ahead import ahead
from shared.runs.training import build_optimizer, take_step

FOLDS = 2
EPOCHS, BATCH = 8, 64
RATE, DECAY = 1e-3, 1e-3

Announce = Callable[[str], None]
Tick = Callable[[str, int, int, int, float], None]
"""Told of each step: stage, epoch from 0, step from 1, steps, loss."""


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


class Heads:
    """Heads taught on all photos but a fold, or on all; each is kept on disk.

    Args:
        lesson: what there is to learn from.
        work: the folder to keep them in.
        signature: tells runs apart; another one's heads are not taken.
        seed: see `fit_head`.
        announce: told what happens, a sentence each.
        tick: told of each step.
    """

    def __init__(
        self,
        lesson: Lesson,
        work: Path,
        signature: str,
        seed: int,
        announce: Announce,
        tick: Tick,
    ):
        self.lesson, self.work, self.signature = lesson, work, signature
        self.seed, self.announce, self.tick = seed, announce, tick
        numbers = [int(photo.digest[:8], 16) % FOLDS for photo in lesson.photos]
        self.folds = np.array(numbers)  # of the same photo, always the same
        self.learn = lesson.rows("train")

    def cross_fit(self, targets: np.ndarray) -> np.ndarray:
        """Judge each photo to learn from by a head that it did not teach.

        Returns:
            log odds, float32 (P, N); 0 for photos that are not to learn from.
        """
        logits = np.zeros(targets.shape, np.float32)
        for fold in range(FOLDS):
            own = self.learn[self.folds[self.learn] == fold]
            others = np.setdiff1d(self.learn, own)
            if not len(own) or not len(others):
                raise AppError(
                    f"{len(self.learn)} photos are too few to learn from. Give more "
                    "with --data or --photos."
                )
            head = self.fit(f"without fold {fold + 1} of {FOLDS}", others, targets)
            logits[own] = predict(head, self.lesson.take, own)
        return logits

    def fit(self, stage: str, rows: np.ndarray, targets: np.ndarray) -> TaughtHead:
        """Train a head, unless it is there."""
        path = self.work / f"{stage.replace(' ', '-')}.npz"
        exercise = Exercise(
            self.lesson.take, targets, self.lesson.weights, self.lesson.feature_size
        )
        digest = hashlib.sha256(targets[rows].tobytes()).hexdigest()
        key = f"{self.signature} {digest}"
        if head := _read_head(path, key, exercise):
            self.announce(f"The head {stage} is taught already.")
            return head

        def tick(*step: Any) -> None:
            self.tick(stage, *step)

        head = fit_head(exercise, rows, self.seed, tick)
        arrays = {str(i): array for i, array in enumerate(head.get_weights())}
        with replace_file(path) as new, new.open("wb") as file:
            np.savez(file, key=np.array(key), **arrays)
        return head


def _read_head(path: Path, key: str, exercise: Exercise) -> TaughtHead | None:
    """Read what an interrupted run has left, if it was this one."""
    head = TaughtHead(exercise.targets.shape[1])
    head.build((None, None, exercise.feature_size))
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            head.set_weights([file[str(i)] for i in range(len(head.weights))])
    except Exception:  # none, or damaged: it is taught anew
        return None
    return head
