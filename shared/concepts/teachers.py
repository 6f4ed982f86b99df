"""Detectors that teach: what they see on photos, asked once and kept.

A teacher is an ONNX graph of a detector of COCO's 80 things, in the form that DEIMv2,
D-FINE and RT-DETR export:

    images             float32 (N, 3, S, S), RGB / 255, resized to a square; S is fixed
    orig_target_sizes  int64 (N, 2), width and height of the photos, px
    -> labels          int64 (N, K), 0..79
       boxes           float (N, K, 4)
       scores          float (N, K), 0..1

Its answers lie in a NumPy archive, `<digest of the graph>.npz`: `photos`, digests of
`digest_photos`, and `scores`, float16 (photos, 80).
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from shared.concepts.table import THINGS
from shared.errors import AppError
from shared.files.atomic import replace_file
from shared.files.locks import hold
from shared.vision.images import StoredImage, read_image

SAVED_EVERY = 500  # photos
INPUTS = {"images", "orig_target_sizes"}
OUTPUTS = ["labels", "scores"]


class Teacher(Protocol):
    """Who knows the things on a photo.

    Attributes:
        digest: tells teachers apart.
        image_size: of the square that it looks at, px.
    """

    digest: str
    image_size: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Give float32 (80,), the highest score of each thing.

        Args:
            image: uint8 (S, S, 3), RGB.
        """


class OnnxTeacher:
    """A detector's ONNX graph as a `Teacher`; see above.

    Raises:
        AppError: if ONNX Runtime is missing, or the graph is another.
    """

    def __init__(self, path: Path):
        try:
            import onnxruntime
        except ImportError as error:
            raise AppError(
                "To ask an ONNX graph, onnxruntime is needed: pip install onnxruntime"
            ) from error
        try:
            content = path.read_bytes()
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(content, options)
        except Exception as error:  # whatever it makes of a stranger's file
            reason = str(error).splitlines()[0]
            raise AppError(
                f"{path} is no ONNX graph that can be run: {reason:.200}. Give a "
                "detector of COCO's things, such as DEIMv2's export."
            ) from error
        shapes = {one.name: one.shape for one in self._session.get_inputs()}
        outputs = {one.name for one in self._session.get_outputs()}
        size = (shapes.get("images") or [None])[-1]
        if set(shapes) != INPUTS or not outputs >= {*OUTPUTS} or type(size) is not int:
            raise AppError(
                f"{path} takes {', '.join(shapes)} and gives "
                f"{', '.join(sorted(outputs))}. A teacher takes images, float32 "
                "(N, 3, S, S) of a fixed S, and orig_target_sizes, and gives labels, "
                "boxes and scores, as exports of DEIMv2, D-FINE and RT-DETR do."
            )
        self.image_size = size
        self.digest = hashlib.sha256(content).hexdigest()[:32]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Give float32 (80,), the highest score of each thing."""
        pixels = image.astype(np.float32).transpose(2, 0, 1)[None] / 255.0
        size = np.full((1, 2), self.image_size, np.int64)
        inputs = {"images": pixels, "orig_target_sizes": size}
        labels, scores = self._session.run(OUTPUTS, inputs)
        found = np.zeros(THINGS, np.float32)
        known = (labels[0] >= 0) & (labels[0] < THINGS)
        np.maximum.at(found, labels[0][known], scores[0][known])
        return found


def ask(
    teacher: Teacher,
    photos: Mapping[str, Path | StoredImage],
    folder: Path,
    announce: Callable[[str], None] = print,
) -> np.ndarray:
    """Give a teacher's answers about photos; those it gave before are not asked for.

    Args:
        photos: by digest; all can be read.
        folder: where answers are kept.
        announce: told how far it is, a sentence now and then.

    Returns:
        float16 (photos, 80), the highest score of each thing, in [0, 1].

    Raises:
        AppError: if a photo cannot be read, or the answers are damaged or cannot be
            kept.
    """
    path = folder / f"{teacher.digest}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    with hold(path, "`captioner teach`"):
        answers = _read(path)
        asked = [digest for digest in photos if digest not in answers]
        announce(f"The teacher is asked about {len(asked)} of {len(photos)} photos.")
        began = time.monotonic()
        try:
            for number, digest in enumerate(asked, start=1):
                image = read_image(photos[digest], teacher.image_size, "squash")
                answers[digest] = teacher(image).astype(np.float16)
                if number % SAVED_EVERY == 0:
                    _write(path, answers)
                    left = (time.monotonic() - began) / number * (len(asked) - number)
                    announce(f"It has seen {number}; {left / 60:.0f} min left.")
        finally:  # an interrupt as well
            if asked:
                _write(path, answers)
    return np.stack([answers[digest] for digest in photos])


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            digests, scores = file["photos"], file["scores"]
        if scores.dtype != np.float16 or scores.shape != (len(digests), THINGS):
            raise ValueError(f"its scores are {scores.dtype} {scores.shape}")
        return dict(zip(digests.tolist(), scores, strict=True))
    except Exception as error:  # NumPy and zipfile have many
        raise AppError(
            f"The answers in {path} are damaged: {error}. Delete this file: the same "
            "command asks again."
        ) from error


def _write(path: Path, answers: Mapping[str, np.ndarray]) -> None:
    try:
        with replace_file(path) as new, new.open("wb") as file:
            digests = np.array(list(answers), dtype="U32")
            np.savez_compressed(file, photos=digests, scores=[*answers.values()])
    except OSError as error:
        raise AppError(f"{path} cannot be written: {error}. Free some disk.") from error
