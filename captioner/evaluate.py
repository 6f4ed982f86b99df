"""Score a captioner on a data set, or captions from a file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from captioner.annotations import read_rows
from captioner.data import LAYOUTS, Record, read_dataset
from captioner.formats import check_target, image_id, to_record
from captioner.metrics import Report, score_captions
from captioner.results import Results
from shared.errors import AppError
from shared.images import image_name

if TYPE_CHECKING:
    from captioner.predict import PhotoCaptioner

EXAMPLES = 5


@dataclass(frozen=True)
class Evaluation:
    """Scores of a captioner; `str()` of it is the report.

    Attributes:
        report: the scores.
        broken: (name, reason) of the photos that were left out.
    """

    report: Report
    broken: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        if not self.broken:
            return str(self.report)
        shown = [f"    {name}: {reason}" for name, reason in self.broken[:EXAMPLES]]
        if len(self.broken) > EXAMPLES:
            shown.append(f"    ... and {len(self.broken) - EXAMPLES} more")
        title = f"warning: photos that cannot be read, left out: {len(self.broken)}"
        return "\n".join([str(self.report), title, *shown])


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse a file that could not be written, before any work is done.

    Raises:
        AppError: as `captioner.formats.check_target`; and for .html, since a data
            set's names do not say where the photos are.
    """
    if path.suffix.lower() == ".html":
        raise AppError(
            f"{path}: an evaluation is written as .jsonl, .csv or .json. For .html, "
            "use `captioner caption`."
        )
    check_target(path, overwrite)


def caption_photos(
    captioner: "PhotoCaptioner",
    photos: Sequence[Record],
    progress: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Caption the photos of a data set.

    Args:
        progress: called with the number of photos done.

    Returns:
        a record for each photo, see `captioner.formats`.
    """
    records: list[dict[str, Any]] = []
    for batch in captioner.caption_all([photo.image for photo in photos]):
        for source, result in batch:
            name = photos[len(records)].name
            records.append(to_record(name, result, image_name(source)))
        progress(len(records))
    return records


def score_records(
    records: Sequence[dict[str, Any]], photos: Sequence[Record], official: bool = False
) -> Evaluation:
    """Score the best captions against what people wrote.

    Args:
        records: as from `caption_photos`.
        photos: with their references, as from `captioner.data.select`.
        official: see `captioner.metrics.score_captions`.

    Raises:
        AppError: if no photo could be read, or `official` cannot run.
    """
    captions = {r["image"]: r["caption"] for r in records if "error" not in r}
    broken = [(r["image"], r["error"]) for r in records if "error" in r]
    if not captions:
        raise AppError(
            f"None of the {len(photos)} photos can be read, such as "
            f"{': '.join(broken[0])}"
        )
    references = {p.name: p.captions for p in photos if p.name in captions}
    return Evaluation(score_captions(captions, references, official), broken)


def read_references(source: str, split: str | None = None) -> dict[str, list[str]]:
    """Read what people wrote about photos, by the photo's name.

    The photos of an annotation file need not be there, unless it names no splits
    and `split` asks for one.

    Args:
        source: what `captioner.data.read_dataset` reads.
        split: train, dev or test; None for all.

    Raises:
        AppError: if it cannot be read, or nobody wrote anything about the split.
    """
    references: dict[str, list[str]] = {}
    rows = list(read_rows(Path(source))) if Path(source).is_file() else []
    if rows and (split is None or any(row.split for row in rows)):
        items = [(row.name, row.captions, row.split) for row in rows]
    elif rows or source.startswith("tfds:") or Path(source).is_dir():
        items = [(r.name, r.captions, r.split) for r in read_dataset(source)]
    else:
        raise AppError(
            f"There are no references in {source}: no such file or folder. Known "
            f"forms:\n{LAYOUTS}"
        )
    for name, captions, of in items:
        written = [text.strip() for text in captions if text.strip()]
        if written and split in (None, of):
            references.setdefault(name, []).extend(written)
    if not references:
        splits = ", ".join(sorted({str(of) for _, _, of in items if of})) or "none"
        raise AppError(f"{source} has no captions in split {split!r}; it has {splits}.")
    return references


def match_names(names: Iterable[str], references: Mapping[str, Any]) -> dict[str, str]:
    """Find the photo that each name of a results file means.

    Tried in turn: the reference's whole name, its file name, its file name without
    suffix, and the number in COCO's file names.

    Returns:
        dict: name in the results -> name in the references.

    Raises:
        AppError: if a name fits no photo, several, or the photo of another name.
    """
    keys: list[Callable[[str], str]] = [
        lambda name: name.replace("\\", "/"),
        lambda name: PurePosixPath(name.replace("\\", "/")).name,
        lambda name: PurePosixPath(name.replace("\\", "/")).stem,
        _number,
    ]
    indexes: list[dict[str, list[str]]] = []
    for key in keys:
        indexes.append({})
        for reference in references:
            if word := key(reference):
                indexes[-1].setdefault(word, []).append(reference)
    found: dict[str, str] = {}
    for name in names:
        fitting = next(
            (
                index[key(name)]
                for key, index in zip(keys, indexes, strict=True)
                if key(name) in index
            ),
            [],
        )
        if len(fitting) != 1:
            raise AppError(
                f"The caption for {name} fits {len(fitting)} photos of the references"
                f"{': ' + ', '.join(fitting[:3]) if fitting else ''}. Give the names "
                f"that the references use, such as {next(iter(references))}; if they "
                "are of one split, name it with --split."
            )
        found[name] = fitting[0]
    owners: dict[str, str] = {}
    for name, reference in found.items():
        if (other := owners.setdefault(reference, name)) != name:
            raise AppError(
                f"The captions for {other} and {name} both fit {reference}. Scores "
                "need one caption for every image."
            )
    return found


def score_results(
    results: Results, references: Mapping[str, Sequence[str]], official: bool = False
) -> tuple[Report, list[str]]:
    """Score captions from a file; photos that failed there are left out.

    Returns:
        the report, and the names of the photos left out.

    Raises:
        AppError: if captions and references are not about the same photos.
    """
    found = match_names([*results, *results.skipped], references)
    failed = {found[name] for name in results.skipped}
    return score_captions(
        {found[name]: caption for name, caption in results.items()},
        {name: texts for name, texts in references.items() if name not in failed},
        official,
    ), sorted(failed)


def _number(name: str) -> str:
    number = name if name.isdecimal() else image_id(name)
    return str(int(number)) if isinstance(number, int) or number.isdecimal() else ""
