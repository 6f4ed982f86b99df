"""Lets a model write: symbol after symbol, drawn as likely as it finds them."""

from collections.abc import Iterator

import numpy as np

from rnn.net.runtime import Runtime
from shared.text.vocabulary import BOS, EOS, PAD, UNK

NEVER_WRITTEN = (PAD, UNK, BOS)


def read_prime(runtime: Runtime, prime: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read what a text begins with, int (N,), N at least 1.

    Returns:
        as `Runtime.step` of one text.
    """
    states = runtime.begin(1)
    for index in prime:
        log_probs, states = runtime.step(np.array([index], np.int32), states)
    return log_probs, states


def draw(
    runtime: Runtime,
    prime: np.ndarray,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    seed: int | None = None,
    characters: bool = True,
) -> Iterator[int]:
    """Go on with a text, one drawn symbol after the other.

    Args:
        runtime: the model.
        prime: int (N,), what it begins with, see `rnn.net.symbols.Symbols.begin`.
        length: symbols to write.
        temperature: what log-probabilities are divided by; 0 is the likeliest symbol.
        top_k: each symbol is one of so many likeliest; 0 is all.
        seed: of the draws; None draws anew each time.
        characters: whether the symbols are characters, so that no line's end is eos.

    Yields:
        ids.
    """
    random = np.random.default_rng(seed)
    never = _never(characters)
    log_probs, states = read_prime(runtime, prime)
    for _ in range(length):
        scores = log_probs[0].astype(np.float64)
        scores[never] = -np.inf
        chosen = choose(scores, temperature, top_k, random)
        yield chosen
        log_probs, states = runtime.step(np.array([chosen], np.int32), states)


def choose(
    scores: np.ndarray, temperature: float, top_k: int, random: np.random.Generator
) -> int:
    """Draw a symbol by log-probabilities (V,); see `draw`."""
    if temperature == 0:
        return int(scores.argmax())
    if top_k and top_k < len(scores):
        least = np.partition(scores, -top_k)[-top_k]
        scores = np.where(scores >= least, scores, -np.inf)
    weights = np.exp((scores - scores.max()) / temperature)
    reached = np.cumsum(weights)
    place = np.searchsorted(reached, random.random() * reached[-1], side="right")
    return int(min(place, np.flatnonzero(weights)[-1]))


def search(
    runtime: Runtime,
    prime: np.ndarray,
    length: int,
    *,
    beam_size: int,
    characters: bool = True,
) -> list[int]:
    """Find a likely continuation of a text, by beam search.

    Args:
        runtime, prime, characters: see `draw`.
        length: symbols to write.
        beam_size: continuations that are kept at each step; 1 takes the likeliest
            symbol each time.

    Returns:
        ids (length,), the likeliest of those that were kept.
    """
    never = _never(characters)
    log_probs, states = read_prime(runtime, prime)
    written, totals = np.zeros((1, 0), np.int32), np.zeros((1, 1))
    for _ in range(length):
        scores = totals + log_probs
        scores[:, never] = -np.inf
        best = np.argsort(-scores, axis=None, kind="stable")[:beam_size]
        parents, ids = np.unravel_index(best, scores.shape)
        ids = ids.astype(np.int32)
        totals = scores[parents, ids][:, None]
        written = np.concatenate([written[parents], ids[:, None]], axis=1)
        log_probs, states = runtime.step(ids, states[parents])
    return written[0].tolist()


def _never(characters: bool) -> list[int]:
    """Name the symbols that are not written."""
    return [*NEVER_WRITTEN, *([EOS] if characters else [])]
