"""Ray: workers on this machine or on those of a cluster, to which shares are sent."""

import json
import logging
import os
import pickle
import secrets
import socket
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

from shared.console.quiet import is_debugging, muted
from shared.errors import AppError
from shared.scale.shares import Share
from shared.scale.worker import Worker

ATTEMPTS = 3  # more, at a share that ends its worker's process
SECONDS = 10  # to wait for an address
STARTS = 3  # Ray gives up what has not started in 30 s, as on a busy machine
START = "Start one with `ray start --head`, or leave --address away to use this machine"


class Done(NamedTuple):
    """What a worker tells of a share.

    Attributes:
        number: of the share.
        problem: why its part could not be written; "" if it was.
        said: items that failed, by name, and why.
    """

    number: int
    problem: str
    said: list[tuple[str, str]]


def check_installed() -> None:
    """Make sure that Ray can be imported, and what it reads and writes tables with.

    Raises:
        AppError: if it is not installed.
    """
    for name in ("ray", "pyarrow"):
        if find_spec(name) is None:
            raise AppError(
                f"--engine ray needs Ray, and {name} is not installed. Install it with "
                "`pip install 'sightread[ray]'`, or leave --engine away."
            )


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start Ray on this machine, for the block.

    Nobody else may use what is started here: it asks for a key that nobody is told.

    Args:
        address: "auto" for the cluster that this machine belongs to, or HOST:PORT of
            another; None starts Ray.

    Raises:
        AppError: if there is no cluster, or Ray cannot be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # nor warned of
    aloud = is_debugging()
    if not aloud:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # Else workers give way to all other programs, and the command stands still
        # beside them.
        os.environ.setdefault("RAY_worker_niceness", "0")
    elif address != "auto":
        _check_answers(address)
    import ray

    for left in reversed(range(1 if address else STARTS)):
        try:
            with muted():  # its core says that it will say nothing
                ray.init(
                    address or "local",
                    include_dashboard=None if address else False,
                    log_to_driver=aloud,
                    logging_level=logging.INFO if aloud else logging.CRITICAL,
                )
            break
        except Exception as error:  # of many kinds
            ray.shutdown()
            if not left:
                raise AppError(_why_not(address, error)) from error
    try:
        yield
    finally:
        ray.shutdown()


def send_shares(
    shares: Sequence[Share], todo: Sequence[int], **worker: Any
) -> Generator[Done, None, None]:
    """Have shares done by workers of Ray Data, one for each processor.

    A worker that is lost is replaced, and its share is done again. What is told comes
    as it is ready; of a share that ended its worker each time, nothing does.

    Args:
        shares: all of them.
        todo: numbers of those to do.
        worker: arguments of `Worker`.

    Raises:
        AppError: if the cluster is lost, or workers cannot be started on it.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1
    count = min(len(todo), max(1, int(ray.cluster_resources().get("CPU", 1))))
    rows = [{"number": n, "share": pickle.dumps(shares[n])} for n in todo]
    sent = ray.data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `max_task_retries` has no other place yet
        told = sent.map_batches(
            Worker,
            fn_constructor_kwargs=worker,
            batch_size=1,
            num_cpus=1,
            compute=ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1),
            max_task_retries=ATTEMPTS,
        )
    if not is_debugging():
        _mute()
    try:
        for batch in told.iter_batches(batch_size=None, prefetch_batches=0):
            for number, text in zip(batch["number"], batch["told"], strict=True):
                yield Done(int(number), **json.loads(text))
    except ray.exceptions.RayError as error:
        raise AppError(
            f"Ray cannot go on: {_first_line(error)}. What is written is kept."
        ) from error


def _mute() -> None:
    """Keep what Ray Data says of its own work in its log files.

    Its handler alone: others are of the program around, and hear of more than Ray.
    """
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":
            handler.setLevel(logging.CRITICAL + 1)


def _check_answers(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal()) or "/" in host:
        raise AppError(
            f"--address takes auto or HOST:PORT, such as 10.0.0.1:6379, not {address}."
        )
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AppError(
            f"{address} does not answer: {reason}. It is the address that `ray start "
            f"--head` says. {START}."
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().split("\n")
    return lines[0].rstrip(".:") or type(error).__name__


def _why_not(address: str | None, error: Exception) -> str:
    first = _first_line(error)
    if address is None:
        return f"Ray cannot be started on this machine: {first}."
    if isinstance(error, ConnectionError) and address == "auto":
        return f"This machine belongs to no cluster of Ray. {START}."
    return f"The cluster at {address} cannot be used: {first}."
