"""Reference captions of photos, and which photo each caption of a file is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.files.results import Results
from shared.addresses import refuse_address
from shared.data.captioned import FILES, KNOWN, read_dataset
from shared.data.reading import Split
from shared.data.results import ByName, image_id, plain_number
from shared.errors import AppError


@dataclass(frozen=True)
class Reference:
    """What people wrote about one photo.

    Attributes:
        name: path below the image folder, with `/`; "" if only the id is known.
        id: of the photo, as the source numbers it; None if it does not.
        split: None if the source says none.
        captions: without empty ones.
    """

    name: str
    id: int | str | None
    split: Split | None
    captions: tuple[str, ...]

    def __str__(self) -> str:
        return self.name or f"image {self.id}"


def read_references(source: str, split: str | None = None) -> list[Reference]:
    """Read what people wrote about photos.

    A file is read alone, whatever lies beside it. The photos of an annotation file
    need not be there, unless it names no splits and `split` asks for one.

    Args:
        source: what `shared.data.captioned.read_dataset` reads.
        split: train, dev or test; None for all.

    Raises:
        AppError: if it cannot be read, or nobody wrote anything about the split.
    """
    is_file = Path(source).is_file()
    files = FILES.read(Path(source), alone=True) if is_file else []
    rows = [row for _, some in files for row in some]
    items: list[tuple[str, int | str | None, Split | None, Sequence[str]]]
    if rows and (split is None or any(row.split for row in rows)):
        items = [(next(iter(r.files), ""), r.id, r.split, r.captions) for r in rows]
    elif is_file or source.startswith("tfds:") or Path(source).is_dir():
        items = [(r.name, r.id, r.split, r.captions) for r in read_dataset(source)]
    else:
        refuse_address(source, "references")
        raise AppError(
            f"There are no references in {source}: no such file or folder. Known "
            f"forms:\n{KNOWN}"
        )
    written: dict[tuple[str, int | str | None, Split | None], list[str]] = {}
    for name, id_, of, captions in items:
        texts = [text.strip() for text in captions if text.strip()]
        if texts and split in (None, of):
            written.setdefault((name, id_, of), []).extend(texts)
    if not written:
        splits = ", ".join(sorted({str(of) for _, _, of, _ in items if of})) or "none"
        raise AppError(f"{source} has no captions in split {split!r}; it has {splits}.")
    return [Reference(*key, tuple(texts)) for key, texts in written.items()]


def read_learnt(source: str) -> list[str]:
    """Read the captions of a source's split train; none if it has no such split."""
    try:
        references = read_references(source, "train")
    except AppError:
        return []
    return [text for reference in references for text in reference.captions]


def match_results(
    results: Results, references: Sequence[Reference]
) -> dict[str, Reference]:
    """Find the photo that each image of a results file is.

    By its id, if both have ids. Else by name: tried in turn are the reference's
    whole name, its file name, its file name without suffix, and the number in COCO's
    file names. Where one number in the results is an id of the references, every
    number is.

    Returns:
        dict: image in the results, skipped ones included -> reference.

    Raises:
        AppError: if an image fits no photo, several, or the photo of another one.
    """
    finder = _Finder(references, results.ids.values())
    found: dict[str, Reference] = {}
    owners: dict[int, str] = {}
    for image in (*results, *results.skipped):
        fitting = finder.find(image, results.ids.get(image))
        if len(fitting) != 1:
            among = ", ".join(map(str, fitting[:3]))
            raise AppError(
                f"The caption for {image} fits {len(fitting)} photos of the references"
                f"{': ' + among if among else ''}. Give the names or ids that the "
                f"references use, such as {finder.example}; if they are of one split, "
                "name it with --split."
            )
        found[image] = fitting[0]
        if (other := owners.setdefault(id(fitting[0]), image)) != image:
            raise AppError(
                f"The captions for {other} and {image} both fit {fitting[0]}. Scores "
                "need one caption for every image."
            )
    return found


class _Finder:
    """Finds references by id, or by name in one way after the other."""

    def __init__(self, references: Sequence[Reference], ids: Iterable[str]):
        self._ids: dict[str, list[Reference]] = {}
        for reference in references:
            if reference.id is not None and str(reference.id):
                self._ids.setdefault(str(reference.id), []).append(reference)
        self._by_name = ByName((r.name, r) for r in references if r.name)
        self._number_is_id = any(id_.isdecimal() and self._by_id(id_) for id_ in ids)
        first = references[0]
        numbered = first.id is not None and first.name
        self.example = f"{first} (id {first.id})" if numbered else str(first)

    def find(self, image: str, id_: str | None) -> Sequence[Reference]:
        """Give the references that fit.

        Args:
            image: its name in the results, or its id if they tell no name.
            id_: None if they tell no id.
        """
        if id_ is not None and (fitting := self._by_id(id_)):
            return fitting
        if self._number_is_id and image == id_ and image.isdecimal():
            return ()
        if self._by_name:
            return self._by_name(image)
        # References without names: the number in the file's name is COCO's id.
        return self._ids.get(plain_number(str(image_id(image))), ())

    def _by_id(self, id_: str) -> Sequence[Reference]:
        return self._ids.get(id_, ()) or self._ids.get(plain_number(id_), ())


def choose_references(
    found: Mapping[str, Reference], references: Sequence[Reference], subset: bool
) -> list[Reference]:
    """Give the references to score against: all, or those that the results name.

    Raises:
        AppError: if some have no caption and `subset` is false; it says whether
            the captions are of one split.
    """
    named = set(map(id, found.values()))
    chosen = [reference for reference in references if id(reference) in named]
    if subset or len(chosen) == len(references):
        return chosen
    without = next(r for r in references if id(r) not in named)
    splits = {reference.split for reference in chosen}
    of_split = [r for r in references if r.split in splits]
    advice = (
        "Add --subset to score only the images that the results name, "
        "or caption the others, too."
    )
    if len(splits) == 1 and None not in splits and len(of_split) < len(references):
        split = next(iter(splits))
        whole = len(of_split) == len(chosen)
        advice = (
            f"All of them are of the split {split}"
            f"{f', which has {len(of_split)}' if not whole else ''}: add --split "
            f"{split}{'' if whole else ' --subset'}."
        )
    raise AppError(
        f"The results hold captions for {len(chosen)} of the {len(references)} images "
        f"of the references; there is none for {without}. {advice}"
    )
