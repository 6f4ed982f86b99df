"""A trained language model as a LiteRT graph, see `rnn.net.runtime_litert`.

It becomes a part of the bundle once it was seen to predict a text as Keras does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rnn.config import NetConfig
from rnn.net.model import LanguageModel
from rnn.net.runtime import Runtime
from rnn.net.runtime_keras import KerasRuntime
from rnn.net.runtime_litert import LiteRTRuntime
from shared.bundles.litert import PART
from shared.nets.export import Files, export_part, trace, write_litert
from shared.nets.traces import GATE
from shared.text.vocabulary import BOS

SYMBOLS = 1000  # of a text that it is compared on
MAX_LOSS = 1.0  # hundredths of a nat


class Check(NamedTuple):
    """How an exported model compares with Keras.

    Attributes:
        before, after: mean log-probability of a symbol by Keras and by the export, in
            hundredths of a nat.
    """

    before: float
    after: float

    def __str__(self) -> str:
        before, after = -self.before / 100, -self.after / 100
        return f"A text takes {after:.4f} nats a symbol, against {before:.4f} by Keras."


def export(
    folder: Path,
    config: NetConfig,
    net: LanguageModel,
    ids: np.ndarray,
    announce: Callable[[str], None],
) -> Check:
    """Export a bundle, check the result, and make it a part of the bundle.

    Args:
        folder: the bundle, held by the caller.
        config: sizes of the net.
        net: the bundle's model.
        ids: int (N,), a text to compare on.
        announce: told what happens.

    Raises:
        AppError: if the result predicts the text much worse; nothing is written then.
    """
    ids = ids[:SYMBOLS]
    count = net.to_symbols.units
    before = 100 * mean_log_prob(KerasRuntime(net), ids)

    def check(made: Path) -> Check:
        runtime = LiteRTRuntime(made, config, count)
        return Check(before, 100 * mean_log_prob(runtime, ids))

    return export_part(
        folder,
        PART,
        ("",),
        lambda _: write_graph(net),
        check,
        about="Matrices in int8.",
        unit="hundredths of a nat",
        max_loss=MAX_LOSS,
        announce=announce,
    )


def mean_log_prob(runtime: Runtime, ids: np.ndarray) -> float:
    """Give the mean log-probability of the symbols int (N,) of a text, in nats."""
    total, states = 0.0, runtime.begin(1)
    for index, target in zip([BOS, *ids[:-1]], ids, strict=True):
        log_probs, states = runtime.step(np.array([index], np.int32), states)
        total += float(log_probs[0, target])
    return total / len(ids)


def write_graph(net: LanguageModel) -> Files:
    """Convert a model to LiteRT; give the content of the file by its name."""

    def step(ids: Any, states: Any) -> dict[str, Any]:
        log_probs, after, gates = net.look_at(ids, states)
        named = {f"{GATE}{name}": values for name, values in gates.items()}
        return {"log_probs": log_probs, "states": after, **named}

    graph = trace(
        step,
        tf.TensorSpec((None,), tf.int32, "ids"),
        tf.TensorSpec((None, net.state_size), tf.float32, "states"),
    )
    return write_litert({"step": graph}, net.weights, np.zeros(0), "")
