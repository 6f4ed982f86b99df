"""Gather what teaches a concept net: photos, their features, a detector's answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.concepts.lessons import Photo
from shared.concepts.teachers import Teacher, ask
from shared.console.progress import counted
from shared.data.captioned import Record
from shared.errors import AppError
from shared.files.fingerprints import digest_photos
from shared.vision.encoders import Encoder
from shared.vision.features import Features, extract_features

MOST_OFTEN = 8.0  # how much more a photo of a small source may count


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


@dataclass
class Lesson:
    """All photos, with what is known of each.

    Axes: P photos, R regions, D feature size.

    Attributes:
        photos: P.
        places: of each photo's features: its source, and the row there.
        features: of each source.
        scores: float16 (P, 80), the teacher's.
        weights: float32 (P,), how much each counts: those of a small source more.
    """

    photos: list[Photo]
    places: list[tuple[int, int]]
    features: list[Features]
    scores: np.ndarray
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        sources = np.array([photo.source for photo in self.photos])
        taught = sources[self.rows("train")]
        counts = np.bincount(taught, minlength=len(self.features)).clip(1)
        often = np.sqrt(counts.max() / counts).clip(1.0, MOST_OFTEN)
        self.weights = often.astype(np.float32)[sources]

    @property
    def feature_size(self) -> int:
        """D."""
        return int(self.features[0].array.shape[-1])

    def take(self, rows: Iterable[int]) -> np.ndarray:
        """Give the features of photos: float32 (rows, R, D)."""
        places = (self.places[row] for row in rows)
        found = [self.features[source].array[row, 0] for source, row in places]
        return np.stack(found).astype(np.float32)

    def rows(self, split: str) -> np.ndarray:
        """Give the numbers of a split's photos: int (rows,)."""
        return np.flatnonzero([photo.split == split for photo in self.photos])


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
    features: list[Features] = []
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
        features.append(found)
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
