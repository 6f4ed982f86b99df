"""Photos that are shown to the page: each is read, and looked at, once."""

import base64
import hashlib
import io
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock, RLock, Semaphore
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from shared.errors import AppError
from shared.vision.detector import Things
from shared.vision.images import (
    ImageSource,
    Resize,
    read_image,
    read_preview,
    weigh_image,
)

PREVIEW = 1024  # longer side, px
QUALITY = 85  # of its JPEG; about 150 kB
# A JPEG of about that size is its own preview. To make one takes 14 ms of a processor
# where all that is done for a new photo of 1 megapixel took 60.
SMALL, FEW = 1280, 400_000  # longer side, px; bytes
PLAIN = {
    "APP0",
    "APP14",
}  # parts that say nothing of when and where it was taken

MOST_PIXELS = 52_000_000  # 8192 x 6144: what phones call 50 megapixels
MANY_PIXELS = 13_000_000  # more take half a second to two, and up to 1 GB
QUEUE = 6  # of these wait for another one; more work than that is done at once

Owner = tuple[Hashable, Hashable]  # the session, and whose it is: a name or an address
View = tuple[int, Resize]  # how a model sees a photo: side in pixels, and what is cut


def view_of(model: Any) -> View:
    """Tell how a model sees photos."""
    encoder = model.config.encoder
    return encoder.image_size, encoder.resize


class Upload(NamedTuple):
    """A file that came from a visitor; messages tell its name, and no folder."""

    name: str
    content: bytes

    def read_bytes(self) -> bytes:
        """Give what is in the file."""
        return self.content


class Unread(NamedTuple):
    """A file that came from a visitor, which is weighed when it is read.

    Attributes:
        name: its path.
    """

    name: str

    def read_bytes(self) -> bytes:
        """Read the file.

        Raises:
            AppError: if decoding it would take too long.
        """
        content = Path(self.name).read_bytes()
        weigh_image(content, MOST_PIXELS, self.name)
        return content


class Photo:
    """One photo.

    Args:
        source: the image file.
        views: ways that models see photos.

    Attributes:
        preview: a `data:` URL of it, to be shown.
        images: uint8 (side, side, 3) for each view.

    Raises:
        AppError: if it is not a photo that can be read.
    """

    def __init__(self, source: Upload, views: Collection[View]):
        self.digest = digest(source.content)
        self.images = {view: read_image(source, *view) for view in views}
        self.preview = _data_url(source)
        self._made: dict[Any, Any] = {}
        self._lock = RLock()  # what is made may need something else made before

    @property
    def shown(self) -> bytes:
        """The image file of the preview."""
        return base64.b64decode(self.preview.partition(",")[2])

    def once(self, name: Any, make: Callable[[], Any]) -> Any:
        """Give what `make` made of this photo when it was first asked for by a name."""
        with self._lock:  # a second question waits for the first one's look
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    def things(self, find: Callable[[ImageSource], Things]) -> Things:
        """Give the things on it, found when they were first asked for."""
        found: Things = self.once("things", lambda: find(self.shown))
        return found


