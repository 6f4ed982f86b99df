"""How different captions are, from each other and from those of the training."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from captioner.metrics.bleu import bleu
from captioner.metrics.cider import CiderD
from captioner.metrics.words import Words


class Diversity(NamedTuple):
    """How different the captions of a set are.

    Attributes:
        distinct: different words, and different pairs of words in a row, by all of
            them; 0 to 1, of longer texts less.
        novel: share of captions that no training photo has, 0 to 1; None if those
            are not known.

    Source: Li et al. 2016, arXiv:1510.03055, for `distinct`; Shetty et al. 2017,
        arXiv:1703.10476, for `novel`.
    """

    distinct: tuple[float, float]
    novel: float | None

    def __str__(self) -> str:
        ones, pairs = self.distinct
        novel = "" if self.novel is None else f"; {self.novel:.1%} not in training"
        return f"distinct n-grams {ones:.3f} (1), {pairs:.3f} (2){novel}"


class NBest(NamedTuple):
    """Several captions of each image: the best of them, and how different they are.

    Attributes:
        captions: of an image, on average.
        oracle: the mean CIDEr-D of the best caption of each image, 0 to 10.
        mutual_bleu: BLEU-4 of each caption against the others of its image, 0 to 1;
            less is more diverse.
        distinct: as in `Diversity`, within an image, the mean.

    Source: Shetty et al. 2017, arXiv:1703.10476, for mBLEU, here of the whole corpus.
    """

    captions: float
    oracle: float
    mutual_bleu: float
    distinct: tuple[float, float]

    def __str__(self) -> str:
        ones, pairs = self.distinct
        return (
            f"{self.captions:.1f} captions an image: the best of each reach CIDEr-D "
            f"{100 * self.oracle:.1f} (oracle); mBLEU-4 {100 * self.mutual_bleu:.1f}; "
            f"distinct n-grams {ones:.3f} (1), {pairs:.3f} (2)"
        )


def measure_diversity(
    captions: Sequence[str], words: Sequence[Words], learnt: Iterable[str] = ()
) -> Diversity:
    """Measure how different captions are.

    Args:
        captions: one an image.
        words: the same as words.
        learnt: captions of training photos; none if they are not known. In comparing,
            case and punctuation do not matter.
    """
    known = set(map(_plain, learnt))
    novel = [_plain(text) not in known for text in captions]
    return Diversity(
        distinct=(_distinct(words, 1), _distinct(words, 2)),
        novel=sum(novel) / len(novel) if known else None,
    )


def measure_nbest(
    captions: Sequence[Sequence[Words]], references: Sequence[Sequence[Words]]
) -> NBest | None:
    """Measure several captions of each image.

    Args:
        captions: of each image, as words; where there is none, the best scores 0.
        references: what people wrote about the same images, in the same order.

    Returns:
        None if no image has several.
    """
    several = [some for some in captions if len(some) > 1]
    if not several:
        return None
    places = [image for image, some in enumerate(captions) for _ in some]
    best = [0.0] * len(captions)
    scores = CiderD(references).score(places, list(chain.from_iterable(captions)))
    for image, score in zip(places, scores, strict=True):
        best[image] = max(best[image], score)
    each = [some[place] for some in several for place in range(len(some))]
    others = [
        [*some[:place], *some[place + 1 :]]
        for some in several
        for place in range(len(some))
    ]
    return NBest(
        captions=sum(map(len, captions)) / len(captions),
        oracle=sum(best) / len(captions),
        mutual_bleu=bleu(each, others)[3],
        distinct=(
            float(np.mean([_distinct(some, 1) for some in several])),
            float(np.mean([_distinct(some, 2) for some in several])),
        ),
    )


def _distinct(captions: Iterable[Words], length: int) -> float:
    """Divide the number of different n-grams by that of all n-grams."""
    found = [gram for words in captions for gram in _ngrams(words, length)]
    return len(set(found)) / max(1, len(found))


def _ngrams(words: Words, length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(length)), strict=False)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
