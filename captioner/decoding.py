"""Search for token sequences. Pure: knows neither the model nor the words.

Batched over images and over sequences. A `step` function stands for the model:

    step(tokens int32 (B, N), state)
        -> (log_probs float (B, N, V), alpha float (B, N, R), state)

where `state` is a tuple of arrays whose first two axes are (B, N). `ops` is
`keras.ops`, with which a whole search runs on the device, or `captioner.arrays`,
the same operations in NumPy.

Axes: B images, N sequences searched per image, K of them found, T tokens, V words,
R regions.
"""

import math
from typing import NamedTuple

import numpy as np

from captioner.rules import Rules

NEVER = -1e9  # score of what must not be; -inf would breed NaN
FOUND = -1e8  # sequences below this do not exist
SELDOM = -1e4  # score of what is wanted only where nothing else is left


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


def width(rules: Rules) -> int:
    """N, the second axis of the states that a search starts from."""
    return rules.beam_size * 2 ** len(rules.must_ids)


def search(step, state, rules, *, vocab_size, regions, ops, noise=None):
    """Find sequences as the rules say.

    Beam search keeps the best `rules.beam_size` at each step. A sequence that ends
    keeps its place, so the search is over once all have ended, and a beam of 1 is
    greedy search. Diverse beam search parts the beams into groups; each group
    chooses after those before it, and a word costs it `rules.diversity` for every
    time that they have just chosen it. With words that must occur there is a beam
    for every set of them, and only sequences with all of them end. Sampling draws
    each of `rules.beam_size` sequences by itself.

    Every sequence ends with eos, after `rules.max_words` words at the latest, and
    has at least one word. At least one is found, unless the rules' words cannot
    all be said.

    Args:
        step: see the module.
        state: tuple of arrays (B, N, ...) before the first token, alike over N,
            which is `width(rules)`.
        rules: what may be said.
        vocab_size: V.
        regions: R.
        ops: see the module.
        noise: float32 (B, N, T) in [0, 1), for sampling only: uniform random.

    Returns:
        Sequences.

    Source: Wu et al. 2016, arXiv:1609.08144, for the length penalty; Vijayakumar
        et al. 2016, arXiv:1610.02424, for diverse beams; Anderson et al. 2017,
        arXiv:1612.00576, for words that must occur; Holtzman et al. 2020,
        arXiv:1904.09751, for the nucleus.
    """
    batch, rows, length = ops.shape(state[0])[0], width(rules), rules.max_words + 1
    choose = _samples if rules.sampling else _beams
    choose = choose(rules, vocab_size, noise, ops)
    rate = _rating(rules, vocab_size, ops)
    goal = _goal(rules)

    def ended(last, scores):
        over = ops.logical_or(
            ops.equal(last, rules.eos_id), ops.equal(last, rules.pad_id)
        )
        return ops.logical_and(over, scores > FOUND)

    def more(t, last, scores, *rest):
        open_ = ops.logical_not(ended(last, scores))
        open_ = ops.logical_and(open_, ops.convert_to_tensor(goal))
        return ops.logical_and(t < length, ops.any(open_))

    def extend(t, last, scores, tokens, word_log_probs, alphas, *state):
        log_probs, alpha, state = step(last, tuple(state))
        log_probs = ops.cast(log_probs, "float32")
        options = rate(t, last, tokens, log_probs)
        parents, words, scores = choose(t, scores, options, ended(last, scores))
        flat = ops.reshape(log_probs, (-1, rows * vocab_size))
        said = _pick(flat, parents * vocab_size + words, ops)
        seen = _pick(ops.cast(alpha, "float32"), parents, ops)
        return (
            t + 1,
            words,
            scores,
            _write(_pick(tokens, parents, ops), t, words, ops),
            _write(_pick(word_log_probs, parents, ops), t, said, ops),
            _write(_pick(alphas, parents, ops), t, seen, ops),
            *(_pick(part, parents, ops) for part in state),
        )

    start = (
        ops.zeros((), "int32"),
        ops.full((batch, rows), rules.bos_id, "int32"),
        ops.tile(ops.convert_to_tensor(_first_scores(rules)), (batch, 1)),
        ops.full((batch, rows, length), rules.pad_id, "int32"),
        ops.zeros((batch, rows, length), "float32"),
        ops.zeros((batch, rows, length, regions), "float32"),
        *state,
    )
    _, _, scores, *found = ops.while_loop(more, extend, start)[:6]
    tokens, word_log_probs, alphas = found
    return _rank(scores, tokens, word_log_probs, alphas, rules, ops)


def read(step, state, tokens, rules):
    """Give the log-probabilities (B, V) of the word that follows some tokens.

    Args:
        step: see the module.
        state: as of `search`, with N = 1.
        tokens: ids, the same for each image, without bos.
        rules: only bos is taken of them.
    """
    for token in (rules.bos_id, *tokens):
        last = np.full((state[0].shape[0], 1), token, np.int32)
        log_probs, _, state = step(last, state)
    return log_probs[:, 0]


