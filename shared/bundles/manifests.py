"""What a bundle's manifest says, and the one way to open a bundle's files.

A bundle may come from anybody. So its files are opened only if they are plain files
that no link leads out of the folder, and of a size that a bundle may have; what is read
is compared with the manifest's checksum. See `shared.bundles.folder` for the folder.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

from shared.addresses import refuse_address
from shared.errors import AppError
from shared.included import get_again

READABLE = (1, 2, 3)
CONFIG, VOCABULARY, WEIGHTS, CARD = (
    "config.toml",
    "vocabulary.txt",
    "model.weights.h5",
    "card.md",
)
FILES = (CONFIG, VOCABULARY, WEIGHTS, CARD)
APART = {"encoder": "encoder.weights.h5", "concepts": "concepts.weights.h5"}
MANIFEST = "manifest.json"
COMMON = Path(__file__).parents[1] / "common"  # files of bundles, by SHA-256
MOST_TEXT = 2**23  # bytes of a text in a bundle: 500,000 words and more
MOST_MANIFEST = 2**20  # bytes; a file takes about 100
MOST_BYTES = 2**30  # of any other file
MOST_NAME = 200  # characters
MOST_TOTAL = 2**31  # bytes of the files of a bundle
_GET_WHOLE = "Get the bundle again, or the sightread that it came with."
_OPEN = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # else a pipe would be waited for
    | getattr(os, "O_BINARY", 0)
)


def locate(folder: Path, name: str) -> Path:
    """Give the path of a file of a bundle, be it in its folder or in `COMMON`.

    The bundles that come along have files in common. These lie once in the package, and
    a bundle that lacks a file takes the one there that has the SHA-256 in its manifest.
    It cannot name another file so, as the names there are all of that kind.

    Args:
        name: as in the manifest; "/" is a folder.

    Raises:
        AppError: as `read_manifest`, of a folder that has one and not the file.
    """
    path = folder / name
    if os.path.lexists(path) or name == MANIFEST or not _is_there(folder / MANIFEST):
        return path
    digest = read_manifest(folder)["files"].get(name)
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        return path
    common = common_path(name, digest)
    return common if _is_there(common) else path


def common_path(name: str, digest: str) -> Path:
    """Give the path in `COMMON` of a file of this name and SHA-256."""
    return COMMON / f"{digest}{Path(name).suffix}"


def open_plain(folder: Path, name: str, most: int = MOST_BYTES) -> BufferedReader:
    """Open a file of a bundle, if it is a plain file where `locate` finds it.

    Args:
        name: as in the manifest; "/" is a folder.
        most: bytes that it may have.

    Raises:
        AppError: if it is missing, a link, in a linked folder, no plain file (a pipe,
            a device, a folder), unreadable, or larger than that.
    """
    path = locate(folder, name)
    inside = _folders(path, name) if path == folder / name else []
    try:
        for step in (*inside, path):
            kind = stat.S_ISREG if step == path else stat.S_ISDIR
            if not kind(step.lstat().st_mode):
                raise FileNotFoundError
        file = os.fdopen(os.open(path, _OPEN), "rb")
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):  # it was exchanged in between
            file.close()
            raise FileNotFoundError
    except PermissionError as error:
        raise AppError(
            f"{path} cannot be read: {error.strerror}. Change its permissions, or get "
            "the bundle again."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise AppError(
            f"{path} is missing, or not a file. {get_again(folder, _GET_WHOLE)}"
        ) from error
    if found.st_size > most:
        file.close()
        raise AppError(
            f"{path} has {found.st_size:,} bytes, and such a file of a bundle has "
            f"{most:,} at most. {get_again(path)}"
        )
    return file


def size_of(folder: Path, name: str) -> int:
    """Give the bytes of a file that `open_plain` opens."""
    with open_plain(folder, name) as file:
        return os.fstat(file.fileno()).st_size


def read_plain(folder: Path, name: str, most: int = MOST_BYTES) -> bytes:
    """Read a file that `open_plain` opens.

    Raises:
        AppError: as `open_plain`, or if reading fails.
    """
    with open_plain(folder, name, most) as file:
        try:
            return file.read(most)
        except OSError as error:
            raise AppError(f"{folder / name} cannot be read: {error}") from error


def read_text(folder: Path, name: str, most: int = MOST_TEXT) -> str:
    """Read a text file of a checked bundle.

    Raises:
        AppError: as `open_plain`, or if it is not UTF-8 text.
    """
    try:
        return read_plain(folder, name, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise AppError(
            f"{folder / name} cannot be read: {error}. {get_again(folder)}"
        ) from error


def digest(folder: Path, name: str) -> str:
    """Give the SHA-256 of a file that `open_plain` opens, in hexadecimal."""
    with open_plain(folder, name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(folder: Path, name: str, expected: object) -> None:
    """Make sure that a file is as the manifest says.

    Raises:
        AppError: if it is not, or as `open_plain`.
    """
    if (found := digest(folder, name)) != expected:
        path = locate(folder, name)
        raise AppError(
            f"{path} was changed or damaged: its SHA-256 is {found[:12]}…, the "
            f"manifest says {str(expected)[:12]!r}…. {get_again(path)}"
        )


def is_safe(name: str) -> bool:
    """Whether a name, as any system reads it, is that of a file in the folder."""
    steps = name.split("/")
    # Windows has drives and other separators, and drops dots and spaces at an end.
    if len(name) > MOST_NAME or {"\\", ":"} & set(name):
        return False
    return all(step and step == step.rstrip(". ") for step in steps)


def write_manifest(folder: Path, task: str, digests: dict[str, str]) -> None:
    """Write a manifest, of the oldest format that has such files."""
    files = dict(sorted(digests.items()))
    number = 3 if set(APART.values()) & files.keys() else 2
    manifest = {"format": number, "task": task, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def identify(folders: Sequence[Path], part: str) -> dict[str, str]:
    """Tell models from others by what is in their bundles, wherever those are.

    Args:
        folders: the bundles that are used together.
        part: the one that is used, if a bundle has it.

    Returns:
        "sha256" of the digests of all files but the cards and other parts, and
        "folder", which names the bundles.

    Raises:
        AppError: as `read_manifest`.
    """
    whole = hashlib.sha256()
    for folder in folders:
        files = read_manifest(folder)["files"]
        own = {
            name: files[name]
            for name in sorted(files)
            if name != CARD and ("/" not in name or name.startswith(f"{part}/"))
        }
        whole.update(json.dumps(own).encode())
    return {"sha256": whole.hexdigest(), "folder": ", ".join(map(str, folders))}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a manifest, and make sure of its format and that "files" is a dict.

    Raises:
        AppError: if there is no bundle, or its manifest is none that can be read.
    """
    path = folder / MANIFEST
    if not _is_there(path):
        refuse_address(folder, "models")
        old = beside(folder, ".old")
        if _is_there(old / MANIFEST):
            raise AppError(
                f"No trained model in {folder}: when it was last written, that was "
                f"interrupted. Rename {old} to {folder.name}."
            )
        raise AppError(
            f"No trained model in {folder}: {MANIFEST} is missing. Train one with "
            "`captioner train`, `vqa train` or `rnn train`, or give the folder of a "
            "bundle."
        )
    try:
        manifest = json.loads(read_plain(folder, MANIFEST, MOST_MANIFEST).decode())
    except (ValueError, RecursionError) as error:
        raise AppError(f"{path} cannot be read: {error}. {get_again(path)}") from error
    if not isinstance(manifest, dict):
        raise AppError(f"{path} is not a manifest. {get_again(path)}")
    if (found := manifest.get("format")) not in READABLE:
        raise AppError(
            f"{folder} is a bundle of format {found!r:.40}; this program reads formats "
            "1 to 3. Update sightread, or train the model again."
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not {CONFIG, VOCABULARY, WEIGHTS} <= set(files):
        raise AppError(f"{path} does not name the files of a bundle. {get_again(path)}")
    return {"task": None} | manifest


def weight_files(folder: Path) -> dict[str, str]:
    """Name the files that a model's weights are in, by the part of the model.

    Args:
        folder: a bundle, or one without a manifest.

    Returns:
        `WEIGHTS` by "", and those of `APART` that are listed, or there.

    Raises:
        AppError: as `read_manifest`.
    """
    if _is_there(folder / MANIFEST):
        there = set(read_manifest(folder)["files"])
    else:
        there = {path.name for path in folder.iterdir()}
    return {"": WEIGHTS} | {part: f for part, f in APART.items() if f in there}


def beside(folder: Path, ending: str) -> Path:
    """Give the name of a folder next to another."""
    return Path(f"{folder.absolute()}{ending}")


def _folders(path: Path, name: str) -> list[Path]:
    """Give the folders between a bundle and a file in it, the outer one first."""
    return list(path.parents[: name.count("/")])[::-1]


def _is_there(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False
