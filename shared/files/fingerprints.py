"""Which photos are the same, by their content, and whether one has changed since."""

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from shared.files.atomic import replace_file
from shared.files.threads import map_in_threads

# A photo of up to 256 KiB is read whole; of a larger one, as much in even steps.
_SAMPLE, _SAMPLES = 1 << 14, 16
UNREADABLE = "0" * 32  # in place of a digest

# Size in bytes, time of its content and time of its entry (both ns), digest of its
# content or None; no numbers at all if there is no such file.
Fingerprint = list[int | str | None]


SETTLED = 2e9  # ns: a file that was changed later than that may change unnoticed

# What was hashed by this process: a training asks for the same photos several times.
_digests: dict[Path, tuple[Fingerprint, str]] = {}


class File(Protocol):
    """What has bytes: a path, or a photo in a file of many."""

    def read_bytes(self) -> bytes:
        """Give all of them."""


class Fingerprints:
    """Fingerprints of photos that are read between `note` and `take`."""

    def __init__(self) -> None:
        self._noted: dict[Path, Fingerprint] = {}

    def note(self, photo: Path) -> None:
        """Look at a photo that is about to be read."""
        self._noted.setdefault(photo, _stat(photo))

    def renew(self, photo: Path) -> None:
        """Look again at a photo into which words were written since it was read."""
        self._noted[photo] = _stat(photo)

    def take(self, photo: Path) -> Fingerprint | None:
        """Give the fingerprint of what was read; None if it has changed meanwhile."""
        noted = self._noted.get(photo)
        if noted and len(noted) == 3:
            noted.append(_digest(photo, noted[0]))
        return noted if noted is not None and _stat(photo) == noted[:3] else None


def is_same(photo: Path, earlier: Fingerprint | None) -> bool:
    """Whether a photo's content is what it was; a copy or a move is no change.

    Args:
        earlier: of `Fingerprints.take`.
    """
    if earlier is None:
        return False
    now = _stat(photo)
    if now == earlier[:3]:
        return True
    if not now or not earlier or now[0] != earlier[0] or earlier[3] is None:
        return False
    return _digest(photo, now[0]) == earlier[3]


def _stat(photo: Path) -> Fingerprint:
    with suppress(OSError, ValueError):  # no file, or no name of a file
        found = os.stat(photo)  # noqa: PTH116  # pathlib raises for long names
        return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    return []


def _digest(photo: Path, size: int | str | None) -> str | None:
    size = int(size or 0)
    digest = hashlib.sha256()
    try:
        with photo.open("rb", buffering=0) as file:
            if size <= _SAMPLE * _SAMPLES:
                digest.update(file.read())
                return digest.hexdigest()[:32]
            for i in range(_SAMPLES):
                file.seek((size - _SAMPLE) * i // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE))
    except OSError:
        return None
    return digest.hexdigest()[:32]


def digest_photos(photos: Iterable[File], memory: Path | None = None) -> list[str]:
    """Hash photos, whole: 32 hexadecimal digits of the SHA-256 of each.

    Those of a photo that cannot be read are zeros.

    Args:
        memory: a file with the digests of photos that were hashed earlier, which are
            not read again unless their size or times changed; it is added to.
    """
    photos = list(photos)
    if memory is None:
        return list(map_in_threads(_digest_whole, photos, 4))
    known = _read_digests(memory)
    _digests.update(known)
    found = list(map_in_threads(_digest_whole, photos, 4))
    latest = time.time_ns() - SETTLED
    new = {
        photo: _digests[photo]
        for photo in photos
        if isinstance(photo, Path)
        and photo in _digests
        and known.get(photo) != _digests[photo]
        and all(int(at or 0) < latest for at in _digests[photo][0][1:])
    }
    if new:
        _write_digests(memory, known | new)
    return found


def _read_digests(memory: Path) -> dict[Path, tuple[Fingerprint, str]]:
    """Read what `_write_digests` wrote; lines that are damaged are left out."""
    found: dict[Path, tuple[Fingerprint, str]] = {}
    with suppress(OSError):
        for line in memory.read_bytes().decode(errors="surrogateescape").split("\n"):
            with suppress(ValueError):
                size, changed, entered, digest, path = line.split(" ", 4)
                noted: Fingerprint = [int(size), int(changed), int(entered)]
                found[Path(path)] = noted, digest
    return found


def _write_digests(memory: Path, digests: dict[Path, tuple[Fingerprint, str]]) -> None:
    lines = (
        f"{size} {changed} {entered} {digest} {path}\n"
        for path, ((size, changed, entered), digest) in digests.items()
        if "\n" not in str(path)
    )
    memory.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(memory) as new:
        new.write_bytes("".join(lines).encode(errors="surrogateescape"))


def _digest_whole(photo: File) -> str:
    noted = _stat(photo) if isinstance(photo, Path) else []
    known = _digests.get(photo) if noted and isinstance(photo, Path) else None
    if known and known[0] == noted:
        return known[1]
    try:
        found = hashlib.sha256(photo.read_bytes()).hexdigest()[:32]
    except OSError:  # told, with its reason, when it is decoded
        return UNREADABLE
    if noted and isinstance(photo, Path):
        _digests[photo] = noted, found
    return found
