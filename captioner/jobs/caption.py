"""What `captioner caption` does: photos in, captions out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from captioner.describing.checking import Checker, load_asker
from captioner.describing.concepts import LIKELY, MOST, Concept
from captioner.files.formats import to_record
from captioner.photos.members import Photo
from captioner.search.sample import Sampling
from captioner.search.strategies import draws
from shared.bundles.runtimes import identify_models, say_runtime
from shared.config import revise_config
from shared.console.progress import plain, say
from shared.errors import AppError
from shared.files.formats import Record
from shared.files.jobs import Do, in_order

if TYPE_CHECKING:
    from captioner.describing.captions import Caption
    from captioner.describing.photo_captioner import Looked, PhotoCaptioner
    from captioner.search.config import DecodingConfig
    from shared.bundles.runtimes import RuntimeName

Described = tuple[Photo, "list[Caption] | AppError", list[Concept] | None]


@dataclass(frozen=True)
class Captioning:
    """How photos are captioned; see `shared.files.jobs.Work`.

    Attributes:
        batch_size: photos captioned at once.
        num_captions: captions for each photo.
        details: whether records have each word's probability and attention, and the
            concepts of the photo.
        models: folders of bundles; none is the one that comes along.
        runtime: "keras", "litert", or None for the faster one that works.
        changes: to the bundle's way of searching, see `DecodingConfig`.
        check: whether the VQA model is asked about each caption, see
            `captioner.describing.checking`.
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

    unit: ClassVar[str] = "photo"
    noun: ClassVar[str] = "caption"

    def settings(self) -> dict[str, Any]:
        """Give all that captions depend on, by option, without loading a model.

        Raises:
            AppError: if there is no model, or what is asked of it is impossible.
        """
        from captioner.describing.predict import SHIPPED, read_config
        from captioner.net.runtime_litert import EXPORT

        folders = self.models or [SHIPPED]
        own = read_config(folders[0]).decoding
        decoding = revise_config(own, self.search_changes(own), "The request")
        return {
            **identify_models(folders, self.runtime, EXPORT),
            **decoding.model_dump(mode="json"),
            "num_captions": self.num_captions,
            "details": self.details,
            **({"check": True} if self.check else {}),
        }

    def open(self) -> "tuple[PhotoCaptioner, Mapping[str, Any]]":
        """Load the model; give it and the changes to its way of searching.

        Raises:
            AppError: see `settings`.
        """
        from captioner.describing.predict import SHIPPED, load_captioner
        from captioner.net.runtime_litert import EXPORT

        folders = self.models or [SHIPPED]
        captioner = load_captioner(
            folders, runtime=self.runtime, batch_size=self.batch_size
        )
        changes = self.search_changes(captioner.config.decoding)
        decoding, _ = captioner.request(**changes)
        if self.verbose:
            say_runtime(captioner.runtime.name, folders, self.runtime, EXPORT)
            say(f"search: {decoding}")
        return captioner, changes

    def load(self) -> Do[Photo]:
        """Load the model, see `Work`."""
        captioner, changes = self.open()
        checker = Checker(load_asker()) if self.check else None

        def tell(photos: Iterable[Photo]) -> Iterator[list[Record]]:
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

        return in_order(tell)

    def _describe(
        self,
        captioner: "PhotoCaptioner",
        photos: Iterable[Photo],
        changes: Mapping[str, Any],
    ) -> Iterator[list[Described]]:
        """Give captions, and with details the concepts of a model that has them."""
        if not (self.details and captioner.concept_words):
            for batch in captioner.caption_all(photos, **changes):
                yield [(photo, result, None) for photo, result in batch]
            return
        request = captioner.request(**changes)

        def tell(looked: "Looked") -> list[tuple[list["Caption"], list[Concept]]]:
            captions, looked = captioner.write(looked, *request)
            named = captioner.see(looked, MOST, LIKELY)
            return list(zip(captions, named, strict=True))

        for told in captioner.tell_all(photos, tell):
            yield [
                (photo, found, None) if isinstance(found, AppError) else (photo, *found)
                for photo, found in told
            ]

    def lines(self, record: Record) -> list[str]:
        """Write a line for each caption."""
        image = plain(record["image"])
        return [f"{image}\t{plain(one['caption'])}" for one in record["captions"]]

    def remarks(self, record: Record) -> list[str]:
        """Say which words of it the VQA model doubts."""
        doubted = record.get("doubted", ())
        return [
            f"doubt: {record['image']}: the VQA model sees no {word}."
            for word in doubted
        ]

    def search_changes(self, own: "DecodingConfig") -> dict[str, Any]:
        """Widen the search to the captions that are wanted, unless it is said.

        Raises:
            AppError: if an option would change nothing.
        """
        changes = dict(self.changes)
        wanted = own.model_copy(update=changes)
        _check_use(changes, wanted)
        if draws(str(wanted.method)):
            changes.setdefault("beam_size", self.num_captions)
            if own.groups > 1:
                changes.setdefault("groups", 1)
        elif changes.get("groups", 1) > 1 or self.num_captions > own.beam_size:
            each = -(-self.num_captions // wanted.groups)
            changes.setdefault("beam_size", each * wanted.groups)
        return changes


def _check_use(changes: Mapping[str, Any], wanted: "DecodingConfig") -> None:
    """Refuse what would change nothing."""
    drawing = [key for key in changes if key in (*Sampling.model_fields, "seed")]
    if drawing and not draws(str(wanted.method)):
        name = drawing[0].replace("_", "-")
        raise AppError(f"--{name} is about captions drawn at random: add --sample.")
    if "diversity" in changes and wanted.groups == 1:
        raise AppError("--diversity is about groups of beams: add --groups.")
    if "inflections" in changes and not (wanted.must or wanted.ban):
        raise AppError("--inflections is about words of --must and --ban: add some.")
