"""Which parts of an output are left to do, and whether it is the one to go on with."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from shared.console.progress import say
from shared.errors import AppError
from shared.files.atomic import cannot_write
from shared.files.locks import Hold, hold
from shared.files.resuming import check_header, list_digest
from shared.scale.claims import Claim, claim
from shared.scale.parts import ABOUT, Parts, Receipt
from shared.scale.shares import Share, files_state
from shared.scale.stores import TOGETHER, Address, Place

CLAIM = "claim.json"

FORMAT = 1


class PartedOutput:
    """An output in parts, one for each share, see `shared.scale.parts`.

    It works as a context manager, inside which the folder is locked against other runs.

    Args:
        parts: where it is; the folder is made if its parent is there.
        by: the command that writes it, such as "captioner caption".
        unit: what a record is about, such as "photos".
        shares: all of them, in order.
        settings: gives what a record depends on, see `shared.files.outputs.Output`.
        batch: items done together, where last digits depend on that.
        resume: go on with what is there.
        overwrite: replace what is there.

    Attributes:
        todo: numbers of the shares that are not done yet, ascending.
        done: how many items are done.
        errors: how many of those have failed.
        settings: what records depend on, once entered.

    Raises:
        AppError: if it could not be written; on entering, if it is no place for these.
    """

    def __init__(
        self,
        parts: Parts,
        by: str,
        unit: str,
        shares: Sequence[Share],
        settings: Callable[[], Mapping[str, Any]],
        *,
        batch: int = 1,
        resume: bool = False,
        overwrite: bool = False,
    ):
        self.parts, self.by, self.unit, self.shares = parts, by, unit, shares
        self.resume, self.overwrite = resume, overwrite
        self.todo = list(range(len(shares)))
        self.done = self.errors = 0
        self._count = sum(share.count for share in shares)
        self.settings: dict[str, Any] = {}
        self._settings, self._batch = settings, batch
        self._lock: Hold | Claim | None = None
        _check_folder(parts.folder)

    def __enter__(self) -> Self:
        folder, what = self.parts.folder, f"`{self.by}`"
        try:
            folder.mkdir(exist_ok=True)
            if isinstance(folder, Address):
                self._lock = claim(folder / ABOUT / CLAIM, what)
            else:
                self._lock = hold(folder, what)
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            self._open()
        except OSError as error:
            self._lock.release()
            raise cannot_write(folder, error) from error
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock:
            self._lock.release()

    def __str__(self) -> str:
        return f"{self.done} of {self.total} {self.unit} are kept in {self.folder}"

    @property
    def total(self) -> int:
        """How many items there are, as far as it is known."""
        return max(self._count, self.done)

    @property
    def folder(self) -> Place:
        """Where it is."""
        return self.parts.folder

    def add(self, number: int) -> Receipt:
        """Take account of a part that a worker has written.

        Raises:
            AppError: if it is not to be seen from here.
        """
        receipt = self.parts.receipt(number)
        if receipt is None:
            raise AppError(
                f"A worker has written {self.parts.path(number).name}, but here it is "
                f"not in {self.folder}. Give an output in a store, or on a disk that "
                "all machines of the cluster share, at the same path."
            )
        self.done += receipt.records
        self.errors += receipt.errors
        return receipt

    def _open(self) -> None:
        theirs = self.parts.manifest()
        if theirs is None:
            self._check_empty()
        elif not (self.resume or self.overwrite):
            raise AppError(
                f"{self.folder} holds an output already. Add --resume to go on with "
                "it, --overwrite to replace it, or choose another folder."
            )
        self.settings = json.loads(json.dumps(self._settings()))  # tuples are lists
        ours = {
            "format": FORMAT,
            "by": self.by,
            "settings": self.settings,
            "batch": self._batch,
            "parts": self.parts.form,
            "source": {
                self.unit: self._count,
                "sha256": list_digest(share.digest for share in self.shares),
            },
        }
        if theirs and self.resume:
            self._continue(ours, theirs)
        else:
            self.parts.clear()
            self.parts.begin(ours)

    def _check_empty(self) -> None:
        """Refuse a folder with what is not ours; an empty one is as good as none."""
        found = [p for p in self.folder.iterdir() if not p.name.startswith(".")]
        others = [p for p in found if p.name != ABOUT]
        if others:
            raise AppError(
                f"{self.folder} was not written by `{self.by}`: it holds "
                f"{others[0].name}, and no {ABOUT}. Give a new or an empty folder."
            )

    def _continue(self, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        """Take over what is done, and find what is left to do.

        Raises:
            AppError: if what is there is another output, or damaged.
        """
        if theirs.get("format") != FORMAT:
            raise AppError(
                f"{self.folder} was not written by this version of the program. "
                "Choose another folder, or --overwrite it."
            )
        check_header(self.folder, ours, theirs)
        for what, name in (("source", "other " + self.unit), ("parts", "other parts")):
            if ours[what] != theirs.get(what):
                raise AppError(
                    f"{self.folder} was begun with {name}: {_told(theirs.get(what))}, "
                    f"now {_told(ours[what])}. What is done is kept. Give those that "
                    "it was begun with to go on, or choose another folder."
                )
        self.parts.sweep()
        changed, left = 0, set(self.todo)
        receipts = {n: r for n, r in self.parts.receipts().items() if n in left}
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(self.parts.check, receipts, receipts.values()))
        for number, receipt in receipts.items():
            if files_state(self.shares[number].files) != receipt.state:
                changed += 1
                continue
            left.discard(number)
            self.done += receipt.records
            self.errors += receipt.errors
        self.todo = sorted(left)
        if changed:
            say(f"note: parts done again, because the photos have changed: {changed}")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        counts = [f"{many} {what}" for what, many in value.items() if what != "sha256"]
        return f"{', '.join(counts)} ({str(value.get('sha256'))[:12]})"
    return str(value)


def _check_folder(folder: Place) -> None:
    if isinstance(folder, Address):
        return  # folders come with what is in them
    if folder.exists() and not folder.is_dir():
        raise AppError(
            f"{folder} is a file. With --engine ray, the output is a folder of parts."
        )
    if not folder.parent.is_dir():
        raise AppError(
            f"{folder}: there is no folder {folder.parent}. Create it first."
        )
