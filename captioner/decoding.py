"""Search for token sequences. Pure: knows neither the model nor the words.

Batched over images and over sequences, in `keras.ops`, so that a whole search runs
on the device. A `step` function stands for the model:

    step(tokens int32 (B, K), state) -> (log_probs float (B, K, V), state)

where `state` is a tuple of tensors whose first two axes are (B, K).

Axes: B images, K sequences per image, T tokens, V words.
"""

from typing import NamedTuple

from keras import ops

NEVER = -1e9  # log-probability of what must not be; -inf would breed NaN
FOUND = -1e8  # sequences below this were never real


class Sequences(NamedTuple):
    """What a search found.

    Attributes:
        tokens: int32 (B, K, T), without bos; ends with eos unless cut off at T,
            then pad.
        log_probs: float32 (B, K), natural log, summed over the tokens; below
            `FOUND` where a search with K beams found fewer than K sequences.
    """

    tokens: object
    log_probs: object


def beam_search(
    step,
    state,
    *,
    bos_id,
    eos_id,
    pad_id,
    max_length,
    length_penalty=0.0,
    banned_ids=(),
):
    """Keep the K best sequences at each step, K being the states' second axis.

    A sequence that ends keeps its place among the K, so the search is over once K
    have ended, and K = 1 is greedy search. No sequence is empty: eos is never the
    first token.

    Args:
        step: see the module.
        state: tuple of tensors (B, K, ...) before the first token, alike over K.
        bos_id: token fed first; it is not part of any result.
        eos_id: token that ends a sequence.
        pad_id: token that fills up.
        max_length: T, most tokens in a result, counting eos.
        length_penalty: alpha. A sequence of n tokens ranks by
            log_prob / ((5 + n) / 6) ** alpha, so 0 ranks by log_prob alone.
        banned_ids: tokens that never occur in a result.

    Returns:
        Sequences, best first.

    Source: Wu et al. 2016, arXiv:1609.08144, for the length penalty.
    """
    batch, beams = ops.shape(state[0])[0], state[0].shape[1]

    def more(t, last, totals, tokens, *state):
        live = ops.logical_and(last != eos_id, last != pad_id)
        live = ops.logical_and(live, totals > FOUND)
        return ops.logical_and(t < max_length, ops.any(live))

    def extend(t, last, totals, tokens, *state):
        log_probs, state = step(last, state)
        log_probs = _allow(log_probs, t, (bos_id, pad_id, *banned_ids), eos_id)
        vocab_size = log_probs.shape[-1]
        done = ops.logical_or(last == eos_id, last == pad_id)
        done = ops.logical_and(done, totals > FOUND)[..., None]  # (B, K, 1)
        is_pad = ops.equal(ops.arange(vocab_size), pad_id)  # (V,)

        # An ended sequence goes on with pad, for nothing, ahead of all others.
        padding = ops.where(is_pad, 0.0, NEVER)
        scores = totals[..., None] + ops.where(done, padding, log_probs)  # (B, K, V)
        order = ops.where(ops.logical_and(done, is_pad), -NEVER, scores)
        _, best = ops.top_k(ops.reshape(order, (-1, beams * vocab_size)), beams)
        parents, last = best // vocab_size, ops.cast(best % vocab_size, "int32")
        totals = _pick(ops.reshape(scores, (-1, beams * vocab_size)), best)
        tokens = _write(_pick(tokens, parents), t, last)
        state = tuple(_pick(part, parents) for part in state)
        return (t + 1, last, totals, tokens, *state)

    # All sequences start alike, so that only the first may grow at the first step.
    lone = NEVER * ops.cast(ops.arange(beams) > 0, "float32")
    start = (
        ops.zeros((), "int32"),
        ops.full((batch, beams), bos_id, "int32"),
        ops.tile(lone[None], (batch, 1)),
        ops.full((batch, beams, max_length), pad_id, "int32"),
        *state,
    )
    _, _, totals, tokens, *_ = ops.while_loop(more, extend, start)
    lengths = ops.sum(ops.cast(tokens != pad_id, "float32"), axis=-1)
    ranks = totals / ((5.0 + lengths) / 6.0) ** length_penalty
    order = ops.argsort(-ranks, axis=-1)
    return Sequences(_pick(tokens, order), _pick(totals, order))


def _allow(log_probs, t, banned_ids, eos_id):
    """Rule out the banned words, and eos as the first word."""
    words = ops.arange(log_probs.shape[-1])
    never = ops.any(words[:, None] == ops.array(banned_ids), axis=-1)  # (V,)
    never = ops.logical_or(never, ops.logical_and(words == eos_id, ops.equal(t, 0)))
    return ops.where(never, NEVER, ops.cast(log_probs, "float32"))


def _pick(rows, index):
    """Take rows (B, N, ...) at index int (B, M) of each image."""
    batch, count = ops.shape(index)[0], rows.shape[1]
    flat = ops.reshape(index + ops.arange(batch)[:, None] * count, (-1,))
    picked = ops.take(ops.reshape(rows, (-1, *rows.shape[2:])), flat, axis=0)
    return ops.reshape(picked, (-1, index.shape[1], *rows.shape[2:]))


def _write(tokens, t, words):
    """Put words (B, K) at position t of tokens (B, K, T)."""
    here = ops.equal(ops.arange(tokens.shape[-1]), t)
    return ops.where(here, words[..., None], tokens)
