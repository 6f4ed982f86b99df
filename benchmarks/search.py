"""How fast the compiled search is, against a Python loop around a compiled step.

    python benchmarks/search.py

Both run the same decoder with random weights: 8 images, beam 5, 20 steps, 5,000 words,
512 units, 49 regions. The loop is what one would write first: a `tf.function` for the
step, the choice of the beams in TensorFlow, step after step from Python. Prints the
median milliseconds of each, and their ratio. Nothing else should run on the machine.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from shared.console.quiet import muted

with muted():
    import keras
    import tensorflow as tf
    from keras import ops

    from captioner.config import DecoderConfig
    from captioner.net.decoder import Decoder
    from captioner.net.model import Captioner
    from captioner.net.runtime_keras import KerasRuntime
    from captioner.search.rules import Rules

IMAGES, BEAM, STEPS, WORDS, REGIONS, FEATURES = 8, 5, 20, 5000, 49, 512
ROUNDS = 30
PAD, UNK, BOS, EOS = range(4)


class NoEncoder(keras.Model):
    """Stands where features are known already."""

    grid, regions, feature_size = (7, 7), REGIONS, FEATURES


def make_captioner() -> Captioner:
    """A decoder with random weights."""
    config = DecoderConfig(
        units=512, embed_dim=512, region_units=512, attention_units=512, tied=False
    )
    keras.utils.set_random_seed(0)
    return Captioner(NoEncoder(), Decoder(config, WORDS))


def python_loop(captioner: Captioner) -> Callable[[Any], Any]:
    """Beam search step by step from Python."""
    decoder = captioner.decoder
    start = tf.function(lambda features: decoder.start(features, BEAM))

    @tf.function
    def advance(tokens: Any, state: Any, memory: Any) -> Any:
        hidden, state, _ = decoder.step(decoder.embedding(tokens), state, memory)
        return ops.log_softmax(decoder.predict(hidden)), state

    def search(features: Any) -> Any:
        memory, state = start(features)
        last = tf.fill((IMAGES, BEAM), BOS)
        totals = tf.constant([[0.0] + [-1e9] * (BEAM - 1)] * IMAGES)
        rows: list[Any] = []
        for _ in range(STEPS):
            log_probs, state = advance(last, state, memory)
            scores = tf.reshape(totals[..., None] + log_probs, (IMAGES, -1))
            totals, best = tf.math.top_k(scores, BEAM)
            parents, last = best // WORDS, best % WORDS
            state = tuple(tf.gather(part, parents, batch_dims=1) for part in state)
            rows = [tf.gather(row, parents, batch_dims=1) for row in rows] + [last]
        return tf.stack(rows, axis=-1)

    return search


def median_time(run: Callable[[], Any]) -> float:
    """Seconds."""
    run()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def main() -> None:
    """Measure and print."""
    captioner = make_captioner()
    features = np.random.default_rng(0).random((IMAGES, REGIONS, FEATURES), np.float32)
    # Words do not end before the last step, as in the loop.
    rules = Rules(BOS, EOS, PAD, STEPS - 1, min_words=STEPS - 1, beam_size=BEAM)
    runtime = KerasRuntime([captioner], IMAGES, fused=True)
    loop = python_loop(captioner)
    tensor = tf.constant(features)
    looked = runtime.look([features])
    ours = median_time(lambda: runtime.search(looked, rules, None))
    theirs = median_time(lambda: loop(tensor).numpy())
    print(f"Python loop      {1000 * theirs:6.1f} ms")
    print(f"compiled search  {1000 * ours:6.1f} ms")
    print(f"ratio            {theirs / ours:6.2f}")


if __name__ == "__main__":
    main()
