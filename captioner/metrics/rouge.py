"""ROUGE-L: the longest sequence of words that a caption shares with a reference."""

from collections.abc import Sequence

from captioner.metrics.words import Words, check_words


def _common_length(first: Words, second: Words) -> int:
    """Length of the longest common subsequence."""
    best = [0] * (len(second) + 1)
    for word in first:
        corner = 0
        for column, other in enumerate(second, start=1):
            above = best[column]
            best[column] = corner + 1 if word == other else max(above, best[column - 1])
            corner = above
    return best[-1]


def rouge_l(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> list[float]:
    """ROUGE-L of each image, from 0 to 1.

        score = (1 + b^2) P R / (R + b^2 P),  b = 1.2

    P and R are the longest common subsequence over the length of the caption and
    of the reference, each the best over the references, as COCO does it.

    Raises:
        ValueError: if the lengths differ or an image has no reference.

    Source: Lin 2004, ACL W04-1013.
    """
    check_words(hypotheses, references)
    scores = []
    for words, image in zip(hypotheses, references, strict=True):
        common = [_common_length(words, reference) for reference in image]
        precision = max(common) / max(1, len(words))
        recall = max(
            c / max(1, len(reference))
            for c, reference in zip(common, image, strict=True)
        )
        weighted = (1 + 1.2**2) * precision * recall
        scores.append(weighted / (recall + 1.2**2 * precision) if weighted else 0.0)
    return scores
