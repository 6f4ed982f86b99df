"""Search for token sequences. Pure: knows neither the model nor the words.

Batched over images and over sequences. A `step` function stands for the model:

    step(tokens int32 (B, N), state)
        -> (log_probs float (B, N, V), alpha float (B, N, R), state)

where `state` is a tuple of arrays whose first two axes are (B, N). `ops` is
`keras.ops`, with which a whole search runs on the device, or
`captioner.search.numpy_ops`, the same operations in NumPy.

Axes: B images, N sequences searched per image, K of them found, T tokens, V words,
R regions.
"""

import math
from typing import NamedTuple

import numpy as np

from captioner.search.strategy import FOUND, NEVER, SELDOM, pick
from captioner.search.word_scores import rating


class Sequences(NamedTuple):
    """What a search found: K sequences per image, best first, no two alike.

    Attributes:
        tokens: int32 (B, K, T), without bos; eos, then pad.
        log_probs: float32 (B, K), natural log, the sum of `word_log_probs`; below
            `FOUND` where there are fewer than K sequences.
        word_log_probs: float32 (B, K, T), of each token given those before it, by
            the model alone; 0 at pad.
        alpha: float32 (B, K, T, R), where the model looked for each token; 0 at pad.
    """

    tokens: object
    log_probs: object
    word_log_probs: object
    alpha: object


def search(step, state, rules, *, vocab_size, regions, ops, noise=None, bias=None):
    """Find sequences as the rules say.

    At each step the model and the rules score all words, and `rules.strategy` chooses
    which sequences go on with which of them.

    Every sequence ends with eos, after `rules.max_words` words at the latest, and
    has at least one word. At least one is found, unless the rules' words cannot
    all be said.

    Args:
        step: see the module.
        state: tuple of arrays (B, N, ...) before the first token, alike over N,
            which is `rules.width`.
        rules: what may be said.
        vocab_size: V.
        regions: R.
        ops: see the module.
        noise: float32 (B, N, T) in [0, 1), uniform random, for strategies that draw.
        bias: float32 (B, V), in nats, added to the scores of each image's words after
            the prefix; of `NEVER` or less, a word does not occur in that image's
            sequences, and `SELDOM` only where nothing else is left. None is 0.

    Returns:
        Sequences, ordered by what was searched for: with a bias, neutral words or
            doubts about colors.

    Source: Wu et al. 2016, arXiv:1609.08144, for the length penalty; of a strategy,
        see there.
    """
    choose = rules.strategy.chooser(rules, vocab_size, noise, ops)
    rate = rating(rules, vocab_size, bias, ops)
    full = rules.strategy.complete(rules)

    def more(t, last, scores, *rest):
        open_ = ops.logical_not(_ended(last, scores, rules, ops))
        open_ = ops.logical_and(open_, ops.convert_to_tensor(full))
        return ops.logical_and(t <= rules.max_words, ops.any(open_))

    def extend(t, last, scores, tokens, word_log_probs, alphas, *state):
        log_probs, alpha, state = step(last, tuple(state))
        log_probs = ops.cast(log_probs, "float32")
        options = rate(t, last, tokens, log_probs)
        ended = _ended(last, scores, rules, ops)
        parents, words, scores = choose(t, scores, options, ended)
        flat = ops.reshape(log_probs, (-1, rules.width * vocab_size))
        (said,) = pick(parents * vocab_size + words, flat, ops=ops)
        alpha = ops.cast(alpha, "float32")
        tokens, word_log_probs, alphas, seen, *state = pick(
            parents, tokens, word_log_probs, alphas, alpha, *state, ops=ops
        )
        return (
            t + 1,
            words,
            scores,
            _write(tokens, t, words, ops),
            _write(word_log_probs, t, said, ops),
            _write(alphas, t, seen, ops),
            *state,
        )

    start = _start(state, regions, rules, ops)
    found = ops.while_loop(more, extend, start)[2:6]
    changed = bias is not None or rules.neutral is not None or bool(rules.color_ids)
    return _rank(found, rules, changed, ops)


def read(step, state, tokens, rules):
    """Read some tokens, and tell at each place what may come next.

    Args:
        step: see the module.
        state: see `search`, with N = 1.
        tokens: ids, the same for each image, without bos.
        rules: only bos is taken of them.

    Returns:
        log-probabilities (B, V) of the first token, of the one after the first, and so
        on to that after all of them.
    """
    found = []
    for token in (rules.bos_id, *tokens):
        last = np.full((state[0].shape[0], 1), token, np.int32)
        log_probs, _, state = step(last, state)
        found.append(log_probs[:, 0])
    return found


