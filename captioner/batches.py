"""Training batches: photos with their captions as ids, in an order fixed by seeds.

Captions without photos come in batches of their own, each after one of photos.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from captioner.data import Record
from shared.concepts.imagined import Imagined
from shared.data.mixing import walk
from shared.text.vocabulary import BOS, Vocabulary
from shared.vision.features import Features, read_again
from shared.vision.images import Resize

Batch = dict[str, np.ndarray]
# rows int (B,), random source -> the batch's "features" or "images"; maybe "said"
Look = Callable[[np.ndarray, np.random.Generator], Batch]


class Drawn(NamedTuple):
    """A batch to learn from.

    Attributes:
        rows: int (B,), of the photos; None of captions without photos.
        batch: what is seen, as of `captioner.model.Captioner`, without tokens.
        targets: int32 (B, K, T), captions without bos.
    """

    rows: np.ndarray | None
    batch: Batch
    targets: np.ndarray


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


class Texts:
    """Captions without photos, as ids, and what their photos would show.

    Args:
        sources: captions, as words; each source gives as many as the others.
        mentioned: for each of them the concepts that it mentions.
        vocabulary, max_length: as of `Captions`.
        imagined: makes up the probabilities of concepts.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[list[str]]],
        mentioned: Sequence[Sequence[Sequence[int]]],
        vocabulary: Vocabulary,
        max_length: int,
        imagined: Imagined,
    ):
        self.mentioned = mentioned
        self.imagined = imagined
        self.tokens = [
            np.stack([vocabulary.encode(words, max_length) for words in captions])
            for captions in sources
        ]

    def draw(self, count: int, rng: np.random.Generator) -> Drawn:
        """Draw captions, each a photo of its own with one caption."""
        chosen = [
            (source, int(rng.integers(len(self.tokens[source]))))
            for source in rng.integers(len(self.tokens), size=count)
        ]
        said = [
            self.imagined.draw(self.mentioned[source][row], rng)[:, 0]
            for source, row in chosen
        ]
        tokens = np.stack([self.tokens[source][row] for source, row in chosen])
        return Drawn(None, {"said": np.stack(said)}, tokens[:, None])


def look_up(
    features: Features, said: np.ndarray | None = None, blind: float = 0.0
) -> Look:
    """Take features from a cache, in one of its views at random.

    Args:
        said: float (N, C), what the photos show, for a model with concepts.
        blind: share of the photos whose regions are hidden.
    """

    def look(rows: np.ndarray, rng: np.random.Generator) -> Batch:
        views = rng.integers(features.array.shape[1], size=len(rows))
        batch = {
            "features": np.stack(
                [features.array[r, v] for r, v in zip(rows, views, strict=True)]
            )
        }
        if said is not None:
            batch["said"] = said[rows]
        if blind:
            batch["seen"] = (rng.random(len(rows)) >= blind).astype(np.float32)
        return batch

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
    turns: np.ndarray | None = None,
    texts: Texts | None = None,
    texts_count: int = 0,
) -> Iterator[Drawn]:
    """Go once through the photos, in an order that only the seeds decide.

    The photos left over by full batches are other ones each epoch.

    Args:
        batch_size: photos in a batch, B.
        count: captions drawn of each, K.
        seeds: of this epoch.
        start: batches to leave out at the front, because they were done before.
        turns: int (photos,), how often each photo comes; None is once.
        texts: captions without photos.
        texts_count: how many of them follow each batch of photos, as a batch.
    """
    steps = walk(
        len(captions.rows),
        batch_size,
        seeds,
        start=start,
        turns=turns,
        texts=texts is not None,
    )
    for rows, rng in steps:
        if rows is not None:
            yield Drawn(rows, look(rows, rng), captions.draw(rows, count, rng))
        elif texts:
            yield texts.draw(texts_count, rng)
