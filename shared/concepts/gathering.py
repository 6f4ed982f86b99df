"""Gather what teaches a concept net: photos, their features, a detector's answers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.concepts.lessons import Lesson, Photo
from shared.concepts.teachers import Teacher, ask
from shared.console.progress import counted
from shared.data.captioned import Record
from shared.errors import AppError
from shared.files.fingerprints import digest_photos
from shared.vision.encoders import Encoder
from shared.vision.features import extract_features


class Source(NamedTuple):
    """Photos of one data set or folder.

    Attributes:
        name: for reports.
        photos: `gather` adds their digests and the number of their source.
    """

    name: str
    photos: Sequence[Photo]


def captioned(name: str, records: Sequence[Record]) -> Source:
    """Take a data set's photos that are to learn from and to judge by.

    Captions without a word are left out; photos without captions still show things.
    """
    photos = []
    for record in records:
        captions = (text for text in record.captions if any(map(str.isalnum, text)))
        if record.split in ("train", "dev"):
            photos.append(Photo(record.image, record.split, tuple(captions)))
    return Source(name, photos)


def uncaptioned(name: str, paths: Sequence[Path], labelled: bool) -> Source:
    """Take photos without captions; all are to learn from.

    Args:
        labelled: whether the name of the file or of its folder says what it shows.
    """

    def read(path: Path) -> Photo:
        return Photo(path, labels=(path.stem, path.parent.name) if labelled else ())

    return Source(name, [read(path) for path in paths])


def gather(
    sources: Sequence[Source],
    encoder: Encoder,
    teacher: Teacher,
    cache: Path,
    announce: Callable[[str], None],
) -> Lesson:
    """Encode all photos, and ask the teacher about them; what was done is kept.

    Photos that cannot be read are left out, and a photo that is there twice counts
    once: as the first.

    Args:
        cache: folder for features and answers.
        announce: told what happens, a sentence each.

    Raises:
        AppError: if no photo has captions to learn from, or the cache cannot be used.
    """
    photos: list[Photo] = []
    places: list[tuple[int, int]] = []
    features: list[np.ndarray] = []
    known: set[str] = set()
    for number, source in enumerate(sources):
        if not source.photos:
            raise AppError(
                f"{source.name} has no photos to learn from or to judge by. Leave it "
                "out, or give another folder."
            )
        announce(f"{source.name}: {counted(len(source.photos), 'photo')}.")
        images = [photo.image for photo in source.photos]
        found = extract_features(
            images, encoder, cache, resize="squash", mirrored=False, announce=announce
        )
        if found.broken:
            reason = next(iter(found.broken.values()))
            announce(f"{len(found.broken)} cannot be read; the first: {reason}")
        features.append(found.array)
        digests = digest_photos(images)
        for row, photo in enumerate(source.photos):
            if row not in found.broken and digests[row] not in known:
                known.add(digests[row])
                photos.append(photo._replace(source=number, digest=digests[row]))
                places.append((number, row))
    if not any(photo.captions for photo in photos if photo.split == "train"):
        raise AppError(
            "No photo has captions to learn from. Give a data set with --data, as "
            "`captioner train` takes it."
        )
    images_by_digest = {photo.digest: photo.image for photo in photos}
    scores = ask(teacher, images_by_digest, cache, announce)
    return Lesson(photos, places, features, scores)
