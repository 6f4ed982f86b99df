"""What each next word scores in a search: by the model, and by the rules.

Axes: B images, N sequences searched per image, T tokens, V words.
"""

import math
from functools import lru_cache

import numpy as np

from captioner.search.neutral import neutralising
from captioner.search.strategy import NEVER, SELDOM

# Of a color that the model finds half as probable as it should be, a quarter is left.
DOUBT = 2.0


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
    full = rules.strategy.complete(rules).astype(np.int32)
    once = _once_table(rules, vocab_size) if any(rules.once_ids) else None
    adjusting = []  # functions, each of the same words in all sequences
    if rules.color_ids:
        adjusting.append(_doubting_colors(rules, ops))
    if rules.neutral:
        adjusting.append(neutralising(rules.neutral, vocab_size, ops))
    if bias is not None:
        bias = ops.maximum(ops.cast(bias, "float32"), NEVER)[:, None]

    def rate(t, last, tokens, log_probs):
        row = t
        if not alike:
            after = ops.take(ops.convert_to_tensor(endings), last, axis=0)  # (B, N)
            row = 4 * t + 2 * after + ops.convert_to_tensor(full)
        given = ops.take(ops.convert_to_tensor(table), row, axis=0)
        if bias is not None:
            after = t >= len(rules.prefix_ids)
            given = given + (ops.where(after, bias, 0.0) if rules.prefix_ids else bias)
        options = log_probs + given
        if adjusting:
            adjusted = [adjust(tokens, log_probs) for adjust in adjusting]
            words = ops.concatenate([words for words, _ in adjusted], axis=0)
            costs = ops.concatenate([costs for _, costs in adjusted], axis=2)
            options = _add(t, words, costs, options, rules, ops)
        repeated = []
        if 0 < rules.no_repeat < rules.max_words:
            repeated.append(_repeats(t, tokens, rules, ops))
        if rules.joining_ids is not None:
            repeated.append(_echoes(t, tokens, rules, ops))
        if repeated:
            words = ops.concatenate(repeated, axis=2)
            options = _lower(t, words, options, rules, ops)
        if once is not None:
            words = _named_already(tokens, once, ops)
            options = _lower(t, words, options, rules, ops)
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


@lru_cache(maxsize=8)
def _once_table(rules, vocab_size):
    """Int32 (V, W): the words that are not said after each word, filled up with pad."""
    after: list[set[int]] = [set() for _ in range(vocab_size)]
    for ids in rules.once_ids:
        for word in ids:
            after[word].update(ids)
    table = np.full((vocab_size, max(map(len, after))), rules.pad_id, np.int32)
    for row, words in zip(table, after, strict=True):
        row[: len(words)] = sorted(words)
    return table


def _repeats(t, tokens, rules, ops):
    """Words int32 (B, N, W) that would end an n-gram which is there already, and pad.

    Pad cannot follow in any case.
    """
    count, length = rules.no_repeat, tokens.shape[2]
    follows = tokens[:, :, count - 1 :]  # (B, N, windows)
    same = ops.not_equal(follows, rules.pad_id)
    for back in range(1, count):
        word = ops.take(tokens, ops.maximum(t - back, 0), axis=2)  # (B, N)
        window = tokens[:, :, count - 1 - back : length - back]
        same = ops.logical_and(same, ops.equal(window, word[..., None]))
    return ops.where(same, follows, rules.pad_id)


def _echoes(t, tokens, rules, ops):
    """Words int32 (B, N, 2) that would come right after themselves, and pad.

    Or after themselves and a joining word, as in "a brown and brown horse".
    """
    last = ops.take(tokens, ops.maximum(t - 1, 0), axis=2)
    before = ops.take(tokens, ops.maximum(t - 2, 0), axis=2)
    joining = ops.convert_to_tensor(np.array(rules.joining_ids, np.int32))
    joined = ops.any(ops.equal(last[..., None], joining), axis=-1)
    return ops.stack([last, ops.where(joined, before, rules.pad_id)], axis=2)


def _named_already(tokens, once, ops):
    """Words int32 (B, N, W) for things that were named already, and pad.

    Args:
        once: see `_once_table`.
    """
    words = ops.take(ops.convert_to_tensor(once), tokens, axis=0)  # (B, N, T, W)
    count = tokens.shape[2] * once.shape[1]
    return ops.reshape(words, (-1, tokens.shape[1], count))


def _doubting_colors(rules, ops):
    """Give the function that lowers the colors that the model finds too improbable.

    It takes tokens and log_probs, and returns the colors int32 (W,) and what to add to
    their scores, (B, N, W).
    """
    colors = ops.convert_to_tensor(np.array(rules.color_ids, np.int32))

    def doubt(tokens, log_probs):
        missing = ops.take(log_probs, colors, axis=2) - math.log(rules.colors)
        return colors, DOUBT * ops.minimum(missing, 0.0)

    return doubt


def _lower(t, words, options, rules, ops):
    """Lower words int32 (B, N, W) among the options (B, N, V), pad excepted."""
    costs = SELDOM * ops.cast(ops.not_equal(words, rules.pad_id), "float32")
    return _add(t, words, costs, options, rules, ops)


def _add(t, words, cost, options, rules, ops):
    """Add a cost (B, N, W) to words int32 (B, N, W), or (W,), after the prefix."""
    rows, vocab_size = options.shape[1:]
    first = ops.arange(ops.shape(cost)[0] * rows, dtype="int32") * vocab_size
    words = ops.reshape(words, (-1, words.shape[-1]))
    index = ops.reshape(words + first[:, None], (-1,))
    cost = ops.reshape(cost, (-1,)) * ops.cast(t >= len(rules.prefix_ids), "float32")
    flat = ops.reshape(options, (-1,))
    changed = ops.take(flat, index, axis=0) + cost
    flat = ops.scatter_update(flat, index[:, None], changed)
    return ops.reshape(flat, (-1, rows, vocab_size))