def score(step, state, tokens, rules):
    """Say how probable some tokens are, and the end after them.

    Args:
        step, state, tokens: see `read`.
        rules: bos and eos are taken of them.

    Returns:
        float32 (B, T + 1) in NumPy, natural logs.
    """
    found = read(step, state, tokens, rules)
    said = zip(found, (*tokens, rules.eos_id), strict=True)
    return np.stack([np.asarray(row)[:, token] for row, token in said], axis=1)


def ensemble(started, ops):
    """Make one search's step function and state of several, by their mean probability.

    Args:
        started: pairs of a step function and its state, all over the same words.
        ops: see the module.

    Returns:
        step function, whose alpha is the mean if all have the same regions, else the
        first's; and state, the parts of all.
    """
    if len(started) == 1:
        return started[0]
    steps, states = zip(*started, strict=True)
    counts = [len(state) for state in states]
    ends = np.cumsum(counts)

    def step(tokens, state):
        found = [
            one(tokens, tuple(state[end - count : end]))
            for one, count, end in zip(steps, counts, ends, strict=True)
        ]
        log_probs = ops.stack([ops.cast(one[0], "float32") for one in found])
        log_probs = ops.logsumexp(log_probs, axis=0) - math.log(len(steps))
        alphas = [one[1] for one in found]
        if len({alpha.shape[-1] for alpha in alphas}) == 1:
            alpha = ops.sum(ops.stack(alphas), axis=0) / len(steps)
        else:
            alpha = alphas[0]
        return log_probs, alpha, tuple(part for one in found for part in one[2])

    return step, tuple(part for state in states for part in state)


def _start(state, regions, rules, ops):
    """Give what the loop starts from: t, last words, scores, what was found, state."""
    batch, rows, length = ops.shape(state[0])[0], rules.width, rules.max_words + 1
    scores = ops.convert_to_tensor(rules.strategy.first_scores(rules)[None])
    return (
        ops.zeros((), "int32"),
        ops.full((batch, rows), rules.bos_id, "int32"),
        ops.tile(scores, (batch, 1)),
        ops.full((batch, rows, length), rules.pad_id, "int32"),
        ops.zeros((batch, rows, length), "float32"),
        ops.zeros((batch, rows, length, regions), "float32"),
        *state,
    )


def _ended(last, scores, rules, ops):
    """Bool (B, N): sequences that exist and whose last word is eos, or pad after it."""
    over = ops.logical_or(ops.equal(last, rules.eos_id), ops.equal(last, rules.pad_id))
    return ops.logical_and(over, scores > FOUND)


def _rank(found, rules, changed, ops):
    """Order the sequences that are complete, by their normalised log-probability.

    If what was searched for is not the model's own, by the normalised score of that.
    """
    full = np.flatnonzero(rules.strategy.complete(rules)).astype(np.int32)
    full = ops.convert_to_tensor(full)
    scores, tokens, word_log_probs, alphas = (
        ops.take(part, full, axis=1) for part in found
    )
    exists = scores > FOUND
    tokens = ops.where(exists[..., None], tokens, rules.pad_id)
    if rules.strategy.repeats:
        exists = ops.logical_and(exists, _is_first(tokens, ops))
        tokens = ops.where(exists[..., None], tokens, rules.pad_id)
    real = ops.not_equal(tokens, rules.pad_id)
    word_log_probs = ops.where(real, word_log_probs, 0.0)
    log_probs = ops.sum(word_log_probs, axis=-1)
    lengths = ops.maximum(ops.sum(ops.cast(real, "float32"), axis=-1), 1.0)
    broken = SELDOM * ops.round((scores - log_probs) / SELDOM)  # rules
    wanted = scores - broken if changed else log_probs
    if rules.length_penalty == "average":
        ranks = wanted / lengths
    else:
        ranks = wanted / ((5.0 + lengths) / 6.0) ** rules.length_penalty
    ranks = ranks + broken
    order = ops.argsort(-ops.where(exists, ranks, NEVER), axis=-1)
    log_probs = ops.where(exists, log_probs, NEVER)
    alphas = ops.where(real[..., None], alphas, 0.0)
    found = pick(order, tokens, log_probs, word_log_probs, alphas, ops=ops)
    return Sequences(*found)


def _is_first(tokens, ops):
    """Bool (B, K): no sequence before it has the same tokens (B, K, T)."""
    count = tokens.shape[1]
    same = ops.all(ops.equal(tokens[:, :, None], tokens[:, None]), axis=-1)
    earlier = np.tril(np.ones((count, count), bool), -1)
    same = ops.logical_and(same, ops.convert_to_tensor(earlier))
    return ops.logical_not(ops.any(same, axis=-1))


def _write(rows, t, values, ops):
    """Put values (B, N, ...) at position t of rows (B, N, T, ...)."""
    here = ops.equal(ops.arange(rows.shape[2]), t)
    here = ops.reshape(here, (-1,) + (1,) * (len(rows.shape) - 3))
    return ops.where(here, ops.expand_dims(values, 2), rows)
