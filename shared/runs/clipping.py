"""AdamW that clips the gradient of a step, and tells what it was like before."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops


class Flow(NamedTuple):
    """The gradient of a step, before it was clipped.

    Attributes:
        norm: Euclidean, over all that is trained.
        clipped: whether clipping then changed it.
    """

    norm: float
    clipped: bool


class ClippingAdamW(keras.optimizers.AdamW):
    """AdamW whose gradient is clipped, by its norm or by value.

    Args:
        clip_norm: highest norm of the gradient of all its variables together (Pascanu
            et al. 2013, arXiv:1211.5063).
        clip_value: if given, the largest size of an element of the gradient instead
            (Mikolov 2012).

    Others are those of `keras.optimizers.AdamW`.
    """

    def __init__(
        self,
        *args: Any,
        clip_norm: float,
        clip_value: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self._clip_norm, self._clip_value = clip_norm, clip_value
        self.seen: keras.Variable | None = None  # squared norm, clipped

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Create what is kept of each variable."""
        super().build(variables)
        if self.seen is None:
            self.seen = self.add_variable(
                (2,), name="seen", aggregation="only_first_replica"
            )

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Update variables by their gradients, which are clipped."""
        share = 1 / _count_devices()  # of the gradient, see `shared.runs.devices`
        known = [_summed(gradient) for gradient in grads if gradient is not None]
        squared = ops.sum(ops.stack([ops.sum(ops.square(g)) for g in known]))
        squared = squared / share**2
        if self._clip_value is None:
            scale = self._clip_norm / ops.maximum(ops.sqrt(squared), self._clip_norm)
            grads = [None if g is None else g * scale for g in grads]
            clipped = scale < 1
        else:
            most = self._clip_value * share
            grads = [
                None if g is None else ops.clip(_summed(g), -most, most) for g in grads
            ]
            largest = ops.max(ops.stack([ops.max(ops.abs(g)) for g in known]))
            clipped = largest > most
        seen = [ops.cast(squared, "float32"), ops.cast(clipped, "float32")]
        if self.seen is not None:  # as of any optimizer that is built
            self.seen.assign(ops.stack(seen))
        super().apply(grads, trainable_variables)


def _count_devices() -> int:
    """Count the devices that take this step together."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def _summed(gradient: Any) -> Any:
    """Give the gradient of a table of vectors whole: rows used twice are summed."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.convert_to_tensor(gradient)
    return gradient


def read_flow(optimizer: keras.optimizers.Optimizer) -> Flow | None:
    """Tell of the gradient of the last step.

    Args:
        optimizer: as `shared.runs.training.build_optimizer` gives it; of others nothing
            is known.
    """
    seen = [ops.convert_to_numpy(variable) for variable in _all_seen(optimizer)]
    if not seen:
        return None
    squared, clipped = np.sum(seen, axis=0)
    return Flow(float(np.sqrt(squared)), bool(clipped))


def lasting_variables(
    optimizer: keras.optimizers.Optimizer,
) -> list[keras.Variable]:
    """Give what a checkpoint keeps of an optimizer: all but what `read_flow` reads."""
    seen = {id(variable) for variable in _all_seen(optimizer)}
    return [one for one in optimizer.variables if id(one) not in seen]


def _all_seen(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    parts = getattr(optimizer, "optimizers", [optimizer])
    return [part.seen for part in parts if getattr(part, "seen", None) is not None]


def summarize(flows: Sequence[Flow]) -> dict[str, float | None]:
    """Give figures of some steps for the history.

    Returns:
        "gradient_norm", the mean; "gradient_norm_most", the largest; and "clipped",
        the share of the steps; empty for no steps.
    """
    if not flows:
        return {}
    norms = [flow.norm for flow in flows if np.isfinite(flow.norm)]
    mean, most = (np.mean(norms), max(norms)) if norms else (None, None)
    return {
        "gradient_norm": _rounded(mean),
        "gradient_norm_most": _rounded(most),
        "clipped": _rounded(np.mean([flow.clipped for flow in flows])),
    }


def _rounded(value: Any) -> float | None:
    return None if value is None else float(f"{value:.4g}")
