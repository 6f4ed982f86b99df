"""Folders and what is in them, each looked into once, also where links lead to."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from shared.errors import AppError
from shared.vision.images import IMAGE_SUFFIXES

# Folders, in lower case, of small copies, of what was deleted, and of systems:
# Synology, QNAP, macOS' archives, Windows. Those of Lightroom end in .lrdata.
LEFT_OUT = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),
        *("__macosx", "$recycle.bin", "system volume information", "lost+found"),
    }
)


def walk(
    folder: Path, lost: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Give a folder and those in it, each once, with the names of their files.

    Links are followed, after what is really there. Hidden folders, and those where
    programs keep small copies (`is_left_out`), are not looked into; `folder` itself
    may be called anything.

    Args:
        folder: where to begin.
        lost: told of folders that cannot be listed; None refuses them.

    Raises:
        AppError: if a folder cannot be listed, and `lost` is None.
    """
    links = [folder]
    seen: set[tuple[int, int]] = set()
    for start in links:  # grows
        for root, folders, files in os.walk(start, onerror=lost or refuse):
            if _is_known(root, seen):
                folders.clear()
                continue
            yield root, sorted(files)
            inner = [name for name in folders if not is_left_out(name)]
            folders[:] = sorted(n for n in inner if not Path(root, n).is_symlink())
            links += [Path(root, name) for name in sorted(set(inner) - set(folders))]


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """List what is in a folder, by name.

    Raises:
        AppError: if it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        refuse(error)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself is none."""
    return _holds(entry.is_dir)


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is an ordinary file, or a link to one."""
    return _holds(entry.is_file)


def _holds(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except OSError:  # links that go round
        return False


def is_left_out(name: str) -> bool:
    """Whether a folder of this name is hidden, or holds small copies of photos."""
    low = name.lower()
    return name.startswith(".") or low in LEFT_OUT or low.endswith(".lrdata")


def is_photo_name(name: str) -> bool:
    """Whether a file is called like a photo, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def refuse(error: OSError) -> NoReturn:
    """Refuse a folder that cannot be listed.

    Raises:
        AppError: always.
    """
    raise AppError(f"{error.filename}: the folder cannot be read: {error.strerror}.")


def _is_known(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder was seen before, by whatever way; it is from now on."""
    try:
        found = Path(folder).stat()
    except OSError:  # gone since its name was read
        return True
    known = (found.st_dev, found.st_ino) in seen
    seen.add((found.st_dev, found.st_ino))
    return known
