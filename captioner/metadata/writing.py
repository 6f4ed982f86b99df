"""Descriptions put into photos, or into sidecars, so that they stay with them."""

import os
import re
import zlib
from collections.abc import Callable, Collection
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import ExifTags

from captioner.alt.wording import to_alt
from captioner.metadata.containers import (
    CannotHoldError,
    Container,
    Jpeg,
    Png,
    Tiff,
    WebP,
)
from captioner.metadata.xmp import ALT, DESCRIPTION, PADDING, Packet
from shared.errors import AppError
from shared.files.atomic import check_writable, replace_file
from shared.files.locks import hold
from shared.vision.image_files import open_image

# What came of it: words in the photo or beside it, as they were, or another's.
Written = Literal["photo", "sidecar", "same", "kept"]

_KINDS: dict[bytes, Callable[[bytes], Container]] = {  # by how the files begin
    **{b"\xff\xd8\xff": Jpeg, b"\x89PNG\r\n\x1a\n": Png, b"RIFF": WebP},
    **{b"II*\0": Tiff, b"MM\0*": Tiff},
}
# What cameras write where a person would describe the photo.
_BY_CAMERA = re.compile(
    r"\W*|.*\bDIGITAL CAMERA|SONY DSC|.*\bDCIM\b.*|Exif_JPEG_PICTURE|default|"
    r"(?:OLYMPUS|SAMSUNG|MINOLTA|KODAK|<?Digimax)\b.*",
    re.IGNORECASE | re.DOTALL,
)

_NO_TEXT = re.compile("[\0-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")  # not in XML


def sidecar_of(photo: Path) -> Path:
    """Name the sidecar of a photo: `dog.heic` has `dog.heic.xmp`."""
    return photo.with_name(f"{photo.name}.xmp")


def write_description(
    path: Path,
    text: str,
    *,
    by_person: bool = False,
    known: Collection[str] = (),
    replace: bool = False,
    sidecar: bool = False,
    keep_times: bool = False,
) -> Written:
    """Put a description into a photo: XMP's and IPTC's, and an alternative text.

    JPEG, PNG, WebP and TIFF hold it; of others, and where it would do harm, a sidecar
    of XMP does. All else in the file stays byte for byte, its pixels first of all. The
    file is replaced whole or not at all.

    What a person wrote is kept, also in EXIF or a text chunk; what we wrote is replaced
    as long as nobody has changed it since.

    Args:
        path: the photo.
        text: a sentence.
        by_person: whether a person wrote it; the next run then keeps it.
        known: what a person wrote before, and may be replaced.
        replace: whether to replace what a person wrote, but in EXIF.
        sidecar: whether to write into a sidecar in any case.
        keep_times: whether the file keeps the time of its last change.

    Returns:
        where it was written; "same" if it was there already, "kept" if a person's
        description was.

    Raises:
        AppError: if the photo or the file cannot be read or written, or is damaged, or
            the text is empty.
    """
    text = _NO_TEXT.sub("", text).strip()
    if not text:
        raise AppError(f"{path}: the description is empty.")
    words = _Words(text, by_person, replace, {*known, *map(to_alt, known)})
    try:
        if not path.is_file():
            raise AppError(f"{path}: there is no such file.")
        with hold(path, "another command that describes it"):
            return _write(path, words, sidecar, keep_times)
    except OSError as error:
        why = error.strerror or error
        raise AppError(f"{path}: its words cannot be written: {why}.") from error


class _Words(NamedTuple):
    text: str
    by_person: bool
    replace: bool
    known: Collection[str]

    def into(self, xmp: bytes | None, caption: str) -> bytes | None:
        """Give a packet of XMP with the words; None if a person's are there.

        Args:
            xmp: the packet that is there; None makes one.
            caption: what else describes the photo.
        """
        packet = Packet(xmp)

        def is_other(text: str) -> bool:
            may = self.replace or text in self.known or packet.is_ours(text)
            return bool(text) and not may

        if is_other(packet.texts.get(DESCRIPTION, "")) or is_other(caption):
            return None
        texts = {DESCRIPTION: self.text}
        if not is_other(packet.texts.get(ALT, "")):
            texts[ALT] = to_alt(self.text)
        lang = "" if self.by_person else "en"
        new = packet.with_texts(texts, lang, ours=not self.by_person)
        if Packet(new).texts.get(DESCRIPTION) != self.text:
            raise AppError("its XMP is written in a way that cannot be added to.")
        return new


def _write(path: Path, words: _Words, sidecar: bool, keep_times: bool) -> Written:
    data = path.read_bytes()
    if not words.replace and _in_exif(data):
        return "kept"
    try:
        photo = _take_apart(path, data)
        if photo:
            packet = words.into(photo.xmp, photo.caption)
            if packet is None:
                return "kept"
            if not sidecar:
                if packet == (photo.xmp or b"").strip(PADDING):
                    return "same"
                with suppress(CannotHoldError):
                    new = photo.put(packet, words.text)
                    return _store(path, data, new, "photo", keep_times)
        beside = sidecar_of(path)
        old = beside.read_bytes() if beside.exists() else None
        packet = words.into(old, "")
    except AppError as error:
        raise AppError(f"{path}: {error}") from error
    if packet is None:
        return "kept"
    return _store(beside, old, packet, "sidecar", keep_times)


def _take_apart(path: Path, data: bytes) -> Container | None:
    """Take a file apart; None of a kind that holds no words."""
    for begin, kind in _KINDS.items():
        if data.startswith(begin):
            if kind is Tiff and path.suffix.lower() not in (".tif", ".tiff"):
                return None  # raw photos of many cameras begin as one
            try:
                return kind(data)
            except (ValueError, IndexError, zlib.error) as error:
                raise AppError("the image is cut off or damaged.") from error
    return None


def _in_exif(data: bytes) -> bool:
    """Whether EXIF has a description that is not the camera's."""
    try:
        found = open_image(BytesIO(data)).getexif().get(ExifTags.Base.ImageDescription)
    except Exception:  # whatever Pillow raises on a damaged file
        return False
    return not _BY_CAMERA.fullmatch(str(found or ""))


def _store(
    path: Path, old: bytes | None, new: bytes, where: Written, keep_times: bool
) -> Written:
    if new == old:
        return "same"
    if old is not None:
        check_writable(path)
    before = path.stat() if old is not None else None
    with replace_file(path) as part:
        part.write_bytes(new)
    if before and keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return where
