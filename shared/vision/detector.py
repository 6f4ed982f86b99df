"""Find the things on a photo, each with its box: a detector that LiteRT runs.

That which comes with sightread is YOLOX-Nano, see `shared.vision.yolox`; it knows the
80 kinds of things of COCO, see `shared.concepts.words.coco_words`.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from PIL import Image

from shared.bundles.litert import Graph, Spec
from shared.errors import AppError
from shared.included import REINSTALL, get_again
from shared.vision.images import ImageSource, read_preview

INCLUDED = Path(__file__).parent / "yolox_nano.tflite"
SHA_256 = "f8a7245178e03640f7339ecb1e784ae55b563eca21797fc640f9bdcbe1f03898"  # of it
# px, height and width of what it sees. Of the published 416 it knows 3 in 62 counts of
# many small things more, and nothing else, and takes half as long again.
SIZE = 320
GREY = 114  # beside a photo that is no square
FAINT = 0.05  # what is less probable is not kept
OVERLAP = 0.45  # of two boxes, area of both over area of either: the same thing
# A score at which a box is as often a thing as not, and how fast that changes: of those
# tried, the ones that counted best on 1,289 questions made from captions of dev photos
# and on 62 written by hand.
_STEEPNESS, _SHIFT = 1.5, 0.4
_FAINTEST = 0.01  # score: what is not found at all counts like this
_loading = Lock()  # two threads that need it first load one


class DetectorError(AppError):
    """The detector that comes with sightread cannot be used."""


Box = tuple[float, float, float, float]
"""Left, top, right, bottom, each 0 to 1 of a width or height."""


class Thing(NamedTuple):
    """Something on a photo.

    Attributes:
        score: 0 to 1, how sure the detector is; about 0.4 is as likely as not.
        box: its box on the photo.
    """

    score: float
    box: Box


class Things(NamedTuple):
    """What a detector found on a photo, with every box that it considered.

    Axes: N boxes, K kinds.

    Attributes:
        boxes: float32 (N, 4), see `Box`.
        scores: float32 (N, K).
        photo: uint8 (H, W, 3), RGB, the photo as it was looked at.
    """

    boxes: np.ndarray
    scores: np.ndarray
    photo: np.ndarray

    def best(self) -> np.ndarray:
        """Give the highest score of each kind, float32 (K,)."""
        return self.scores.max(axis=0, initial=0.0)

    def of(self, kinds: Sequence[int]) -> list[Thing]:
        """Give the things of any of these kinds, each once, the surest first.

        Of boxes that overlap, the surest stands for the thing (greedy non-maximum
        suppression).
        """
        scores = self.scores[:, list(kinds)].max(axis=1, initial=0.0)
        left = [i for i in np.argsort(-scores, kind="stable") if scores[i] > FAINT]
        found = []
        while left:
            best, *others = left
            found.append(Thing(float(scores[best]), tuple(self.boxes[best].tolist())))
            much = overlaps(self.boxes[best], self.boxes[others])
            left = [i for i, part in zip(others, much, strict=True) if part <= OVERLAP]
        return found


class Detector:
    """A graph that finds things.

    Args:
        path: a .tflite file that takes `images`, uint8 (1, 320, 320, 3), and gives
            `found`, float32 (1, N, 5 + K): x, y of the centre, width and height in
            pixels, objectness, and the probability of each kind of thing.

    Raises:
        AppError: if it cannot be loaded, or is another graph.
    """

    def __init__(self, path: Path = INCLUDED):
        self._graph = Graph(path, 1, get_again(path, "Give another detector."))
        self._graph.check(
            {"images": Spec("uint8", (1, SIZE, SIZE, 3))},
            {"found": Spec("float32", (1, -1, -1))},
        )

    def find(self, source: ImageSource) -> Things:
        """Find the things on a photo.

        Raises:
            AppError: if the photo cannot be read.
        """
        read = read_preview(source, SIZE)
        scale = SIZE / max(read.size)  # a small photo is enlarged
        width, height = (max(1, round(side * scale)) for side in read.size)
        photo = np.array(read.resize((width, height), Image.Resampling.BILINEAR))
        image = np.full((1, SIZE, SIZE, 3), GREY, np.uint8)
        image[0, :height, :width] = photo
        (found,) = self._graph(images=image)["found"]
        found = found[found[:, 4] > FAINT]  # few; the score of a kind is never more
        scores = found[:, 4:5] * found[:, 5:]
        kept = scores.max(axis=1) > FAINT
        centre, half = found[kept, :2], found[kept, 2:4] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        boxes = (boxes / [width, height, width, height]).clip(0, 1).astype(np.float32)
        real = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # not beside the photo
        return Things(boxes[real], scores[kept][real], photo)


@cache
def _included() -> Detector:
    # A damaged graph can end the process inside LiteRT.
    try:
        whole = hashlib.sha256(INCLUDED.read_bytes()).hexdigest() == SHA_256
    except OSError as error:
        raise DetectorError(
            f"The detector {INCLUDED} cannot be read: {error.strerror}. {REINSTALL}"
        ) from error
    if not whole:
        raise DetectorError(
            f"The detector {INCLUDED} was changed or damaged: its SHA-256 is another. "
            f"{REINSTALL}"
        )
    return Detector(INCLUDED)


def find_things(source: ImageSource) -> Things:
    """Find the things on a photo with the detector that comes with sightread.

    It is loaded when it is first used.

    Raises:
        AppError: if the photo cannot be read.
        DetectorError: if the detector cannot.
    """
    with _loading:
        detector = _included()
    return detector.find(source)


def log_odds(scores: np.ndarray) -> np.ndarray:
    """Give the log odds that things are there, 1.5 logit(score) + 0.4.

    Args:
        scores: float, of any shape, of boxes; see `Thing`.

    Returns:
        float, of the same shape.
    """
    sure = np.clip(scores, _FAINTEST, 1 - _FAINTEST)
    return np.asarray(_STEEPNESS * np.log(sure / (1 - sure)) + _SHIFT)


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Give the area of both over the area of either: float (N,), 0 to 1.

    Args:
        box: float (4,), see `Thing.box`.
        others: float (N, 4), N >= 0.
    """
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    both = (high - low).clip(0).prod(axis=1)
    either = _area(box) + _area(others) - both
    return np.asarray(both / np.maximum(either, 1e-12))


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(axis=-1))
