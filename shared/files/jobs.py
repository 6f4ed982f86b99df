"""A job: what comes of many items is kept or printed, and errors are said."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from shared.console.progress import counted, is_terminal, plain, progress_bar, say
from shared.files.formats import Record

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Batch = Sequence[tuple[int, Record]]  # places of items, and what came of each
Note = Callable[[int], None]  # to be called with a place before its photo is read
# Gives records, batch after batch: of all items, those at the places that are to do.
Do = Callable[[Sequence[T], Sequence[int], Note], Iterator[Batch]]


class Work(Protocol[T_contra]):
    """What is done with items.

    Attributes:
        unit: what an item is, such as "photo".
        noun: what comes of it, such as "caption".
    """

    unit: ClassVar[str]
    noun: ClassVar[str]

    @property
    def verbose(self) -> bool:
        """Whether to say what runs, and how fast."""

    def settings(self) -> dict[str, Any]:
        """Give all that records depend on, by option, without loading a model.

        Raises:
            AppError: if there is no model, or what is asked of it is impossible.
        """

    def load(self) -> Do[T_contra]:
        """Load the model, and refuse what is impossible before photos are read.

        Raises:
            AppError: if there is no model, or what is asked of it is impossible.
        """

    def lines(self, record: Record) -> Iterable[str]:
        """Write a record that is no error as it is printed."""

    def remarks(self, record: Record) -> Iterable[str]:
        """Say what else is to be known of a record that is printed."""


class Target(Protocol):
    """Where records are kept; see `shared.files.outputs.Output`.

    Inside, as a context manager, it is locked against other processes.

    Attributes:
        todo: places of the items that are not done yet.
        done: how many are done.
        errors: how many of these have failed.
    """

    todo: list[int]
    done: int
    errors: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def is_there(self) -> bool:
        """Whether there is something to go on with."""

    def note(self, place: int) -> None:
        """Look at the photo of an item, which is about to be read."""

    def append(self, batch: Batch, /) -> Batch:
        """Keep records; give them as they were kept."""

    def finish(self) -> None:
        """Keep all of it for good."""


class Runnable(Protocol):
    """A job, here or elsewhere."""

    @property
    def errors(self) -> int:
        """How many items have failed so far."""

    def run(self) -> None:
        """Do what is not done yet."""


def in_order(tell: Callable[[Iterable[T]], Iterable[Sequence[Record]]]) -> Do[T]:
    """Give what a job does, of a function that keeps the order of its items."""

    def do(items: Sequence[T], todo: Sequence[int], note: Note) -> Iterator[Batch]:
        def read() -> Iterator[T]:
            for place in todo:
                note(place)
                yield items[place]

        places = iter(todo)
        for records in tell(read()):
            yield [(next(places), record) for record in records]

    return do


class Job(Generic[T]):
    """Items to work on, and where the records go.

    Args:
        items: in order.
        work: what is done with them.
        target: what keeps the records; None prints them.

    Attributes:
        done: items dealt with so far, those of an earlier run among them.
        errors: how many of them failed.
    """

    def __init__(self, items: Sequence[T], work: Work[T], target: Target | None = None):
        self.items, self.work, self.target = items, work, target
        self.done = self.errors = 0
        self._said: set[str] = set()

    def run(self) -> None:
        """Do what is not done yet.

        Raises:
            AppError: if there is no model, or the records cannot be kept. What was
                written before is kept, unless the message says that it is lost.
        """
        with self.target or nullcontext():
            try:
                self._run()
            except BaseException:
                if self.done and self.target and self.target.is_there():
                    say(f"note: {self.target}; go on with --resume")
                raise
        if self.errors or is_terminal():
            good = self.done - self.errors
            say(f"{counted(good, self.work.noun)}, {counted(self.errors, 'error')}")

    def _run(self) -> None:
        todo: Sequence[int] = range(len(self.items))
        if self.target:
            todo, self.done = self.target.todo, self.target.done
            self.errors = self.target.errors
        if todo:
            self._do(todo)
        if self.target:
            self.target.finish()

    def _do(self, todo: Sequence[int]) -> None:
        bar = progress_bar(
            f"{self.work.noun}s",
            len(self.items),
            self.done,
            shown=self.target is not None or not sys.stdout.isatty(),
            unit=f"{self.work.unit}s",
        )
        do = self.work.load()
        note = self.target.note if self.target else lambda place: None
        started, first = time.monotonic(), self.done
        with bar as advance:
            for batch in do(self.items, todo, note):
                self._put(batch)
                advance(self.done)
        if self.work.verbose:
            count, seconds = self.done - first, time.monotonic() - started
            pace = f"{seconds:.2f} s, {count / seconds:.1f} a second"
            say(f"{counted(count, self.work.unit)} in {pace}")

    def _put(self, batch: Batch) -> None:
        if self.target:
            batch = self.target.append(batch)
        for _, record in batch:
            if "error" in record:
                self._say_once(f"error: {record['image']}: {record['error']}")
            elif not self.target:
                for remark in self.work.remarks(record):
                    self._say_once(remark)
                print(*self.work.lines(record), sep="\n")
        if not self.target:
            sys.stdout.flush()
        self.done += len(batch)
        self.errors += sum("error" in record for _, record in batch)

    def _say_once(self, message: str) -> None:
        """Say what is true of all questions about a photo once."""
        if message not in self._said:
            self._said.add(message)
            say(plain(message))
