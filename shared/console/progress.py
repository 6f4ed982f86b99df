"""What a command says: how far it is, and what went wrong."""

import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

LINE_SECONDS = 30
# Control characters, ends of lines, marks that turn the direction of writing round, and
# halves of characters that are no byte of a file name.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udc7f\udd00-\udfff]"
)


def is_terminal() -> bool:
    """Whether somebody watches standard error."""
    return sys.stderr.isatty()


def say(message: str) -> None:
    """Print a message beside the results, on standard error; see `plain`."""
    lines = map(plain, message.split("\n"))
    print("\n".join(lines), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    r"""Write control characters as \x1b: a name is one line, and no command.

    Everything that comes out of files, bundles and names is shown on a terminal so.
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def counted(number: int, one: str, many: str = "") -> str:
    """Say how many there are.

    >>> counted(1, "photo"), counted(2, "photo"), counted(0, "photo is", "photos are")
    ('1 photo', '2 photos', '0 photos are')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def describe(error: Exception, when_full: str) -> str:
    """Word an error for the user; `when_full` is what to do if memory is short."""
    if isinstance(error, MemoryError):
        return f"the memory is full. {when_full}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'output'}: {error.strerror}."
    return str(error)


@contextmanager
def progress_bar(
    title: str, total: int, done: int = 0, shown: bool = True, unit: str = "photos"
) -> Iterator[Callable[[int], None]]:
    """Show a bar with rate and time left, on a terminal.

    Yields:
        function to call with the number of units that are done, all together.
    """
    if not (shown and is_terminal()):
        yield lambda done: None
        return
    with _bar(unit) as bar:
        task = bar.add_task(title, total=total, completed=done)
        yield lambda done: bar.update(task, completed=done)


class TrainingProgress:
    """Show where training stands: a bar on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._bar: Progress | None = _bar("steps") if is_terminal() else None
        self._task: TaskID | None = None
        self._epoch: tuple[str, int] | None = None
        self._said, self._started = -math.inf, 0.0
        self._first = 0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def announce(self, message: str) -> None:
        """Print a sentence; a bar stays below it."""
        if self._bar:
            self._bar.console.print(message, markup=False, highlight=False)
        else:
            say(message)

    def tick(self, stage: str, epoch: int, step: int, steps: int, loss: float) -> None:
        """Show a step of an epoch; epochs from 0, steps from 1."""
        now = time.monotonic()
        title = f"{stage}, epoch {epoch + 1}"
        if self._epoch != (stage, epoch):
            self._epoch, self._started, self._first = (stage, epoch), now, step
            if self._bar:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(title, total=steps, completed=step)
        if self._bar and self._task is not None:
            text = f"{title}, loss {loss:.3f}"
            self._bar.update(self._task, completed=step, description=text)
        elif now - self._said >= LINE_SECONDS:
            rate = (step - self._first) / max(now - self._started, 1e-9)
            left = f", {(steps - step) / rate / 60:.1f} min left" if rate else ""
            say(f"{title}, step {step}/{steps}, loss {loss:.3f}{left}")
            self._said = now


def _bar(unit: str) -> "Progress":
    from rich import progress  # 0.1 s to import
    from rich.console import Console
    from rich.text import Text

    class Rate(progress.ProgressColumn):
        def render(self, task: "Task") -> Text:
            return Text(f"{task.speed:.1f} {unit}/s" if task.speed else f"- {unit}/s")

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
