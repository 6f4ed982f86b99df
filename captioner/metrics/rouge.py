"""ROUGE-L: the longest sequence of words that a caption shares with a reference."""

from collections.abc import Iterable, Sequence

from captioner.metrics.words import Words, check_references

BETA = 1.2  # of the COCO evaluation; above 1 favours recall


class RougeL:
    """ROUGE-L against a fixed set of references, from 0 to 1 an image.

        score = (1 + b^2) P R / (R + b^2 P),  b = 1.2

    P and R are the longest common subsequence over the length of the caption and
    of the reference, each the best over the references, as COCO does it.

    Args:
        references: for each image, what people wrote about it, as words.

    Raises:
        ValueError: if there is no image, or one without references.

    Source: Lin 2004, ACL W04-1013.
    """

    most = 1.0

    def __init__(self, references: Iterable[Sequence[Words]]):
        self._references = list(references)
        check_references([len(image) for image in self._references])

    def score(self, indices: Sequence[int], captions: Sequence[Words]) -> list[float]:
        """Score captions, each of the image at its index in the references."""
        return [*map(self._score, indices, captions)]

    def _score(self, index: int, words: Words) -> float:
        references = self._references[index]
        common = [common_length(words, reference) for reference in references]
        precision = max(common) / max(1, len(words))
        recall = max(
            c / max(1, len(reference))
            for c, reference in zip(common, references, strict=True)
        )
        weighted = (1 + BETA**2) * precision * recall
        return weighted / (recall + BETA**2 * precision) if weighted else 0.0


def common_length(first: Words, second: Words) -> int:
    """Length of the longest common subsequence."""
    best = [0] * (len(second) + 1)
    for word in first:
        corner = 0
        for column, other in enumerate(second, start=1):
            above = best[column]
            best[column] = corner + 1 if word == other else max(above, best[column - 1])
            corner = above
    return best[-1]
