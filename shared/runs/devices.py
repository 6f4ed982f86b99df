"""Several devices that train one model together, each on a part of every batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shared.errors import AppError
from shared.nets.backends import need_tensorflow

WHOLE = "whole"  # input of a model: what the loss of a whole batch is divided by


@contextmanager
def mirrored(count: int) -> Iterator[None]:
    """Let all variables made inside the block have a copy on each of some devices.

    Only a training step runs on all of them (`divide_steps`). What else uses the model,
    such as a validation, runs on the first one.

    Args:
        count: GPUs that TensorFlow sees; 1 changes nothing.

    Raises:
        AppError: if there are fewer.
    """
    if count == 1:
        yield
        return
    strategy = _gather(count)

    def make(next_creator: Callable[..., Any], **options: Any) -> Any:
        if tf.distribute.has_strategy():  # asks for the copy on one device
            return next_creator(**options)
        with strategy.scope():
            return tf.Variable(**options)

    # Not in the strategy's own scope: Keras models made there predict on all devices,
    # and give the rows of a batch as often.
    with tf.variable_creator_scope(make):
        yield


def _gather(count: int) -> tf.distribute.Strategy:
    """Give the strategy of the first so many devices."""
    need_tensorflow(f"--devices {count}")
    found = [device.name for device in tf.config.list_logical_devices("GPU")]
    if not found:  # tests divide the processor
        found = [device.name for device in tf.config.list_logical_devices("CPU")]
        if len(found) < count:
            raise AppError(
                f"--devices {count} needs {count} GPUs, and TensorFlow sees none. "
                "Leave it out to train on the processor, with all its cores."
            )
    if len(found) < count:
        there = "1 GPU" if len(found) == 1 else f"{len(found)} GPUs"
        raise AppError(
            f"--devices {count} asks for more than there are: TensorFlow sees {there}. "
            "Give no more than that."
        )
    first = found[:count]
    if "CPU" in first[0]:
        # Those of a processor share its memory: one adds up.
        add = tf.distribute.ReductionToOneDevice()
        return tf.distribute.MirroredStrategy(first, cross_device_ops=add)
    return tf.distribute.MirroredStrategy(first)


def strategy_of(model: keras.Model) -> tf.distribute.Strategy | None:
    """Give what a model of `mirrored` is trained with; None is one device."""
    if keras.backend.backend() != "tensorflow" or not model.variables:
        return None
    strategy: tf.distribute.Strategy | None = getattr(
        model.variables[0].value, "distribute_strategy", None
    )
    return strategy


def devices_of(model: keras.Model) -> AbstractContextManager[Any]:
    """Make what is made inside the block, such as an optimizer, for all of them."""
    strategy = strategy_of(model)
    return nullcontext() if strategy is None else strategy.scope()


def divide_steps(model: Any) -> None:
    """Let `train_on_batch` of a model of `mirrored` use all its devices.

    Each device computes the loss of its part of the batch, divided by what the whole
    batch counts for, so that losses and gradients only need to be added up. The
    optimizer clips the sum, see `shared.runs.clipping`. The loss that is given, and the
    step, are thus those of one device with the same batch, but for what dropout draws.

    Args:
        model: compiled; `count_whole(y, weights)` gives what the loss of a batch is
            divided by, to be found among its inputs as `WHOLE`.
    """
    strategy = strategy_of(model)
    if strategy is None:
        return

    def learn(x: Any, y: Any, weights: Any, is_real: Any) -> Any:
        """Take the part of one device in a step; give its part of the loss."""
        with tf.GradientTape() as tape:
            found = model(x, training=True)
            loss = is_real * model.compute_loss(x, y, found, *weights)
            scaled = model.optimizer.scale_loss(loss)
        variables = model.trainable_variables
        slopes = tape.gradient(scaled, [variable.value for variable in variables])
        model.optimizer.apply(_share(slopes), variables)
        return loss

    @tf.function(autograph=False)
    def learn_together(parts: Any) -> Any:
        return strategy.reduce("sum", strategy.run(learn, parts), axis=None)

    def step(batches: Iterator[Any]) -> dict[str, Any]:
        x, y, weights = next(batches)
        x = {**x, WHOLE: model.count_whole(y, weights)}
        parts = divide(x, y, weights, strategy.num_replicas_in_sync)
        return {
            "loss": learn_together(
                strategy.experimental_distribute_values_from_function(
                    lambda device: parts[device.replica_id_in_sync_group]
                )
            )
        }

    model.train_function = step  # as Keras' own: what `train_on_batch` calls


def _share(slopes: Sequence[Any]) -> list[Any]:
    """Give an equal share of the summed gradient, which Keras sums once more.

    So all that looks at a gradient before that, to scale or to clip it, sees the same
    on each device.
    """
    context = tf.distribute.get_replica_context()
    known = [tf.convert_to_tensor(slope) for slope in slopes if slope is not None]
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, known))
    count = context.num_replicas_in_sync
    return [None if slope is None else next(summed) / count for slope in slopes]


def divide(
    x: Mapping[str, Any], y: np.ndarray, weights: np.ndarray | None, count: int
) -> list[tuple[dict[str, Any], tf.Tensor, Any, tf.Tensor]]:
    """Divide a batch into parts of nearly as many rows.

    Args:
        x: arrays (B, …), and `WHOLE`, which all parts have.
        y, weights: (B, …).
        count: of parts.

    Returns:
        for each part x, y, weights as a tuple of one or none, and 1.0; a part for which
        no row is left has the first one, and 0.0.
    """
    rows = np.array_split(np.arange(len(y)), count)
    parts = []
    for chosen in rows:
        is_real = float(len(chosen) > 0)
        chosen = chosen if is_real else np.array([0])

        def take(array: np.ndarray, chosen: np.ndarray = chosen) -> tf.Tensor:
            return tf.convert_to_tensor(array[chosen])

        own = {name: take(array) for name, array in x.items() if name != WHOLE}
        own[WHOLE] = {
            name: tf.constant(value, tf.float32) for name, value in x[WHOLE].items()
        }
        given = () if weights is None else (take(weights),)
        parts.append((own, take(y), given, tf.constant(is_real)))
    return parts
