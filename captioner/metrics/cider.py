"""CIDEr-D: do captions use the words that people use for just this image?"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from captioner.metrics.ngrams import LAST, LONGEST, LOW, NGrams, count_ngrams
from captioner.metrics.words import Words, check_references
from shared.text.sentences import Sentences

COUNTED, SCORED = 10_000, 1000  # images, captions at once: a few dozen MB


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

    def __init__(self, references: Iterable[Sequence[Words]]):
        sizes: list[int] = []  # references of each image

        def read() -> Iterator[Words]:
            for image in references:
                sizes.append(len(image))
                yield from image

        said = Sentences(read())
        check_references(sizes)
        self._rarest = math.log(len(sizes))
        self._images = np.cumsum([0, *sizes])  # where each has its references
        self._lengths = said.lengths
        self._ngrams = NGrams(said)
        # How many images mention each; the last stands for all others.
        self._mentions = np.zeros(len(self._ngrams) + 1, np.int32)
        self._mentions[-1] = 1
        self._count()

    def __len__(self) -> int:
        return len(self._images) - 1

    def _count(self) -> None:
        """Count the n-grams of each reference, and the images that mention them."""
        words = np.cumsum([0, *self._lengths])
        sizes, numbers, counts = [], [], []
        for start in range(0, len(self), COUNTED):
            images = self._images[start : start + COUNTED + 1]
            first, end = images[0], images[-1]
            starts = self._ngrams.starts[:, words[first] : words[end]]
            found = count_ngrams(starts, self._lengths[first:end])
            owners = images.searchsorted(found.owners + first, side="right")
            mentioned = np.unique(owners << 32 | found.numbers)
            np.add.at(self._mentions, mentioned & LOW, 1)
            sizes.append(np.bincount(found.owners, minlength=end - first))
            numbers.append(found.numbers.astype(np.int32))
            most = found.counts.max(initial=0)
            counts.append(found.counts.astype(np.min_scalar_type(most)))
        # Where each reference has its n-grams; their numbers, and how often.
        self._starts = np.cumsum([0, *np.concatenate(sizes)])
        self._numbers, self._counts = np.concatenate(numbers), np.concatenate(counts)
        del self._ngrams.starts

    def score(self, indices: Sequence[int], captions: Sequence[Words]) -> list[float]:
        """Score captions, each of the image at its index in the references."""
        scores: list[float] = []
        for start in range(0, len(indices), SCORED):
            some = slice(start, start + SCORED)
            scores += self._score(np.array(indices[some]), captions[some]).tolist()
        return scores

    def _score(self, images: np.ndarray, captions: Sequence[Words]) -> np.ndarray:
        """Axes: C captions, P pairs of a caption and a reference of its image."""
        said = Sentences(captions)
        ngrams = NGrams(said)
        found = count_ngrams(ngrams.starts, said.lengths)
        numbers = self._ngrams.find(ngrams)[found.numbers]
        weights = self._weigh(numbers, found.counts)
        cells = found.owners * LONGEST + ngrams.order(found.numbers)
        norms = _measure(cells, weights, len(captions))
        keys = found.owners << 32 | numbers  # below 0 if no reference has it
        order = np.argsort(keys)
        keys, weights = np.append(keys[order], LAST), weights[order]

        firsts, ends = self._images[images], self._images[images + 1]
        references, owners = _spread(firsts, ends)
        places, pairs = _spread(self._starts[references], self._starts[references + 1])
        numbers = self._numbers[places]
        others = self._weigh(numbers, self._counts[places])
        cells = pairs * LONGEST + self._ngrams.order(numbers)
        scale = norms[owners] * _measure(cells, others, len(references))
        wanted = owners[pairs] << 32 | numbers
        found_at = keys.searchsorted(wanted)
        (both,) = np.nonzero(keys[found_at] == wanted)
        others = others[both]
        products = np.minimum(weights[found_at[both]], others) * others
        dots = np.bincount(cells[both], products, scale.size).reshape(scale.shape)
        cosines = np.divide(dots, scale, out=np.zeros(scale.shape), where=dots > 0)
        # NOTE: the length is that of cider_scorer.py, in bigrams: an empty caption
        # and one of a single word are equally long.
        gaps = np.maximum(said.lengths, 1)[owners] - np.maximum(
            self._lengths[references], 1
        )
        each = cosines.sum(axis=1) * np.exp(-(gaps**2) / 72)
        total = np.bincount(owners, each, len(images))
        return 10 / 4 * total / (ends - firsts)

    def _weigh(self, numbers: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return counts * (self._rarest - np.log(self._mentions[numbers]))


def _measure(cells: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Give the length of vectors, from their weights in cells: float64 (count, 4)."""
    squares = np.bincount(cells, weights**2, count * LONGEST)
    return np.sqrt(squares).reshape(count, LONGEST)


def _spread(firsts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the numbers in ranges, one range after the other, and the range of each."""
    sizes = ends - firsts
    owners = np.repeat(np.arange(len(sizes)), sizes)
    return np.arange(len(owners)) + (firsts - np.cumsum(sizes) + sizes)[owners], owners
