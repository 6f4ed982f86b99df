"""What any training run needs: an optimizer, its steps, and its curves."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shared.errors import AppError, DataLost
from shared.runs.checkpoints import Progress
from shared.runs.clipping import ClippingAdamW
from shared.runs.devices import devices_of, divide_steps
from shared.runs.recipes import StageConfig

CHECKPOINT_SECONDS = 120
T = TypeVar("T")


class BrokeDown(AppError):
    """A training whose loss is not a number any more."""


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
    clip_value: float | None = None,
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
        clip_norm, clip_value: of the gradient of each of the two groups, see
            `ClippingAdamW`.
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
        optimizer = ClippingAdamW(
            schedule,
            weight_decay=decay,
            clip_norm=clip_norm,
            clip_value=clip_value,
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


def compile_model(
    model: keras.Model,
    stage: StageConfig,
    steps: int,
    slow_rate: float = 0.0,
    slow: Sequence[keras.Variable] = (),
) -> None:
    """Compile a model for a stage, with a new optimizer for what is trained in it.

    In half precision, the loss is scaled by a factor that keeps gradients in its range
    (Micikevicius et al. 2018, arXiv:1710.03740).

    Args:
        steps: of an epoch.
        slow_rate, slow: see `build_optimizer`.
    """
    with devices_of(model):
        optimizer = build_optimizer(
            model,
            steps=stage.epochs * steps,
            learning_rate=stage.learning_rate,
            slow_rate=slow_rate,
            slow=slow,
            warmup=stage.warmup,
            final_rate=stage.final_rate,
            weight_decay=stage.weight_decay,
            clip_norm=stage.clip_norm,
            clip_value=stage.clip_value,
            average=stage.average,
        )
        if _computes_in_float16(model):
            # Its smallest numbers are not small enough for many a gradient.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(model.trainable_variables)
    # XLA is slow with small steps on a processor, but all that JAX is fast by.
    model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
    divide_steps(model)


def _computes_in_float16(model: keras.Model) -> bool:
    return any(layer.compute_dtype == "float16" for layer in model._flatten_layers())


def grow(old: keras.Model, new: keras.Model) -> None:
    """Give a model the weights of one that knows only its first words, or answers.

    What the new ones add to a weight stays as it is.
    """
    for source, target in zip(old.weights, new.weights, strict=True):
        values = ops.convert_to_numpy(target).copy()
        values[tuple(map(slice, source.shape))] = ops.convert_to_numpy(source)
        target.assign(values)


def take_step(model: keras.Model, x: Any, y: Any, weights: np.ndarray | None) -> float:
    """Train on one batch.

    Returns:
        the loss.

    Raises:
        BrokeDown: if the loss is no number.
        AppError: if the memory is full.
    """
    try:
        loss = float(model.train_on_batch(x, y, sample_weight=weights))
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise AppError(
            "The memory is full. Lower the stage's batch_size in the recipe, and "
            "start again in another folder with --out."
        ) from error
    check_numbers(np.array(loss))
    return loss


def check_numbers(values: np.ndarray) -> None:
    """Make sure that what comes out of a net is numbers.

    Raises:
        BrokeDown: if one is infinite, or not a number.
    """
    if not np.isfinite(values).all():
        raise BrokeDown(
            "The training broke down: its loss is not a number any more. Lower the "
            "rates of the stage, and start again in another folder with --out."
        )


def run_epoch(
    batches: Iterable[T],
    learn: Callable[[T], float],
    progress: Progress,
    *,
    save: Callable[[], None],
    tick: Callable[[int, float], None],
) -> list[float]:
    """Take the steps of an epoch that are left, and save from time to time.

    An interrupt, or a request to end, waits until a step is done, and then saves; a
    second one does not wait. Lost data save as well.

    Args:
        batches: from step `progress.step` on.
        learn: takes a step; gives the loss.
        progress: its `step` and `taken` count on.
        save: writes the checkpoint.
        tick: told of every step that is done: its number from 1, and its loss.

    Returns:
        the losses.

    Raises:
        DataLost: if `batches` raises it.
        KeyboardInterrupt, SystemExit: after an interrupt, or a request to end.
    """
    losses: list[float] = []
    saved = time.monotonic()
    with interrupts_wait() as asked:
        try:
            for batch in batches:
                losses.append(learn(batch))
                progress.step += 1
                progress.taken += 1
                tick(progress.step, losses[-1])
                if asked or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    save()
                    saved = time.monotonic()
                if asked:
                    _stop(asked[0])
        except DataLost:
            save()
            raise
    return losses


@contextmanager
def interrupts_wait() -> Iterator[list[int]]:
    """Let an interrupt, or a request to end, wait for the end; a second one does not.

    Only the main thread is interrupted; in others, this does nothing.

    Yields:
        a list that gets the signal's number.

    Raises:
        KeyboardInterrupt, SystemExit: at the end, if there was one.
    """
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        if asked:
            _stop(number)
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread is interrupted
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        _stop(asked[0])


def _stop(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


class Scalars:
    """Values over time for TensorBoard; if it cannot be told, the training goes on.

    Args:
        folder: of its files; a process that writes anything adds one.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writer: Any = None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Tell some values, which TensorBoard shows within seconds.

        Args:
            values: by name; what is no number is left out.
        """
        # `tf.summary.scalar` needs TensorBoard installed only to write this line.
        scalar = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
        with suppress(tf.errors.OpError):
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self.folder))
            with self._writer.as_default():
                for name, value in values.items():
                    if isinstance(value, (int, float)):
                        value = tf.constant(value, tf.float32)
                        tf.summary.write(name, value, step, scalar)
            self._writer.flush()
