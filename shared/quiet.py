"""Libraries without their start-up messages."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import AppError


def is_debugging() -> bool:
    """Whether `SIGHTREAD_DEBUG=1` asks for tracebacks and TensorFlow's messages."""
    return os.environ.get("SIGHTREAD_DEBUG", "0") not in ("", "0")


@contextmanager
def muted() -> Iterator[None]:
    """Mute standard error while TensorFlow or LiteRT is loaded inside the block.

    TensorFlow's devices are listed before the mute ends, which is when it says the
    rest. Its level alone does not help: some lines are written before it is read.
    Nothing is muted if `SIGHTREAD_DEBUG=1`.
    """
    try:
        saved = None if is_debugging() else os.dup(2)
    except OSError:  # standard error is closed
        saved = None
    if saved is None:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        yield
        if tensorflow := sys.modules.get("tensorflow"):
            tensorflow.config.list_logical_devices()
            # Each search is compiled once; TensorFlow warns from the fifth on.
            tensorflow.get_logger().setLevel("ERROR")
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


@contextmanager
def importing_keras() -> Iterator[None]:
    """Import what needs Keras inside the block, quietly.

    Raises:
        AppError: if Keras is not installed; the message says what that means.
    """
    try:
        with muted():
            yield
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow", "h5py"):
            raise
        raise AppError(
            f"This needs Keras, and {error.name} is not installed. Install sightread "
            "with all that it depends on (pip install sightread), or use a bundle "
            "that was exported for LiteRT."
        ) from error