def ensemble(steps, counts, ops):
    """Make one step function of several, by the mean of their probabilities.

    Args:
        steps: step functions over the same words.
        counts: for each, how many parts its state has; the states come one after
            the other.
        ops: see the module.

    Returns:
        step function; its alpha is the mean if all have the same regions, else
        the first's.
    """
    if len(steps) == 1:
        return steps[0]
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

    return step


def _first_scores(rules):
    """float32 (1, N): sequences start alike, so only one of a beam may grow."""
    scores = np.zeros((1, width(rules)), np.float32)
    if not rules.sampling:
        scores += NEVER
        scores[:, :: width(rules) // rules.groups] = 0.0
    return scores


def _goal(rules):
    """Bool (N,): sequences that have all words that must occur.

    N is groups, then sets of words (a bit for each word), then beams.
    """
    sets = 2 ** len(rules.must_ids)
    full = np.arange(sets) == sets - 1
    return np.tile(np.repeat(full, rules.beam_size // rules.groups), rules.groups)


def _rating(rules, vocab_size, ops):
    """Give the function that scores the words (B, N, V) by model and rules."""
    prefix, length = rules.prefix_ids, rules.max_words + 1
    endings = np.isin(np.arange(vocab_size), rules.ending_ids)
    # By step, whether the last word is a bad ending, and whether no word is missing.
    table = np.zeros((length, 2, 2, vocab_size), np.float32)
    table[..., [rules.pad_id, rules.bos_id, *rules.banned_ids]] = NEVER
    table[:-1, 1, :, rules.eos_id] = SELDOM
    table[: max(rules.min_words, 1), ..., rules.eos_id] = NEVER
    table[:, :, 0, rules.eos_id] = NEVER
    table[-2] += np.where(endings, SELDOM, 0.0)
    table[-1] += np.where(np.arange(vocab_size) == rules.eos_id, 0.0, NEVER)
    table[: len(prefix)] = NEVER
    for t, word in enumerate(prefix):
        table[t, ..., word] = 0.0
    table = table.reshape(-1, vocab_size)
    full = _goal(rules).astype(np.int32)
    endings = endings.astype(np.int32)

    def rate(t, last, tokens, log_probs):
        after = ops.take(ops.convert_to_tensor(endings), last, axis=0)  # (B, N)
        row = 4 * t + 2 * after + ops.convert_to_tensor(full)
        options = log_probs + ops.take(ops.convert_to_tensor(table), row, axis=0)
        if 0 < rules.no_repeat < rules.max_words:
            options = _lower_repeats(t, tokens, options, rules, ops)
        return options

    return rate


def _lower_repeats(t, tokens, options, rules, ops):
    """Lower the words (B, N, V) that would end an n-gram which is there already."""
    count, length = rules.no_repeat, tokens.shape[2]
    rows, vocab_size = options.shape[1:]
    follows = tokens[:, :, count - 1 :]  # (B, N, windows)
    same = ops.not_equal(follows, rules.pad_id)
    for back in range(1, count):
        word = ops.take(tokens, ops.maximum(t - back, 0), axis=2)  # (B, N)
        window = tokens[:, :, count - 1 - back : length - back]
        same = ops.logical_and(same, ops.equal(window, word[..., None]))
    words = ops.where(same, follows, rules.pad_id)  # pad cannot follow in any case
    first = ops.arange(ops.shape(tokens)[0] * rows, dtype="int32") * vocab_size
    index = ops.reshape(words, (-1, follows.shape[2])) + first[:, None]
    index = ops.reshape(index, (-1,))
    flat = ops.reshape(options, (-1,))
    cost = SELDOM * ops.cast(t >= len(rules.prefix_ids), "float32")
    lowered = ops.take(flat, index, axis=0) + cost
    flat = ops.scatter_update(flat, index[:, None], lowered)
    return ops.reshape(flat, (-1, rows, vocab_size))


def _beams(rules, vocab_size, noise, ops):
    """Give the function that chooses the next words of beam search.

    It takes t, scores (B, N), options (B, N, V) and ended (B, N), and returns
    parents int (B, N), words int32 (B, N) and their scores.
    """
    rows = width(rules) // rules.groups
    propose = _proposals(rules, vocab_size, ops)
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
        flat_words = ops.reshape(words, (-1, rules.groups * rows * count))
        found: list[tuple] = []
        for first in range(0, rules.groups * rows, rows):
            here, ranks = words[:, first : first + rows], order[:, first : first + rows]
            if found:
                said = ops.concatenate([word for _, word, _ in found], axis=1)
                same = ops.equal(here[..., None], said[:, None, None])
                times = ops.sum(ops.cast(same, "float32"), axis=-1)
                ranks = ranks - rules.diversity * times
            ranks, best = _best(ranks, here, leads, ops)
            best = best + first * count
            word = ops.where(ranks > FOUND, _pick(flat_words, best, ops), rules.pad_id)
            found.append((best, word, ranks))
        best, word, ranks = (
            ops.concatenate(parts, 1) for parts in zip(*found, strict=True)
        )
        totals = _pick(
            ops.reshape(totals, (-1, rules.groups * rows * count)), best, ops
        )
        return best // count, word, ops.where(ranks > FOUND, totals, NEVER)

    return choose


def _proposals(rules, vocab_size, ops):
    """Give the function that finds, for each sequence, the words that may be best.

    It takes options (B, N, V) and returns words int32 (B, N, C) and their scores.
    """
    rows = width(rules) // rules.groups
    # As many as a group keeps, and those that groups before it may have spoilt.
    count = rules.beam_size // rules.groups + width(rules) - rows
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
        leads: as of `_leads`.

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


def _samples(rules, vocab_size, noise, ops):
    """Give the function that draws the next words; as of `_beams`."""
    temperature, top_k, top_p = rules.sampling
    count = min(top_k or vocab_size, vocab_size)

    def choose(t, scores, options, ended):
        ranked, words = ops.top_k(options, count)
        probs = ops.exp((ranked - ranked[..., :1]) / temperature)
        probs = probs / ops.sum(probs, axis=-1)[..., None]
        before = ops.cumsum(probs, axis=-1) - probs
        probs = ops.where(before < top_p, probs, 0.0)
        reached = ops.cumsum(probs, axis=-1)
        draw = ops.take(noise, t, axis=2)[..., None] * reached[..., -1:]
        place = ops.sum(ops.cast(reached <= draw, "int32"), axis=-1)
        last = ops.sum(ops.cast(probs > 0, "int32"), axis=-1) - 1
        place = ops.cast(ops.minimum(place, last), "int32")[..., None]
        words = ops.cast(ops.take_along_axis(words, place, axis=-1)[..., 0], "int32")
        gains = ops.take_along_axis(ranked, place, axis=-1)[..., 0]
        words = ops.where(ended, rules.pad_id, words)
        parents = ops.arange(rules.beam_size, dtype="int32") + 0 * words
        return parents, words, scores + ops.where(ended, 0.0, gains)

    return choose


def _rank(scores, tokens, word_log_probs, alphas, rules, ops):
    """Order the sequences that are complete, by their normalised log-probability."""
    goal = ops.convert_to_tensor(np.flatnonzero(_goal(rules)).astype(np.int32))
    scores, tokens, word_log_probs, alphas = (
        ops.take(part, goal, axis=1)
        for part in (scores, tokens, word_log_probs, alphas)
    )
    exists = scores > FOUND
    tokens = ops.where(exists[..., None], tokens, rules.pad_id)
    if rules.groups > 1 or rules.sampling:
        exists = ops.logical_and(exists, _is_first(tokens, ops))
        tokens = ops.where(exists[..., None], tokens, rules.pad_id)
    real = ops.not_equal(tokens, rules.pad_id)
    word_log_probs = ops.where(real, word_log_probs, 0.0)
    log_probs = ops.sum(word_log_probs, axis=-1)
    lengths = ops.maximum(ops.sum(ops.cast(real, "float32"), axis=-1), 1.0)
    if rules.length_penalty == "average":
        ranks = log_probs / lengths
    else:
        ranks = log_probs / ((5.0 + lengths) / 6.0) ** rules.length_penalty
    ranks = ranks + SELDOM * ops.round((scores - log_probs) / SELDOM)  # rules broken
    order = ops.argsort(-ops.where(exists, ranks, NEVER), axis=-1)
    return Sequences(
        _pick(tokens, order, ops),
        _pick(ops.where(exists, log_probs, NEVER), order, ops),
        _pick(word_log_probs, order, ops),
        _pick(ops.where(real[..., None], alphas, 0.0), order, ops),
    )


def _is_first(tokens, ops):
    """Bool (B, K): no sequence before it has the same tokens (B, K, T)."""
    count = tokens.shape[1]
    same = ops.all(ops.equal(tokens[:, :, None], tokens[:, None]), axis=-1)
    earlier = np.tril(np.ones((count, count), bool), -1)
    same = ops.logical_and(same, ops.convert_to_tensor(earlier))
    return ops.logical_not(ops.any(same, axis=-1))


def _pick(rows, index, ops):
    """Take rows (B, M, ...) at index int (B, N) of each image."""
    batch, count = ops.shape(index)[0], rows.shape[1]
    first = ops.arange(batch, dtype=index.dtype)[:, None] * count
    flat = ops.reshape(index + first, (-1,))
    picked = ops.take(ops.reshape(rows, (-1, *rows.shape[2:])), flat, axis=0)
    return ops.reshape(picked, (-1, index.shape[1], *rows.shape[2:]))


def _write(rows, t, values, ops):
    """Put values (B, N, ...) at position t of rows (B, N, T, ...)."""
    here = ops.equal(ops.arange(rows.shape[2]), t)
    here = ops.reshape(here, (-1,) + (1,) * (len(rows.shape) - 3))
    return ops.where(here, ops.expand_dims(values, 2), rows)
