"""N-gram models of characters or words, by interpolated modified Kneser-Ney."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

MOST_ORDER = 20
# Where too few counts are there to estimate discounts from, as in a short text.
USUAL_DISCOUNTS = (0.5, 1.0, 1.5)


class NGramModel:
    """N-gram models of all orders up to the longest, fitted to one text.

    An n-gram is n symbols in a row; the first n - 1 are the context h of the last, w.
    The model of order n is interpolated with those of lower orders:

        p_n(w | h) = (c(h w) - D(c(h w))) / c(h) + gamma(h) p_n-1(w | h')
        gamma(h)   = sum over w of D(c(h w)) / c(h),    c(h) = sum over w of c(h w)

    where h' is h without its first symbol, and p_0 is uniform. Where h was never seen,
    p_n is p_n-1. In the model of order n, c counts occurrences; in those below, it
    counts the different symbols that come before an n-gram, of which the start of the
    text is one. D is one of three discounts, for counts of 1, of 2, and of 3 and more,
    estimated for each order, see `estimate_discounts`.

    What is kept is the order of the text's suffixes; the counts of each order are read
    off it whenever something is scored, so that 20 orders need no more memory than two.

    Args:
        ids: int (N,), the text, of at least one symbol; each in 0 .. size - 1.
        size: how many symbols there are.
        longest: highest order that can be asked for, 1 to `MOST_ORDER`.
        discounts: for each order from 1, those of counts of 1, 2 and more, instead of
            estimated ones.

    Raises:
        ValueError: if an argument is out of its range.

    Source: Chen & Goodman 1999, An empirical study of smoothing techniques for language
    modeling, section 3.
    """

    def __init__(
        self,
        ids: np.ndarray,
        size: int,
        *,
        longest: int = MOST_ORDER,
        discounts: Sequence[Sequence[float]] | None = None,
    ):
        if not 1 <= longest <= MOST_ORDER:
            raise ValueError(
                f"`longest` must be 1 to {MOST_ORDER}. Received: longest={longest}"
            )
        self.size, self.longest = size, longest
        self._ids = self._check(ids)
        if not len(self._ids):
            raise ValueError("`ids` is empty: there is nothing to count")
        self._discounts = discounts
        self._starts = sort_suffixes(self._ids, size, longest)

    def log_probs(
        self, ids: np.ndarray, orders: Collection[int]
    ) -> dict[int, np.ndarray]:
        """Score each symbol of a text, given those before it.

        Args:
            ids: int (T,), any text of the same symbols. Its first symbols have shorter
                contexts than the others.
            orders: of the models, each 1 to `longest`.

        Returns:
            float64 (T,) by order: natural logarithms of probabilities.

        Raises:
            ValueError: if an argument is out of its range.
        """
        if bad := [order for order in orders if not 1 <= order <= self.longest]:
            raise ValueError(f"`orders` must be 1 to {self.longest}. Received: {bad}")
        ids = self._check(ids)
        scores: dict[int, np.ndarray] = {}
        probs = np.full(len(ids), 1 / self.size)  # of the order below
        contexts = grams = np.zeros(len(ids), np.int64)  # by where they start
        before: _Grams | None = None
        for order, level in enumerate(self._count(max(orders, default=0)), start=1):
            if before:
                counts = level.predecessors
                probs = self._mix(before, counts, order - 1, contexts, grams, probs)
            contexts, grams = grams, level.find(grams, ids[order - 1 :], self.size)
            if order in orders:
                mixed = self._mix(level, level.counts, order, contexts, grams, probs)
                with np.errstate(divide="ignore"):  # of given discounts that are 0
                    scores[order] = np.log(mixed)
            before = level
        return scores

    def _check(self, ids: np.ndarray) -> np.ndarray:
        ids = np.asarray(ids, np.int64)
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.size:
            raise ValueError(
                f"`ids` must be 0 to {self.size - 1}. "
                f"Received: {ids.min()} to {ids.max()}"
            )
        return ids

    def _count(self, longest: int) -> Iterator["_Grams"]:
        """Count the n-grams of each order, from 1.

        In the order of the suffixes, all occurrences of an n-gram are neighbours, and
        the numbers of n-grams ascend with those of their contexts. An n-gram that would
        run over the end of the text has a number, too, but a count of 0.
        """
        length, starts = len(self._ids), self._starts
        text = np.append(self._ids, np.full(longest, self.size)).astype(np.int32)
        number_at = np.zeros(length + 1, np.int32)  # of the n-gram below, by its start
        below = 1  # how many of these there are
        is_new = np.zeros(length, bool)
        is_new[0] = True
        for order in range(1, longest + 1):
            symbols = text[starts + order - 1]
            is_new[1:] |= symbols[1:] != symbols[:-1]
            heads = np.flatnonzero(is_new)
            first = starts[heads]
            counts = np.diff(np.append(heads, length))
            counts[first > length - order] = 0
            contexts = number_at[first]
            predecessors = np.bincount(
                number_at[first[counts > 0] + 1], minlength=below
            )
            if order <= length + 1:  # else what starts there runs over the end
                predecessors[number_at[0]] += 1
            keys = contexts.astype(np.int64) * (self.size + 1) + symbols[heads]
            yield _Grams(keys, contexts, counts, predecessors)
            number_at[starts] = np.cumsum(is_new, dtype=np.int32) - 1
            below = len(heads)

    def _mix(
        self,
        level: "_Grams",
        counts: np.ndarray,
        order: int,
        contexts: np.ndarray,
        grams: np.ndarray,
        lower: np.ndarray,
    ) -> np.ndarray:
        """Interpolate one order's relative counts with the order below.

        Args:
            counts: int (grams,), those that this order is to use.
            contexts: int (T,), numbers of the contexts, by where they start; -1 is one
                that was never seen.
            grams: int (T - order + 1,), the same of the n-grams.
            lower: float (T,), probabilities.

        Returns:
            float (T,): probabilities.
        """
        if not len(grams):
            return lower
        given = self._discounts and self._discounts[order - 1]
        discounts = np.append(0, given or estimate_discounts(counts))
        taken = discounts[np.minimum(counts, 3)]
        totals = np.bincount(level.contexts, counts)
        kept = np.divide(
            np.bincount(level.contexts, taken),
            totals,
            out=np.ones(len(totals)),
            where=totals > 0,  # else it was seen at the end of the text alone
        )
        contexts = contexts[: len(grams)]
        mixed = lower.copy()
        mixed[order - 1 :] *= np.where(contexts >= 0, kept[contexts], 1)
        seen = np.flatnonzero(grams >= 0)
        found = grams[seen]
        mixed[seen + order - 1] += (counts - taken)[found] / totals[contexts[seen]]
        return mixed


class _Grams(NamedTuple):
    """The n-grams of one order, numbered as they are sorted.

    Attributes:
        keys: int64 (grams,), ascending; of a context's number and the last symbol.
        contexts: int64 (grams,), numbers of the n-grams without their last symbol.
        counts: int64 (grams,), occurrences.
        predecessors: int64 (contexts,): of each n-gram of the order below, how many
            different symbols come before it.
    """

    keys: np.ndarray
    contexts: np.ndarray
    counts: np.ndarray
    predecessors: np.ndarray

    def find(self, contexts: np.ndarray, last: np.ndarray, size: int) -> np.ndarray:
        """Look up numbers of n-grams, -1 where there are none: int64 (T - n + 1,)."""
        contexts = contexts[: len(last)]
        found = np.full(len(last), -1)
        known = np.flatnonzero(contexts >= 0)
        keys = contexts[known] * (size + 1) + last[known]
        ascending = np.argsort(keys)  # near places one after the other: 5 times as fast
        known, keys = known[ascending], keys[ascending]
        places = np.searchsorted(self.keys, keys)
        places[places == len(self.keys)] = 0
        hit = (self.keys[places] == keys) & (self.counts[places] > 0)
        found[known[hit]] = places[hit]
        return found


def estimate_discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """Estimate the discounts of counts of 1, of 2, and of 3 and more.

        Y = n1 / (n1 + 2 n2);  D_i = i - (i + 1) Y n_i+1 / n_i  for i = 1, 2, 3

    where n_i is how many n-grams have the count i.

    Args:
        counts: int (grams,), of one order; zeros do not matter.

    Returns:
        three numbers, the i-th in 0 .. i; `USUAL_DISCOUNTS` if the formula has no value
        in that range, because some count is not there or too frequent.

    Source: Chen & Goodman 1999, equation 17.
    """
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not (n1 and n2 and n3):
        return USUAL_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    one, two, more = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    in_range = 0 <= one <= 1 and 0 <= two <= 2 and 0 <= more <= 3
    return (one, two, more) if in_range else USUAL_DISCOUNTS


def sort_suffixes(ids: np.ndarray, size: int, depth: int) -> np.ndarray:
    """Sort the places of a text by the symbols that follow, as far as `depth`.

    As many symbols as go into 63 bits are compared at once, and then ranks of twice as
    many (Manber & Myers 1993). The end of the text comes after all symbols.

    Args:
        ids: int64 (N,), each in 0 .. size - 1.

    Returns:
        int64 (N,): places in the text.
    """
    bits = int(size).bit_length()
    done = min(63 // bits, depth)
    padded = np.append(ids, np.full(done, size))
    keys = np.zeros(len(ids), np.int64)
    for offset in range(done):
        keys = keys << bits | padded[offset : offset + len(ids)]
    order = np.argsort(keys)
    while done < depth:
        rank = np.full(len(ids) + done, len(ids))  # places behind the end come last
        rank[order] = np.cumsum(np.diff(keys[order], prepend=keys[order[0]]) != 0)
        keys = rank[: len(ids)] << 32 | rank[done : done + len(ids)]
        order = np.argsort(keys)
        done *= 2
    return order
