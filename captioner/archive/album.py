"""What the page's visitors may do with an archive: find, see and describe its photos.

They name a photo by its number there, never by a path. Its file is given only if it
still is what was captioned, byte for byte: whatever else has come to lie in its place,
or is led to from there, is not the archive's.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from captioner.archive import shelf
from captioner.archive.editing import write_edit
from captioner.archive.finding import Finder, Found
from captioner.archive.keeping import Kept
from captioner.archive.looking import look_up
from captioner.describing.photo_captioner import PhotoCaptioner
from shared.bundles.runtimes import identify_models
from shared.data.archive import ARCHIVE, stored_path
from shared.errors import AppError
from shared.files.databases import opened

MOST = 100  # photos of one search
LETTERS = 2000  # of a sentence; its first 200 words are looked for
GONE = "This photo is no longer where it was, or has changed since it was captioned."
UNKNOWN = "There is no such photo here. Search again."


class Shown(NamedTuple):
    """A photo that was found, and its number in the archive."""

    photo: int
    found: Found


class Album:
    """An archive as the page has it; each call opens it anew, so that it is up to date.

    What all photos are first judged by is kept as long as nobody writes.

    Args:
        path: its file.
        captioner: the model that captioned its photos.
        sha256: tells that model, see `captioner.archive.shelf.find_models`.
        is_open: whether visitors may change captions.
    """

    def __init__(
        self, path: Path, captioner: PhotoCaptioner, sha256: str, is_open: bool
    ):
        self._path = path.absolute()
        self._captioner, self._sha256 = captioner, sha256
        self._kept = Kept(self._path)
        self.is_open = is_open

    def find(self, text: str, top: int, without: Sequence[str]) -> list[Shown]:
        """Find photos by a sentence, see `Finder.find`.

        Raises:
            AppError: also if the sentence is too long, and if `top` is none to `MOST`.
        """
        if len(text) > LETTERS:
            raise AppError(
                f"This is a text of {len(text):,} letters. Say in a sentence what the "
                f"photos show, in {LETTERS:,} letters at most."
            )
        _check(top)
        return self._ask(lambda finder: finder.find(text, top, without))

    def like(self, photo: Any, top: int, without: Sequence[str]) -> list[Shown]:
        """Find photos that show what one of them shows, see `Finder.like`.

        Raises:
            AppError: also if it is none of the archive, see `read`.
        """
        _check(top)
        file, _ = self._open(photo)
        with self._explained(file):
            found = self._ask(lambda finder: finder.like(file, top, without))
        return [one for one in found if one.photo != photo]  # nor a copy of it

    def read(self, photo: Any) -> bytes:
        """Give the file of a photo.

        Args:
            photo: its number; may be anything.

        Raises:
            AppError: if there is none, or no file with what was captioned.
        """
        return self._open(photo)[1]

    def describe(self, photo: Any, text: Any) -> tuple[str, bool]:
        """Describe a photo in a person's words; none leave it to the model again.

        Args:
            photo: its number.
            text: a sentence, or nothing; both may be anything.

        Returns:
            what is shown from now on, and whether that is a person's.

        Raises:
            AppError: if visitors may not, there is no such photo, or it is no sentence.
        """
        if not self.is_open:
            raise AppError("Captions cannot be changed on this page.")
        if not isinstance(text, str):
            raise AppError("A caption is a sentence.")
        number = _number(photo)
        shown = "SELECT caption, by_person FROM library WHERE photo = ?"
        with self._explained(), opened(self._path, ARCHIVE, write=True) as database:
            if not database.execute(shown, (number,)).fetchone():
                raise AppError(UNKNOWN)
            write_edit(database, number, text.strip() or None)
            caption, by_person = database.execute(shown, (number,)).fetchone()
        return caption, bool(by_person)

    def _ask(self, search: Callable[[Finder], list[Found]]) -> list[Shown]:
        """Search, and number what is found."""
        with self._explained(), opened(self._path, ARCHIVE) as database:
            models = shelf.find_models(database, self._path, {self._sha256})
            glances = self._kept.read(models)
            finder = Finder(database, self._path, self._captioner, models, glances)
            found = search(finder)
            sql = "SELECT photo FROM files WHERE path = ?"
            rows = (
                (database.execute(sql, (stored_path(one.path),)).fetchone(), one)
                for one in found
            )
            return [Shown(row[0], one) for row, one in rows if row]

    def _open(self, photo: Any) -> tuple[Path, bytes]:
        """Find a file of a photo, of which there may be copies, and read it."""
        with self._explained(), opened(self._path, ARCHIVE) as database:
            rows = database.execute(
                "SELECT path, photos.bytes, sha256 FROM files JOIN photos "
                "ON photos.id = photo WHERE photo = ? ORDER BY path",
                (_number(photo),),
            ).fetchall()
        if not rows:
            raise AppError(UNKNOWN)
        for path, size, sha256 in rows:
            file = Path(os.fsdecode(path))
            state = look_up(file)
            if state and state.bytes == size:
                with suppress(OSError):
                    content = file.read_bytes()
                    if hashlib.sha256(content).hexdigest() == sha256:
                        return file, content
        raise AppError(GONE)

    @contextmanager
    def _explained(self, *files: Path) -> Iterator[None]:
        """Tell visitors what is wrong, and not where the archive and files lie."""
        words = {str(file): file.name for file in files}
        words |= {str(self._path): "the archive", "--without": "Without"}
        if self._path.parent.name:
            words[str(self._path.parent)] = "its folder"
        try:
            yield
        except AppError as error:
            told = str(error).removeprefix(f"{self._path}: ")
            for place, name in words.items():
                told = told.replace(place, name)
            raise type(error)(told[:1].upper() + told[1:]) from error


def find_captioner(path: Path, folders: Sequence[Path]) -> tuple[int, str]:
    """Find the model that captioned an archive among some: its place, and its SHA-256.

    Args:
        folders: of their bundles, at least one.

    Raises:
        AppError: if the archive cannot be used, or none of them captioned its photos.
    """
    from captioner.net.runtime_litert import EXPORT

    with opened(path, ARCHIVE) as database:
        for place, folder in enumerate(folders):
            model = identify_models([folder], None, EXPORT)["model"]["sha256"]
            try:
                shelf.find_models(database, path, {model})
            except AppError as error:
                refused = error
            else:
                return place, model
    raise AppError(str(refused).replace("--model", "--captioner"))


def _number(photo: Any) -> int:
    if type(photo) is not int or not 0 < photo < 2**63:
        raise AppError(UNKNOWN)
    return photo


def _check(top: Any) -> None:
    if type(top) is not int or not 1 <= top <= MOST:
        raise AppError(f"1 to {MOST} photos can be shown at once.")
