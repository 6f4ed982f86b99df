"""A job on a cluster: its parts are written by workers, and errors are said."""

import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from shared.console.progress import counted, is_terminal, plain, progress_bar, say
from shared.errors import AppError
from shared.files.jobs import Work
from shared.scale.cluster import connected, send_shares
from shared.scale.output import PartedOutput
from shared.scale.parts import ABOUT, MANIFEST
from shared.scale.stores import Address

# A node that is lost takes its share with it before Ray knows that it is gone, and of
# one that ends its workers more attempts tell why, see `shared.scale.attempts`: what is
# left when all else is done is sent once more.
PASSES = 2


class ParallelJob:
    """A job whose records are written by workers.

    Args:
        work: what is done with items; pickled for the workers.
        output: where the records go.
        address: of the cluster, see `connected`.

    Attributes:
        errors: how many items have failed.
    """

    def __init__(self, work: Work, output: PartedOutput, address: str | None):
        self.work, self.output, self.address = work, output, address
        self._said: set[str] = set()

    @property
    def errors(self) -> int:
        """How many items have failed so far."""
        return self.output.errors

    def run(self) -> None:
        """Do what is not done yet.

        Raises:
            AppError: if there is no cluster or no model, or parts are missing at the
                end. What is written is kept.
        """
        output = self.output
        with output:
            if not output.todo:
                say(f"{output.folder} is finished already; --overwrite replaces it.")
            else:
                try:
                    self._run()
                except BaseException:
                    if output.done:
                        say(f"note: {output}; go on with --resume")
                    raise
        if self.errors or is_terminal():
            good = output.done - self.errors
            say(f"{counted(good, self.work.noun)}, {counted(self.errors, 'error')}")

    def _run(self) -> None:
        output = self.output
        left, first, started = set(output.todo), output.done, time.monotonic()
        bar = progress_bar(
            f"{self.work.noun}s", output.total, first, unit=f"{self.work.unit}s"
        )
        with bar as advance:
            for _ in range(PASSES):
                # With the connection, all workers end; of a pass in which some were
                # lost, others would keep their processors for as long as it lasts.
                with connected(self.address):
                    for number, said in self._send(sorted(left)):
                        left.remove(number)
                        for name, error in said:
                            self._say_once(f"error: {name}: {error}")
                        advance(output.done)
                if not left:
                    break
        if self.work.verbose:
            count, seconds = output.done - first, time.monotonic() - started
            pace = f"{seconds:.2f} s, {count / seconds:.1f} a second"
            say(f"{counted(count, self.work.unit)} in {pace}")
        if left:
            names = ", ".join(output.parts.path(n).name for n in sorted(left)[:5])
            raise AppError(
                f"{counted(len(left), 'part')} could not be done, {names}: whatever "
                "worker was at it has ended, several times. Its memory may be too "
                "small, or many photos break it. --resume tries again."
            )

    def _send(self, todo: Sequence[int]) -> Iterator[tuple[int, list[tuple[str, str]]]]:
        """Have shares done; give each one's number and what has failed in it."""
        output = self.output
        told = send_shares(
            output.shares,
            todo,
            work=pickle.dumps(self.work),
            parts=pickle.dumps(output.parts),
            settings=output.settings,
            home=str(Path.cwd()),
            landmarks=self._landmarks(),
        )
        with closing(told):  # ends what is under way
            for number, problem, said in told:
                if problem:
                    raise AppError(problem)
                output.add(number)
                yield number, said

    def _landmarks(self) -> list[str | Address]:
        """Name what a worker must see, else it would call photos missing."""
        first = [share.files[0] for share in self.output.shares if share.files]
        folders = {file.absolute().parent for file in first if isinstance(file, Path)}
        stored: dict[str, Address] = {}
        for file in first:
            if isinstance(file, Address) and file.bucket not in stored:
                with suppress(OSError):  # a photo may have gone
                    file.stat()
                    stored[file.bucket] = file
        output = self.output.folder
        if isinstance(output, Address):
            stored[""] = output / ABOUT / MANIFEST
        else:
            folders.add(output.absolute())
        return [*sorted(map(str, filter(Path.is_dir, folders))), *stored.values()]

    def _say_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            say(plain(message))
