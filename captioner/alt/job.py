"""What `captioner alt` does: a site in, alternative texts for its images out."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from captioner.alt.islands import BLANK
from captioner.alt.pages import FINDERS, Image, find_pages, read_page, write_page
from captioner.alt.tags import SMALL
from captioner.alt.wording import to_alt
from shared.console.progress import counted
from shared.errors import AppError
from shared.files.formats import Record
from shared.files.locks import hold
from shared.vision.image_files import open_image

UNSURE = "not sure"

# Gives a record of a caption or an error for each photo, see `captioner.files.formats`.
Describe = Callable[[Sequence[Path]], Iterable[Record]]


class Outcome(NamedTuple):
    """What came of a site.

    Attributes:
        records: of its images without alternative texts, page by page: `{"page",
            "line", "image", "photo", "alt", "confidence", "linked", "left"}`, where
            "image" is the address, "photo" the file, and "left" why it gets no text,
            or empty; of a page that cannot be read or written, `{"page", "error"}`.
        described: how many other images have an alternative text.
        pages: how many there are.
        errors: how many pages could not be read or written, and photos not read.
    """

    records: list[Record]
    described: int
    pages: int
    errors: int

    def summary(self, write: bool) -> str:
        """Say in a line what came of it."""
        images = [record for record in self.records if "error" not in record]
        added = sum(not record["left"] for record in images)
        unsure = sum(record["left"] == UNSURE for record in images)
        given = "got one" if write else "would get one with --write"
        return (
            f"{counted(self.pages, 'page')}, "
            f"{counted(len(images) + self.described, 'image')}: {self.described} with "
            f"an alternative text, {added} {given}, {unsure} not sure, "
            f"{len(images) - added - unsure} left for other reasons; "
            f"{counted(self.errors, 'error')}"
        )


def describe_site(
    site: Path, describe: Describe, write: bool = False, lang: bool = False
) -> Outcome:
    """Find the images of a site without alternative texts, and describe them.

    The same photo gets the same text wherever it is shown, in a link or not.

    Args:
        site: a folder of HTML and Markdown.
        describe: describes photos, each of them once.
        write: whether to insert the texts into the pages.
        lang: whether to mark them as English.

    Raises:
        AppError: if there is no such folder, or no page in it.
    """
    if not site.is_dir():
        raise AppError(f"{site} is no folder. Give the folder of a site.")
    pages = find_pages(site)
    if not pages:
        raise AppError(f"{site} holds no pages ({', '.join(FINDERS)}).")
    images: dict[Path, list[Image]] = {}
    failed: dict[Path, str] = {}
    described = 0
    for path in pages:
        try:
            page = read_page(path, site)
        except AppError as error:
            failed[path] = str(error)
        else:
            images[path] = page.images
            described += page.described
    told = _tell(images.values(), describe)
    if write:
        alts = {photo: one["alt"] for photo, one in told.items() if not one["left"]}
        with hold(site, "`captioner alt --write`"):
            for path in images:
                try:
                    write_page(path, site, alts, lang)
                except AppError as error:
                    failed[path] = str(error)
    unread = sum("unread" in one for one in told.values())
    records = list(_records(site, pages, images, told, failed))
    return Outcome(records, described, len(pages), len(failed) + unread)


def _tell(pages: Iterable[Sequence[Image]], describe: Describe) -> dict[Path, Record]:
    """Give alt, confidence and why it is left of each photo."""
    photos = dict.fromkeys(
        image.photo for images in pages for image in images if image.photo
    )
    told: dict[Path, Record] = {}
    for photo in photos:
        if left := _why_small(photo):
            told[photo] = {"alt": "", "confidence": None, "left": left}
    todo = [photo for photo in photos if photo not in told]
    for photo, found in zip(todo, describe(todo) if todo else (), strict=True):
        if "error" in found:
            told[photo] = {"alt": "", "confidence": None, "left": found["error"]}
            told[photo]["unread"] = True
            continue
        told[photo] = {
            "alt": to_alt(found["caption"]),
            "confidence": found["confidence"],
            "left": UNSURE if found["unsure"] else "",
        }
    return told


def _why_small(photo: Path) -> str:
    try:
        with photo.open("rb") as file:
            width, height = open_image(file).size
    except Exception:  # whatever Pillow raises; to describe it tells why
        return ""
    return f"decorative: {width} x {height} px" if min(width, height) < SMALL else ""


def _records(
    site: Path,
    pages: Iterable[Path],
    images: Mapping[Path, Sequence[Image]],
    told: Mapping[Path, Record],
    failed: Mapping[Path, str],
) -> Iterator[Record]:
    for path in pages:
        name = path.relative_to(site).as_posix()
        if path in failed:
            yield {"page": name, "error": failed[path].removeprefix(f"{path} ")}
            continue
        for image in images[path]:
            one = told[image.photo] if image.photo else {}
            yield {
                "page": name,
                "line": image.line,
                "image": re.sub(f"{BLANK}+", "…", "".join(image.place.sources[:1])),
                "photo": image.photo.as_posix() if image.photo else "",
                "alt": one.get("alt", ""),
                "confidence": one.get("confidence"),
                "linked": image.place.linked,
                "left": image.left or one.get("left", ""),
            }
