"""Lets a model write: symbol after symbol, drawn as likely as it finds them."""

from collections.abc import Iterator

import numpy as np

from rnn.runtime import Runtime
from shared.text.vocabulary import BOS, EOS, PAD, UNK

NEVER_WRITTEN = (PAD, UNK, BOS)


def read_prime(
    runtime: Runtime, prime: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Read the beginning of a text int (N,).

    Returns:
        as `Runtime.step` of one text.
    """
    states = runtime.begin(1)
    for index in (BOS, *prime):
        log_probs, states = runtime.step(np.array([index], np.int32), states)
    return log_probs, states


def draw(
    runtime: Runtime,
    prime: np.ndarray,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    characters: bool = True,
) -> Iterator[int]:
    """Go on with a text, one drawn symbol after the other.

    Args:
        runtime: the model.
        prime: int (N,), the beginning.
        length: symbols to write.
        temperature: what log-probabilities are divided by; 0 is the likeliest symbol.
        top_k: each symbol is one of so many likeliest; 0 is all.
        seed: of the draws.
        characters: whether the symbols are characters, so that no line's end is eos.

    Yields:
        ids.
    """
    random = np.random.default_rng(seed)
    never = [*NEVER_WRITTEN, *([EOS] if characters else [])]
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
