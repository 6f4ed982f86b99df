"""Probabilities of training photos, as a concept net gives that they did not teach."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from shared.concepts.fitted import read_fitted
from shared.concepts.net import ConceptNet, load_concepts, predict
from shared.concepts.table import ConceptProbs
from shared.errors import AppError
from shared.files.fingerprints import digest_photos
from shared.vision.images import StoredImage


def read_taught(
    source: str, folder: Path | None, wanted: bool
) -> tuple[ConceptNet | None, Mapping[str, ConceptProbs]]:
    """Read what `captioner teach` wrote, if a recipe has use for it.

    Args:
        source: the recipe's name or file, for messages.
        folder: of the concepts; None is none.
        wanted: whether the recipe has concepts.

    Returns:
        the net, and the probabilities of the photos that taught it, each from a net
        that it did not teach, by their digests.

    Raises:
        AppError: if only one of the two is there, or the folder is damaged.
    """
    if (folder is not None) != wanted:
        raise AppError(
            f"{source} has no [concepts]: leave out --concepts, or add it."
            if folder
            else f"{source} has [concepts]: give with --concepts the folder that "
            "`captioner teach` wrote, or leave them out of the recipe."
        )
    return (load_concepts(folder), read_fitted(folder)) if folder else (None, {})


def predict_photos(
    net: ConceptNet,
    features: np.ndarray,
    photos: Sequence[Path | StoredImage],
    fitted: Mapping[str, ConceptProbs],
) -> ConceptProbs:
    """Predict what photos show, each by a net that it did not teach.

    Args:
        features: float (N, views, R, D), of which the first view is looked at.
        photos: N of them.
        fitted: the probabilities of those that taught the net, by their digests.

    Returns:
        float16 (N, V) each.
    """

    def take(rows: np.ndarray) -> np.ndarray:
        return features[rows, 0].astype(np.float32)

    found = predict(net, take, np.arange(len(photos)))
    probs = ConceptProbs(*(part.astype(np.float16) for part in found))
    for row, digest in enumerate(digest_photos(photos) if fitted else ()):
        if digest in fitted:
            for part, known in zip(probs, fitted[digest], strict=True):
                part[row] = known
    return probs
