"""What metrics compare: captions as words, and the references of the same images."""

from collections.abc import Sequence

Words = Sequence[str]


def check_words(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> None:
    """Refuse what cannot be compared.

    Raises:
        ValueError: if the lengths differ or an image has no reference.
    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} captions for {len(references)} images")
    if not references or not all(references):
        raise ValueError("no images, or an image without references")
