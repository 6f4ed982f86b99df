"""Where the photos of a data set lie."""

import os
from collections import ChainMap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.data.listing import Listing, without_case
from shared.errors import AppError
from shared.vision.images import IMAGE_SUFFIXES

IMAGE_FOLDERS = (  # below a folder of a data set; case is ignored
    "",
    "images",
    "images/mscoco",  # as VQA's own programs have it
    "imgs",
    "photos",
    "flicker8k_dataset",  # spelt so in the official archive
    "flickr8k_dataset",
    "flickr30k_images",
    "flickr30k-images",
    "flickr30k_images/flickr30k_images",
    "nyu_depth_images",  # DAQUAR's
)


class Photo(NamedTuple):
    """A photo that a data set names.

    Attributes:
        name: path below its image folder with `/`, as it was asked for.
        stored: the same, as the folders and the file are called.
        path: the file, which may be missing.
    """

    name: str
    stored: str
    path: Path


def roots_of(file: Path) -> list[Path]:
    """Give the folders that a file's photos may lie in or below: its own, and above.

    Args:
        file: of captions or questions; or the folder of all.
    """
    folder = file if file.is_dir() else file.parent
    folder = folder if folder.name.strip(".") else folder.resolve()
    return list(dict.fromkeys([folder, folder.parent]))


def find_photos(
    file: Path, roots: Iterable[Path], wanted: Sequence[tuple[str, ...]]
) -> list[Photo]:
    """Find the photos that a data set names.

    They are looked for in folders with the usual names below each root, and are taken
    from the root that has most of them; there from the folder that has most of them,
    those that it lacks from the others.

    Args:
        file: that names them, for the message.
        roots: folders, the likeliest first.
        wanted: paths of each photo below an image folder, the likeliest first, `..`
            excluded. The ending may be left out.

    Returns:
        a photo for each, in order. One that is missing gets the place where it would
        lie, if it were with the first one found.

    Raises:
        AppError: if none is there; the message says where they were looked for.
    """
    roots, names = list(roots), list(dict.fromkeys(wanted))
    listing = Listing()
    best, most = dict[tuple[str, ...], _Found](), 0
    for root in roots:
        found = _find_below(listing, root, names)
        count = len({(one.folder, one.stored) for one in found.values()})
        if count > most:
            best, most = found, count
        if most == len(names):
            break
    if not best:
        raise AppError(_nowhere(file, roots, wanted[0]))
    usual_names, usual = next(iter(best.items()))
    ending = _ending(usual_names[usual.place], usual.stored)
    photos = {}
    for paths in names:
        if here := best.get(paths):
            asked = paths[here.place]
            name = asked + _ending(asked, here.stored)
            photos[paths] = Photo(name, here.stored, Path(here.folder, here.stored))
        else:
            name = paths[min(usual.place, len(paths) - 1)]
            if Path(name).suffix.lower() not in IMAGE_SUFFIXES:
                name += ending
            photos[paths] = Photo(name, name, Path(usual.folder, name))
    return [photos[paths] for paths in wanted]


class _Found(NamedTuple):
    folder: str
    place: int  # among the paths where it may lie
    stored: str  # below the folder


def _find_below(
    listing: Listing, root: Path, names: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], _Found]:
    """Find photos in the usual folders below a root, most of them in one."""
    folders: list[tuple[int, dict[tuple[str, ...], _Found]]] = []
    for usual in IMAGE_FOLDERS:
        below = listing.folder(str(root), usual)
        if below is None:
            continue
        folder = str(root / below)
        tried = ((paths, _find_in(listing, folder, paths)) for paths in names)
        here = {paths: one for paths, one in tried if one}
        # Several names may find one file, in the folder of another split.
        count = len({one.stored for one in here.values()})
        folders.append((count, here))
        if count == len(names):
            break
    folders.sort(key=lambda pair: -pair[0])  # stable
    found = ChainMap(*(here for _, here in folders))
    return {paths: found[paths] for paths in names if paths in found}


def _find_in(listing: Listing, folder: str, paths: Iterable[str]) -> _Found | None:
    for place, path in enumerate(paths):
        if stored := listing.file(folder, path):
            return _Found(folder, place, stored)
    return None


def _ending(asked: str, stored: str) -> str:
    """Give the ending of a photo that was asked for without it, else ""."""
    if asked == stored:
        return ""
    stem, ending = os.path.splitext(stored)  # noqa: PTH122
    return ending if without_case(stem) == without_case(asked) else ""


def _nowhere(file: Path, roots: Sequence[Path], paths: tuple[str, ...]) -> str:
    below = dict.fromkeys(path.rpartition("/")[0] for path in paths)
    places = dict.fromkeys([*IMAGE_FOLDERS, *below])
    return (
        f"None of the photos that {file} names is there, such as {paths[-1]:.200}. Put "
        f"them into {roots[0]}, or a folder `images` in it. They were looked for in "
        f"{' and in '.join(map(str, roots))}, and there in the folders "
        f"{', '.join(filter(None, places))}"[:1500]
        + "."
    )
