"""What flows back through a trained model, and how often clipping acted in its run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rnn.flow.gradients import SEQUENCES, Line, measure_model
from rnn.net.bundles import find_bundle, read_bundle
from rnn.net.model import LanguageModel
from rnn.net.reader import load_reader
from rnn.training.texts import read_whole
from shared.errors import AppError
from shared.runs.folder import BUNDLE
from shared.runs.reports import RUN
from shared.text.vocabulary import BOS

AFTER, BEFORE = "after training", "at the start"


def measure_bundle(
    source: str, text: Sequence[str], steps: int, seed: int
) -> tuple[list[Line], list[dict[str, Any]]]:
    """Measure a model as it started and as it is, both on the same texts.

    Args:
        source: its bundle, the folder of its run, or "included".
        text: what it reads, see `rnn.training.texts.read_texts`; none is what it
            writes.
        steps: T, how far back to look.
        seed: of where texts begin, and of the weights that it might have started from.

    Returns:
        the lines, those of the start first; and the history of its run, if known.

    Raises:
        AppError: if there is no such bundle, or the text is too short.
    """
    folder = find_bundle(source)
    if (folder / BUNDLE).is_dir():
        folder = folder / BUNDLE
    recipe, symbols = read_bundle(folder)
    reader = load_reader(str(folder))
    rng = np.random.default_rng(seed)
    if text:
        ids = cut(symbols.encode(read_whole(text)), steps, rng)
    else:
        ids = write(reader.net, steps, rng)
    keras.utils.set_random_seed(seed)
    new = LanguageModel(recipe.net, len(symbols))
    name = recipe.net.cell
    lines = measure_model(new, name, ids, BEFORE)
    lines += measure_model(reader.net, name, ids, AFTER)
    return lines, read_history(folder)


def cut(ids: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Cut texts int32 (T + 1, B) out of a long one, from places drawn at random.

    Raises:
        AppError: if it is too short for one.
    """
    if len(ids) <= steps:
        raise AppError(
            f"The text has {len(ids):,} symbols, and one of {steps + 1:,} is needed to "
            f"look {steps:,} steps back. Give a longer one, or fewer --steps."
        )
    begins = rng.integers(len(ids) - steps, size=SEQUENCES)
    return ids[begins + np.arange(steps + 1)[:, None]].astype(np.int32)


def write(net: LanguageModel, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Let a model write texts int32 (T + 1, B), drawn at random."""
    states = np.zeros((SEQUENCES, net.state_size), np.float32)
    ids, written = np.full(SEQUENCES, BOS, np.int32), []
    for _ in range(steps + 1):
        log_probs, states = net.step(ids, states)
        chances = np.exp(np.asarray(log_probs, np.float64)).cumsum(axis=1)
        draws = rng.random((SEQUENCES, 1)) * chances[:, -1:]
        ids = (chances < draws).sum(axis=1).astype(np.int32)
        written.append(ids)
    return np.array(written)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Give the history of the run that a bundle lies in, or nothing."""
    try:
        history = json.loads((folder.parent / RUN).read_text("utf-8"))["history"]
        return [dict(epoch) for epoch in history]
    except (OSError, ValueError, KeyError, TypeError):
        return []
