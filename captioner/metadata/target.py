"""What keeps captions in the photos: `captioner caption --write-metadata`."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

from captioner.files.formats import to_error
from captioner.files.sidecars import WRITERS_AT_ONCE, Sidecars
from captioner.metadata.writing import write_description
from shared.console.progress import counted, say
from shared.errors import AppError
from shared.files.formats import Record
from shared.files.jobs import Batch
from shared.files.outputs import Output

_UNSURE = "unsure"


def say_rest(counts: Counter[str]) -> None:
    """Say how many photos do not have their words inside, by what came of them."""
    for result, what in (
        ("kept", "described by a person, left as they are; --replace-descriptions"),
        ("sidecar", "described in a file beside them, PHOTO.xmp"),
        (_UNSURE, "not described: the model is not sure"),
    ):
        if count := counts[result]:
            say(f"note: {counted(count, 'photo')} {what}")


class Described:
    """Photos that get their captions, see `shared.files.jobs.Target`.

    Captions that the model is not sure of are not written.

    Args:
        photos: in order, all different.
        target: what else keeps the records; None if nothing does.
        replace, sidecar, keep_times: see
            `captioner.metadata.writing.write_description`.

    Attributes:
        todo, done, errors: see `Target`; those of `target`, or of all photos.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        target: Sidecars | Output | None,
        *,
        replace: bool = False,
        sidecar: bool = False,
        keep_times: bool = False,
    ):
        self._photos, self._target = photos, target
        self._describe = partial(
            write_description, replace=replace, sidecar=sidecar, keep_times=keep_times
        )
        self._counts: Counter[str] = Counter()
        self.todo, self.done, self.errors = list(range(len(photos))), 0, 0

    def __enter__(self) -> Self:
        if self._target:
            self._target.__enter__()
            self.todo, self.done = self._target.todo, self._target.done
            self.errors = self._target.errors
        return self

    def __exit__(self, *raised: object) -> None:
        if self._target:
            self._target.__exit__(*raised)

    def __str__(self) -> str:
        return str(self._target or "the descriptions written so far are kept")

    def is_there(self) -> bool:
        """Whether there is something to go on with."""
        return self._target is not None and self._target.is_there()

    def note(self, place: int) -> None:
        """Look at a photo that is about to be read."""
        if self._target:
            self._target.note(place)

    def append(self, batch: Batch) -> Batch:
        """Write the captions of a batch into its photos, then keep the records.

        Returns:
            the batch, with errors for photos that cannot be written.
        """
        with ThreadPoolExecutor(WRITERS_AT_ONCE) as pool:
            came = list(pool.map(self._write, batch))
        kept, again = [], []
        for (place, record), result in zip(batch, came, strict=True):
            if isinstance(result, AppError):
                photo = self._photos[place]
                record = to_error(record["image"], result, str(photo))
                again.append(place)
            elif result in ("photo", "same") and self._target:
                self._target.renew(place)
            kept.append((place, record))
            self._counts[str(result)] += 1
        return self._target.append(kept, again) if self._target else kept

    def finish(self) -> None:
        """Write the output, where there is one, and say what is not in the photos."""
        if self._target:
            self._target.finish()
        say_rest(self._counts)

    def _write(self, item: tuple[int, Record]) -> str | AppError:
        place, record = item
        if "error" in record:
            return "error"
        if record["unsure"]:
            return _UNSURE
        try:
            return self._describe(self._photos[place], record["caption"])
        except AppError as error:
            return error
