"""Which library computes: TensorFlow, or JAX or PyTorch for what Keras alone does."""

from contextlib import nullcontext
from threading import Lock
from typing import Any

import keras

from shared.errors import AppError

# With JAX, Keras gives a model's weights away for the time of a prediction: those that
# share weights must take turns.
_turns = Lock() if keras.backend.backend() == "jax" else nullcontext()


def need_tensorflow(what: str) -> None:
    """Refuse what is written for TensorFlow if another library computes.

    Args:
        what: such as "`rnn`".

    Raises:
        AppError: if it is not TensorFlow.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise AppError(
            f"{what} needs TensorFlow, and KERAS_BACKEND is {backend}. Set it to "
            "tensorflow, or leave it out."
        )


def predict(model: keras.Model, inputs: Any) -> Any:
    """Predict a batch, as `predict_on_batch`; any number of threads may."""
    with _turns:
        return model.predict_on_batch(inputs)
