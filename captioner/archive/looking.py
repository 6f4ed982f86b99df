"""Photos as files: their sizes and times, what tells them apart, and their EXIF."""

import hashlib
import math
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ExifTags

from shared.vision.image_files import open_image
from shared.vision.pipeline import READERS, map_ahead

_AHEAD = 32  # photos that are hashed before they are asked for
_TAKEN = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)


class State(NamedTuple):
    """By what a file is known to be unchanged: its size, and its time in ns."""

    bytes: int
    mtime_ns: int


class Exif(NamedTuple):
    """When and where a photo was taken, where its file says so.

    Attributes:
        taken: local time, such as 2019-07-14T18:30:05.
        latitude, longitude: degrees, north and east above zero.
    """

    taken: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Seen(NamedTuple):
    """A file that was looked at.

    Attributes:
        path: as it was named.
        state: before it was read; None if it is not there, or no ordinary file.
        sha256: of its content, 64 hexadecimal digits; "" if it cannot be read.
        exif: what it says of itself.
    """

    path: Path
    state: State | None
    sha256: str = ""
    exif: Exif = Exif()


def look_up(path: Path) -> State | None:
    """Give the state of an ordinary file; None if there is none."""
    with suppress(OSError, ValueError):
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            return State(found.st_size, found.st_mtime_ns)
    return None


def look_at(path: Path) -> Seen:
    """Look at a file; that it is no photo is found out by who decodes it."""
    state = look_up(path)
    if state is None:
        return Seen(path, None)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return Seen(path, state)
    return Seen(path, state, sha256, read_exif(path))


def look_at_all(paths: Iterable[Path]) -> Iterator[Seen]:
    """Look at files in threads, in order, some of them before they are asked for."""
    return map_ahead(look_at, paths, READERS, _AHEAD)


def read_exif(path: Path) -> Exif:
    """Read when and where a photo was taken; what is broken is left out."""
    try:
        with path.open("rb") as file, open_image(file) as image:
            exif = image.getexif()
            times = exif.get_ifd(ExifTags.IFD.Exif)
            place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # Pillow raises anything on random bytes
        return Exif()
    taken = next(filter(None, (_read_time(times.get(tag)) for tag in _TAKEN)), None)
    latitude = _read_degrees(place, ExifTags.GPS.GPSLatitude, "S", 90)
    longitude = _read_degrees(place, ExifTags.GPS.GPSLongitude, "W", 180)
    if latitude is None or longitude is None:
        return Exif(taken)
    return Exif(taken, latitude, longitude)


def _read_time(value: Any) -> str | None:
    try:
        return datetime.strptime(str(value)[:19], "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:  # often 0000:00:00 00:00:00
        return None


def _read_degrees(
    place: Mapping[int, Any], tag: int, negative: str, most: int
) -> float | None:
    """Read degrees, minutes and seconds, of which the tag before says the side."""
    try:
        degrees, minutes, seconds = map(float, place[tag])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    found = degrees + minutes / 60 + seconds / 3600
    if not (math.isfinite(found) and 0 <= found <= most):
        return None
    return round(-found if place.get(tag - 1) == negative else found, 6)
