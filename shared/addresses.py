"""Addresses of the web: nothing is fetched from them, and they are refused by name.

But those of stores such as S3, which `--engine ray` knows, see `shared.scale.stores`.
"""

import os
import re
from pathlib import Path

from shared.errors import AppError

_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]+:/|data:)", re.IGNORECASE)
_STORED = re.compile(r"(?:s3|gs):/{1,2}[^/]", re.IGNORECASE)


def is_address(name: str) -> bool:
    """Whether a name is one of the web, such as https://…, which a path may be, too."""
    return _ADDRESS.match(name) is not None


def is_stored(name: str) -> bool:
    """Whether a name is an address in a store, such as s3://bucket/photos."""
    return _STORED.match(name) is not None


def no_address(what: str) -> str:
    """Say why an address is refused, after its name; `what` is wanted, "photos" say."""
    return (
        f"this is an address, and nothing is fetched over the network: {what} are read "
        "from this computer only. Download it, and give the file or folder."
    )


def no_store(command: str) -> str:
    """Say why an address in a store is refused, after its name; a command reads it."""
    return (
        f"what is in a store is read by `{command}` with --engine ray. Or download it, "
        "and give the file or folder."
    )


def refuse_address(source: str | Path, what: str) -> None:
    """Refuse an address where there is no file or folder of that name.

    Args:
        source: what somebody gave as a file or folder.
        what: what it should be, such as "models".

    Raises:
        AppError: if it is one.
    """
    if is_address(str(source)) and not os.path.lexists(source):
        raise AppError(f"{source}: {no_address(what)}")