class Photos:
    """The photo that each session was shown last, for all who use the page.

    When there are too many, the oldest goes of whoever has most sessions.

    Args:
        views: ways that models see photos.
        most: photos kept; about 1 MB each.
    """

    def __init__(self, views: Collection[View], most: int = 64):
        self._views, self._most = set(views), most
        self._kept: OrderedDict[Owner, Photo] = OrderedDict()
        self._dropped: deque[Owner] = deque(maxlen=1000)
        self._lock = Lock()  # never held while a photo is read
        self._turn, self._places = Lock(), Semaphore(1 + QUEUE)

    def add(self, source: ImageSource | None, owner: Owner = (None, None)) -> Photo:
        """Read a photo, and keep it until its owner is shown another one.

        One that whoever shows it has in another session is not read again.

        Args:
            source: a path, or the image file's bytes.
            owner: who shows it.

        Raises:
            AppError: if it is not a photo that can be read, or reading it would take
                too long.
        """
        with self.reading(source) as upload:
            known = self._find(digest(upload.content), owner[1])
            photo = known or Photo(upload, self._views)
        with self._lock:
            self._kept[owner] = photo
            self._kept.move_to_end(owner)
            if len(self._kept) > self._most:
                self._dropped.append(self._most_dispensable())
                del self._kept[self._dropped[-1]]
        return photo

    def _find(self, content: bytes, who: Hashable) -> Photo | None:
        with self._lock:
            for (_, other), photo in self._kept.items():
                if (photo.digest, other) == (content, who):
                    return photo
        return None

    def _most_dispensable(self) -> Owner:
        """Find the photo that was not used for longest of whoever has most."""
        people = Counter(who for _, who in self._kept)
        return max(self._kept, key=lambda owner: people[owner[1]])

    @contextmanager
    def reading(self, source: ImageSource | None) -> Iterator[Upload]:
        """Take in an image file that can be decoded inside the block.

        One that takes long waits for others like it.

        Args:
            source: see `add`.

        Raises:
            AppError: if there is no such file, or decoding it would take too long.
        """
        upload = _read(source)
        pixels = weigh_image(upload.content, MOST_PIXELS, upload.name)
        with self._one_at_a_time() if pixels > MANY_PIXELS else nullcontext():
            yield upload

    def get(self, owner: Owner) -> Photo:
        """Find the photo that somebody was shown last.

        Raises:
            AppError: if there is none, or it is not kept any more.
        """
        with self._lock:
            if owner in self._kept:
                self._kept.move_to_end(owner)
                return self._kept[owner]
        raise AppError(
            "This photo is no longer kept here. Drop it on the page again."
            if owner in self._dropped
            else "There is no photo yet. Drop one on the page."
        )

    def has_had(self, owner: Owner) -> bool:
        """Whether somebody was shown a photo, kept or not."""
        return owner in self._kept or owner in self._dropped

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Wait for the turn of a photo that takes long, so that it delays no other.

        Raises:
            AppError: if too many wait already.
        """
        if not self._places.acquire(blocking=False):
            raise AppError(
                f"Other photos of more than {MANY_PIXELS // 10**6} megapixels are "
                "being read. Try again in a few seconds, or with a smaller photo."
            )
        try:
            with self._turn:
                yield
        finally:
            self._places.release()


def digest(content: bytes) -> bytes:
    """Name a file by what is in it."""
    return hashlib.sha256(content).digest()


def owner_of(visitor: Any) -> Owner:
    """Tell who shows a photo, of Gradio's `Request`; MCP's calls have Starlette's."""
    client = visitor.client
    session, name = (
        getattr(visitor, key, None) for key in ("session_hash", "username")
    )
    return session, name or (client.host if client else None)


def grids(attention: np.ndarray) -> list[list[float]]:
    """Write attention float (N, R) for the page, in thousandths."""
    return np.round(attention.astype(float), 3).tolist()


def _read(source: Any) -> Upload:
    """Take in a file at once: it may be deleted, or sent again, meanwhile."""
    if isinstance(source, bytes):
        return Upload("the photo", source)
    if not isinstance(source, (str, Path)):
        raise AppError("There is no photo. Drop one on the page.")
    path = Path(source)
    try:
        return Upload(path.name, path.read_bytes())
    except (OSError, ValueError) as error:
        raise AppError(
            f"{path.name}: the photo is no longer here. Drop it on the page again."
        ) from error


def _data_url(source: Upload) -> str:
    content = source.content if _is_preview(source.content) else _shrink(source)
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _is_preview(content: bytes) -> bool:
    """Whether a photo, which could be read, can be shown as it is."""
    if len(content) > FEW or not content.startswith(b"\xff\xd8\xff"):
        return False
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        plain = {name for name, _ in getattr(image, "applist", ())} <= PLAIN
        return plain and max(image.size) <= SMALL and image.mode in ("L", "RGB")


def _shrink(source: ImageSource) -> bytes:
    stored = io.BytesIO()
    read_preview(source, PREVIEW).save(stored, "JPEG", quality=QUALITY)
    return stored.getvalue()
