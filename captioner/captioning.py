"""One run of `captioner caption`: photos in, records out, errors on the side."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.formats import Record, to_record
from captioner.outputs import Output, Sidecars
from shared.errors import AppError
from shared.progress import is_terminal, plain, progress_bar, say

if TYPE_CHECKING:
    from captioner.config import DecodingConfig
    from captioner.predict import PhotoCaptioner, RuntimeName


@dataclass
class Job:
    """Photos to caption, and where the captions go.

    Attributes:
        photos: in order, all different.
        output: file for them, or None.
        sidecars: text files for them, or None. If both are None, they are printed.
        batch_size: photos captioned at once.
        num_captions: captions for each photo.
        details: whether records have each word's probability and attention.
        models: folders of bundles; none is the one that comes along.
        runtime: "keras", "litert", or None for the faster one that works.
        changes: to the bundle's way of searching, see `DecodingConfig`.
        verbose: whether to say what runs, and how fast.
        done: photos dealt with so far, those of an earlier run among them.
        errors: how many of them failed.
    """

    photos: Sequence[Path]
    output: Output | None = None
    sidecars: Sidecars | None = None
    batch_size: int = 8
    num_captions: int = 1
    details: bool = False
    models: Sequence[Path] = ()
    runtime: "RuntimeName | None" = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    verbose: bool = False
    done: int = 0
    errors: int = 0

    def run(self) -> None:
        """Caption what is not captioned yet.

        Raises:
            AppError: if there is no model, or the captions cannot be written. What
                was written before is kept, and standard error says where.
        """
        todo = self._left()
        try:
            if self.output is None:
                self._caption(todo)
            elif self.output.finished:
                say(f"{self.output.path} is finished already; --overwrite replaces it.")
            else:
                with self.output:
                    self._caption(todo)
                    self.output.finish()
        except BaseException:
            if self.done and (kept := self.output or self.sidecars):
                say(f"note: {kept}; go on with --resume")
            raise
        if self.errors or is_terminal():
            captions = self.done - self.errors
            say(
                f"{captions} caption{'s' * (captions != 1)}, "
                f"{self.errors} error{'s' * (self.errors != 1)}"
            )

    def _left(self) -> list[Path]:
        if self.output is not None:
            self.done, self.errors = self.output.done, self.output.errors
            if self.output.finished:
                self.done = len(self.photos)
            return list(self.photos[self.done :])
        kept = self.sidecars.kept if self.sidecars else set()
        left = [photo for photo in self.photos if photo.as_posix() not in kept]
        self.done = len(self.photos) - len(left)
        return left

    def _caption(self, photos: Sequence[Path]) -> None:
        if not photos:
            return
        to_file = bool(self.output or self.sidecars)
        bar = progress_bar(
            "captions",
            len(self.photos),
            self.done,
            shown=to_file or not sys.stdout.isatty(),
        )
        captioner = self._load()
        started, first = time.monotonic(), self.done
        with bar as advance:
            for records in self._records(captioner, photos):
                self._put(records)
                self.done += len(records)
                self.errors += sum("error" in record for record in records)
                advance(self.done)
        if self.verbose:
            count, seconds = self.done - first, time.monotonic() - started
            photos_done = f"{count} photo{'s' * (count != 1)}"
            say(f"{photos_done} in {seconds:.2f} s, {count / seconds:.1f} a second")

    def _load(self) -> "PhotoCaptioner":
        """Load the model, and refuse what is impossible before reading photos."""
        from captioner.predict import SHIPPED, load_captioner, why_not_litert

        folders = self.models or [SHIPPED]
        captioner = load_captioner(
            folders, runtime=self.runtime, batch_size=self.batch_size
        )
        self.changes = self._changes(captioner.config.decoding)
        decoding, _ = captioner.request(**self.changes)
        if self.verbose:
            reason = "" if self.runtime else why_not_litert(folders)
            because = f", because with LiteRT {reason}" if reason else ""
            say(f"runtime: {captioner.runtime.name}{because}")
            say(f"search: {decoding}")
        return captioner

    def _changes(self, own: "DecodingConfig") -> dict[str, Any]:
        """Widen the search to the captions that are wanted, unless it is said."""
        changes = dict(self.changes)
        self._check_use(changes, own)
        groups = changes.get("groups", own.groups)
        if changes.get("method", own.method) == "sample":
            changes.setdefault("beam_size", self.num_captions)
            if own.groups > 1:
                changes.setdefault("groups", 1)
        elif changes.get("groups", 1) > 1 or self.num_captions > own.beam_size:
            changes.setdefault("beam_size", -(-self.num_captions // groups) * groups)
        return changes

    @staticmethod
    def _check_use(changes: Mapping[str, Any], own: "DecodingConfig") -> None:
        """Refuse what would change nothing."""
        wanted = own.model_copy(update=changes)
        draws = [
            key for key in ("temperature", "top_k", "top_p", "seed") if key in changes
        ]
        if draws and wanted.method != "sample":
            name = draws[0].replace("_", "-")
            raise AppError(f"--{name} is about captions drawn at random: add --sample.")
        if "diversity" in changes and wanted.groups == 1:
            raise AppError("--diversity is about groups of beams: add --groups.")
        if "inflections" in changes and not (wanted.must or wanted.ban):
            raise AppError(
                "--inflections is about words of --must and --ban: add some."
            )

    def _records(
        self, captioner: "PhotoCaptioner", photos: Sequence[Path]
    ) -> Iterator[list[Record]]:
        for batch in captioner.caption_all(photos, **self.changes):
            records = []
            for photo, result in batch:
                record = to_record(
                    photo.as_posix(),
                    result,
                    str(photo),
                    self.num_captions,
                    self.details,
                )
                if "error" in record:
                    say(plain(f"error: {record['image']}: {record['error']}"))
                records.append(record)
            yield records

    def _put(self, records: Sequence[Record]) -> None:
        # Sidecars first: a record in the journal means that both are there.
        if self.sidecars:
            self.sidecars.append(records)
        if self.output:
            self.output.append(records)
        if not (self.output or self.sidecars):
            for record in records:
                for found in record.get("captions", ()):
                    print(f"{plain(record['image'])}\t{plain(found['caption'])}")
            sys.stdout.flush()
