"""A worker: it loads the model once, and does one share after the other."""

import json
import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.console.progress import plain
from shared.errors import AppError
from shared.files.formats import Record
from shared.processors import use_at_most
from shared.scale.attempts import Attempts, photo_of
from shared.scale.shares import files_state
from shared.scale.stores import Address

if TYPE_CHECKING:
    from shared.files.jobs import Do, Work
    from shared.scale.parts import Parts
    from shared.scale.shares import Share

SAID_OF_A_PART = 1000  # errors; all are in the records


class Worker:
    """Does shares on one processor, as `map_batches` of Ray Data calls it.

    What goes wrong is told with the result: Ray would wrap it, or try again what fails
    each time.

    Args:
        work, parts: pickled, see `shared.files.jobs.Work` and `shared.scale.parts`.
        settings: what `work.settings()` must be on this machine, too.
        home: the folder from which relative paths count.
        landmarks: folders, and files in stores, that must be there.
    """

    def __init__(
        self,
        work: bytes,
        parts: bytes,
        settings: dict[str, Any],
        home: str,
        landmarks: "list[str | Address]",
    ):
        use_at_most(1)  # before what counts processors is imported
        for threads in ("INTRAOP", "INTEROP"):
            os.environ[f"TF_NUM_{threads}_THREADS"] = "1"
        with suppress(OSError):  # it may be missed by nobody
            os.chdir(home)
        self._problem = ""
        try:
            self._work: Work = pickle.loads(work)
            self._parts: Parts = pickle.loads(parts)
            self._check(settings, landmarks)
            self._do: Do = self._work.load()
        except Exception as error:
            self._problem = _describe(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do a share: a row of its number and of itself, pickled.

        Returns:
            a row of the number and of JSON: "problem", or "" if the part is written;
            "said", names of items and why they failed.
        """
        number = int(batch["number"][0])
        said: list[tuple[str, str]] = []
        problem = self._problem
        if not problem:
            try:
                self._write(number, pickle.loads(batch["share"][0]), said)
            except Exception as error:
                problem = _describe(error)
        told = {"problem": plain(problem), "said": said}
        return {"number": [number], "told": [json.dumps(told)]}

    def _write(self, number: int, share: "Share", said: list[tuple[str, str]]) -> None:
        state = files_state(share.files)
        attempts = Attempts(self._parts.attempts(number))

        def records() -> Iterator[Record]:
            first = 0
            for some in share.read():
                for items in attempts.split(some, first):
                    begin = partial(_begin, items)
                    for batch in self._do(items, range(len(items)), begin):
                        yield from (record for _, record in batch)
                first += len(some)

        def noted() -> Iterator[Record]:
            for record in records():
                if "error" in record and len(said) < SAID_OF_A_PART:
                    said.append((record["image"], record["error"]))
                yield record

        self._parts.write(number, noted(), state)
        attempts.end()

    def _check(
        self, settings: dict[str, Any], landmarks: "list[str | Address]"
    ) -> None:
        """Make sure that this machine has what the one has that sends the work."""
        host = socket.gethostname()
        for path in landmarks:
            if isinstance(path, Address):
                _check_reach(path, host)
            elif not os.path.lexists(path):
                raise AppError(
                    f"{host} does not see {path}. Photos and output must lie where all "
                    "machines of the cluster find them at the same path."
                )
        own = json.loads(json.dumps(self._work.settings()))
        for name in ("model", "runtime"):
            if _essence(own.get(name)) != _essence(settings.get(name)):
                raise AppError(
                    f"{host} would run {_essence(own.get(name))!r:.24} for {name}, "
                    f"not {_essence(settings.get(name))!r:.24} as this machine. "
                    "Install the same on all machines of the cluster, and put models "
                    "at the same path."
                )


def _begin(items: Sequence[Any], place: int) -> None:
    """Begin to read what is in a store, a photo or that of a question."""
    photo = photo_of(items[place])
    if isinstance(photo, Address):
        photo.begin()


def _check_reach(address: Address, host: str) -> None:
    try:
        Address(address.text).stat()  # what a listing told was told elsewhere
    except FileNotFoundError as error:
        raise AppError(f"{host} does not find {address}.") from error
    except OSError as error:
        reason = error.strerror or error
        raise AppError(f"{host} cannot read {address}: {reason}.") from error


def _describe(error: Exception) -> str:
    told = str(error) or "nothing more is known"
    return told if isinstance(error, AppError) else f"{type(error).__name__}: {told}."


def _essence(value: Any) -> Any:
    return value["sha256"] if isinstance(value, dict) else value
