"""Left and right, which a mirror exchanges in questions, answers and boxes."""

import numpy as np

from shared.text.vocabulary import UNK, Vocabulary
from vqa.text.answers import AnswerSpace, normalize

SIDES = ("left", "right")


class Mirror:
    """What becomes of words, answers and boxes where a photo is mirrored.

    Args:
        space: the answers that can be given; None where they come with the question.
    """

    def __init__(self, vocabulary: Vocabulary, space: AnswerSpace | None):
        self._other_side = _swap_words(vocabulary)
        self._other_answer = _swap_answers(space) if space else np.zeros(0, int)

    def turn(
        self,
        inputs: dict[str, np.ndarray],
        targets: np.ndarray,
        mirrored: np.ndarray,
    ) -> None:
        """Exchange the sides in questions and answers, in place.

        Args:
            inputs, targets: see `vqa.training.batches.Drawn`.
            mirrored: bool (B,), whose.
        """
        inputs["tokens"][mirrored] = self._other_side[inputs["tokens"][mirrored]]
        choices = inputs.get("choices")
        if choices is None:
            moved = np.zeros_like(targets[mirrored])
            to = self._other_answer
            moved[..., to[to >= 0]] = targets[mirrored][..., to >= 0]
            targets[mirrored] = moved
        elif choices.dtype == np.int32:
            choices[mirrored] = self._other_side[choices[mirrored]]
        else:
            left, top, right, bottom = np.moveaxis(choices[mirrored], -1, 0)
            real = right > left
            choices[mirrored] = np.stack(
                [
                    np.where(real, 1 - right, 0),
                    top,
                    np.where(real, 1 - left, 0),
                    bottom,
                ],
                axis=-1,
            )


def _swap_words(vocabulary: Vocabulary) -> np.ndarray:
    """For each word's id, that of what it becomes in a mirror: int32 (V,)."""
    other = np.arange(len(vocabulary), dtype=np.int32)
    for side, turned in zip(SIDES, SIDES[::-1], strict=True):
        if side in vocabulary:
            other[vocabulary.ids[side]] = vocabulary.ids.get(turned, UNK)
    return other


def _swap_answers(space: AnswerSpace) -> np.ndarray:
    """For each answer's id, what it becomes in a mirror, or -1 if that is unknown."""
    turned = dict(zip(SIDES, SIDES[::-1], strict=True))
    return np.array(
        [
            space.ids.get(
                normalize(" ".join(turned.get(w, w) for w in answer.split(" "))), -1
            )
            for answer in space.answers
        ]
    )
