"""One run at a time writes an output in a store, which knows no locks."""

import json
import os
import socket
import time
import uuid
from contextlib import suppress
from datetime import datetime
from threading import Event, Thread
from typing import Any, NoReturn

from shared.console.progress import plain, say
from shared.errors import AppError
from shared.scale.stores import Address

BEAT = 5.0  # seconds between two signs of life
PATIENCE = 4 * BEAT  # without one, whoever held a claim has ended
SETTLE = 1.0  # seconds, more than it takes to read what is there and to write


class Claim:
    """A claim that is held until `release`, by a file that is written now and then.

    Args:
        path: of the file.
        what: who holds it, for those who come second.
    """

    def __init__(self, path: Address, what: str):
        self._path, self._ended = path, Event()
        self._note: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "what": what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        }
        self._beats = 0
        self._write()
        time.sleep(SETTLE)
        theirs = _read(path)
        if theirs.get("id") != self._note["id"]:
            _refuse(path, theirs)
        self._thread = Thread(target=self._beat, daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let others write there."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError):  # the next one may come through
                self._write()

    def _write(self) -> None:
        self._beats += 1
        self._path.write_bytes(json.dumps(self._note | {"beat": self._beats}).encode())


def claim(path: Address, what: str) -> Claim:
    """Keep other runs from writing an output.

    Args:
        path: of a file for it.
        what: see `Claim`.

    Raises:
        AppError: if another run holds it.
        OSError: if the store cannot be read or written.
    """
    theirs = _read(path)
    if theirs:
        say(f"note: waiting whether another run is writing {path.parent.parent}")
        time.sleep(PATIENCE)
        if (now := _read(path)) and now != theirs:
            _refuse(path, now)
    return Claim(path, what)


def _refuse(path: Address, theirs: dict[str, Any]) -> NoReturn:
    who = "another process"
    if {"what", "pid", "host", "since"} <= theirs.keys():
        who = f"{theirs['what']}: process {theirs['pid']} on {theirs['host']}"
        who = plain(f"{who}, since {theirs['since']}")
    raise AppError(
        f"{path.parent.parent} is in use by {who}. Wait until that has ended, or "
        "choose another name."
    )


def _read(path: Address) -> dict[str, Any]:
    with suppress(FileNotFoundError, ValueError):
        told = json.loads(path.read_bytes())
        return told if isinstance(told, dict) else {}
    return {}
