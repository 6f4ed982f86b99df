"""An output in parts, each whole or not there, to which many workers write at once.

    part-00000.jsonl, part-00001.jsonl, …   a record a line, or `.parquet`
    _sightread/manifest.json                what they are of: command, settings, source
    _sightread/part-00000.json, …           of each part that is whole: its receipt

A part holds the records of one share of the items, in order, so that all parts one
after the other are what one process would have written. A part without a receipt,
which is what a kill leaves, is written again.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO, NamedTuple, cast

from shared.errors import AppError
from shared.files.atomic import beside, cannot_write, taking_place
from shared.files.formats import Record, to_json
from shared.scale.stores import TOGETHER, Address, Place
from shared.scale.tables import Columns, write_parquet

ABOUT = "_sightread"  # readers of folders of parts leave out what starts so
MANIFEST = "manifest.json"


class Receipt(NamedTuple):
    """What a part holds.

    Attributes:
        records: how many.
        errors: how many of them say why there is no result.
        bytes: size of its file.
        sha256: of the file.
        state: of the photos when they were read, see `shared.scale.shares.files_state`.
    """

    records: int
    errors: int
    bytes: int
    sha256: str
    state: str


@dataclass(frozen=True)
class Parts:
    """A folder of parts, as workers and the one who sends them work know it.

    Attributes:
        folder: where they lie, on a disk or in a store; all machines see it there.
        form: ".jsonl" or ".parquet".
        columns: of the latter.
    """

    folder: Place
    form: str
    columns: Columns

    def path(self, number: int) -> Place:
        """Where a part is."""
        return self.folder / f"part-{number:05d}{self.form}"

    def write(self, number: int, records: Iterable[Record], state: str) -> Receipt:
        """Write a part and its receipt, each whole or not at all.

        Args:
            number: of the part.
            records: taken as they are written.
            state: see `Receipt`.

        Raises:
            AppError: if that fails.
        """
        path = self.path(number)
        count = errors = 0

        def counted() -> Iterator[Record]:
            nonlocal count, errors
            for record in records:
                count += 1
                errors += "error" in record
                yield record

        try:
            with _whole(path) as file:
                if self.form == ".parquet":
                    write_parquet(counted(), file, self.columns)
                else:
                    for record in counted():
                        file.write(f"{to_json(record)}\n".encode())
                size = file.tell()
                file.seek(0)
                sha256 = _sha256(file)
            receipt = Receipt(count, errors, size, sha256, state)
            with _whole(self._receipt(number)) as file:
                file.write(json.dumps(receipt._asdict()).encode())
        except OSError as error:
            raise cannot_write(path, error) from error
        return receipt

    def receipts(self) -> dict[int, Receipt]:
        """Read the receipts of the parts that are whole.

        Raises:
            AppError: if one is damaged.
        """

        def read(path: Place) -> tuple[int, Receipt]:
            try:
                told = json.loads(path.read_bytes())
                return int(path.stem.removeprefix("part-")), Receipt(**told)
            except (ValueError, TypeError) as error:
                raise AppError(
                    f"{path} is damaged. Delete it, and go on with --resume: its part "
                    "is done again."
                ) from error

        with ThreadPoolExecutor(TOGETHER) as pool:
            found = list((self.folder / ABOUT).glob("part-*.json"))
            return dict(sorted(pool.map(read, found)))

    def receipt(self, number: int) -> Receipt | None:
        """Read the receipt of a part that was just written; None if it is not seen."""
        with suppress(OSError, ValueError, TypeError):
            return Receipt(**json.loads(self._receipt(number).read_bytes()))
        return None

    def check(self, number: int, receipt: Receipt) -> None:
        """Make sure that a part is what its receipt says.

        Raises:
            AppError: if it is gone, or was changed or damaged since.
        """
        path = self.path(number)
        try:
            if path.stat().st_size == receipt.bytes and (
                _digest(path) == receipt.sha256
            ):
                return
            problem = "was changed or damaged since it was written"
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
        raise AppError(
            f"{path} {problem}. Restore it; or delete {self._receipt(number)}, and go "
            "on with --resume: the part is done again."
        )

    def begin(self, manifest: dict[str, Any]) -> None:
        """Write what the parts are of.

        Raises:
            OSError: if that fails.
        """
        about = self.folder / ABOUT
        about.mkdir(exist_ok=True)
        with _whole(about / MANIFEST) as file:
            file.write(f"{json.dumps(manifest, indent=1)}\n".encode())

    def manifest(self) -> dict[str, Any] | None:
        """Read what the parts are of; None if that is not there.

        Raises:
            AppError: if it is damaged.
        """
        path = self.folder / ABOUT / MANIFEST
        try:
            told = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AppError(
                f"{path} cannot be read: {error.strerror or error}."
            ) from error
        except ValueError as error:
            raise AppError(
                f"{path} is damaged, which says what is in {self.folder}. Choose "
                "another folder, or --overwrite it."
            ) from error
        return told if isinstance(told, dict) else {}

    def clear(self) -> None:
        """Remove all that a run has written, and nothing else."""
        about = self.folder / ABOUT
        own = [*self.folder.glob("part-*.jsonl"), *self.folder.glob("part-*.parquet")]
        gone = [*self._leftovers(), *about.glob("part-*.json"), *own]
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(lambda path: path.unlink(missing_ok=True), gone))
        (about / MANIFEST).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what workers that were killed have left unfinished."""
        for path in self._leftovers():
            path.unlink(missing_ok=True)

    def attempts(self, number: int) -> Place:
        """Where it is kept how attempts at a part went, see `shared.scale.attempts`."""
        return self.folder / ABOUT / f".part-{number:05d}.part"

    def _leftovers(self) -> list[Place]:
        folders = (self.folder, self.folder / ABOUT)
        return [p for folder in folders for p in folder.glob(".part-*.part")]

    def _receipt(self, number: int) -> Place:
        return self.folder / ABOUT / f"part-{number:05d}.json"


@contextmanager
def _whole(path: Place) -> Iterator[BinaryIO]:
    """Give a new file to write, which takes the place of `path` when it is whole.

    Unlike those of `shared.files.atomic`, two may be written at once: a worker that was
    given up may still be at it when another one does its share.
    """
    if isinstance(path, Address):
        with TemporaryFile() as kept:
            file = cast(BinaryIO, kept)
            yield file
            file.seek(0)
            path.copy_from(file)
        return
    new = beside(path, f".{uuid.uuid4().hex[:8]}.part")
    with taking_place(new, path), new.open("w+b") as file:
        yield file


def _digest(path: Place) -> str:
    with path.open("rb") as file:
        return _sha256(file)


def _sha256(file: BinaryIO) -> str:
    return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
