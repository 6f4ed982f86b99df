"""`rnn sample`: a text goes on, symbol after symbol."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from rnn.net.bundles import find_bundle
from rnn.net.runtime import Runtime, load_runtime
from rnn.net.symbols import Symbols
from rnn.writing.writer import draw, search
from shared.console.progress import plain
from shared.errors import AppError

SHOWN = 20


def sample(bundle: str | None, prime: str, length: int, **how: Any) -> Iterator[str]:
    """Write on from a prime with a bundle, see `rnn.net.bundles.find_bundle`.

    Args:
        prime, length, how: see `write_on`.

    Raises:
        AppError: if there is no such bundle, or the prime has unknown symbols.
    """
    _, symbols, runtime = load_runtime(find_bundle(bundle))
    return write_on(symbols, runtime, prime, length, **how)


def write_on(
    symbols: Symbols,
    runtime: Runtime,
    prime: str,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    beam_size: int = 0,
    seed: int | None = None,
) -> Iterator[str]:
    """Write on from a prime.

    Args:
        symbols, runtime: the model.
        prime: how the text begins.
        length, temperature, top_k, seed: see `rnn.writing.writer.draw`.
        beam_size: at least 1 searches, see `rnn.writing.writer.search`, and draws
            nothing.

    Yields:
        the prime and what is written, piece by piece, safe to show on a terminal: as
        many as `Symbols.begin` gives ids, and then `length`.

    Raises:
        AppError: if the prime has unknown symbols.
    """
    check_prime(symbols, prime)
    begun, characters = symbols.begin(prime), symbols.units == "character"
    start = np.concatenate([symbols.start, begun])
    ids: Iterable[int]
    if beam_size:
        ids = search(runtime, start, length, beam_size=beam_size, characters=characters)
    else:
        ids = draw(
            runtime,
            start,
            length,
            temperature=temperature,
            top_k=top_k,
            seed=seed,
            characters=characters,
        )
    yield from map(_shown, symbols.write(chain(begun.tolist(), ids)))


def check_prime(symbols: Symbols, prime: str) -> None:
    """Refuse a beginning with symbols that a model does not know.

    Raises:
        AppError: names them, and some that it knows.
    """
    if unknown := symbols.unknown(prime):
        kind = f"{symbols.units}s"
        some = [symbols.name(index) for index in range(4, len(symbols))][:SHOWN]
        raise AppError(
            f"The prime has {kind} that the model does not know: "
            f"{' '.join(map(repr, unknown[:SHOWN]))}. It knows those of the text that "
            f"it has learnt from, such as {' '.join(map(repr, some))}: leave the "
            "others out, or train a model on a text that has them."
        )


def _shown(text: str) -> str:
    return text if text in ("\n", "\t") else plain(text)
