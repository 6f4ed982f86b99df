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
LAST = -1e30  # order of what fills up; there is always enough before it
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
    eos_id, pad_id = rules.eos_id, rules.pad_id
    choose = _samples if rules.sampling else _beams
    choose = choose(rules, vocab_size, noise, ops)
    allow = _allowance(rules, vocab_size, ops)
    goal = _goal(rules)

    def ended(last, scores):
        over = ops.logical_or(ops.equal(last, eos_id), ops.equal(last, pad_id))
        return ops.logical_and(over, scores > FOUND)

    def more(t, last, scores, *rest):
        waiting = ops.logical_not(ended(last, scores))
        if not rules.must_ids:  # no other beam can fill a place that is empty
            waiting = ops.logical_and(waiting, scores > FOUND)
        waiting = ops.logical_and(waiting, ops.convert_to_tensor(goal))
        return ops.logical_and(t < length, ops.any(waiting))

    def extend(t, last, scores, tokens, word_log_probs, alphas, *state):
        log_probs, alpha, state = step(last, tuple(state))
        log_probs = ops.maximum(ops.cast(log_probs, "float32"), NEVER)
        options = log_probs + allow(t, last, tokens)
        parents, words, scores = choose(t, scores, options, ended(last, scores))

        flat = ops.reshape(log_probs, (-1, rows * vocab_size))
        said = _pick(flat, parents * vocab_size + words, ops)
        said = ops.where(ops.equal(words, pad_id), 0.0, said)
        seen = ops.where(
            ops.equal(words, pad_id)[..., None], 0.0, _pick(alpha, parents, ops)
        )
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
        ops.full((batch, rows, length), pad_id, "int32"),
        ops.zeros((batch, rows, length), "float32"),
        ops.zeros((batch, rows, length, regions), "float32"),
        *state,
    )
    _, _, scores, *found = ops.while_loop(more, extend, start)[:6]
    return _rank(scores, *found, rules, ops)


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


def _allowance(rules, vocab_size, ops):
    """Give the function that scores the words (B, N, V) by the rules alone."""
    prefix, length = rules.prefix_ids, rules.max_words + 1
    endings = np.isin(np.arange(vocab_size), rules.ending_ids)
    # By step, whether the last word is a bad ending, and whether no word is missing.
    table = np.zeros((length, 2, 2, vocab_size), np.float32)
    table[..., [rules.pad_id, rules.bos_id, *rules.banned_ids]] = NEVER
    table[: max(rules.min_words, 1), ..., rules.eos_id] = NEVER
    table[:, 1, :, rules.eos_id] += SELDOM
    table[:, :, 0, rules.eos_id] = NEVER
    table[-2] += np.where(endings, SELDOM, 0.0)
    table[-1] += np.where(np.arange(vocab_size) == rules.eos_id, 0.0, NEVER)
    table[: len(prefix)] = NEVER
    for t, word in enumerate(prefix):
        table[t, ..., word] = 0.0
    table = table.reshape(-1, vocab_size)
    full = _goal(rules).astype(np.int32)
    endings = endings.astype(np.int32)

    def allow(t, last, tokens):
        after = ops.take(ops.convert_to_tensor(endings), last, axis=0)  # (B, N)
        row = 4 * t + 2 * after + ops.convert_to_tensor(full)
        scores = ops.take(ops.convert_to_tensor(table), row, axis=0)
        if not rules.no_repeat:
            return scores
        started = ops.cast(t >= len(prefix), "float32")
        return scores + started * _repeats(t, tokens, rules, vocab_size, ops)

    return allow


