"""Photos in a store such as S3: what an address on a command line stands for."""

import glob
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from captioner.photos.inputs import natural_order
from shared.data.walking import is_left_out, is_photo_name
from shared.errors import AppError
from shared.scale.stores import Address

# "**/", "**", "*", "?", "[abc]"; what is between is as it is.
_WILD = re.compile(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\])")
_MEANT = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def look(word: str, recursive: bool) -> list[Address]:
    """Find photos in a store, as `captioner.photos.inputs.find_photos` does on a disk.

    Args:
        word: address of a photo, of a folder, or a pattern.
        recursive: also look into the folders inside a folder.

    Raises:
        AppError: if there are none, or the store does not tell.
    """
    if glob.has_magic(word):
        deep = word.endswith("**")
        return [a for a in match(word) if not deep or is_photo_name(a.name)]
    address = Address(word)
    if is_photo_name(address.name) and not word.endswith("/"):
        return [address]
    photos = [a for a in _list(address, recursive) if is_photo_name(a.name)]
    if not photos:
        more = "" if recursive else ", and --recursive looks into the folders in it"
        raise AppError(f"{word} holds no photos. Check the address{more}.")
    return photos


def match(word: str) -> list[Address]:
    """Give the files that an address or a pattern of addresses stands for.

    Raises:
        AppError: if nothing matches, or the store does not tell.
    """
    if not glob.has_magic(word):
        return [Address(word)]
    pattern = Address(word)
    pieces = _WILD.split(pattern.inner)
    folder = Address(f"{word.partition(':')[0]}://{pieces[0].rpartition('/')[0]}")
    if not folder.inner:
        raise AppError(f"{word}: give the name of the bucket, without a pattern.")
    wanted = re.compile("".join(map(_meant, pieces)), re.DOTALL)
    rest = pattern.inner.removeprefix(f"{folder.inner}/")
    found = [
        address
        for address in _list(folder, "/" in rest or "**" in rest)
        if wanted.fullmatch(address.inner) or address.inner == pattern.inner
    ]
    if not found:
        raise AppError(f"Nothing matches {word}. Check the address and the pattern.")
    return found


def _list(folder: Address, recursive: bool) -> list[Address]:
    """List a folder in natural order, without what is hidden or a small copy."""
    try:
        files: Iterable[Address] = folder.files(recursive)
    except OSError as error:
        reason = error.strerror or error
        raise AppError(f"{folder}: the folder cannot be read: {reason}.") from error
    seen = [a for a in files if not _is_left_out(_beneath(a, folder))]
    return sorted(seen, key=lambda address: natural_order(PurePosixPath(address.inner)))


def _beneath(address: Address, folder: Address) -> str:
    return address.inner.removeprefix(f"{folder.inner.rstrip('/')}/")


def _is_left_out(inner: str) -> bool:
    *folders, name = inner.split("/")
    return name.startswith(".") or any(map(is_left_out, folders))


def _meant(piece: str) -> str:
    if piece.startswith("[") and _WILD.fullmatch(piece):
        return (
            f"[{piece[1:-1].replace('!', '^', 1) if piece[1] == '!' else piece[1:-1]}]"
        )
    return _MEANT.get(piece, re.escape(piece))
