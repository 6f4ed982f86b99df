"""How fast a folder of photos becomes captions, against the bare encoder.

    python benchmarks/throughput.py [PHOTOS]

PHOTOS is a folder of JPEGs; without it, the photos in `examples/` are cut and
squashed into 1,000 JPEGs of 224 x 224. Prints, all from this one run:

- the bare encoder's rate: the shipped model's encoder as a `tf.function`, batch
  32, random pixels, all processors;
- the rate of `captioner caption PHOTOS -o FILE` as a process, start included, its
  rate without the start, and the most memory it held.

Nothing else should run on the machine meanwhile.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from shared.quiet import muted

EXAMPLES = Path(__file__).parent.parent / "examples"
PHOTOS = 1000
ROUNDS = 12


def draw_photos(folder: Path) -> None:
    """Fill a folder with crops of the example photos, mirrored half of the time."""
    rng = np.random.default_rng(0)
    sources = [Image.open(path).convert("RGB") for path in EXAMPLES.glob("*.jpg")]
    for number in range(PHOTOS):
        image = sources[number % len(sources)]
        width, height = (rng.uniform(0.5, 1, 2) * image.size).astype(int)
        left = int(rng.integers(image.width - width + 1))
        top = int(rng.integers(image.height - height + 1))
        crop = image.resize((224, 224), box=(left, top, left + width, top + height))
        if number % 2:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        crop.save(folder / f"{number}.jpg", quality=88)


def caption_folder(photos: Path, output: Path) -> float:
    """Run the command line on a folder; give the seconds it took."""
    command = [sys.executable, "-m", "captioner.cli", "caption", str(photos)]
    started = time.perf_counter()
    subprocess.run([*command, "-o", str(output)], check=True, capture_output=True)
    return time.perf_counter() - started


def bare_encoder_rate() -> float:
    """Images a second of the encoder alone."""
    with muted():
        import tensorflow as tf

        from captioner.predict import SHIPPED, load_bundle

    _, _, model = load_bundle(SHIPPED)
    encode = tf.function(model.encoder, reduce_retracing=True)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), np.uint8)
    images = tf.constant(pixels)
    encode(images)
    rates = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        encode(images)
        rates.append(32 / (time.perf_counter() - started))
    return float(np.median(rates))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if len(sys.argv) > 1:
            photos = Path(sys.argv[1])
        else:
            photos = work / "photos"
            photos.mkdir()
            draw_photos(photos)
        one = work / "one"
        one.mkdir()
        first = min(photos.glob("*.jpg"))
        (one / first.name).write_bytes(first.read_bytes())
        start = caption_folder(one, work / "one.jsonl")
        total = caption_folder(photos, work / "all.jsonl")
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        count = sum(1 for _ in (work / "all.jsonl").open())
    bare = bare_encoder_rate()
    running = (count - 1) / (total - start)
    print(f"bare encoder                   {bare:7.1f} images/s")
    print(f"one photo, start to caption    {start:7.2f} s")
    print(
        f"{count} photos, start included {count / total:9.1f} images/s, "
        f"{count / total / bare:.2f} of the bare encoder"
    )
    print(
        f"{count} photos, once started   {running:9.1f} images/s, "
        f"{running / bare:.2f} of the bare encoder"
    )
    print(f"most memory                    {memory:7.2f} GB")


if __name__ == "__main__":
    main()
