"""BLEU: the share of short word sequences that references have, too."""

from collections.abc import Iterable, Sequence
from typing import Any

from captioner.metrics.words import Words, check_words


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
    from nltk.translate.bleu_score import corpus_bleu  # 0.3 s to import

    check_words(hypotheses, references)
    guesses = [sum(max(0, len(h) - n) for h in hypotheses) for n in range(4)]

    # The two small constants are the official scorer's. They replace nltk's own
    # rules: a warning and 1e-154 without a match, and one 4-gram counted for a
    # caption that is too short to have any.
    def precisions(matches: Iterable[Any], **_: Any) -> list[float]:
        return [
            (match.numerator + 1e-15) / (guess + 1e-9)
            for match, guess in zip(matches, guesses, strict=True)
        ]

    weights = [(1 / n,) * n for n in range(1, 5)]
    scores = corpus_bleu(references, hypotheses, weights, precisions)
    first, second, third, fourth = map(float, scores)
    return first, second, third, fourth
