"""Folders that are followed: photos are taken as they come."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from captioner.archive.indexing import Indexer
from captioner.archive.looking import State, look_up
from captioner.photos.inputs import list_folder
from shared.console.progress import say

SECONDS = 2.0  # between two looks


def watch(indexer: Indexer, folders: Sequence[Path], recursive: bool) -> None:
    """Bring an archive up to date with folders until Ctrl-C, and say what was done.

    A photo is taken when two looks find it alike, so that none is read that is still
    being written; one that cannot be read is tried again when it has changed.

    Raises:
        AppError: see `Indexer.run`.
    """
    names = ", ".join(map(str, folders))
    say(f"watching {names}; Ctrl-C ends it")
    try:
        for photos, settled, are_gone in _looks(folders, recursive):
            before = str(indexer.tally)
            indexer.run(settled, retry=False)
            if are_gone:
                indexer.mark_vanished(folders, photos, recursive)
            if (now := str(indexer.tally)) != before:
                say(now)
    except KeyboardInterrupt:
        say("")  # after the ^C of the terminal


def _looks(
    folders: Sequence[Path], recursive: bool
) -> Iterator[tuple[list[Path], list[Path], bool]]:
    """Yield what is there, what has settled since it was last given, and if any left.

    The first time, those who left may have done so before.
    """
    before: dict[Path, State | None] = {}
    given: dict[Path, State | None] = {}
    are_gone = True
    while True:
        found = [path for folder in folders for path in list_folder(folder, recursive)]
        now = {path: look_up(path) for path in found}
        settled = [
            path
            for path, state in now.items()
            if state and before.get(path) == state != given.get(path)
        ]
        yield found, settled, are_gone or not before.keys() <= now.keys()
        given = {path: given.get(path) for path in found} | {p: now[p] for p in settled}
        before, are_gone = now, False
        time.sleep(SECONDS)
