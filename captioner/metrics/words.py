"""What metrics compare: captions as words, and the references of the same images."""

from collections.abc import Sequence

Words = Sequence[str]


def check_references(counts: Sequence[int]) -> None:
    """Refuse references that nothing can be compared with.

    Args:
        counts: how many each image has.

    Raises:
        ValueError: if there is no image, or one without references.
    """
    if not counts or not all(counts):
        raise ValueError("no images, or an image without references")


def check_words(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> None:
    """Refuse captions and references that do not belong together.

    Raises:
        ValueError: if the lengths differ or an image has no reference.
    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} captions for {len(references)} images")
    check_references([len(image) for image in references])
