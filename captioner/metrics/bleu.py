"""BLEU: the share of short word sequences that references have, too."""

from collections.abc import Sequence

import numpy as np

from captioner.metrics.words import Words, check_words

ORDERS = (1, 2, 3, 4)


def bleu(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> tuple[float, float, float, float]:
    """BLEU-1 to BLEU-4 of a whole corpus, each from 0 to 1.

    Args:
        hypotheses: one caption an image, as words.
        references: what people wrote about the same images, in the same order;
            the one closest in length sets the brevity penalty.

    Raises:
        ValueError: if the lengths differ or an image has no reference.

    Source: Papineni et al. 2002, ACL P02-1040.
    """
    sums = count_bleu(hypotheses, references).sum(axis=0)
    first, second, third, fourth = (float(score_bleu(sums, n)) for n in ORDERS)
    return first, second, third, fourth


def count_bleu(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> np.ndarray:
    """Count what BLEU is computed from, in each image.

    Returns:
        float (images, 10): for n = 1 to 4 the n-grams of the caption that references
        have; all its n-grams; its words; those of the reference closest in length.

    Raises:
        ValueError: see `bleu`.
    """
    from nltk.translate import bleu_score  # 0.3 s to import

    check_words(hypotheses, references)

    def count(words: Words, texts: Sequence[Words]) -> list[int]:
        precisions = (bleu_score.modified_precision(texts, words, n) for n in ORDERS)
        return [
            *(precision.numerator for precision in precisions),
            *(max(0, len(words) - n + 1) for n in ORDERS),
            len(words),
            bleu_score.closest_ref_length(texts, len(words)),
        ]

    rows = [count(h, r) for h, r in zip(hypotheses, references, strict=True)]
    return np.array(rows, float)


def score_bleu(sums: np.ndarray, order: int) -> np.ndarray:
    """Make BLEU of sums over images.

    Args:
        sums: float (..., 10), see `count_bleu`.
        order: longest n-grams, 1 to 4.

    Returns:
        float (...), from 0 to 1.
    """
    # The two small constants are the official scorer's: without a match, too, there
    # is a logarithm.
    matches, guesses = sums[..., :order] + 1e-15, sums[..., 4 : 4 + order] + 1e-9
    words, closest = sums[..., 8], sums[..., 9]
    brevity = np.where(words > 0, np.exp(1 - closest / np.maximum(words, 1)), 0)
    precision = np.exp(np.log(matches / guesses).mean(axis=-1))
    return np.asarray(np.minimum(brevity, 1) * precision)
