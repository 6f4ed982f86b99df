"""Sampling: each sequence is drawn by itself, word after word."""

from typing import Any, ClassVar, Self

from pydantic import Field

from captioner.search.strategy import Strategy
from shared.errors import AppError
from shared.nets.drawing import draw


class Sampling(Strategy):
    """Draw each word as likely as the model says, from the likeliest ones.

    Attributes:
        temperature: below 1 it is more predictable.
        top_k: each word is one of so many likeliest; 0 is all.
        top_p: each word is one of the likeliest that together reach this
            probability; 1 is all.

    Source: Holtzman et al. 2020, arXiv:1904.09751, for the nucleus.
    """

    temperature: float = Field(1.0, ge=0.01, le=100)
    top_k: int = Field(0, ge=0, le=1_000_000)
    top_p: float = Field(1.0, gt=0, le=1)

    draws: ClassVar[bool] = True
    shown: ClassVar[dict[str, dict[str, Any]]] = {"Sampling": {"groups": 1}}

    def check_request(self, decoding: Any) -> None:
        """Refuse words that must occur, and groups of beams."""
        super().check_request(decoding)
        if decoding.groups > 1:
            raise AppError(
                f"groups {decoding.groups} needs the method beam; samples differ from "
                "one another by themselves. Use beam, or groups 1."
            )

    def settle(self, vocab_size: int) -> Self:
        """Drop a `top_k` that is no limit."""
        few = self.top_k < vocab_size
        return self if few else self.model_copy(update={"top_k": 0})

    def chooser(self, rules, vocab_size, noise, ops):
        """Draw the next words, see `Strategy.chooser`."""
        count = min(self.top_k or vocab_size, vocab_size)

        def choose(t, scores, options, ended):
            ranked, words = ops.top_k(options, count)
            probs = ops.exp((ranked - ranked[..., :1]) / self.temperature)
            probs = self.cut(probs / ops.sum(probs, axis=-1)[..., None], ops)
            place = draw(probs, ops.take(noise, t, axis=2), ops)[..., None]
            words = ops.take_along_axis(words, place, axis=-1)[..., 0]
            gains = ops.take_along_axis(ranked, place, axis=-1)[..., 0]
            words = ops.where(ended, rules.pad_id, ops.cast(words, "int32"))
            parents = ops.arange(rules.beam_size, dtype="int32") + 0 * words
            return parents, words, scores + ops.where(ended, 0.0, gains)

        return choose

    def cut(self, probs, ops):
        """Set to 0 what is never drawn, of probs float (B, N, C), largest first."""
        before = ops.cumsum(probs, axis=-1) - probs
        return ops.where(before < self.top_p, probs, 0.0)
