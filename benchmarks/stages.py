"""Where the time of a caption goes, and how far each part is from the machine's limit.

    python benchmarks/stages.py

The included model on LiteRT with one thread and batches of 8, its search as the bundle
has it: milliseconds a photo of each stage, medians over rounds. Beside them the
multiply-adds that a stage needs, counted as two operations, the rate that this comes
to, and its share of what NumPy reaches in one thread when it multiplies float32
matrices of 1024 x 1024. The encoder computes in float32. The decoder's matrices are
int8, which a processor may multiply several times as fast: its share can pass 1, and
that does not mean that nothing is left to gain. A graph's time has the copies of what
goes in and out. Multiply-adds, of products and convolutions alone:

    encoder  weights of a kernel x places where it is laid, over all convolutions
    start    R D P + R P A + 2 P U
    step     U A + R A + R P + U P + 4 U (E + P + U) + U E + P E + E V, a sequence

Axes: R regions, D feature size, P projected size, A attention units, U units, E word
size, V words. Nothing else should run on the machine meanwhile.
"""

import math
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from photos import alone, describe_machine, draw_large, draw_small

from captioner.describing.captions import to_captions
from captioner.describing.predict import SHIPPED, load_captioner
from captioner.net.runtime_litert import LiteRTRuntime
from shared.bundles.manifests import read_manifest
from shared.console.quiet import muted
from shared.vision.images import read_image

ROUNDS, BATCH, SMALL, LARGE = 7, 8, 64, 8
SIDE = 1024


class Timed:
    """A graph that counts the seconds of its calls, and what they were given."""

    def __init__(self, graph: Any):
        self._graph = graph
        self.seconds, self.calls, self.sequences = 0.0, 0, 0

    def __call__(self, **inputs: Any) -> Any:
        """Run the graph."""
        started = time.perf_counter()
        found = self._graph(**inputs)
        self.seconds += time.perf_counter() - started
        self.calls += 1
        self.sequences += inputs["tokens"].size if "tokens" in inputs else 1
        return found

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Run the encoder's graph."""
        features: np.ndarray = self(images=image[None])["features"][0]
        return features

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)


def product_rate() -> float:
    """Multiply-adds a second of a product of matrices in NumPy."""
    left, right = np.random.default_rng(0).random((2, SIDE, SIDE), np.float32)
    rates = []
    for _ in range(25):
        started = time.perf_counter()
        np.matmul(left, right)
        rates.append(SIDE**3 / (time.perf_counter() - started))
    return median(rates[5:])


def encoder_work(name: str, image_size: int) -> tuple[int, int, int]:
    """Give multiply-adds an image, regions and feature size of an encoder."""
    with muted():
        from shared.vision.encoders import Encoder

        encoder = Encoder(name, image_size, None)
    work = sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in encoder.backbone.layers
        if hasattr(layer, "kernel")
    )
    return work, encoder.regions, encoder.feature_size


def measure(small: list[Path], large: list[Path]) -> dict[str, float]:
    """Give seconds a photo of each stage, and the sequences in "sequences"."""
    captioner = load_captioner(runtime="litert", batch_size=BATCH)
    size, resize = captioner.config.encoder.image_size, captioner.config.encoder.resize
    decoding, rules = captioner.request()
    listed = read_manifest(SHIPPED)["files"]
    runtime = LiteRTRuntime([SHIPPED], threads=1, more=[listed])
    net = runtime._nets[0]
    rounds: dict[str, list[float]] = defaultdict(list)
    for _ in range(1 + ROUNDS):
        timers: dict[str, Any] = {
            name: Timed(g) for name, g in net._asdict().items() if g
        }
        runtime._nets[0] = net._replace(**timers)
        spent: dict[str, float] = defaultdict(float)
        started = time.perf_counter()
        for path in large:
            read_image(path, size, resize)
        spent["large"] = (time.perf_counter() - started) * len(small) / len(large)
        started = time.perf_counter()
        images = np.stack([read_image(path, size, resize) for path in small])
        spent["small"] = time.perf_counter() - started
        lengths = []
        for first in range(0, len(images), BATCH):
            times = [time.perf_counter()]
            looked = runtime.look(runtime.encode(images[first : first + BATCH]))
            times.append(time.perf_counter())
            found = runtime.search(looked, rules, None)
            times.append(time.perf_counter())
            captions = to_captions(found, captioner.vocabulary)
            times.append(time.perf_counter())
            for name, took in zip(
                ("look", "search", "text"), np.diff(times), strict=True
            ):
                spent[name] += float(took)
            lengths += [len(best.words) for best, *_ in captions]
        spent |= {name: timer.seconds for name, timer in timers.items()}
        for name, seconds in spent.items():
            rounds[name].append(seconds / len(small))
    steps = timers["step"].calls / math.ceil(len(small) / BATCH)
    sequences = timers["step"].sequences / len(small)
    print(f"search: {decoding}")
    print(f"a batch takes {steps:.1f} steps, a photo {sequences:.1f} of one sequence;")
    print(f"a caption has {mean(lengths):.1f} words and an end")
    return {"sequences": sequences} | {n: median(s[1:]) for n, s in rounds.items()}


def main() -> None:
    """Measure and print."""
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB"):  # read as NumPy is imported
        os.environ[f"{library}_NUM_THREADS"] = "1"
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name, "small"), Path(name, "large")
        draw_small(small, SMALL)
        draw_large(large, LARGE)
        spent = alone(measure, sorted(small.iterdir()), sorted(large.iterdir()))
    limit = alone(product_rate)
    captioner = load_captioner(runtime="litert")
    encoder, decoder = captioner.config.encoder, captioner.config.decoder
    look, r, d = alone(encoder_work, encoder.name, encoder.image_size)
    p, a, u = decoder.region_units, decoder.attention_units, decoder.units
    e, v = decoder.embed_dim, len(captioner.vocabulary)
    start = r * d * p + r * p * a + 2 * p * u
    step = u * a + r * a + r * p + u * p + 4 * u * (e + p + u) + u * e + p * e + e * v
    rows = (
        ("read 12 megapixels", spent["large"], 0.0),
        ("read 224 x 224", spent["small"], 0.0),
        ("encoder", spent["encoder"], look),
        ("concepts", spent.get("concepts", 0.0), 0.0),
        ("start", spent["start"], start),
        ("search, in all", spent["search"], 0.0),
        ("of it the step graph", spent["step"], spent["sequences"] * step),
        ("of it the choice, in NumPy", spent["search"] - spent["step"], 0.0),
        ("ids to sentences", spent["text"], 0.0),
        (
            "all, from 224 x 224",
            sum(spent[n] for n in ("small", "look", "search", "text")),
            0.0,
        ),
    )
    print(f"matrix product: {2 * limit / 1e9:.1f} GFLOP/s\n")
    print("| stage | ms a photo | million multiply-adds | GOP/s | share of product |")
    print("|---|---|---|---|---|")
    for name, seconds, work in rows:
        rate = work / seconds if work else 0.0
        known = f"{work / 1e6:.1f} | {2 * rate / 1e9:.1f} | {rate / limit:.2f}"
        print(f"| {name} | {1000 * seconds:.2f} | {known if work else '| |'} |")


if __name__ == "__main__":
    main()
