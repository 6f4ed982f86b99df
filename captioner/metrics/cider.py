"""CIDEr-D: do captions use the words that people use for just this image?"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from captioner.metrics.words import Words, check_references


def _count_ngrams(words: Words) -> list[Counter[tuple[str, ...]]]:
    """Count the n-grams, for n = 1 to 4."""
    return [Counter(zip(*(words[i:] for i in range(n + 1)))) for n in range(4)]  # noqa: B905


@dataclass(frozen=True, slots=True)
class _Vector:
    counts: tuple[dict[int, int], ...]  # n-gram id -> count, for n = 1 to 4
    norms: tuple[float, ...]
    length: int


class CiderD:
    """CIDEr-D against a fixed set of references, from 0 to 10 an image.

        score = 10 / 4 sum_n mean_r exp(-d^2 / 72) min(h, r) . r / (|h| |r|)

    h and r hold an n-gram's count times log(images / images that mention it), d
    is the difference in length. The mentions are counted in these references, so
    one image alone always scores 0. To evaluate, give the references of the
    evaluated images; for a training reward, those of the training images, and
    close captions and references alike with an eos word so that a caption that
    breaks off loses.

    Args:
        references: for each image, what people wrote about it, as words.

    Raises:
        ValueError: if there is no image, or one without references.

    Source: Vedantam et al. 2015, arXiv:1411.5726, section 6.
    """

    most = 10.0

    def __init__(self, references: Sequence[Sequence[Words]]):
        check_references(references)
        # Ids, because most n-grams occur in many references.
        self._ids: dict[tuple[str, ...], int] = {}
        counts = [[self._number(words) for words in image] for image in references]
        mentions = Counter(
            index
            for image in counts
            for index in {index for grams in image for n in grams for index in n}
        )
        self._rarest = math.log(len(references))
        self._rarity = [
            self._rarest - math.log(mentions[index]) for index in range(len(self._ids))
        ]
        self._images = [
            [self._weigh(grams) for grams in image_counts] for image_counts in counts
        ]

    def __len__(self) -> int:
        return len(self._images)

    def _number(self, words: Words) -> tuple[dict[int, int], ...]:
        ids = self._ids
        return tuple(
            {ids.setdefault(gram, len(ids)): count for gram, count in grams.items()}
            for grams in _count_ngrams(words)
        )

    def _weigh(self, counts: tuple[dict[int, int], ...]) -> _Vector:
        norms = tuple(
            math.sqrt(sum((c * self._rarity[i]) ** 2 for i, c in grams.items()))
            for grams in counts
        )
        return _Vector(counts, norms, sum(counts[1].values()))

    def score(self, index: int, words: Words) -> float:
        """Score one caption of the image at `index` in the references."""
        known: list[list[tuple[int, float]]] = []
        norms = []
        for grams in _count_ngrams(words):
            weights, square = [], 0.0
            for gram, count in grams.items():
                number = self._ids.get(gram)
                if number is None:
                    square += (count * self._rarest) ** 2
                else:
                    weights.append((number, count * self._rarity[number]))
                    square += weights[-1][1] ** 2
            known.append(weights)
            norms.append(math.sqrt(square))
        # NOTE: the length is that of cider_scorer.py, in bigrams: an empty caption
        # and one of a single word are equally long.
        length = max(0, len(words) - 1)
        total = 0.0
        for reference in self._images[index]:
            cosines = 0.0
            for n, counts in enumerate(reference.counts):
                dot = 0.0
                for number, weight in known[n]:
                    if number in counts:
                        other = counts[number] * self._rarity[number]
                        dot += min(weight, other) * other
                if dot:
                    cosines += dot / (norms[n] * reference.norms[n])
            total += cosines * math.exp(-((length - reference.length) ** 2) / 72)
        return 10 / 4 * total / len(self._images[index])
