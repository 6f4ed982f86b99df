"""What cells do, as text for the scripts of pages: a digit for each symbol."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

MOST_BITS = 8  # where the scale of surprise ends
GATES = {
    "i": "input gate",
    "f": "forget gate",
    "o": "output gate",
    "z": "update gate",
    "r": "reset gate",
}
_DIGITS = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8
)


def name_gate(gate: str) -> str:
    """Name a gate by its letter in the equations."""
    return f"{GATES.get(gate, 'gate')} {gate}"


def to_digits(levels: np.ndarray) -> str:
    """Write levels uint8 (N,) as N digits, of which there are 64."""
    return _DIGITS[levels >> 2].tobytes().decode()


def share_digits(shares: np.ndarray) -> str:
    """Write shares float (N,) from 0 to 1, such as of gates, as digits."""
    return to_digits((np.clip(shares, 0, 1) * 255).round().astype(np.uint8))


def surprise_digits(log_probs: np.ndarray) -> str:
    """Write the surprise at each symbol as digits, of natural log-probabilities (N,).

    NaN is a symbol that was given, and no surprise.
    """
    bits = -np.nan_to_num(log_probs) / np.log(2)
    return to_digits((np.clip(bits / MOST_BITS, 0, 1) * 255).astype(np.uint8))


def views(gates: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Say of each way to color a text by a cell its key, its name and its range."""
    yield {"key": "activity", "name": "activity", "least": -1, "most": 1}
    for name in gates:
        yield {"key": name, "name": name_gate(name), "least": 0, "most": 1}


def surprise_view() -> dict[str, Any]:
    """Say the same of surprise."""
    name = "surprise in bits, at any cell"
    return {"key": "surprise", "name": name, "least": 0, "most": MOST_BITS}
