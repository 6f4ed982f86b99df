"""Photos to caption: what the words on a command line stand for."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from shared.errors import AppError
from shared.vision.images import IMAGE_SUFFIXES, NO_ADDRESS, is_address

# Folders, in lower case, of small copies, of what was deleted, and of systems:
# Synology, QNAP, macOS' archives, Windows. Those of Lightroom end in .lrdata.
LEFT_OUT = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),
        *("__macosx", "$recycle.bin", "system volume information", "lost+found"),
    }
)
_DIGITS = re.compile(r"(\d+)")
_SEPARATOR = r"[/\\]" if os.sep == "\\" else "/"
_DEEP = re.compile(rf"(?:(?<={_SEPARATOR})|^)\*\*(?:{_SEPARATOR}+|$)")


def find_photos(
    words: Sequence[str],
    recursive: bool,
    read_stdin: Callable[[], bytes],
    announce: Callable[[str], None],
    null: bool = False,
) -> list[Path]:
    """Turn files, folders, patterns and `-` into paths, each photo once.

    A file is taken whatever its name, even if there is none: reading it says
    what is wrong. In a folder, every file named like a photo is taken, in
    natural order (img2 before img10), except what is hidden (`.x`, `._x.jpg`)
    and what is in a folder where programs keep small copies, see `LEFT_OUT`.
    A pattern (`*`, `?`, `[ ]`, `**`) stands for what it matches, in that order;
    `**` for the folders that `recursive` would look into.

    Args:
        words: as typed.
        recursive: also look into the folders inside a folder, and once into each
            that a link leads to.
        read_stdin: what `-` stands for: paths or folders, one a line, UTF-8.
        announce: told of folders without photos.
        null: whether paths on standard input end in a zero byte, as those of
            `find -print0` do.

    Raises:
        AppError: if there are no photos at all, a pattern matches nothing, a word
            is an address of the web, or a folder cannot be listed.
    """
    photos: dict[str, Path] = {}
    for word in words:
        for path in _expand(word, read_stdin, null):
            found = [path]
            if os.path.isdir(path):  # noqa: PTH112  # pathlib raises for long names
                found = _list_folder(path, recursive)
                if not found and len(words) > 1:
                    announce(f"note: {_nothing_in(path, recursive)}")
            for photo in found:
                key = os.path.normcase(os.path.abspath(photo))  # noqa: PTH100
                photos.setdefault(key, photo)
    if not photos:
        raise AppError(_nothing_in(Path(words[0]), recursive))
    return list(photos.values())


def _expand(word: str, read_stdin: Callable[[], bytes], null: bool) -> Iterable[Path]:
    if not word:
        raise AppError("One of the paths is empty. Give a photo or a folder.")
    if word == "-":
        paths = [Path(name) for name in map(_no_address, _split(read_stdin(), null))]
        if not paths:
            raise AppError("There are no paths on standard input. Give one a line.")
        return paths
    if os.path.lexists(word) or not glob.has_magic(_no_address(word)):
        return [Path(word)]
    matches = {Path(match) for match in _match(word)}
    if not matches:
        raise AppError(f"Nothing matches {word}. Check the folder and the pattern.")
    return sorted(matches, key=_natural_order)


def _split(data: bytes, null: bool) -> list[str]:
    if null:
        return [os.fsdecode(name) for name in data.split(b"\0") if name]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # `dir > list.txt` in PowerShell
        data = data.decode("utf-16", "replace").encode()
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


def _no_address(word: str) -> str:
    if is_address(word) and not os.path.lexists(word):
        raise AppError(f"{word}: {NO_ADDRESS}")
    return word


def _match(pattern: str) -> Iterator[str]:
    """Give what a pattern matches; `**` stands for the folders that `_walk` finds.

    `glob` would follow links in it round and round.
    """
    start, *rest = _DEEP.split(pattern, maxsplit=1)
    if not rest:
        yield from glob.iglob(pattern)  # noqa: PTH207
        return
    for top in glob.iglob(start) if start else [os.curdir]:  # noqa: PTH207
        for folder, files in _walk(Path(top)):
            if rest[0]:
                yield from _match(os.path.join(glob.escape(folder), rest[0]))  # noqa: PTH118
            else:
                yield from (f"{folder}/{n}" for n in files if _is_photo_name(n))


def _list_folder(folder: Path, recursive: bool) -> list[Path]:
    found: list[Path] = []

    def lost(error: OSError) -> None:
        if Path(error.filename) == folder:
            _refuse(error)
        found.append(Path(error.filename))  # reading it says why; the others go on

    for root, files in _walk(folder, lost):
        found += [Path(root, name) for name in files if _is_photo_name(name)]
        if not recursive:
            break
    return sorted(found, key=_natural_order)


def _walk(
    folder: Path, lost: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Give a folder and those in it, each once, with the names of their files.

    Args:
        lost: told of folders that cannot be listed; None refuses them.
    """
    links = [folder]
    seen: set[tuple[int, int]] = set()
    for start in links:  # grows; what is really there comes before what is linked
        for root, folders, files in os.walk(start, onerror=lost or _refuse):
            if _is_known(root, seen):
                folders.clear()
                continue
            yield root, files
            inner = [name for name in folders if not _is_left_out(name)]
            folders[:] = [n for n in inner if not os.path.islink(Path(root, n))]  # noqa: PTH114
            links += [Path(root, name) for name in sorted(set(inner) - set(folders))]


def _is_known(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder was seen before, by whatever way; it is from now on."""
    found = os.stat(folder)  # noqa: PTH116
    known = (found.st_dev, found.st_ino) in seen
    seen.add((found.st_dev, found.st_ino))
    return known


def _is_left_out(name: str) -> bool:
    low = name.lower()
    return name.startswith(".") or low in LEFT_OUT or low.endswith(".lrdata")


def _is_photo_name(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def _natural_order(path: Path) -> tuple[list[list[str | int]], str]:
    """Compare digits as numbers, letters without case, folder by folder."""
    parts = [
        # Odd places hold digits, so that numbers meet numbers only.
        [int(text) if i % 2 else text for i, text in enumerate(_DIGITS.split(part))]
        for part in map(str.casefold, path.parts)
    ]
    return parts, str(path)


def _refuse(error: OSError) -> NoReturn:
    raise AppError(f"{error.filename}: the folder cannot be read: {error.strerror}.")


def _nothing_in(folder: Path, recursive: bool) -> str:
    suffixes = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
    message = f"{folder} holds no photos ({suffixes})"
    if not recursive and _list_folder(folder, recursive=True):
        return f"{message}, but the folders in it do: add --recursive."
    return f"{message}."
