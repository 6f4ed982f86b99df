"""What a captioner can be asked, whatever runs it."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from captioner.search.decoding import Sequences
from captioner.search.rules import Rules
from shared.concepts.table import ConceptProbs
from shared.nets.traces import Step
from shared.vision.grid import Grid


class Runtime(Protocol):
    """What runs a model. Axes: B images, or the batch size where batches are filled."""

    name: str  # such as "keras"
    grid: Grid  # rows and columns of the regions, R in all

    def encode(self, images: np.ndarray) -> list[np.ndarray]:
        """Give the features float32 (B, R, D) of images uint8 (B, H, W, 3)."""

    def look(self, features: list[np.ndarray]) -> Any:
        """Get ready to write about features; what is made is for the other two."""

    def seen(self, looked: Any) -> ConceptProbs | None:
        """Give what the photos show, or None of a model without concepts."""

    @property
    def can_be_told(self) -> bool:
        """Whether `tell` works."""

    def tell(self, looked: Any, rows: Sequence[int], seen: ConceptProbs) -> Any:
        """Tell the first model more of what photos show.

        Args:
            looked: of `look`, which stays as it is.
            rows: the places of b photos.
            seen: float32 (b, C), what they show.

        Returns:
            what `look` gives, of all photos.
        """

    def take(self, looked: Any, rows: Sequence[int]) -> Any:
        """Give what `look` gives of some of the photos."""

    def where(self, looked: Any) -> np.ndarray | None:
        """Say how surely each region shows each concept, float32 (B, R, C), or None."""

    def search(
        self,
        looked: Any,
        rules: Rules,
        noise: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> Sequences:
        """Search for captions; see `captioner.search.decoding.search`."""

    def read(self, looked: Any, tokens: Sequence[int], rules: Rules) -> np.ndarray:
        """Tell what follows: log-probabilities float32 (B, len(tokens) + 1, V)."""

    @property
    def remembers(self) -> tuple[str, ...]:
        """Names of what `remember` gives."""

    def remember(self, looked: Any) -> dict[str, np.ndarray]:
        """Give what the first model's decoder needs of photos to read sentences.

        Returns:
            by name: float32 (B, rows, size) what it reads at each step; (B, U) its
            states before the first word.
        """

    def score(
        self, memory: dict[str, np.ndarray], tokens: Sequence[int], rules: Rules
    ) -> np.ndarray:
        """Say how probable a sentence is for each photo.

        Args:
            memory: of `remember`, by the names in `remembers`; states as (B, 1, U).
            tokens: T ids, without bos.
            rules: bos and eos are taken of them.

        Returns:
            float32 (B, T + 1), natural logs, of each token and of the end.
        """

    def watch(self, looked: Any, tokens: Sequence[int]) -> Iterator[Step]:
        """Read tokens about the first photo, and tell what the first model did at each.

        Args:
            tokens: ids, with bos.
        """
