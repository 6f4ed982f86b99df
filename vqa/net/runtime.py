"""What a VQA model can be asked, whatever runs it."""

from typing import NamedTuple, Protocol

import numpy as np

from shared.vision.grid import Grid


class Scores(NamedTuple):
    """What a net makes of questions. Axes: N questions, A answers, J joint size.

    Attributes:
        joint: float32 (N, J), where question and photo have met.
        scores: float32 (N, A), of the vocabulary's answers; A may be 0.
        alpha: float32 (N, H, R), how much each hop looked at each region.
    """

    joint: np.ndarray
    scores: np.ndarray
    alpha: np.ndarray

    def of(self, question: int) -> "Scores":
        """Give those of one question, without the axis N."""
        return Scores(*(part[question] for part in self))


class Runtime(Protocol):
    """What runs a model. Axes: R regions, D feature size, C choices, L words."""

    name: str  # such as "keras"
    grid: Grid  # rows and columns of the regions, R in all

    def look(self, image: np.ndarray) -> np.ndarray:
        """Give the features float32 (R, D) of an image uint8 (H, W, 3)."""

    def answer(
        self,
        features: np.ndarray,
        tokens: np.ndarray,
        asked: np.ndarray | None = None,
    ) -> Scores:
        """Score the answers to questions int32 (N, S) about one photo.

        Args:
            asked: int32 (N, M), the concepts that they mention, see `vqa.text.asked`;
                of a model with concepts.
        """

    def guess(self, tokens: np.ndarray) -> Scores:
        """The same by the twin that does not see the photo."""

    def encode(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn words int32 (C, L) into vectors (C, J), for each of the two nets."""

    def encode_boxes(
        self, features: np.ndarray, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn boxes float32 (C, 4), 0 to 1, into vectors (C, J), for both nets."""
