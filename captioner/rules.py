"""What one search may find, in ids instead of words."""

from typing import NamedTuple


class Sampling(NamedTuple):
    """How sequences are drawn.

    Attributes:
        temperature: above 0; below 1 it is more predictable.
        top_k: each token is one of so many likeliest; 0 is all.
        top_p: each token is one of the likeliest that together reach this
            probability; 1 is all.
    """

    temperature: float
    top_k: int
    top_p: float


class Rules(NamedTuple):
    """One search: ids and numbers alone, so that it can be a key of a cache.

    Words are counted without eos. Rules that start with "not" give way where
    nothing else is left; the others never do.

    Attributes:
        bos_id, eos_id, pad_id: the special tokens.
        max_words, min_words: length of a sequence.
        beam_size: sequences kept at each step, or drawn.
        groups: of beams that differ from one another; they share `beam_size` in
            equal parts.
        diversity: lambda of diverse beam search, nats a token.
        length_penalty: alpha of Wu et al. 2016, or "average".
        banned_ids: tokens that do not occur, ascending; never mere preference.
        ending_ids: not the last token before eos, ascending.
        no_repeat: so many tokens in a row do not occur twice; 0 allows it.
        prefix_ids: how every sequence starts; may hold unk although it is banned.
        must_ids: of each group, one token or more occurs, in any order.
        sampling: None for a beam search.
    """

    bos_id: int
    eos_id: int
    pad_id: int
    max_words: int
    min_words: int = 1
    beam_size: int = 1
    groups: int = 1
    diversity: float = 0.0
    length_penalty: float | str = 0.0
    banned_ids: tuple[int, ...] = ()
    ending_ids: tuple[int, ...] = ()
    no_repeat: int = 0
    prefix_ids: tuple[int, ...] = ()
    must_ids: tuple[tuple[int, ...], ...] = ()
    sampling: Sampling | None = None