def _repeats(t, tokens, rules, vocab_size, ops):
    """Score (B, N, V) the words that would end an n-gram which is there already."""
    count, length = rules.no_repeat, tokens.shape[-1]
    rows = tokens.shape[1]
    if count > length:
        return 0.0
    follows = tokens[:, :, count - 1 :]  # (B, N, windows)
    same = ops.not_equal(follows, rules.pad_id)
    for back in range(1, count):
        word = ops.take(tokens, ops.maximum(t - back, 0), axis=2)  # (B, N)
        window = tokens[:, :, count - 1 - back : length - back]
        same = ops.logical_and(same, ops.equal(window, word[..., None]))
    words = ops.reshape(ops.where(same, follows, rules.pad_id), (-1,))
    total = ops.shape(tokens)[0] * rows
    owner = ops.arange(total * follows.shape[2]) // follows.shape[2]
    index = ops.stack([owner, ops.cast(words, owner.dtype)], axis=-1)
    scores = ops.scatter_update(
        ops.zeros((total, vocab_size), "float32"),
        index,
        ops.full((total * follows.shape[2],), SELDOM, "float32"),
    )
    return ops.reshape(scores, (-1, rows, vocab_size))


def _beams(rules, vocab_size, noise, ops):
    """Give the function that chooses the next words of beam search.

    It takes t, scores (B, N), options (B, N, V) and ended (B, N), and returns
    parents int (B, N), words int32 (B, N) and their scores.
    """
    sets = 2 ** len(rules.must_ids)
    beams = rules.beam_size // rules.groups
    rows = sets * beams  # of a group
    reach = _reach(rules, vocab_size) if sets > 1 else None
    is_pad = np.arange(vocab_size) == rules.pad_id

    def choose(t, scores, options, ended):
        # An ended sequence goes on with pad, for nothing, ahead of all others.
        options = ops.where(
            ended[..., None], ops.convert_to_tensor(_padding(is_pad)), options
        )
        totals = scores[..., None] + options  # (B, N, V)
        stay = ops.logical_and(ended[..., None], ops.convert_to_tensor(is_pad))
        order = ops.where(stay, -NEVER, totals)
        parents, words = [], []
        for first in range(0, rules.groups * rows, rows):
            group = order[:, first : first + rows]
            if first and rules.diversity:
                said = ops.sum(ops.one_hot(ops.concatenate(words, 1), vocab_size), 1)
                said = ops.where(ops.convert_to_tensor(is_pad), 0.0, said)
                group = group - rules.diversity * said[:, None]
            chosen = _best(group, beams, reach, ops)  # (B, rows), row and word
            parents.append(first + chosen // vocab_size)
            words.append(ops.cast(chosen % vocab_size, "int32"))
        parents, words = ops.concatenate(parents, 1), ops.concatenate(words, 1)
        flat = ops.reshape(totals, (-1, rules.groups * rows * vocab_size))
        return parents, words, _pick(flat, parents * vocab_size + words, ops)

    return choose


def _best(order, beams, reach, ops):
    """Find the best of each set of words: row * V + word, int (B, sets * beams).

    Args:
        order: float (B, sets * beams, V).
        reach: of `_reach`, or None for one set.
    """
    rows, vocab_size = order.shape[1:]
    if reach is None:
        return ops.top_k(ops.reshape(order, (-1, rows * vocab_size)), beams)[1]
    sets, ways = reach.shape
    order = ops.reshape(order, (-1, sets, beams, vocab_size))
    order = ops.reshape(
        ops.transpose(order, (0, 2, 1, 3)), (-1, beams, sets * vocab_size)
    )
    order = ops.concatenate([order, ops.full_like(order[..., :1], LAST)], axis=-1)
    order = ops.take(order, ops.convert_to_tensor(reach), axis=2)  # (B, K, sets, ways)
    order = ops.reshape(ops.transpose(order, (0, 2, 1, 3)), (-1, sets, beams * ways))
    _, best = ops.top_k(order, beams)  # (B, sets, beams)
    beam, way = best // ways, best % ways
    targets = np.arange(sets, dtype=np.int32)[:, None] * ways
    way = ops.take(ops.convert_to_tensor(reach.reshape(-1)), way + targets, axis=0)
    row = way // vocab_size * beams + beam
    return ops.reshape(row * vocab_size + way % vocab_size, (-1, rows))


def _reach(rules, vocab_size):
    """Int32 (sets, ways): set * V + word that lead into each set, then sets * V."""
    bits = np.zeros(vocab_size, np.int64)
    for bit, ids in enumerate(rules.must_ids):
        bits[list(ids)] |= 1 << bit
    sets = 2 ** len(rules.must_ids)
    leads = (np.arange(sets)[:, None] | bits).reshape(-1)  # (sets * V,)
    ways = [np.flatnonzero(leads == target) for target in range(sets)]
    reach = np.full((sets, max(map(len, ways))), sets * vocab_size, np.int32)
    for target, found in enumerate(ways):
        reach[target, : len(found)] = found
    return reach


def _samples(rules, vocab_size, noise, ops):
    """Give the function that draws the next words; as of `_beams`."""
    temperature, top_k, top_p = rules.sampling
    is_pad = np.arange(vocab_size) == rules.pad_id
    few = np.arange(vocab_size) < (top_k or vocab_size)

    def choose(t, scores, options, ended):
        options = ops.where(
            ended[..., None], ops.convert_to_tensor(_padding(is_pad)), options
        )
        order = ops.argsort(-options, axis=-1)  # likeliest first
        ranked = ops.take_along_axis(options, order, axis=-1)
        probs = ops.where(ops.convert_to_tensor(few), ranked / temperature, NEVER)
        probs = ops.softmax(probs, axis=-1)
        before = ops.cumsum(probs, axis=-1) - probs
        probs = ops.where(before < top_p, probs, 0.0)
        reached = ops.cumsum(probs, axis=-1)
        draw = ops.take(noise, t, axis=2)[..., None] * reached[..., -1:]
        place = ops.sum(ops.cast(reached <= draw, "int32"), axis=-1)
        last = ops.sum(ops.cast(probs > 0, "int32"), axis=-1) - 1
        place = ops.cast(ops.minimum(place, last), "int32")[..., None]
        words = ops.cast(ops.take_along_axis(order, place, axis=-1)[..., 0], "int32")
        gained = ops.take_along_axis(ranked, place, axis=-1)[..., 0]
        parents = ops.arange(rules.beam_size, dtype="int32") + 0 * words
        return parents, words, scores + gained

    return choose


def _padding(is_pad):
    return np.where(is_pad, 0.0, NEVER).astype(np.float32)


def _rank(scores, tokens, word_log_probs, alphas, rules, ops):
    """Order the sequences that are complete, by their normalised log-probability."""
    goal = np.flatnonzero(_goal(rules)).astype(np.int32)
    scores, tokens, word_log_probs, alphas = (
        ops.take(part, ops.convert_to_tensor(goal), axis=1)
        for part in (scores, tokens, word_log_probs, alphas)
    )
    log_probs = ops.sum(word_log_probs, axis=-1)
    lengths = ops.sum(ops.cast(ops.not_equal(tokens, rules.pad_id), "float32"), axis=-1)
    lengths = ops.maximum(lengths, 1.0)
    if rules.length_penalty == "average":
        ranks = log_probs / lengths
    else:
        ranks = log_probs / ((5.0 + lengths) / 6.0) ** rules.length_penalty
    broken = scores - log_probs  # what rules that were not kept have cost
    ranks = ops.where(broken < SELDOM / 2, ranks + broken, ranks)
    exists = scores > FOUND
    if rules.groups > 1 or rules.sampling:
        exists = ops.logical_and(exists, _is_first(tokens, ranks, ops))
    order = ops.argsort(-ops.where(exists, ranks, NEVER), axis=-1)
    return Sequences(
        _pick(ops.where(exists[..., None], tokens, rules.pad_id), order, ops),
        _pick(ops.where(exists, log_probs, NEVER), order, ops),
        _pick(word_log_probs, order, ops),
        _pick(alphas, order, ops),
    )


def _is_first(tokens, ranks, ops):
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
