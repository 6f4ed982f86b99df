"""Photos that are shown to the page: each is read, and looked at, once."""

import base64
import io
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection
from threading import Lock, RLock
from typing import Any

import numpy as np

from shared.errors import AppError
from shared.images import ImageSource, Resize, read_image, read_preview

PREVIEW = 1024  # longer side, px
QUALITY = 85  # of its JPEG; about 150 kB

View = tuple[int, Resize]  # how a model sees a photo: side in pixels, and what is cut


class Photo:
    """One photo.

    Args:
        source: as of `shared.images.read_image`.
        views: ways that models see photos.

    Attributes:
        key: names it; nobody can guess it.
        preview: a `data:` URL of it, to be shown.
        images: uint8 (side, side, 3) for each view.

    Raises:
        AppError: if it is not a photo that can be read.
    """

    def __init__(self, source: ImageSource, views: Collection[View]):
        self.key = secrets.token_urlsafe(16)
        self.images = {view: read_image(source, *view) for view in views}
        self.preview = _data_url(source)
        self._made: dict[Any, Any] = {}
        self._lock = RLock()  # what is made may need something else made before

    def once(self, name: Any, make: Callable[[], Any]) -> Any:
        """Give what `make` made of this photo when it was first asked for by a name."""
        with self._lock:  # a second question waits for the first one's look
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]


class Photos:
    """The photos that were shown last, for all who use the page.

    Args:
        views: ways that models see photos.
        most: photos kept; about 1 MB each.
    """

    def __init__(self, views: Collection[View], most: int = 64):
        self._views, self._most = set(views), most
        self._kept: OrderedDict[str, Photo] = OrderedDict()
        self._lock = Lock()

    def add(self, source: ImageSource) -> Photo:
        """Read a photo, and keep it for a while.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        photo = Photo(source, self._views)
        with self._lock:
            self._kept[photo.key] = photo
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return photo

    def get(self, key: str | None) -> Photo:
        """Find a photo again by its key.

        Raises:
            AppError: if it is not kept any more.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        raise AppError(
            "This photo is no longer kept here. Drop it on the page again."
            if key
            else "There is no photo yet. Drop one on the page."
        )


def grids(attention: np.ndarray) -> list[list[float]]:
    """Write attention float (N, R) for the page, in thousandths."""
    return np.round(attention.astype(float), 3).tolist()


def _data_url(source: ImageSource) -> str:
    stored = io.BytesIO()
    read_preview(source, PREVIEW).save(stored, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stored.getvalue()).decode()}"
