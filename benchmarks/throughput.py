"""How fast folders of photos become captions, against the parts that it takes.

    python benchmarks/throughput.py [--photos FOLDER] [--quick]

Prints, all from this one run:

- the bare encoder's rate: the included model's encoder as a frozen TensorFlow function,
  batch 8, random pixels, 2 threads;
- 1,000 JPEGs of 224 x 224 cut from `examples/` (or those of FOLDER, whatever their
  size), and 200 of 12 megapixels: the rate of `captioner caption FOLDER -o FILE` as a
  process, start included, its rate without the start, and the most memory it held;
- what Pillow alone takes to decode the large ones at a smaller scale and to resize
  them, in 2 threads;
- both runtimes with beams and batches of some sizes, in a process each, after one
  batch that goes uncounted, start not included.

With --quick, 200 small and 40 large photos, where the start weighs more, in one round,
and not the last. Rates are medians over rounds. All files have just been written, so
none is read from the disk. Nothing else should run on the machine meanwhile.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from photos import CAPTIONER, Run, alone, describe_machine, draw_large, draw_small, run
from PIL import Image

THREADS = 2
ENCODER_BATCH, ENCODER_ROUNDS = 8, 40
ROUNDS = 3
GRID_PHOTOS = 192  # whole batches of every size
RUNTIMES, BEAMS, BATCHES = ("litert", "keras"), (1, 3, 5), (1, 8, 32)


def bare_encoder_rate() -> float:
    """Images a second of the encoder alone."""
    from shared.console.quiet import muted

    with muted():
        import tensorflow as tf
        from tensorflow.python.framework import convert_to_constants

        from captioner.describing.predict import SHIPPED, load_bundle

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    config, _, model = load_bundle(SHIPPED)
    shape = (ENCODER_BATCH, config.encoder.image_size, config.encoder.image_size, 3)
    function = tf.function(model.encoder).get_concrete_function(
        tf.TensorSpec(shape, tf.uint8)
    )
    encode: Any = convert_to_constants.convert_variables_to_constants_v2(function)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    rates = []
    for _ in range(ENCODER_ROUNDS):
        started = time.perf_counter()
        encode(images)[0].numpy()
        rates.append(ENCODER_BATCH / (time.perf_counter() - started))
    return median(rates[5:])


def pillow_rate(photos: list[Path], size: int) -> float:
    """Images a second of decoding and resizing alone."""

    def read(path: Path) -> None:
        with Image.open(path) as image:
            image.draft("RGB", (size, size))
            image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)

    with ThreadPoolExecutor(THREADS) as threads:
        started = time.perf_counter()
        list(threads.map(read, photos))
        return len(photos) / (time.perf_counter() - started)


def caption_folder(photos: Path, *options: str) -> tuple[Run, int]:
    """Run the command line on a folder; also give the number of captions."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name, "captions.jsonl")
        command = [*CAPTIONER, "caption", str(photos), "-o", str(output), *options]
        ended = run(command)
        return ended, len(output.read_text("utf-8").splitlines())


def rate_in_process(photos: list[Path], runtime: Any, beam: int, batch: int) -> float:
    """Images a second of a loaded captioner that is warm."""
    from captioner.describing.predict import load_captioner

    captioner = load_captioner(runtime=runtime, batch_size=batch, beam_size=beam)
    list(captioner.caption_all(photos[:batch]))
    started = time.perf_counter()
    list(captioner.caption_all(photos))
    return len(photos) / (time.perf_counter() - started)


def report(
    photos: Path, what: str, start: float, base: Callable[[], float], times: int
) -> None:
    """Caption a folder some times, print its rates, and their share of another rate."""
    # By turns, so that a slow minute of the machine slows both.
    rounds = [(base(), *caption_folder(photos)) for _ in range(times)]
    bare, count = median(rate for rate, _, _ in rounds), rounds[0][2]
    seconds = median(ended.seconds for _, ended, _ in rounds)
    running = (count - 1) / (seconds - start)
    print(f"{what:36} {bare:7.1f} images/s")
    for how, rate in (("start included", count / seconds), ("once started", running)):
        label = f"{count} photos, {how}"
        print(f"{label:36} {rate:7.1f} images/s, {rate / bare:.2f} of that")
    peak = max(ended.peak for _, ended, _ in rounds)
    print(f"{'most memory':36} {peak:7.0f} MB", flush=True)


def print_grid(photos: list[Path]) -> None:
    """Measure and print both runtimes, as a table in Markdown."""
    print(f"\n{len(photos)} small photos, images/s\n")
    print("| runtime | beam |" + "".join(f" batch {n} |" for n in BATCHES))
    print("|---" * (2 + len(BATCHES)) + "|")
    for runtime in RUNTIMES:
        for beam in BEAMS:
            rates = [alone(rate_in_process, photos, runtime, beam, n) for n in BATCHES]
            cells = "".join(f" {rate:.1f} |" for rate in rates)
            print(f"| {runtime} | {beam} |{cells}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, help="a folder with nothing but photos")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        small, large, one = (Path(name, part) for part in ("small", "large", "one"))
        draw_large(large, 40 if args.quick else 200)
        draw_small(one, 1)
        if args.photos:
            small = args.photos
        else:
            draw_small(small, 200 if args.quick else 1000)
        rounds = 1 if args.quick else ROUNDS
        starts = [caption_folder(one, "--verbose")[0] for _ in range(ROUNDS)]
        start = median(ended.seconds for ended in starts)
        print(*starts[0].said.splitlines()[:2], sep="\n")
        print(f"{'one photo, start to end':36} {start:7.2f} s")
        report(small, "bare encoder", start, lambda: alone(bare_encoder_rate), rounds)
        paths = sorted(large.iterdir())
        what = "Pillow alone, 12 megapixels"
        report(large, what, start, lambda: pillow_rate(paths, 224), rounds)
        if not args.quick:
            print_grid(sorted(small.iterdir())[:GRID_PHOTOS])


if __name__ == "__main__":
    main()
