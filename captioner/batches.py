"""Training batches: photos with their captions as ids, in an order fixed by seeds."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from captioner.data import Record
from shared.features import Features, read_again
from shared.images import Resize
from shared.text import BOS, Vocabulary

Batch = dict[str, np.ndarray]
# rows int (B,), random source -> the batch's "features" or "images"
Look = Callable[[np.ndarray, np.random.Generator], Batch]


class Captions:
    """The captions of a data set, as ids.

    Axes: N photos, K captions drawn of each, T tokens.

    Args:
        records: photos; each has at least one caption.
        max_length: T, counting eos.
    """

    def __init__(
        self, records: Sequence[Record], vocabulary: Vocabulary, max_length: int
    ):
        self.rows = [
            np.stack(
                [vocabulary.encode(vocabulary.split(c), max_length) for c in r.captions]
            )
            for r in records
        ]

    def draw(
        self, rows: np.ndarray, count: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw captions of each photo, all of them before any comes again.

        Returns:
            int32 (len(rows), count, T), without bos.
        """
        drawn = []
        for row in rows:
            captions = self.rows[row]
            turns = -(-count // len(captions))
            order = np.concatenate(
                [rng.permutation(len(captions)) for _ in range(turns)]
            )
            drawn.append(captions[order[:count]])
        return np.stack(drawn)


def shift(targets: np.ndarray) -> np.ndarray:
    """Turn the words to predict (B, K, T) into those read before each of them."""
    bos = np.full((*targets.shape[:2], 1), BOS, np.int32)
    return np.concatenate([bos, targets[..., :-1]], axis=-1)


def look_up(features: Features) -> Look:
    """Take features from a cache, in one of its views at random."""

    def look(rows: np.ndarray, rng: np.random.Generator) -> Batch:
        views = rng.integers(features.array.shape[1], size=len(rows))
        return {
            "features": np.stack(
                [features.array[r, v] for r, v in zip(rows, views, strict=True)]
            )
        }

    return look


def read_images(
    records: Sequence[Record], size: int, resize: Resize, augment: bool
) -> Look:
    """Read photos from their files, changed a little if asked."""

    def look(rows: np.ndarray, rng: np.random.Generator) -> Batch:
        images = [read_again(records[row].image, size, resize) for row in rows]
        if augment:
            images = [_augment(image, rng) for image in images]
        return {"images": np.stack(images)}

    return look


def _augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror half of the time, cut off up to a seventh, brighten or darken."""
    size = len(image)
    width, height = (size * rng.uniform(0.86, 1.0, 2)).round()
    left, top = rng.uniform(0, size - width), rng.uniform(0, size - height)
    picture = Image.fromarray(image).resize(
        (size, size),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
    )
    pixels = np.asarray(picture, np.float32) * rng.uniform(0.8, 1.2)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    return pixels.clip(0, 255).astype(np.uint8)


def epoch_batches(
    look: Look,
    captions: Captions,
    *,
    batch_size: int,
    count: int,
    seeds: Sequence[int],
    start: int = 0,
) -> Iterator[tuple[np.ndarray, Batch, np.ndarray]]:
    """Go once through the photos, in an order that only the seeds decide.

    The photos left over by full batches are other ones each epoch.

    Args:
        batch_size: photos in a batch, B.
        count: captions drawn of each, K.
        seeds: of this epoch.
        start: batches to leave out at the front, because they were done before.

    Yields:
        rows int (B,), what `look` gives, and targets int32 (B, K, T).
    """
    photos = len(captions.rows)
    order = np.random.default_rng(seeds).permutation(photos)
    for step in range(start, photos // batch_size):
        rows = order[step * batch_size : (step + 1) * batch_size]
        rng = np.random.default_rng([*seeds, step + 1])  # 0 is the order's
        yield rows, look(rows, rng), captions.draw(rows, count, rng)
