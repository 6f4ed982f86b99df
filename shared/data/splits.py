"""Which photos a model learns from, and which ones it is judged by."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from shared.data.reading import Split
from shared.errors import AppError

SHARE = 0.1
ENOUGH = 10  # photos, of which a small set gives a quarter at the most


def draw_dev(names: Iterable[str]) -> set[str]:
    """Draw the photos to choose and judge a model by, by their names alone.

    A photo is drawn if the SHA-256 of its name, as a fraction, is below 0.1: about
    one in ten, and the same ones when photos are added. Where these are fewer than
    10, those with the next fractions are drawn as well, up to 10 or a quarter of the
    photos, so that small sets are not judged by one or two.

    Args:
        names: of the photos that can be learnt from.

    Returns:
        at least one of two or more names, and never all of them.
    """
    places = {}
    for name in names:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        places[name] = int.from_bytes(digest[:8]) / 2**64
    ordered = sorted(places, key=places.__getitem__)
    below = sum(place <= SHARE for place in places.values())
    count = max(below, min(ENOUGH, len(ordered) // 4), 1)
    return set(ordered[: min(count, len(ordered) - 1)])


def check_said(path: Path, what: str, said: Iterable[tuple[str, Split | None]]) -> None:
    """Refuse a data set that names a split for some photos or questions only.

    Args:
        path: of the data set.
        what: "photos" or "questions".
        said: what each is called in the message, and its split.

    Raises:
        AppError: if some have a split and some have none.
    """
    said = list(said)
    without = [name for name, split in said if split is None]
    if without and len(without) < len(said):
        raise AppError(
            f"{path} names a split for some {what}, but not for {len(without)}, such "
            f"as {without[0]}. Name one for every {what[:-1]}, or for none."
        )


class _HasSplit(Protocol):
    @property
    def split(self) -> Split: ...


Record = TypeVar("Record", bound=_HasSplit)


def choose_split(
    records: Iterable[Record], split: str, what: str, that: str = ""
) -> list[Record]:
    """Keep the records of one split.

    Args:
        records: those that can be used.
        split: train, dev or test.
        what: "photos" or "questions".
        that: what these have, such as "with captions".

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    records = list(records)
    if chosen := [record for record in records if record.split == split]:
        return chosen
    counts = Counter(record.split for record in records)
    found = ", ".join(f"{name} ({n})" for name, n in counts.items())
    raise AppError(
        f"The data set has no {what}{that and f' {that}'} in split {split!r}. Splits "
        f"with {what}: {found or 'none'}. Choose one of them, or mark some {what} as "
        f"{split!r}."
    )


class _MayBeDrawn(Protocol):
    @property
    def is_drawn(self) -> bool: ...


D = TypeVar("D", bound=_MayBeDrawn)


def learn_from_all(learn: Sequence[D], dev: Sequence[D]) -> tuple[list[D], list[D]]:
    """Learn from all but what somebody marked as dev; of few photos none is spared.

    Returns:
        what to learn from, and what to choose by: the same if nobody marked any.
    """
    learn = [*learn, *(record for record in dev if record.is_drawn)]
    return learn, [record for record in dev if not record.is_drawn] or learn
