"""One step of a search: what may be said next, and what is chosen.

Axes: B images, N sequences searched per image, T tokens, V words. N is groups of
beams, then sets of words that must occur (a bit for each word), then beams.
"""

from functools import lru_cache

import numpy as np

from captioner.search.neutral import SELDOM, neutralising
from captioner.search.rules import Rules

NEVER = -1e9  # score of what must not be; -inf would breed NaN
FOUND = -1e8  # sequences below this do not exist


def width(rules: Rules) -> int:
    """N, the second axis of the states that a search starts from."""
    return rules.beam_size * 2 ** len(rules.must_ids)


def goal(rules):
    """Bool (N,): sequences that have all words that must occur."""
    sets = 2 ** len(rules.must_ids)
    full = np.arange(sets) == sets - 1
    return np.tile(np.repeat(full, rules.beam_size // rules.groups), rules.groups)


def pick(index, *parts, ops):
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


def rating(rules, vocab_size, bias, ops):
    """Give the function that scores the words by model and rules.

    It takes t, the last words int32 (B, N), tokens int32 (B, N, T) and log_probs
    float32 (B, N, V), and returns float32 (B, N, V).

    Args:
        bias: float32 (B, V), added to the scores of each image's words after the
            prefix; None is 0.
    """
    table, endings = _timetable(rules, vocab_size)
    # Most of it is the same for all sequences where these two change nothing.
    alike = not (rules.ending_ids or rules.must_ids)
    table = table[:, 0, 1] if alike else table.reshape(-1, vocab_size)
    full = goal(rules).astype(np.int32)
    once = np.array(rules.once_ids, np.int32)
    costs = (SELDOM * (once[:, None] == np.arange(vocab_size))).astype(np.float32)
    neutralise = neutralising(rules, vocab_size, ops) if rules.neutral else None
    if bias is not None:
        bias = ops.maximum(ops.cast(bias, "float32"), NEVER)[:, None]

    def rate(t, last, tokens, log_probs):
        if neutralise:
            log_probs = neutralise(t, tokens, log_probs)
        if bias is not None:
            after = t >= len(rules.prefix_ids)
            log_probs = log_probs + (
                ops.where(after, bias, 0.0) if rules.prefix_ids else bias
            )
        row = t
        if not alike:
            after = ops.take(ops.convert_to_tensor(endings), last, axis=0)  # (B, N)
            row = 4 * t + 2 * after + ops.convert_to_tensor(full)
        options = log_probs + ops.take(ops.convert_to_tensor(table), row, axis=0)
        if 0 < rules.no_repeat < rules.max_words:
            options = _lower_repeats(t, tokens, options, rules, ops)
        if rules.once_ids:
            options = options + _cost_of_more(t, tokens, once, costs, rules, ops)
        return options

    return rate


@lru_cache(maxsize=8)
def _timetable(rules, vocab_size):
    """Score the words by the rules alone, once for all batches of a search.

    Returns:
        float32 (T, 2, 2, V): at each step, whether the last word is a bad ending, and
            whether no word that must occur is missing.
        int32 (V,): 1 for bad endings.
    """
    prefix, length = rules.prefix_ids, rules.max_words + 1
    endings = np.isin(np.arange(vocab_size), rules.ending_ids)
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
    return table, endings.astype(np.int32)


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


def _cost_of_more(t, tokens, once, costs, rules, ops):
    """Give what it costs to say words again that are said once, float32 (B, N, V).

    Args:
        once: int32 (W,), their ids.
        costs: float32 (W, V), `SELDOM` for each in its own row.
    """
    said = ops.equal(tokens[..., None], ops.convert_to_tensor(once))
    said = ops.logical_and(ops.any(said, axis=2), t >= len(rules.prefix_ids))
    return ops.matmul(ops.cast(said, "float32"), ops.convert_to_tensor(costs))


def beams(rules, vocab_size, noise, ops):
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
            (word,) = pick(best, flat_words, ops=ops)
            word = ops.where(ranks > FOUND, word, rules.pad_id)
            found.append((best, word, ranks))
        best, word, ranks = (
            ops.concatenate(parts, 1) for parts in zip(*found, strict=True)
        )
        totals = ops.reshape(totals, (-1, rules.groups * rows * count))
        (totals,) = pick(best, totals, ops=ops)
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


def samples(rules, vocab_size, noise, ops):
    """Give the function that draws the next words; as of `beams`."""
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
