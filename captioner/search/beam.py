"""Beam search: the likeliest sequences are kept at each step, in groups if wanted.

Axes: B images, N sequences searched per image, V words. N is groups of beams, then sets
of words that must occur (a bit for each word), then beams.
"""

from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from captioner.search.strategy import FOUND, MOST_BEAMS, NEVER, Strategy, pick


class BeamSearch(Strategy):
    """Keep the likeliest sequences at each step; of one beam, it is greedy search.

    A sequence that ends keeps its place, so the search is over once all have ended.
    Diverse beam search parts the beams into groups; each group chooses after those
    before it, and a word costs it `diversity` for every time that they have just
    chosen it. With words that must occur there is a beam for every set of them, and
    only sequences with all of them end.

    Attributes:
        groups: of beams that differ from one another; they share `beam_size` in
            equal parts.
        diversity: lambda of diverse beam search, nats a word.

    Source: Vijayakumar et al. 2016, arXiv:1610.02424, for diverse beams; Anderson et
        al. 2017, arXiv:1612.00576, for words that must occur.
    """

    groups: int = Field(1, ge=1, le=MOST_BEAMS)
    diversity: float = Field(0.5, ge=0, le=100)

    shown: ClassVar[dict[str, dict[str, Any]]] = {
        "Greedy": {"beam_size": 1, "groups": 1},
        "Beam search": {"groups": 1},
        "Diverse beams": {},
    }

    @property
    def repeats(self) -> bool:
        """Groups may find the same sequence."""
        return self.groups > 1

    def check_size(self, beam_size: int) -> None:
        """Refuse beams that groups cannot share."""
        if beam_size % self.groups:
            first = max(1, beam_size // self.groups) * self.groups
            fits = range(first, MOST_BEAMS + 1, self.groups)[:3]
            raise ValueError(
                f"groups {self.groups} do not share beam_size {beam_size} in "
                f"equal parts: give a beam_size of {', '.join(map(str, fits))}"
            )

    def check_request(self, decoding: Any) -> None:
        """Refuse nothing: it can search for all that can be asked for."""

    def settle(self, vocab_size: int) -> Self:
        """Drop the diversity of a single group."""
        return self if self.groups > 1 else self.model_copy(update={"diversity": 0.0})

    def label(self, beam_size: int) -> str:
        """Name it as the page does."""
        greedy, beams, diverse = self.shown
        if self.groups > 1:
            return diverse
        return beams if beam_size > 1 else greedy

    def width(self, rules: Any) -> int:
        """Count the beams of all groups and sets."""
        return rules.beam_size * 2 ** len(rules.must_ids)

    def complete(self, rules: Any) -> np.ndarray:
        """Find the beams of the set of all words that must occur."""
        sets = 2 ** len(rules.must_ids)
        full = np.arange(sets) == sets - 1
        return np.tile(np.repeat(full, rules.beam_size // self.groups), self.groups)

    def first_scores(self, rules: Any) -> np.ndarray:
        """Let one beam of a group grow, as all sequences start alike."""
        scores = np.full(self.width(rules), NEVER, np.float32)
        scores[:: self.width(rules) // self.groups] = 0.0
        return scores

    def chooser(self, rules, vocab_size, noise, ops):
        """Choose the next words, see `Strategy.chooser`."""
        groups, rows = self.groups, self.width(rules) // self.groups
        # As many as a group keeps, and those that groups before it may have spoilt.
        best = rules.beam_size // groups + (groups - 1) * rows
        propose = _proposals(rules, best, vocab_size, ops)
        leads = _leads(rules, vocab_size)

        def choose(t, scores, options, ended):
            words, gains = propose(options)  # (B, N, C)
            count = words.shape[2]
            # An ended sequence goes on with pad, for nothing, ahead of all others.
            one = ops.convert_to_tensor(np.arange(count) == 0)
            stays = ops.logical_and(ended[..., None], one)
            words = ops.where(ended[..., None], rules.pad_id, words)
            gains = ops.where(ended[..., None], NEVER, gains)
            gains = ops.where(stays, 0.0, gains)
            totals = scores[..., None] + gains
            order = ops.where(stays, -NEVER, totals)
            flat_words = ops.reshape(words, (-1, groups * rows * count))
            found: list[tuple] = []
            for first in range(0, groups * rows, rows):
                ranks = order[:, first : first + rows]
                here = words[:, first : first + rows]
                if found:
                    said = ops.concatenate([word for _, word, _ in found], axis=1)
                    same = ops.equal(here[..., None], said[:, None, None])
                    times = ops.sum(ops.cast(same, "float32"), axis=-1)
                    ranks = ranks - self.diversity * times
                ranks, best = _best(ranks, here, leads, ops)
                best = best + first * count
                (word,) = pick(best, flat_words, ops=ops)
                word = ops.where(ranks > FOUND, word, rules.pad_id)
                found.append((best, word, ranks))
            best, word, ranks = (
                ops.concatenate(parts, 1) for parts in zip(*found, strict=True)
            )
            totals = ops.reshape(totals, (-1, groups * rows * count))
            (totals,) = pick(best, totals, ops=ops)
            return best // count, word, ops.where(ranks > FOUND, totals, NEVER)

        return choose


def _proposals(rules, count, vocab_size, ops):
    """Give the function that finds, for each sequence, the words that may be best.

    It takes options (B, N, V) and returns words int32 (B, N, C) and their scores: the
    `count` best, and before them those that must occur.
    """
    must = sorted({word for ids in rules.must_ids for word in ids})
    apart = np.where(np.isin(np.arange(vocab_size), must), NEVER, 0.0)

    def propose(options):
        others = options
        if must:  # they compete for beams of their own
            others = options + ops.convert_to_tensor(apart.astype(np.float32))
        gains, words = ops.top_k(others, min(count, vocab_size))
        words = ops.cast(words, "int32")
        if not must:
            return words, gains
        index = ops.convert_to_tensor(np.array(must, np.int32))
        named = ops.take(options, index, axis=2)
        gains = ops.concatenate([named, gains], axis=2)
        named = ops.full_like(named, 0, "int32") + index
        return ops.concatenate([named, words], axis=2), gains

    return propose


def _best(ranks, words, leads, ops):
    """Find the best words of a group for each set of words that must occur.

    Args:
        ranks: float (B, sets * beams, C), of the words.
        words: int32 (B, sets * beams, C).
        leads: see `_leads`.

    Returns:
        ranks: float (B, sets * beams); below `FOUND` where nothing leads there.
        best: int (B, sets * beams), row * C + column.
    """
    rows, count = words.shape[1:]
    sets, vocab_size = leads.shape
    if sets > 1:
        targets = np.arange(sets, dtype=np.int32)
        own = ops.convert_to_tensor(np.repeat(targets, rows // sets) * vocab_size)
        leads = ops.convert_to_tensor(leads.reshape(-1))
        into = ops.take(leads, words + own[:, None], axis=0)  # (B, rows, C)
        targets = ops.convert_to_tensor(targets[:, None, None])
        here = ops.equal(into[:, None], targets)
        ranks = ops.where(here, ranks[:, None], NEVER)  # (B, sets, rows, C)
    ranks = ops.reshape(ranks, (-1, sets, rows * count))
    ranks, best = ops.top_k(ranks, rows // sets)
    return ops.reshape(ranks, (-1, rows)), ops.reshape(best, (-1, rows))


def _leads(rules, vocab_size):
    """Int32 (sets, V): the set of words that must occur, after each word."""
    bits = np.zeros(vocab_size, np.int32)
    for bit, ids in enumerate(rules.must_ids):
        bits[list(ids)] |= 1 << bit
    return np.arange(2 ** len(rules.must_ids), dtype=np.int32)[:, None] | bits
