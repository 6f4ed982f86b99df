"""Photos to caption: what the words on a command line stand for."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from shared.errors import AppError
from shared.images import IMAGE_SUFFIXES

_DIGITS = re.compile(r"(\d+)")


def find_photos(
    words: Sequence[str],
    recursive: bool,
    read_stdin: Callable[[], bytes],
    announce: Callable[[str], None],
) -> list[Path]:
    """Turn files, folders, patterns and `-` into paths, each photo once.

    A file is taken whatever its name, even if there is none: reading it says
    what is wrong. In a folder, everything named like a photo is taken, in
    natural order (img2 before img10), except what is hidden (`.x`, `._x.jpg`).
    A pattern (`*`, `?`, `[ ]`, `**`) stands for what it matches, in that order.

    Args:
        words: as typed.
        recursive: also look into the folders inside a folder.
        read_stdin: what `-` stands for: paths or folders, one a line, UTF-8.
        announce: told of folders without photos.

    Raises:
        AppError: if there are no photos at all, a pattern matches nothing, or a
            folder cannot be listed.
    """
    photos: dict[str, Path] = {}
    for word in words:
        for path in _expand(word, read_stdin):
            found = [path]
            if os.path.isdir(path):  # noqa: PTH112  # pathlib raises for long names
                found = _list_folder(path, recursive)
                if not found and _is_named_like_a_photo(path):
                    found = [path]  # reading it says that it is a folder
                elif not found and len(words) > 1:
                    announce(f"note: {_nothing_in(path, recursive)}")
            for photo in found:
                key = os.path.normcase(os.path.abspath(photo))  # noqa: PTH100
                photos.setdefault(key, photo)
    if not photos:
        raise AppError(_nothing_in(Path(words[0]), recursive))
    return list(photos.values())


def _expand(word: str, read_stdin: Callable[[], bytes]) -> Iterable[Path]:
    if not word:
        raise AppError("One of the paths is empty. Give a photo or a folder.")
    if word == "-":
        lines = read_stdin().removeprefix(b"\xef\xbb\xbf").splitlines()
        paths = [Path(os.fsdecode(line)) for line in lines if line.strip()]
        if not paths:
            raise AppError("There are no paths on standard input. Give one a line.")
        return paths
    if os.path.lexists(word) or not glob.has_magic(word):
        return [Path(word)]
    matches = [Path(match) for match in glob.iglob(word, recursive=True)]  # noqa: PTH207
    if not matches:
        raise AppError(f"Nothing matches {word}. Check the folder and the pattern.")
    return sorted(matches, key=_natural_order)


def _list_folder(folder: Path, recursive: bool) -> list[Path]:
    found = []
    for root, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(root, name)
            for name in (*folders, *files)
            if _is_named_like_a_photo(Path(name))
        ]
        if not recursive:
            break
    return sorted(found, key=_natural_order)


def _is_named_like_a_photo(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES


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
