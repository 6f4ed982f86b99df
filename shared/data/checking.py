"""The check of a data set before hours are spent on it: its photos, and the report."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args

from shared.console.progress import counted, plain
from shared.data.reading import Split
from shared.errors import AppError
from shared.files.threads import map_in_threads
from shared.vision.images import StoredImage, image_name, read_image

EXAMPLES = 5
THREADS = 2  # that decode photos
SMALL = 1  # px: a JPEG is decoded to its end, but at an eighth of its size


class _HasPhoto(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def image(self) -> Path | StoredImage: ...
    @property
    def split(self) -> Split: ...


@dataclass(frozen=True)
class PhotoCheck:
    """What looking at every photo of a data set showed; a report can be made of it.

    Attributes:
        photos: how many, by split.
        missing: (name, reason) of the photos that are not there.
        broken: (name, reason) of the photos that are there and cannot be read.
        leaks: names of photos with the same bytes that are in several splits.
        repeats: how many photos have the same bytes as an earlier one of their split.
    """

    photos: dict[Split, int]
    missing: tuple[tuple[str, str], ...]
    broken: tuple[tuple[str, str], ...]
    leaks: tuple[tuple[str, ...], ...]
    repeats: int

    @property
    def unreadable(self) -> set[str]:
        """Names of the photos that cannot be learnt from."""
        return {name for name, _ in (*self.missing, *self.broken)}

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be fixed."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """What to fix, a paragraph each, with examples."""
        found = (
            name_some("missing photos", map(": ".join, self.missing)),
            name_some("broken photos", map(": ".join, self.broken)),
            name_some(
                "photos that are in several splits, so that dev or test scores flatter",
                map(" = ".join, self.leaks),
            ),
        )
        return [text for text in found if text]

    @property
    def warnings(self) -> list[str]:
        """What does not stop a training, but makes it less than it seems."""
        return []

    @property
    def notes(self) -> list[str]:
        """What is good to know."""
        if not self.repeats:
            return []
        return [f"photos that repeat one of their own split: {self.repeats}"]

    def report(self, counts: Mapping[str, Mapping[Split, int]], about: str) -> str:
        """Write a table of the splits, a text, and all that was found.

        Args:
            counts: title -> how many by split; the first are also given per photo.
            about: what else there is to say, some lines.
        """
        titles = ("photos", *counts, "a photo")
        lines = [f"{'split':8}" + "".join(f"{title:>10}" for title in titles)]
        for split, photos in self.photos.items():
            numbers = [count[split] for count in counts.values()]
            cells = "".join(f"{number:10}" for number in (photos, *numbers))
            lines.append(f"{split:8}{cells}{numbers[0] / photos:10.1f}")
        warnings, problems = self.warnings, self.problems
        lines += [about, ""]
        lines += [f"note: {text}" for text in self.notes]
        lines += [f"warning: {text}" for text in warnings]
        lines += [f"problem: {text}" for text in problems]
        if not problems:
            but = f", but {counted(len(warnings), 'warning')}" if warnings else ""
            lines.append(f"no problems found{but}")
        text = "\n".join(map(plain, "\n".join(lines).split("\n")))
        # File names may hold bytes that are no text.
        return text.encode("utf-8", "replace").decode()


def check_photos(
    records: Iterable[_HasPhoto],
    progress: Callable[[int, int], None] | None = None,
) -> PhotoCheck:
    """Decode each photo once, however many records it has, and keep none.

    Args:
        records: of one data set; those of the same name have the same photo.
        progress: called with (photos looked at, photos in all) after each.
    """
    images: dict[str, Path | StoredImage] = {}
    splits: defaultdict[str, set[Split]] = defaultdict(set)
    for record in records:
        images.setdefault(record.name, record.image)
        splits[record.name].add(record.split)
    missing, broken = list[tuple[str, str]](), list[tuple[str, str]]()
    same: defaultdict[str, list[str]] = defaultdict(list)  # names by what files hold
    looks = map_in_threads(_look_at, images.values(), THREADS)
    for done, (name, (digest, error)) in enumerate(zip(images, looks, strict=True), 1):
        if error is None:
            same[digest].append(name)
        else:
            reason = str(error).removeprefix(f"{image_name(images[name])}: ")
            is_missing = isinstance(error.__cause__, FileNotFoundError)
            (missing if is_missing else broken).append((name, reason))
        if progress:
            progress(done, len(images))
    placed = [
        Counter(s for name in names for s in splits[name]) for names in same.values()
    ]
    found = Counter(split for of_photo in splits.values() for split in of_photo)
    return PhotoCheck(
        photos={split: found[split] for split in get_args(Split) if found[split]},
        missing=tuple(missing),
        broken=tuple(broken),
        leaks=tuple(
            tuple(names)
            for names, count in zip(same.values(), placed, strict=True)
            if len(count) > 1
        ),
        repeats=sum(count.total() - len(count) for count in placed),
    )


def _look_at(image: Path | StoredImage) -> tuple[str, AppError | None]:
    try:
        read_image(image, size=SMALL)
        return hashlib.sha256(image.read_bytes()).hexdigest(), None
    except AppError as error:
        return "", error
    except OSError as error:  # gone since it was decoded
        return "", AppError(f"the file cannot be read: {error.strerror}.")


def name_some(title: str, items: Iterable[str]) -> str:
    """Say how many there are of something, and name the first, a line each.

    Returns:
        an empty text if there is none.
    """
    items = list(items)
    if not items:
        return ""
    lines = [f"{title}: {len(items)}", *items[:EXAMPLES]]
    if len(items) > EXAMPLES:
        lines.append(f"... and {len(items) - EXAMPLES} more")
    return "\n    ".join(lines)


def without_split(what: str, counts: Mapping[Split, int]) -> list[str]:
    """Say which of the splits that a training needs has none of something."""
    needed: Sequence[Split] = ("train", "dev")
    return [f"no {what} in split {split}" for split in needed if not counts.get(split)]


def as_size(count: float) -> str:
    """Write a number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def as_time(seconds: float) -> str:
    """Write a duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
