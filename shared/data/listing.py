"""Files and folders, found whatever the case of their letters."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path


def subfolders(folder: Path) -> list[Path]:
    """List the folders in a folder that may be opened, without hidden ones."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith((".", "__"))
        if os.access(path, os.R_OK | os.X_OK)
    ]


class Listing:
    """Looks files up whatever the case of their letters, each folder listed once."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, tuple[str, bool]]] = {}
        # Where a folder below a folder below a root really is; None if nowhere.
        self._resolved: dict[tuple[str, str, str], tuple[str, bool] | None] = {}

    def folder(self, root: Path, name: str) -> Path | None:
        """Give a folder below another; "" is that one itself."""
        found = self._walk(root, name.split("/")) if name else (str(root), False)
        return Path(found[0]) if found and not found[1] else None

    def find(
        self, root: Path, folders: Sequence[str], name: str
    ) -> tuple[str, Path] | None:
        """Give a file's path below `root` as asked for, in the first folder, and it."""
        below, _, last = name.rpartition("/")
        for folder in folders:
            key = str(root), folder, below
            if key not in self._resolved:
                parts = [part for part in f"{folder}{below}".split("/") if part]
                self._resolved[key] = self._walk(root, parts)
            inner = self._resolved[key]
            if inner and not inner[1]:
                entries = self._list(inner[0])
                found = entries.get(last) or entries.get(without_case(last))
                if found and found[1]:
                    return f"{folder}{name}", Path(inner[0], found[0])
        return None

    def _walk(self, root: Path, parts: Iterable[str]) -> tuple[str, bool] | None:
        path, is_file = str(root), False
        for part in parts:
            entries = self._list(path)
            found = entries.get(part) or entries.get(without_case(part))
            if found is None:
                return None
            path, is_file = os.path.join(path, found[0]), found[1]  # noqa: PTH118
        return path, is_file

    def _list(self, folder: str) -> dict[str, tuple[str, bool]]:
        """Map names, as they are and without case, to names and whether files."""
        if folder not in self._folders:
            try:
                with os.scandir(folder) as found:
                    entries = [(entry.name, entry.is_file()) for entry in found]
            except OSError:
                entries = []
            listing = {entry[0]: entry for entry in sorted(entries)}
            for entry in sorted(entries):
                listing.setdefault(without_case(entry[0]), entry)
            self._folders[folder] = listing
        return self._folders[folder]


def without_case(name: str) -> str:
    """Write a name so that those which file systems take for the same are the same."""
    return unicodedata.normalize("NFC", name).casefold()
