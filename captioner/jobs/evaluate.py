"""Score a captioner on a data set, or captions from a file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.files.formats import FORMATS, to_record
from captioner.files.references import Reference, choose_references, match_results
from captioner.files.results import Results
from captioner.metrics.report import Report, score_captions
from shared.data.captioned import Record
from shared.errors import AppError
from shared.files.locks import Hold
from shared.files.outputs import claim
from shared.runs.resampling import Difference
from shared.runs.scores import list_differences, listed
from shared.text.vocabulary import Units
from shared.vision.images import image_name

if TYPE_CHECKING:
    from captioner.describing.photo_captioner import PhotoCaptioner


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
        broken = listed("photos that cannot be read, left out", self.broken)
        return "\n".join([str(self.report), *broken])


def claim_output(path: Path, overwrite: bool) -> Hold:
    """Make sure that a file can be written, before any work is done.

    Raises:
        AppError: see `shared.files.outputs.claim`; and for .html, since a data set's
            names do not say where the photos are.
    """
    if path.suffix.lower() == ".html":
        raise AppError(
            f"{path}: an evaluation is written as .jsonl, .csv or .json. For .html, "
            "use `captioner caption`."
        )
    return claim(path, FORMATS, "`captioner evaluate`", overwrite)


def caption_photos(
    captioner: "PhotoCaptioner",
    photos: Sequence[Record],
    progress: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Caption the photos of a data set.

    Args:
        progress: called with the number of photos done.

    Returns:
        a record for each photo, see `captioner.files.formats`.
    """
    records: list[dict[str, Any]] = []
    for batch in captioner.caption_all([photo.image for photo in photos]):
        for source, result in batch:
            photo = photos[len(records)]
            record = to_record(photo.name, result, image_name(source))
            # COCO's results take the id that the data set gave the photo.
            numbered = {} if photo.id is None else {"image_id": photo.id}
            records.append({**record, **numbered})
        progress(len(records))
    return records


def score_records(
    records: Sequence[dict[str, Any]],
    photos: Sequence[Record],
    official: bool = False,
    units: Units = "word",
    learnt: Iterable[str] = (),
) -> Evaluation:
    """Score the best captions against what people wrote.

    Args:
        records: see `caption_photos`.
        photos: with their references, see `shared.data.captioned.select`.
        official, units, learnt: see `captioner.metrics.report.score_captions`.

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
    report = score_captions(captions, references, official, units, learnt)
    return Evaluation(report, broken)


@dataclass(frozen=True)
class FileEvaluation:
    """Scores of the captions in a file; `str()` of it is the report.

    Attributes:
        report: the scores.
        broken: the photos that have an error in the file, and were left out.
        unnamed: how many photos of the references the file does not name, which
            were left out.
        differences: by score, from the captions of another file, if there is one.
    """

    report: Report
    broken: Sequence[str]
    unnamed: int
    differences: Mapping[str, Difference] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [str(self.report)]
        if self.unnamed:
            lines.append(
                f"note: scored on the {self.report.images} images that the results "
                f"name; the references have {self.unnamed} more"
            )
        if self.broken:
            lines.append(
                f"warning: photos without a caption, left out: {len(self.broken)}"
            )
        lines += list_differences(self.differences)
        return "\n".join(lines)


def score_results(
    results: Results,
    references: Sequence[Reference],
    official: bool = False,
    subset: bool = False,
    units: Units = "word",
    learnt: Iterable[str] = (),
    against: Results | None = None,
) -> FileEvaluation:
    """Score captions from a file; photos that failed there are left out.

    Args:
        official, units, learnt: see `captioner.metrics.report.score_captions`.
        subset: whether to leave out the references that the file does not name.
        against: other captions of the same photos, to compare with. Photos that
            failed there are left out, too.

    Raises:
        AppError: if captions and references are not about the same photos.
    """
    found = match_results(results, references)
    chosen = choose_references(found, references, subset)
    labels = {id(found[image]): image for image in results}
    failed = [str(found[image]) for image in results.skipped]
    if against is not None:
        others = match_results(against, references)
        both = choose_references(others, references, subset)
        other = {id(others[image]): against[image] for image in against}
        kept = set(map(id, both))
        chosen = [reference for reference in chosen if id(reference) in kept]
        failed += [str(others[i]) for i in against.skipped if id(others[i]) in labels]
        labels = {key: image for key, image in labels.items() if key in other}
    scored = {labels[id(r)]: r for r in chosen if id(r) in labels}
    written = {image: reference.captions for image, reference in scored.items()}
    texts = {image: results[image] for image in scored}
    several = {i: results.several.get(i, [text]) for i, text in texts.items()}
    report = score_captions(texts, written, official, units, learnt, several)
    differences: Mapping[str, Difference] = {}
    if against is not None:
        guesses = {image: other[id(reference)] for image, reference in scored.items()}
        differences = report.compare(score_captions(guesses, written, official, units))
    left_out = len(references) - len(chosen)
    return FileEvaluation(report, failed, left_out, differences)
