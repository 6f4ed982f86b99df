"""Which way of searching writes the best captions: the table that chose the defaults.

    python benchmarks/decoding.py DATA [BUNDLE]

DATA is a data set as `captioner evaluate --data` takes it; its dev photos are
captioned in every way below and scored in Python. BUNDLE is the included model unless
said otherwise. One thing is changed at a time, the others being as the bundle has them.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from captioner.describing.captions import Caption
from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.describing.predict import SHIPPED, load_captioner
from captioner.metrics.report import score_captions
from shared.data.captioned import read_dataset, select
from shared.vision.images import read_image

BATCH_SIZE = 8
WAYS: tuple[dict[str, Any], ...] = (
    {},
    *({"beam_size": beams} for beams in (1, 2, 3, 4, 5, 6, 8, 12)),
    *({"length_penalty": alpha} for alpha in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, "average")),
    *({"no_repeat": count} for count in (0, 1, 2, 3, 4)),
    {"bad_endings": []},
    *({"min_words": count} for count in (6, 8)),
    *({"max_words": count} for count in (12, 16)),
    {"beam_size": 6, "groups": 3, "diversity": 0.5},
    {"method": "sample", "beam_size": 1},
    {"method": "sample", "beam_size": 1, "temperature": 0.5},
    {"method": "sample", "beam_size": 1, "top_p": 0.9},
)


def caption(
    captioner: PhotoCaptioner, batches: Sequence[Any], way: dict[str, Any]
) -> list[Caption]:
    """Give the best caption of each photo, searched for in one way."""
    decoding, rules = captioner.request(**way)
    return [
        captions[0]
        for looked in batches
        for captions in captioner.write(looked, decoding, rules).captions
    ]


def repeats(words: Sequence[str]) -> bool:
    """Whether two words in a row occur twice."""
    pairs = Counter(pairwise(words))
    return max(pairs.values(), default=0) > 1


def main() -> None:
    """Measure and print."""
    photos = select(read_dataset(sys.argv[1]), "dev")
    bundle = Path(sys.argv[2]) if len(sys.argv) > 2 else SHIPPED
    captioner = load_captioner(bundle, batch_size=BATCH_SIZE)
    encoder = captioner.config.encoder
    images = [read_image(p.image, encoder.image_size, encoder.resize) for p in photos]
    batches = []
    for first in range(0, len(images), BATCH_SIZE):
        batches.append(captioner.look(np.stack(images[first : first + BATCH_SIZE])))
    references = {photo.name: photo.captions for photo in photos}
    print("| way | BLEU-4 | ROUGE-L | CIDEr-D | words | different | repeat a pair |")
    print("|---|---|---|---|---|---|---|")
    for way in WAYS:
        found = caption(captioner, batches, way)
        texts = {p.name: c.text for p, c in zip(photos, found, strict=True)}
        report = score_captions(texts, references)
        scores = [report.scores[name] for name in ("BLEU-4", "ROUGE-L", "CIDEr-D")]
        named = ", ".join(f"{key} {value}" for key, value in way.items())
        print(
            f"| {named or 'as the bundle has it'} | "
            + " | ".join(f"{score:.1f}" for score in scores)
            + f" | {report.mean_length:.1f} | {report.distinct_captions} | "
            f"{sum(repeats(c.words) for c in found)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
