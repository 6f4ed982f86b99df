"""Photos with people's captions, or with labels, to make questions from."""

import re
from pathlib import Path

from shared.concepts.words import concept_mentions, imagenet_names
from shared.data.captioned import read_files
from shared.data.splits import draw_dev
from shared.data.walking import is_photo_name, walk
from shared.errors import AppError
from vqa.questions.question import Captioned

_WNID = re.compile(r"^n\d{8}_")  # of WordNet, before the name of a class of ImageNet


def read_captions(source: str | Path) -> list[Captioned]:
    """Read a captioned data set: a folder, or the annotation file in it.

    Photos without captions, or that are not there, are left out.

    Returns:
        photos in the order of the annotations.

    Raises:
        AppError: as `shared.data.captioned.read_files`.
    """
    found = []
    for record in read_files(source):
        captions = tuple(filter(None, record.captions))
        if captions and isinstance(record.image, Path) and record.image.is_file():
            found.append(Captioned(record.name, record.image, captions, record.split))
    return found


def read_labelled(folder: Path) -> list[Captioned]:
    """Read photos that are named, or lie in folders named, by the one thing they show.

    What a name says becomes a caption: "a cat" of `cats/003.jpg` or of
    `n02123045_tabby.jpg`. Photos whose names say nothing of `shared.concepts.words` are
    left out. About one in ten is dev, see `shared.data.splits`.

    Raises:
        AppError: if none is left.
    """
    files = sorted(
        file
        for place, names in walk(folder)
        for file in (Path(place, name) for name in filter(is_photo_name, names))
        if file.is_file()
    )
    names = {file: file.relative_to(folder).as_posix() for file in files}
    shown = {file: word for file in files if (word := _label(file))}
    if not shown:
        raise AppError(
            f"{folder} holds no photos named by everyday things. Name them, or "
            "their folders, by what they show: cats/003.jpg, or accordion.jpg."
        )
    dev = draw_dev(names[file] for file in shown)
    return [
        Captioned(
            names[file],
            file,
            (f"a {word}",),
            "dev" if names[file] in dev else "train",
        )
        for file, word in shown.items()
    ]


def _label(file: Path) -> str:
    """The concept that a photo's name tells, or else that of its folder; or ""."""
    for name in (_WNID.sub("", file.stem), file.parent.name):
        said = re.sub(r"[_-]+", " ", name).lower().strip()
        if said in imagenet_names():
            return imagenet_names()[said]
        if words := [word for *_, word in concept_mentions().places(said.split())]:
            return words[-1]
    return ""
