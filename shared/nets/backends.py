"""Which library computes: TensorFlow, or JAX or PyTorch for what Keras alone does."""

import keras

from shared.errors import AppError


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
