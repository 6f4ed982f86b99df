"""The metrics that score each image by itself.

Their means are reported, a model can be chosen by one of them in training, and a
self-critical stage can take one for its reward. A new one is a file beside this one,
and a line below.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from captioner.metrics.cider import CiderD
from captioner.metrics.rouge import RougeL
from captioner.metrics.words import Words, check_words


class PhotoMetric(Protocol):
    """Scores captions against a fixed set of references; higher is better.

    Args:
        references: for each image, what people wrote about it, as words.

    Attributes:
        most: the highest score; the lowest is 0.

    Raises:
        ValueError: if there is no image, or one without references.
    """

    most: float

    def __init__(self, references: Iterable[Sequence[Words]]): ...

    def score(self, indices: Sequence[int], captions: Sequence[Words]) -> list[float]:
        """Score captions, each of the image at its index in the references."""


PHOTO_METRICS: dict[str, type[PhotoMetric]] = {
    "ROUGE-L": RougeL,
    "CIDEr-D": CiderD,
}


def score_each(
    metric: str, hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> list[float]:
    """Score one caption for each image.

    Args:
        metric: a name in `PHOTO_METRICS`.
        hypotheses: the captions, as words.
        references: what people wrote about the same images, in the same order.

    Returns:
        from 0 to the metric's `most`, in the same order.

    Raises:
        ValueError: if the lengths differ or an image has no reference.
    """
    check_words(hypotheses, references)
    scorer = PHOTO_METRICS[metric](references)
    return scorer.score(range(len(hypotheses)), hypotheses)
