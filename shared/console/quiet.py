"""Libraries without their start-up messages."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import AppError

BACKENDS = ("tensorflow", "jax", "torch")  # that can train
_lock = threading.Lock()
_blocks = 0  # of `muted` that have begun and not ended
_saved = -1  # standard error, meanwhile


def is_debugging() -> bool:
    """Whether `SIGHTREAD_DEBUG=1` asks for tracebacks and TensorFlow's messages."""
    return os.environ.get("SIGHTREAD_DEBUG", "0") not in ("", "0")


@contextmanager
def muted() -> Iterator[None]:
    """Mute standard error while TensorFlow or LiteRT is loaded inside the block.

    They write to the descriptor itself, which belongs to all threads: while others run,
    nothing is muted, so that their messages are shown. Blocks may be nested, and end in
    any order; standard error comes back with the last.

    TensorFlow writes some lines before it reads its log level, and others when its
    devices are first listed, which is therefore done inside the block. The level mutes
    what comes later, such as remarks on the first product of float16 matrices; errors
    are raised all the same. Nothing is muted if `SIGHTREAD_DEBUG=1`.
    """
    is_muted = _mute()
    try:
        yield
        if is_muted and (tensorflow := sys.modules.get("tensorflow")):
            tensorflow.config.list_logical_devices()
            # Each search is compiled once; TensorFlow warns from the fifth on.
            tensorflow.get_logger().setLevel("ERROR")
    finally:
        if is_muted:
            _unmute()


def _mute() -> bool:
    """Begin a block; tell whether it has to be ended with `_unmute`."""
    global _blocks, _saved
    with _lock:
        if not _blocks:
            if is_debugging() or threading.active_count() > 1:
                return False
            try:
                _saved = os.dup(2)
            except OSError:  # standard error is closed
                return False
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
            sys.stderr.flush()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
        _blocks += 1
        return True


def _unmute() -> None:
    global _blocks
    with _lock:
        _blocks -= 1
        if not _blocks:
            sys.stderr.flush()
            os.dup2(_saved, 2)
            os.close(_saved)


@contextmanager
def importing_keras() -> Iterator[None]:
    """Import what needs Keras inside the block, quietly.

    Raises:
        AppError: if Keras is not installed, or what computes for it; the message says
            what that means.
    """
    backend = os.environ.get("KERAS_BACKEND") or BACKENDS[0]
    if backend not in BACKENDS:
        raise AppError(
            f"KERAS_BACKEND is {backend!r}, which cannot be used here. Leave it out, "
            f"or set it to one of {', '.join(BACKENDS)}."
        )
    try:
        with muted():
            yield
    except ModuleNotFoundError as error:
        if error.name == backend != BACKENDS[0]:
            raise AppError(
                f"KERAS_BACKEND is {backend}, which is not installed. Leave "
                f"KERAS_BACKEND out, or install it (pip install {backend})."
            ) from error
        if error.name not in ("keras", "tensorflow", "h5py"):
            raise
        raise AppError(
            f"This needs Keras, and {error.name} is not installed. Install sightread "
            "with all that it depends on (pip install sightread), or use a bundle "
            "that was exported for LiteRT."
        ) from error
