"""Where a net errs on a text, beside n-gram models of the text it was trained on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnn.errors.braces import Closing, match_braces, study_braces
from rnn.errors.ngrams import MOST_ORDER, NGramModel
from rnn.errors.oracles import ENOUGH, ORDERS, find_words, make_oracles, peel

NET = "net"
LONG = f"{MOST_ORDER}-gram"
COMMON = 50  # a symbol is compared if it is there so often
COMPARED = 16  # symbols that are shown with both models' probabilities
PASSAGE = 3000  # symbols of the text that are shown with their errors

PAPER = "Karpathy, Johnson & Fei-Fei 2016 (arXiv:1506.02078)"


class Text(NamedTuple):
    """A text as the net reads it.

    Attributes:
        symbols: a str of characters, or words.
        ids: int (T,), of the symbols.
    """

    symbols: Sequence[str]
    ids: np.ndarray


class Share(NamedTuple):
    """Errors that one oracle takes away, of those that the ones before it left."""

    kind: str
    name: str
    errors: int


class Overlap(NamedTuple):
    """Errors of the net beside those of the n-gram model of one order."""

    order: int
    both: int
    net_only: int
    ngram_only: int
    neither: int


class SymbolScore(NamedTuple):
    """Mean probability of a symbol where it comes next, by model."""

    symbol: str
    number: int
    probabilities: dict[str, float]


class Shown(NamedTuple):
    """A passage of the text; `given` is the place in `ErrorReport.shares`, or -1."""

    symbols: list[str]
    given: list[int]


class ErrorReport(NamedTuple):
    """What a study of errors found.

    Attributes:
        unit: "characters" or "words".
        judged: symbols that were to be predicted.
        learnt: symbols that the n-gram models were fitted to.
        nats: mean cross-entropy in nats a symbol, by model: "net", "1-gram" ...
        errors: symbols that got less than 0.5, by model.
        shares: errors of the net, by oracle.
        overlap: by order of the n-gram model.
        by_symbol: frequent ones, first those that the net does better.
        pair: the braces that were looked for.
        closing: closing braces by distance; none if the text has none.
        shown: the beginning of what was judged.
    """

    unit: str
    judged: int
    learnt: int
    nats: dict[str, float]
    errors: dict[str, int]
    shares: list[Share]
    overlap: list[Overlap]
    by_symbol: list[SymbolScore]
    pair: str
    closing: list[Closing]
    shown: Shown

    def kinds(self) -> dict[str, int]:
        """Count the errors that went to each kind of oracle."""
        found: dict[str, int] = {}
        for share in self.shares:
            found[share.kind] = found.get(share.kind, 0) + share.errors
        return found

    def compared(self) -> list[SymbolScore]:
        """Choose the symbols at which net and 20-gram differ most, both ways."""
        scores, ends = self.by_symbol, COMPARED // 2
        return scores if len(scores) <= COMPARED else scores[:ends] + scores[-ends:]


def study_errors(
    log_probs: np.ndarray,
    text: Text,
    training: Text,
    size: int,
    *,
    start: int = 0,
    pair: str = "{}",
) -> ErrorReport:
    """Compare a net with n-gram models, and give its errors to oracles.

    Args:
        log_probs: float (T,), natural logarithms of the probabilities that the net gave
            to the symbols of the text.
        text: what is judged, from `start`; what is before is context.
        training: what the net was trained on; the n-gram models learn from it.
        size: how many symbols the net knows.
        pair: opening and closing brace.

    Raises:
        ValueError: if there is nothing to judge or to learn from, or lengths differ.
    """
    if not len(log_probs) == len(text.ids) == len(text.symbols) > start >= 0:
        raise ValueError(
            f"`start` must be in the text. Received: start={start}, "
            f"{len(log_probs)} scores, {len(text.symbols)} symbols"
        )
    by_order = NGramModel(training.ids, size).log_probs(text.ids, [*ORDERS, MOST_ORDER])
    scores = {NET: log_probs} | {name(order): by_order[order] for order in by_order}
    both = {model: scores[model] for model in (NET, LONG)}
    is_judged = np.arange(len(log_probs)) >= start
    wrong = {m: (row < np.log(ENOUGH)) & is_judged for m, row in scores.items()}
    judged = int(is_judged.sum())
    shares, given = _give(wrong[NET], log_probs, by_order, text, training)
    pairs = match_braces(text.symbols, pair)
    shown = slice(start, start + PASSAGE)
    return ErrorReport(
        unit="characters" if isinstance(text.symbols, str) else "words",
        judged=judged,
        learnt=len(training.ids),
        nats={model: -float(row[start:].mean()) for model, row in scores.items()},
        errors={model: int(errors.sum()) for model, errors in wrong.items()},
        shares=shares,
        overlap=[
            _overlap(order, wrong[NET], wrong[name(order)], judged)
            for order in by_order
        ],
        by_symbol=_compare_symbols(text.symbols[start:], both, start),
        pair=pair,
        closing=study_braces(pairs[pairs[:, 1] >= start], both),
        shown=Shown(list(text.symbols[shown]), given[shown].tolist()),
    )


def _give(
    errors: np.ndarray,
    log_probs: np.ndarray,
    by_order: Mapping[int, np.ndarray],
    text: Text,
    training: Text,
) -> tuple[list[Share], np.ndarray]:
    """Give the errors to oracles; see `rnn.errors.oracles.peel` for what it returns."""
    words = find_words(text.symbols, training.symbols)
    short = {order: by_order[order] for order in ORDERS}
    oracles = list(make_oracles(text.symbols, words, log_probs, short))
    given = peel(errors, oracles)
    numbers = np.bincount(given[given >= 0], minlength=len(oracles)).tolist()
    shares = [Share(o.kind, o.name, n) for o, n in zip(oracles, numbers, strict=True)]
    return shares, given


def name(order: int) -> str:
    """Name an n-gram model, such as "3-gram"."""
    return f"{order}-gram"


def _overlap(order: int, net: np.ndarray, ngram: np.ndarray, judged: int) -> Overlap:
    both, either = int((net & ngram).sum()), int((net | ngram).sum())
    return Overlap(
        order, both, int(net.sum()) - both, int(ngram.sum()) - both, judged - either
    )


def _compare_symbols(
    symbols: Sequence[str], log_probs: Mapping[str, np.ndarray], start: int
) -> list[SymbolScore]:
    """Average the probabilities of each frequent symbol; largest difference first."""
    kinds, which = np.unique(np.array(list(symbols)), return_inverse=True)
    numbers = np.bincount(which)
    means = {
        model: np.bincount(which, np.exp(scores[start:])) / numbers
        for model, scores in log_probs.items()
    }
    order = np.argsort(means[LONG] - means[NET], kind="stable")
    return [
        SymbolScore(
            str(kinds[i]), int(numbers[i]), {m: float(v[i]) for m, v in means.items()}
        )
        for i in order
        if numbers[i] >= COMMON
    ]
