"""How fast questions are answered: one from start to end, and a thousand.

    python benchmarks/questions.py [--model BUNDLE] [--quick]

Prints, all from this one run:

- the page of help and one question about one photo as whole processes, from before
  their start until after their end, against importing TensorFlow. A round runs every
  command once, so that a slow minute of the machine slows them alike; one round before
  them goes uncounted, after which all files are in memory;
- `vqa ask --batch FILE -o FILE` for 1,000 questions about 1,000 photos, and for 1,000
  about 100 of them, by turns: the rates of the whole processes, start included, and
  without the start; of JPEGs of 224 x 224 cut from `examples/`, and of 12 megapixels;
- what the graphs take, in this process: to look at a photo, and to answer 1 or 10
  questions about it.

With --quick, no starts, and 200 questions about small photos alone, where the start
weighs more. Rates are of medians. Nothing else should run on the machine
meanwhile.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from photos import (
    EXAMPLES,
    describe_machine,
    draw_large,
    draw_small,
    print_starts,
    run,
)

from vqa.answering.predict import SHIPPED, load_vqa
from vqa.answering.replies import Asked

VQA = [sys.executable, "-m", "vqa.cli"]
PHOTO = str(EXAMPLES / "photographer.jpg")
TENSORFLOW = "import tensorflow"
SHARE = 10  # questions about a photo, where there are several
ROUNDS = 3
CALLS = 50
QUESTIONS = (
    "what color is the dog?",
    "what is the man wearing on his head?",
    "is there a dog in the picture?",
    "how many people are there?",
    "what is the woman doing?",
    "where are the children?",
    "is the boy wearing a red shirt?",
    "what animal is this?",
    "is the man outside?",
    "what is the girl holding in her hands?",
)


def ask(photos: list[Path], count: int, model: Path) -> float:
    """Ask `count` questions, as many about each photo; seconds of the process."""
    with tempfile.TemporaryDirectory() as name:
        file, output = Path(name, "questions.jsonl"), Path(name, "answers.jsonl")
        rows = [
            {"image": str(photos[i % len(photos)]), "question": QUESTIONS[i % SHARE]}
            for i in range(count)
        ]
        rows.sort(key=lambda row: row["image"])
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [*VQA, "ask", "--batch", str(file), "-o", str(output)]
        seconds = run([*command, "--model", str(model)]).seconds
        assert len(output.read_text("utf-8").splitlines()) == count
        return seconds


def print_batches(photos: list[Path], what: str, model: Path) -> None:
    """Measure and print how much faster questions about the same photos are."""
    count = len(photos)
    few = photos[: count // SHARE]
    # By turns, so that a slow minute of the machine slows all.
    rounds = [
        (ask(photos, count, model), ask(few, count, model), ask(few[:1], 1, model))
        for _ in range(ROUNDS)
    ]
    many, some, start = (median(seconds) for seconds in zip(*rounds, strict=True))
    print(f"\n{count} questions about photos of {what}")
    for seconds, number in ((many, count), (some, len(few))):
        print(
            f"{number:5} photos: {seconds:6.2f} s, {count / seconds:7.1f} questions a "
            f"second; once started {(count - 1) / (seconds - start):7.1f}"
        )
    print(
        f"ratio: {many / some:.2f}; once started {(many - start) / (some - start):.2f}",
        flush=True,
    )


def median_time(call: Callable[..., object], *args: object) -> str:
    """Milliseconds of a call, to be printed."""
    call(*args)
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call(*args)
        seconds.append(time.perf_counter() - started)
    return f"{1000 * median(seconds):6.2f}"


def print_parts(model: Path) -> None:
    """Measure and print what is computed for a photo, and for its questions."""
    answerer = load_vqa(model)
    runtime, size = answerer.runtime, answerer.config.encoder.image_size
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    features = runtime.look(image)
    print(f"\n{runtime.name}, milliseconds")
    print(f"look at a photo            {median_time(runtime.look, image)}")
    length = answerer.config.vocabulary.max_words
    for count in (1, SHARE):
        asked = [Asked(question) for question in QUESTIONS[:count]]
        words = [answerer.check(one).words for one in asked]
        tokens = np.stack([answerer.vocabulary.encode(w, length) for w in words])
        about = answerer.concepts
        mentioned = np.stack([about.find(w) for w in words]) if about else None
        graph = median_time(runtime.answer, features, tokens, mentioned)
        whole = median_time(answerer.answer, features, asked)
        print(f"{count:2} questions, graph alone   {graph}")
        print(f"{count:2} questions, with all else {whole}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=SHIPPED, help="a bundle")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    print(describe_machine())
    if not args.quick:
        one = [*VQA, "ask", PHOTO, QUESTIONS[3], "--model", str(args.model)]
        print_starts(
            {
                TENSORFLOW: ([sys.executable, "-c", TENSORFLOW], 5),
                "vqa --help": ([*VQA, "--help"], 9),
                "vqa ask PHOTO QUESTION": (one, 9),
            }
        )
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name, "small"), Path(name, "large")
        draw_small(small, 200 if args.quick else 1000)
        print_batches(sorted(small.iterdir()), "224 x 224", args.model)
        if not args.quick:
            draw_large(large, 1000)
            print_batches(sorted(large.iterdir()), "12 megapixels", args.model)
    print_parts(args.model)


if __name__ == "__main__":
    main()
