"""Files and folders, found whatever the case of their letters."""

import os
import unicodedata
from typing import NamedTuple

from shared.data.walking import entries, is_file, is_folder
from shared.errors import AppError
from shared.vision.images import IMAGE_SUFFIXES


class _Entries(NamedTuple):
    """What a folder holds: names as they are asked for -> as they are."""

    files: dict[str, str]  # photos also without their ending
    folders: dict[str, str]


class Listing:
    """Looks photos up whatever the case of their letters, each folder listed once."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entries] = {}
        self._alike: dict[str, dict[str, str]] = {}
        self._real: dict[tuple[str, str], str | None] = {}

    def folder(self, root: str, below: str) -> str | None:
        """Say what a folder below another is really called, with `/` at its end.

        Returns:
            "" if `below` is "", None if there is no such folder.
        """
        key = root, below
        if key not in self._real:
            self._real[key] = self._walk(root, below.split("/") if below else [])
        return self._real[key]

    def file(self, root: str, name: str) -> str | None:
        """Say what a photo below a folder is really called.

        Args:
            root: the folder.
            name: path below it; the ending may be left out: `a/3` finds A/3.png.
        """
        below, _, last = name.rpartition("/")
        inner = self.folder(root, below)
        if inner is None:
            return None
        folder = f"{root}/{inner}"
        found = self._list(folder).files.get(last) or self._find_alike(folder, last)
        return inner + found if found else None

    def _walk(self, root: str, parts: list[str]) -> str | None:
        real = ""
        for part in parts:
            folders = self._list(f"{root}/{real}").folders
            alike = (n for n in folders if without_case(n) == without_case(part))
            found = folders.get(part) or min(alike, default=None)
            if found is None:
                return None
            real += f"{found}/"
        return real

    def _find_alike(self, folder: str, name: str) -> str | None:
        if folder not in self._alike:
            files = reversed(self._list(folder).files.items())
            self._alike[folder] = {without_case(n): real for n, real in files}
        return self._alike[folder].get(without_case(name))

    def _list(self, folder: str) -> _Entries:
        if folder not in self._entries:
            try:
                found = entries(folder)
            except (AppError, ValueError):  # not there, or no name for a folder
                found = []
            files = {entry.name: entry.name for entry in found if is_file(entry)}
            for name in list(files):
                stem, ending = os.path.splitext(name)  # noqa: PTH122
                if ending.lower() in IMAGE_SUFFIXES:
                    files.setdefault(stem, name)
            folders = {entry.name: entry.name for entry in found if is_folder(entry)}
            self._entries[folder] = _Entries(files, folders)
        return self._entries[folder]


def without_case(name: str) -> str:
    """Write a name so that those which file systems take for the same are the same."""
    return unicodedata.normalize("NFC", name).casefold()
