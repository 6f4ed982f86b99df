"""What any training run needs: an optimizer, checkpoints, and batches made ahead."""

import json
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
from keras import ops

from shared.errors import AppError

T = TypeVar("T")


def build_optimizer(
    model: keras.Model,
    *,
    steps: int,
    learning_rate: float,
    slow_rate: float = 0.0,
    slow: Sequence[keras.Variable] = (),
    warmup: float = 0.0,
    final_rate: float = 0.0,
    weight_decay: float = 0.0,
    clip_norm: float = 5.0,
    average: float = 0.0,
) -> keras.optimizers.Optimizer:
    """Give AdamW for a model's trainable variables, built and ready.

    The rate rises linearly from 0 over the first `warmup` of the steps and falls
    along a cosine to `final_rate` times its height. Weight decay spares vectors.

    Args:
        steps: steps of the whole run.
        learning_rate: highest rate.
        slow_rate: highest rate of the variables in `slow`, instead.
        slow: variables of their own rate, without weight decay.
        clip_norm: highest norm of the gradient of each of the two groups.
        average: momentum of a running mean of the weights; 0 keeps none.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """
    warmup_steps = max(1, round(warmup * steps))

    def adam(rate: float, decay: float) -> keras.optimizers.AdamW:
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            decay_steps=max(1, steps - warmup_steps),
            alpha=final_rate,
            warmup_target=rate,
            warmup_steps=warmup_steps,
        )
        optimizer = keras.optimizers.AdamW(
            schedule,
            weight_decay=decay,
            global_clipnorm=clip_norm,
            use_ema=average > 0,
            ema_momentum=average,
        )
        vectors = [v for v in model.trainable_variables if len(v.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
        return optimizer

    fast = adam(learning_rate, weight_decay)
    optimizer: keras.optimizers.Optimizer = fast
    if slow:
        careful, chosen = adam(slow_rate, 0.0), {id(variable) for variable in slow}
        optimizer = keras.optimizers.MultiOptimizer(
            lambda variable: careful if id(variable) in chosen else fast
        )
    optimizer.build(model.trainable_variables)
    return optimizer


def grow(old: keras.Model, new: keras.Model) -> None:
    """Give a model the weights of one that knows only its first words, or answers.

    What the new ones add to a weight stays as it is.
    """
    for source, target in zip(old.weights, new.weights, strict=True):
        values = ops.convert_to_numpy(target).copy()
        values[tuple(map(slice, source.shape))] = ops.convert_to_numpy(source)
        target.assign(values)


def save_arrays(
    path: Path, variables: list[keras.Variable], progress: dict[str, Any]
) -> None:
    """Write variables and where the run stands, in one step that cannot be halved.

    The file is a NumPy archive of plain arrays `0`, `1`, … in the order of
    `variables`, and `progress` as JSON text.

    Raises:
        AppError: if it cannot be written; an older file is kept.
    """
    arrays = {str(i): ops.convert_to_numpy(v) for i, v in enumerate(variables)}
    part = path.with_suffix(".part.npz")
    try:
        np.savez(part, progress=np.array(json.dumps(progress)), **arrays)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AppError(
            f"The checkpoint {path} cannot be written: {error}. Free some disk and "
            "start the same command again: it goes on from the last checkpoint."
        ) from error


def load_progress(path: Path) -> dict[str, Any]:
    """Read what `save_arrays` was told about where the run stands.

    Raises:
        AppError: if the file is not a checkpoint.
    """
    progress, _ = _read(path)
    return progress


def load_arrays(path: Path, variables: list[keras.Variable]) -> None:
    """Give variables the values that `save_arrays` wrote.

    Raises:
        AppError: if the file is not a checkpoint, or belongs to another model.
    """
    _, arrays = _read(path)
    shapes = [array.shape for array in arrays]
    if shapes != [tuple(variable.shape) for variable in variables]:
        raise AppError(
            f"{path} holds {len(arrays)} arrays that do not fit this model's "
            f"{len(variables)}. It was written with another config or program "
            "version: choose another folder with --out."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [archive[str(i)] for i in range(len(archive.files) - 1)]
            return json.loads(str(archive["progress"])), arrays
    except Exception as error:  # NumPy and zipfile have many
        raise AppError(
            f"{path} is not a checkpoint that can be read: {error}. Delete the run's "
            "folder, or choose another one with --out."
        ) from error


def ahead(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """Make the next items in a thread while the current one is used."""
    done = object()
    line: queue.Queue = queue.Queue(depth)
    stop = threading.Event()

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                line.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(done)
        except BaseException as error:  # raised again where the items are used
            put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        while (item := line.get()) is not done:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
