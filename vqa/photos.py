"""Where the photos of a data set lie."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from shared.data.listing import Listing, without_case
from shared.data.reading import SPLITS
from shared.errors import AppError
from shared.vision.images import IMAGE_SUFFIXES

IMAGE_FOLDERS = (  # below the data set's folder, in any case; the first wins
    ".",
    "images",
    "images/mscoco",  # as VQA's own programs have it
    "imgs",
    "photos",
    "nyu_depth_images",  # DAQUAR's
)


class Photo(NamedTuple):
    """A photo that a data set names.

    Attributes:
        name: path below the image folder, with `/`.
        path: the file, which may be missing.
    """

    name: str
    path: Path


def find_photos(
    files: Sequence[tuple[Path, Sequence[tuple[str, ...]]]],
) -> list[Photo]:
    """Find the photos that the question files of a data set name.

    They are looked for in the files' folder; if more of them are in the folder above,
    there. Where the folder is called after a split, such as `train`, both count, the
    folder itself first, and its name is a part of the photos' names.

    Args:
        files: each file with the photos of its questions, as of `PhotoFinder.find`.

    Returns:
        a photo for each question, which may be missing as long as others are there.

    Raises:
        AppError: if none is there; the message says where they were looked for.
    """
    folders = [_folder(path) for path, _ in files]
    if any(folder.name.lower() in SPLITS for folder in folders):
        roots = [folders[0].parent]
        wanted = [
            (*_below(folder.name, names), *names)
            for folder, (_, some) in zip(folders, files, strict=True)
            for names in some
        ]
    else:
        roots = list(dict.fromkeys([folders[0], folders[0].parent]))
        wanted = [names for _, some in files for names in some]
    best, most = None, 0
    for root in roots:
        finder = PhotoFinder([root])
        found = [finder.find(names) for names in wanted]
        count = sum(photo is not None for photo in found)
        if count > most:
            best, most = (finder, found), count
        if 2 * most >= len(wanted):  # there cannot be more of them elsewhere
            break
    if best is None:
        raise AppError(_nowhere(files[0][0], roots, wanted[0], folders[0]))
    finder, found = best
    return [
        photo or finder.guess(names) for photo, names in zip(found, wanted, strict=True)
    ]


def _folder(path: Path) -> Path:
    folder = path.parent
    return folder if folder.name.strip(".") else folder.resolve()


def _below(folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{folder}/{name}" if usual == "." else f"{folder}/{usual}/{name}"
        for usual in IMAGE_FOLDERS
        for name in names
    )


def _nowhere(
    path: Path, roots: Sequence[Path], wanted: tuple[str, ...], folder: Path
) -> str:
    below = dict.fromkeys(name.rpartition("/")[0] for name in wanted)
    places = [*IMAGE_FOLDERS[1:], *filter(None, below)]
    return (
        f"None of the photos that {path} names is there, such as "
        f"{wanted[-1]:.200}. Put them into {folder}, or a folder `images` in it. They "
        f"were looked for in {' and in '.join(map(str, roots))}, and there in the "
        f"folders {', '.join(dict.fromkeys(places))}"[:1500]
        + "."
    )


class PhotoFinder:
    """Find photos by listing each folder once, however many questions there are.

    Args:
        roots: folders of the data set; photos lie there or in the usual folders below.
    """

    def __init__(self, roots: list[Path]):
        self._tree = Listing()
        names = ["" if name == "." else name for name in IMAGE_FOLDERS]
        folders = [self._tree.folder(root, name) for root in roots for name in names]
        self.folders = [folder for folder in folders if folder and folder.is_dir()]
        self._listings: dict[tuple[Path, str], tuple[str, dict[str, str]]] = {}
        self._any_case: dict[tuple[Path, str], dict[str, str]] = {}
        self._found: dict[tuple[str, ...], Photo | None] = {}
        self._usual: tuple[Path, int, str] | None = None

    def find(self, files: tuple[str, ...]) -> Photo | None:
        """Give the first of these files that is there, or None.

        Args:
            files: paths below the image folder, the likeliest first, `..` excluded. The
                ending may be left out: `images/3` finds images/3.png.
        """
        if files not in self._found:
            self._found[files] = self._look(files)
        return self._found[files]

    def guess(self, files: tuple[str, ...]) -> Photo:
        """Say where a missing photo would lie, if it were with the first one found.

        Raises:
            ValueError: if none was found yet.
        """
        if self._usual is None:
            raise ValueError("`guess` needs a photo that `find` found.")
        folder, place, ending = self._usual
        name = files[min(place, len(files) - 1)]
        if Path(name).suffix.lower() not in IMAGE_SUFFIXES:
            name += ending
        return Photo(name, folder / name)

    def _look(self, files: tuple[str, ...]) -> Photo | None:
        for folder in self.folders:
            for place, file in enumerate(files):
                below, _, name = file.rpartition("/")
                inner, files_there = self._listing(folder, below)
                found = files_there.get(name) or self._alike(folder, below, name)
                if found is not None:
                    if self._usual is None:
                        self._usual = folder, place, found[len(name) :]
                    name = inner + found
                    return Photo(name, folder / name)
        return None

    def _listing(self, folder: Path, below: str) -> tuple[str, dict[str, str]]:
        """Give what a folder below another is really called, and what it holds.

        Names of files, with and without ending, are mapped to the files.
        """
        key = folder, below
        if key not in self._listings:
            try:
                inner = self._tree.folder(folder, below)
                with os.scandir(inner or folder / below) as entries:
                    names = sorted(entry.name for entry in entries if entry.is_file())
            except (OSError, ValueError):  # not there, or no name for a folder
                inner, names = None, []
            listing = {name: name for name in names}
            for name in names:
                stem, ending = os.path.splitext(name)  # noqa: PTH122
                if ending.lower() in IMAGE_SUFFIXES:
                    listing.setdefault(stem, name)
            real = f"{inner.relative_to(folder).as_posix()}/" if inner and below else ""
            self._listings[key] = real, listing
        return self._listings[key]

    def _alike(self, folder: Path, below: str, name: str) -> str | None:
        """Find a file whatever the case of its letters."""
        key = folder, below
        if key not in self._any_case:
            files = reversed(self._listing(folder, below)[1].items())
            self._any_case[key] = {without_case(alike): file for alike, file in files}
        return self._any_case[key].get(without_case(name))
