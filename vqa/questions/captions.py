"""Photos with people's captions, to make questions from."""

from dataclasses import dataclass
from pathlib import Path

from shared.captioned import read_files
from shared.reading import Split


@dataclass(frozen=True)
class Captioned:
    """One photo with its captions.

    Attributes:
        name: path below the image folder, with `/`.
        image: the file; nobody has looked yet whether it is a photo.
        captions: as written, without white space around and without empty ones.
        split: train, dev or test.
    """

    name: str
    image: Path
    captions: tuple[str, ...]
    split: Split


def read_captions(source: str | Path) -> list[Captioned]:
    """Read a captioned data set: a folder, or the annotation file in it.

    Photos without captions, or that are not there, are left out.

    Returns:
        photos in the order of the annotations.

    Raises:
        AppError: as `shared.captioned.read_files`.
    """
    found = []
    for record in read_files(source):
        captions = tuple(filter(None, record.captions))
        if captions and isinstance(record.image, Path) and record.image.is_file():
            found.append(Captioned(record.name, record.image, captions, record.split))
    return found
