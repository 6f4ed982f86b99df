"""Photos to caption: what the words on a command line stand for."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

from shared.addresses import is_stored, no_store, refuse_address
from shared.data.walking import is_photo_name, refuse, walk
from shared.errors import AppError
from shared.vision.images import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from shared.scale.stores import Address, Place

# Gives the photos that an address stands for.
Look = Callable[[str], "Sequence[Address]"]

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
    and what is in a folder where programs keep small copies, see
    `shared.data.walking`.
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
    found = find_places(words, recursive, read_stdin, announce, null)
    return cast(list[Path], found)


def find_places(
    words: Sequence[str],
    recursive: bool,
    read_stdin: Callable[[], bytes],
    announce: Callable[[str], None],
    null: bool = False,
    look: Look | None = None,
) -> "list[Place]":
    """Find photos as `find_photos` does, and in stores such as S3.

    Args:
        look: see `captioner.photos.addressed.look`; None refuses addresses.

    Raises:
        AppError: as there.
    """
    photos: list[Place] = []
    for word in words:
        for path in _expand(word, read_stdin, null, look):
            found = [path]
            if isinstance(path, Path) and os.path.isdir(path):  # noqa: PTH112
                found = [*list_folder(path, recursive)]  # pathlib raises for long names
                if not found and len(words) > 1:
                    announce(f"note: {_nothing_in(path, recursive)}")
            photos += found
    if not photos:
        raise AppError(_nothing_in(Path(words[0]), recursive))
    return distinct(photos)


def distinct(photos: "Iterable[Place]") -> "list[Place]":
    """Give each photo once, by its place, under the first of its names."""
    found: dict[str, Place] = {}
    for photo in photos:
        key = str(photo)  # of a store, which may have names such as a//b
        if isinstance(photo, Path):
            key = os.path.normcase(os.path.abspath(photo))  # noqa: PTH100
        found.setdefault(key, photo)
    return list(found.values())


def _expand(
    word: str, read_stdin: Callable[[], bytes], null: bool, look: Look | None
) -> "Iterable[Place]":
    if not word:
        raise AppError("One of the paths is empty. Give a photo or a folder.")
    if word == "-":
        names = _split(read_stdin(), null)
        if not names:
            raise AppError("There are no paths on standard input. Give one a line.")
        return [
            place
            for name in names
            for place in (_stored(name, look) or [Path(_no_address(name))])
        ]
    if stored := _stored(word, look):
        return stored
    if os.path.lexists(word) or not glob.has_magic(_no_address(word)):
        return [Path(word)]
    matches = {Path(match) for match in _match(word)}
    if not matches:
        raise AppError(f"Nothing matches {word}. Check the folder and the pattern.")
    return sorted(matches, key=natural_order)


def _split(data: bytes, null: bool) -> list[str]:
    if null:
        return [os.fsdecode(name) for name in data.split(b"\0") if name]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # `dir > list.txt` in PowerShell
        data = data.decode("utf-16", "replace").encode()
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


def _stored(word: str, look: Look | None) -> "Sequence[Place]":
    """Give the photos of an address in a store, none of what is no such address."""
    if not is_stored(word) or os.path.lexists(word):
        return ()
    if look is None:
        raise AppError(f"{word}: {no_store('captioner caption')}")
    return look(word)


def _no_address(word: str) -> str:
    refuse_address(word, "photos")
    return word


def _match(pattern: str) -> Iterator[str]:
    """Give what a pattern matches; `**` stands for the folders that `walk` finds.

    `glob` would follow links in it round and round.
    """
    start, *rest = _DEEP.split(pattern, maxsplit=1)
    if not rest:
        yield from glob.iglob(pattern)  # noqa: PTH207
        return
    for top in glob.iglob(start) if start else [os.curdir]:  # noqa: PTH207
        for folder, files in walk(Path(top)):
            if rest[0]:
                yield from _match(os.path.join(glob.escape(folder), rest[0]))  # noqa: PTH118
            else:
                yield from (f"{folder}/{n}" for n in files if is_photo_name(n))


def list_folder(folder: Path, recursive: bool) -> list[Path]:
    """Give the photos in a folder, see `find_photos`.

    Raises:
        AppError: if it cannot be listed; inner folders that cannot be are given.
    """
    found: list[Path] = []

    def lost(error: OSError) -> None:
        if Path(error.filename) == folder:
            refuse(error)
        found.append(Path(error.filename))  # reading it says why; the others go on

    for root, files in walk(folder, lost):
        found += [Path(root, name) for name in files if is_photo_name(name)]
        if not recursive:
            break
    return sorted(found, key=natural_order)


def natural_order(path: PurePath) -> tuple[list[list[str | int]], str]:
    """Compare digits as numbers, letters without case, folder by folder."""
    parts = [
        # Odd places hold digits, so that numbers meet numbers only.
        [int(text) if i % 2 else text for i, text in enumerate(_DIGITS.split(part))]
        for part in map(str.casefold, path.parts)
    ]
    return parts, str(path)


def _nothing_in(folder: Path, recursive: bool) -> str:
    suffixes = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
    message = f"{folder} holds no photos ({suffixes})"
    if not recursive and list_folder(folder, recursive=True):
        return f"{message}, but the folders in it do: add --recursive."
    return f"{message}."
