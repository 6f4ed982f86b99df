"""What a file of captions says: which photo, which captions, which split."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.data import reading
from shared.data.reading import Split, get_value

SPLITS: dict[str, Split] = {
    "train": "train",
    "restval": "train",  # COCO's validation photos that Karpathy gave to training
    **reading.SPLITS,
}


class Row(NamedTuple):
    """What one place in a file of captions says.

    Attributes:
        where: file and line, for error messages.
        files: where the photo may lie, the likeliest first: paths below the image
            folder, with `/`; none if only the photo's id is said.
        captions: as written.
        split: None if not said.
        id: of the photo, as the file numbers it; None if it does not.
        place: the photo's file, if that is known; `files` has its name then.
    """

    where: str
    files: tuple[str, ...]
    captions: Sequence[str]
    split: Split | None = None
    id: int | str | None = None
    place: Path | None = None

    def moved(self, *folders: str) -> "Row":
        """Give a row whose photo may lie in any of these folders, with `/` or ""."""
        files = (folder + file for folder in folders for file in self.files)
        return self._replace(files=tuple(files))


Files = Callable[[Path, bool], list[tuple[Path, str]]]


def train_brings(files: Files) -> Files:
    """Make `files` of a layout in which only the file of train brings the others.

    `captions_val2017.json` comes with `captions_train2017.json`, and is read alone if
    it is named itself.
    """

    def chosen(path: Path, alone: bool) -> list[tuple[Path, str]]:
        ((_, word),) = files(path, True)
        return files(path, alone or SPLITS.get(word) != "train")

    return chosen


def photo_id(item: Any, key: str, where: str) -> int | str:
    """Look up a photo's id: text, or a whole number, also one written as 7.0.

    Raises:
        AppError: if it is not there, or something else.
    """
    value = item.get(key) if isinstance(item, dict) else None
    if type(value) is int:  # nearly always; bool is another type
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return get_value(item, key, (int, str), where)


def checked_split(word: Any, where: str) -> Split | None:
    """Understand a split's name, also Karpathy's restval; None if it is empty."""
    return reading.checked_split(word, where, SPLITS)
