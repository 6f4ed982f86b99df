"""What `captioner concepts` does: photos in, the words that they show out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from captioner.describing.concepts import NO_CONCEPTS
from captioner.files.formats import to_entries, to_error
from shared.bundles.runtimes import identify_models, say_runtime
from shared.console.progress import plain
from shared.errors import AppError
from shared.files.formats import Record, table, to_json, write_jsonl
from shared.files.jobs import Do, in_order
from shared.files.outputs import Kind

if TYPE_CHECKING:
    from captioner.describing.photo_captioner import Looked
    from shared.bundles.runtimes import RuntimeName

Layout = Literal["table", "tsv", "jsonl"]


@dataclass(frozen=True)
class Naming:
    """How the concepts of photos are told, see `shared.files.jobs.Work`.

    A record is `{"image", "concepts": [{"word", "there", "said"}, ...]}`, what is most
    surely there first, or `{"image", "error"}`.

    Attributes:
        top: concepts of each photo, at least 1.
        model: folder of a bundle; None is the one that comes along.
        runtime: "keras", "litert", or None for the faster one that works.
        layout: how they are printed.
        batch_size: photos at a time.
        verbose: whether to say what runs, and how fast.
    """

    top: int = 10
    model: Path | None = None
    runtime: "RuntimeName | None" = None
    layout: Layout = "tsv"
    batch_size: int = 8
    verbose: bool = False

    unit: ClassVar[str] = "photo"
    noun: ClassVar[str] = "photo"

    def settings(self) -> dict[str, Any]:
        """Give all that records depend on, by option, without loading a model.

        Raises:
            AppError: if there is no model, or it has no concepts.
        """
        from captioner.describing.predict import SHIPPED, read_config
        from captioner.net.runtime_litert import EXPORT

        folders = [self.model or SHIPPED]
        if not read_config(folders[0]).concepts:
            raise AppError(NO_CONCEPTS)
        return {**identify_models(folders, self.runtime, EXPORT), "top": self.top}

    def load(self) -> Do[Path]:
        """Load the model, see `Work`."""
        from captioner.describing.predict import SHIPPED, load_captioner
        from captioner.net.runtime_litert import EXPORT

        self.settings()  # refuses models without concepts before they are loaded
        folder = self.model or SHIPPED
        captioner = load_captioner(
            folder, runtime=self.runtime, batch_size=self.batch_size
        )
        if self.verbose:
            say_runtime(captioner.runtime.name, [folder], self.runtime, EXPORT)

        def see(looked: "Looked") -> list[list[dict[str, Any]]]:
            return list(map(to_entries, captioner.see(looked, self.top)))

        def tell(photos: Iterable[Path]) -> Iterator[list[Record]]:
            for batch in captioner.tell_all(photos, see):
                yield [
                    to_error(photo.as_posix(), found, str(photo))
                    if isinstance(found, AppError)
                    else {"image": photo.as_posix(), "concepts": found}
                    for photo, found in batch
                ]

        return in_order(tell)

    def lines(self, record: Record) -> list[str]:
        """Write a record as JSON, as a line for each concept, or as a small table."""
        if self.layout == "jsonl":
            return [to_json(record)]
        image, concepts = plain(record["image"]), record["concepts"]
        words = [plain(one["word"]) for one in concepts]
        numbers = [f"{one['there']:.2f}\t{one['said']:.2f}" for one in concepts]
        if self.layout == "tsv":
            rows = zip(words, numbers, strict=True)
            return [f"{image}\t{word}\t{probs}" for word, probs in rows]
        width = max(map(len, words))
        rows = zip(["", *words], ["there\tsaid", *numbers], strict=True)
        table = [(word, *probs.split("\t")) for word, probs in rows]
        return [image, *(f"  {w:{width}}  {t:>5}  {s:>4}" for w, t, s in table), ""]

    def remarks(self, record: Record) -> tuple[str, ...]:
        """Say nothing beside it."""
        return ()


def _rows(record: Record) -> Iterator[Record]:
    """Give a row for each concept, or for the error."""
    for one in record.get("concepts", ()):
        yield {"image": record["image"], **one}
    if "error" in record:
        yield record


CONCEPTS = Kind(
    "captioner concepts",
    "photos",
    {
        ".jsonl": write_jsonl,
        ".csv": table(("image", "word", "there", "said", "error"), _rows),
    },
)
