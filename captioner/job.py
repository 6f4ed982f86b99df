"""One run over photos: photos in, records out, errors on the side."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from captioner.checking import Checker, load_asker
from captioner.concepts import LIKELY, MOST, Concept
from captioner.formats import Record, to_error, to_record
from captioner.outputs import Sidecars
from shared.bundles.manifests import identify
from shared.config import revise_config
from shared.console.progress import counted, is_terminal, plain, progress_bar, say
from shared.errors import AppError
from shared.files.outputs import Output

if TYPE_CHECKING:
    from captioner.captions import Caption
    from captioner.config import DecodingConfig
    from captioner.photo_captioner import Looked, PhotoCaptioner
    from shared.bundles.runtimes import RuntimeName

Tell = Callable[[Iterable[Path]], Iterator[list[Record]]]
Described = tuple[Path, "list[Caption] | AppError", list[Concept] | None]


class Work(Protocol):
    """What is done with photos."""

    @property
    def noun(self) -> str:
        """What comes of a photo, such as "caption"."""

    @property
    def verbose(self) -> bool:
        """Whether to say what runs, and how fast."""

    def load(self) -> Tell:
        """Load the model, and refuse what is impossible before reading photos.

        Returns:
            photos to their records, batch after batch.

        Raises:
            AppError: as `captioner.predict.load_captioner`.
        """

    def lines(self, record: Record) -> Iterable[str]:
        """Write a record that is no error as it is printed."""


@dataclass(frozen=True)
class Way:
    """How photos are captioned.

    Attributes:
        batch_size: photos captioned at once.
        num_captions: captions for each photo.
        details: whether records have each word's probability and attention, and the
            concepts of the photo.
        models: folders of bundles; none is the one that comes along.
        runtime: "keras", "litert", or None for the faster one that works.
        changes: to the bundle's way of searching, see `DecodingConfig`.
        check: whether the VQA model is asked about each caption, see
            `captioner.checking`.
        verbose: whether to say what runs, and how fast.
    """

    batch_size: int = 8
    num_captions: int = 1
    details: bool = False
    models: Sequence[Path] = ()
    runtime: "RuntimeName | None" = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    verbose: bool = False
    check: bool = False

    noun = "caption"

    def settings(self) -> dict[str, Any]:
        """Give all that captions depend on, by option, without loading a model.

        Raises:
            AppError: if there is no model, or what is asked of it is impossible.
        """
        from captioner.predict import SHIPPED, read_config, why_not_litert

        folders = self.models or [SHIPPED]
        own = read_config(folders[0]).decoding
        decoding = revise_config(own, self.search_changes(own), "The request")
        runtime = self.runtime or ("keras" if why_not_litert(folders) else "litert")
        return {
            "model": identify(folders, runtime),
            "runtime": runtime,
            **decoding.model_dump(mode="json"),
            "num_captions": self.num_captions,
            "details": self.details,
            **({"check": True} if self.check else {}),
        }

    def load(self) -> Tell:
        """Load the model, see `Work`."""
        from captioner.predict import SHIPPED, load_captioner

        folders = self.models or [SHIPPED]
        captioner = load_captioner(
            folders, runtime=self.runtime, batch_size=self.batch_size
        )
        changes = self.search_changes(captioner.config.decoding)
        decoding, _ = captioner.request(**changes)
        if self.verbose:
            say_runtime(captioner.runtime.name, self.runtime, folders)
            say(f"search: {decoding}")

        checker = Checker(load_asker()) if self.check else None

        def tell(photos: Iterable[Path]) -> Iterator[list[Record]]:
            for batch in self._describe(captioner, photos, changes):
                records = [
                    to_record(
                        photo.as_posix(),
                        captions,
                        str(photo),
                        self.num_captions,
                        self.details,
                        concepts,
                    )
                    for photo, captions, concepts in batch
                ]
                if checker:
                    paths = [photo for photo, *_ in batch]
                    records = list(map(checker.check, paths, records))
                yield records

        return tell

    def _describe(
        self,
        captioner: "PhotoCaptioner",
        photos: Iterable[Path],
        changes: Mapping[str, Any],
    ) -> Iterator[list[Described]]:
        """Give captions, and with details the concepts of a model that has them."""
        if not (self.details and captioner.concept_words):
            for batch in captioner.caption_all(photos, **changes):
                yield [(photo, result, None) for photo, result in batch]
            return
        request = captioner.request(**changes)

        def tell(looked: "Looked") -> list[tuple[list["Caption"], list[Concept]]]:
            named = captioner.see(looked, MOST, LIKELY)
            return list(zip(captioner.write(looked, *request), named, strict=True))

        for told in captioner.tell_all(photos, tell):
            yield [
                (photo, found, None) if isinstance(found, AppError) else (photo, *found)
                for photo, found in told
            ]

    def lines(self, record: Record) -> list[str]:
        """Write a line for each caption."""
        image = plain(record["image"])
        for word in record.get("doubted", ()):
            say(f"doubt: {image}: the VQA model sees no {word}.")
        return [f"{image}\t{plain(one['caption'])}" for one in record["captions"]]

    def search_changes(self, own: "DecodingConfig") -> dict[str, Any]:
        """Widen the search to the captions that are wanted, unless it is said.

        Raises:
            AppError: if an option would change nothing.
        """
        changes = dict(self.changes)
        _check_use(changes, own)
        groups = changes.get("groups", own.groups)
        if changes.get("method", own.method) == "sample":
            changes.setdefault("beam_size", self.num_captions)
            if own.groups > 1:
                changes.setdefault("groups", 1)
        elif changes.get("groups", 1) > 1 or self.num_captions > own.beam_size:
            changes.setdefault("beam_size", -(-self.num_captions // groups) * groups)
        return changes


def _check_use(changes: Mapping[str, Any], own: "DecodingConfig") -> None:
    """Refuse what would change nothing."""
    wanted = own.model_copy(update=changes)
    draws = [key for key in ("temperature", "top_k", "top_p", "seed") if key in changes]
    if draws and wanted.method != "sample":
        name = draws[0].replace("_", "-")
        raise AppError(f"--{name} is about captions drawn at random: add --sample.")
    if "diversity" in changes and wanted.groups == 1:
        raise AppError("--diversity is about groups of beams: add --groups.")
    if "inflections" in changes and not (wanted.must or wanted.ban):
        raise AppError("--inflections is about words of --must and --ban: add some.")


@dataclass
class Job:
    """Photos to tell of, and where the records go.

    Attributes:
        photos: in order, all different.
        output: file for them, or None.
        sidecars: text files for captions, or None. If both are None, they are printed.
        way: what is told of them, and how.
        done: photos dealt with so far, those of an earlier run among them.
        errors: how many of them failed.
    """

    photos: Sequence[Path]
    output: Output | None = None
    sidecars: Sidecars | None = None
    way: Work = field(default_factory=Way)
    done: int = 0
    errors: int = 0

    def run(self) -> None:
        """Do what is not done yet.

        Raises:
            AppError: if there is no model, or the records cannot be written. What
                was written before is kept, unless the message says that it is lost.
        """
        with ExitStack() as locks:
            for target in (self.output, self.sidecars):
                if target:
                    locks.enter_context(target)
            try:
                self._run()
            except BaseException:
                kept = self.output or self.sidecars
                if self.done and kept and kept.is_there():
                    say(f"note: {kept}; go on with --resume")
                raise
        if self.errors or is_terminal():
            good = self.done - self.errors
            say(f"{counted(good, self.way.noun)}, {counted(self.errors, 'error')}")

    def _run(self) -> None:
        todo = self._todo()
        if self.output and self.output.finished:
            say(f"{self.output.path} is finished already; --overwrite replaces it.")
            return
        if todo:
            self._tell(todo)
        if self.output:
            self.output.finish()

    def _todo(self) -> Sequence[int]:
        """Places of the photos to do."""
        if self.output:
            self.done, self.errors = self.output.done, self.output.errors
            return self.output.todo
        kept = self.sidecars.kept if self.sidecars else set()
        names = [photo.as_posix() for photo in self.photos]
        todo = [i for i, name in enumerate(names) if name not in kept]
        self.done = len(self.photos) - len(todo)
        return todo

    def _tell(self, todo: Sequence[int]) -> None:
        to_file = bool(self.output or self.sidecars)
        bar = progress_bar(
            f"{self.way.noun}s",
            len(self.photos),
            self.done,
            shown=to_file or not sys.stdout.isatty(),
        )
        tell = self.way.load()
        started, first = time.monotonic(), self.done
        places = iter(todo)
        with bar as advance:
            for batch in tell(self._taken(todo)):
                found = [(next(places), record) for record in batch]
                self._put(found)
                self.done += len(found)
                self.errors += sum("error" in record for _, record in found)
                advance(self.done)
        if self.way.verbose:
            count, seconds = self.done - first, time.monotonic() - started
            pace = f"{seconds:.2f} s, {count / seconds:.1f} a second"
            say(f"{counted(count, 'photo')} in {pace}")

    def _taken(self, todo: Sequence[int]) -> Iterator[Path]:
        for place in todo:
            if self.output:
                self.output.note(place)
            yield self.photos[place]

    def _put(self, found: list[tuple[int, Record]]) -> None:
        # Sidecars first: a record in the journal means that both are there.
        failed = (
            self.sidecars.append(record for _, record in found) if self.sidecars else {}
        )
        again = set()
        for i, (place, record) in enumerate(found):
            if name := failed.get(record["image"]):
                found[i] = place, to_error(record["image"], name, "")
                again.add(place)
            if "error" in found[i][1]:
                say(plain(f"error: {record['image']}: {found[i][1]['error']}"))
        if self.output:
            self.output.append(found, again)
        if not (self.output or self.sidecars):
            for _, record in found:
                if "error" not in record:
                    print(*self.way.lines(record), sep="\n")
            sys.stdout.flush()


def say_runtime(
    name: str, wanted: "RuntimeName | None", folders: Sequence[Path]
) -> None:
    """Say what runs, and why it is not LiteRT where that was not wished."""
    from captioner.predict import why_not_litert

    reason = "" if wanted else why_not_litert(folders)
    say(f"runtime: {name}{reason and f', because with LiteRT {reason}'}")
