"""Photos as a training sees them: in batches of pixels, or of features from a cache."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from shared.data.checking import THREADS
from shared.data.mixing import Batch, Look
from shared.errors import AppError
from shared.files.threads import map_in_threads
from shared.runs.recipes import PhotoStageConfig
from shared.runs.training import compile_model
from shared.vision.encoders import Encoder
from shared.vision.features import Features, PhotosLost, extract_features, read_again
from shared.vision.images import Resize, StoredImage

Photo = Path | StoredImage


class Viewer(NamedTuple):
    """Looks at photos with an encoder.

    Attributes:
        encoder: as it is now; what it is later trained to be is seen, too.
        resize: how a photo is brought to its size.
        cache: folder for features.
        announce: told what happens, a sentence each.
    """

    encoder: Encoder
    resize: Resize
    cache: Path
    announce: Callable[[str], None] = print

    def read(self, photos: Sequence[Photo]) -> np.ndarray:
        """Read photos: uint8 (N, H, W, 3).

        Raises:
            PhotosLost: if one cannot be read any more.
        """
        read = partial(read_again, size=self.encoder.image_size, resize=self.resize)
        return np.stack([*map_in_threads(read, photos, THREADS, at_once=4)])

    def encode(self, photos: Sequence[Photo], mirrored: bool = False) -> Features:
        """Give the features of photos, computed once.

        Args:
            mirrored: whether there is a second view, mirrored.

        Raises:
            PhotosLost: if one cannot be read any more.
        """
        features = extract_features(
            photos,
            self.encoder,
            self.cache,
            resize=self.resize,
            mirrored=mirrored,
            announce=self.announce,
        )
        if features.broken:
            raise PhotosLost(list(features.broken.values()))
        return features

    def look_anew(self, photos: Sequence[Photo], augment: bool = False) -> Look:
        """Read photos from their files for each batch, changed a little if asked."""

        def look(
            rows: np.ndarray, mirrored: np.ndarray, rng: np.random.Generator
        ) -> Batch:
            images = list(self.read([photos[row] for row in rows]))
            if augment:
                images = [_augment(image, rng) for image in images]
            turned = [
                image[:, ::-1] if turn else image
                for image, turn in zip(images, mirrored, strict=True)
            ]
            return {"images": np.stack(turned)}

        return look


def check_blocks(encoder: Encoder, blocks: Mapping[str, str]) -> None:
    """Make sure that an encoder can be trained as the stages of a recipe want.

    Args:
        encoder: a new one; all of it can be trained afterwards.
        blocks: for each stage's name what it trains, see `Encoder.train_from`.

    Raises:
        AppError: if there is no such layer, or nothing to train from there on.
    """
    for stage, block in blocks.items():
        try:
            encoder.train_from(block)
        except AppError as error:
            raise AppError(f"stages.{stage}.encoder_from: {error}") from error
        if block != "none" and not encoder.trainable_variables:
            raise AppError(
                f"stages.{stage}.encoder_from: from the layer {block!r} on, the "
                "encoder has nothing to train. Name an earlier layer, or all."
            )
    encoder.train_from("all")


def compile_with_encoder(model: Any, stage: PhotoStageConfig, steps: int) -> None:
    """Compile a model whose encoder learns as a stage says, if at all.

    Args:
        model: with an `encoder` and a `label_smoothing`.
        steps: of an epoch.
    """
    model.label_smoothing = stage.label_smoothing
    model.encoder.train_from(stage.encoder_from)
    slow = model.encoder.trainable_variables
    compile_model(model, stage, steps, stage.encoder_rate, slow)


def look_up(
    features: Features, told: Mapping[str, np.ndarray] | None = None, blind: float = 0.0
) -> Look:
    """Take features from a cache, mirrored ones from its second view.

    Args:
        told: what goes with the features, such as "said" float (N, C).
        blind: share of the photos whose regions are hidden: "seen" is 0 of them.
    """

    def look(rows: np.ndarray, mirrored: np.ndarray, rng: np.random.Generator) -> Batch:
        views = mirrored.astype(int)
        pairs = zip(rows, views, strict=True)
        batch = {"features": np.stack([features.array[pair] for pair in pairs])}
        for name, values in (told or {}).items():
            batch[name] = values[rows].astype(np.float32)
        if blind:
            batch["seen"] = (rng.random(len(rows)) >= blind).astype(np.float32)
        return batch

    return look


def _augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut off up to a seventh, brighten or darken; colours keep their names."""
    size = len(image)
    width, height = (size * rng.uniform(0.86, 1.0, 2)).round()
    left, top = rng.uniform(0, size - width), rng.uniform(0, size - height)
    picture = Image.fromarray(image).resize(
        (size, size),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
    )
    pixels = np.asarray(picture, np.float32) * rng.uniform(0.8, 1.2)
    return pixels.clip(0, 255).astype(np.uint8)
