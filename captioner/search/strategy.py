"""The contract of all strategies of search, and the scores that they share.

Axes: B images, N sequences searched per image, V words.
"""

from typing import Any, ClassVar, Self

import numpy as np

from shared.config import Config
from shared.errors import AppError

NEVER = -1e9  # score of what must not be; -inf would breed NaN
FOUND = -1e8  # sequences below this do not exist
SELDOM = -1e4  # score of what is wanted only where nothing else is left
MOST_BEAMS = 50  # sequences for an image; of more, the search gets slow


class Strategy(Config):
    """How a search goes on: with which words, after which of its sequences.

    A strategy is its options, numbers alone, so that it can be part of a cache's key.
    They are keys of a recipe's `[decoding]`, too, and can be given to `captioner
    caption --set`. Those of several strategies that have one name are one option.

    Attributes:
        draws: whether it goes by random numbers.
        shown: its names on the page -> changes to a recipe.
    """

    draws: ClassVar[bool] = False
    shown: ClassVar[dict[str, dict[str, Any]]] = {}

    @property
    def repeats(self) -> bool:
        """Whether it may find a sequence twice, so that copies are left out."""
        return True

    def check_size(self, beam_size: int) -> None:
        """Refuse a number of sequences that does not fit the options.

        Raises:
            ValueError: says what would fit.
        """

    def check_request(self, decoding: Any) -> None:
        """Refuse what it cannot search for.

        Args:
            decoding: all that is asked for, a `captioner.search.config.DecodingConfig`.

        Raises:
            AppError: names what else would do.
        """
        if decoding.must:
            words = ", ".join(f'"{word}"' for word in decoding.must)
            how = "draws" if self.draws else "chooses"
            raise AppError(
                f"must {words} needs the method beam; the method {decoding.method} "
                f"{how} words without looking ahead. Use beam, or ask for no "
                "must-words."
            )

    def settle(self, vocab_size: int) -> Self:
        """Give the same search, equal to any other that finds the same.

        Options that have no effect here get one value, so that a search is compiled
        once.
        """
        return self

    def label(self, beam_size: int) -> str:
        """Name it as the page does."""
        return next(iter(self.shown), "")

    def width(self, rules: Any) -> int:
        """N, the second axis of the states that a search starts from."""
        return rules.beam_size

    def complete(self, rules: Any) -> np.ndarray:
        """Bool (N,): sequences that may end, having all words that must occur."""
        return np.ones(self.width(rules), bool)

    def first_scores(self, rules: Any) -> np.ndarray:
        """float32 (N,): scores before the first word; of `NEVER`, none is there yet."""
        return np.zeros(self.width(rules), np.float32)

    def chooser(self, rules: Any, vocab_size: int, noise: Any, ops: Any) -> Any:
        """Give the function that chooses the next words.

        It takes t, scores (B, N), options (B, N, V), what each word would add to them,
        and ended (B, N). It returns parents int (B, N), the sequences to go on with,
        words int32 (B, N), pad where one has ended, and their scores (B, N).

        Args:
            rules: `captioner.search.rules.Rules`.
            vocab_size: V.
            noise: float32 (B, N, T) in [0, 1), uniform, if it draws.
            ops: see `captioner.search.decoding`.
        """
        raise NotImplementedError


def pick(index: Any, *parts: Any, ops: Any) -> Any:
    """Take rows at index int (B, N) of each image, from parts (B, M, ...) alike in M.

    Returns:
        list of parts (B, N, ...).
    """
    batch, count = ops.shape(index)[0], parts[0].shape[1]
    first = ops.arange(batch, dtype=index.dtype)[:, None] * count
    flat = ops.reshape(index + first, (-1,))
    picked = [
        ops.take(ops.reshape(part, (-1, *part.shape[2:])), flat, axis=0)
        for part in parts
    ]
    return [ops.reshape(part, (-1, index.shape[1], *part.shape[1:])) for part in picked]
