"""How often captions of everyday photos name what is there, and invent what is not.

    python benchmarks/things.py --data PHOTOS [--model BUNDLE] [--no-hedge] [--list]

`things.jsonl`, beside this script, tells of 218 photos of COCO 2017, which are in the
folder PHOTOS: words of which each names the main thing, or part of it; whether people
are there (null where that is a matter of taste: far away, painted, a hand); and
whether a dog is. It was written while looking at the photos, not at their captions. No
model has learnt from them.

Prints, in percent: captions with one of the words, in singular or plural; captions of
photos without people that speak of some; captions of photos without dogs that speak of
one. Then, whether the confidence tells captions with one of the words from those
without: the area under the curve, once as the model has it, and once of a judge who
learns from the evidence and these labels, each photo judged by the others alone (with
--no-hedge, since the evidence is for what the model wrote). With --list, all captions
follow, those that are wrong marked.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from captioner.describing.captions import Caption
from captioner.describing.predict import load_captioner
from captioner.training.calibration import cross_fit
from shared.concepts.calibrate import area_under_curve
from shared.concepts.words import concept_mentions
from shared.errors import AppError
from shared.text.english import forms
from shared.text.vocabulary import split_words

THINGS = Path(__file__).with_name("things.jsonl")


class Photo(NamedTuple):
    """What is in a photo, and what a caption says of it.

    Attributes:
        things: words of which one should be in the caption.
        people: whether there are any; None if that is a matter of taste.
        dogs: whether there are any.
    """

    path: Path
    things: tuple[str, ...]
    people: bool | None
    dogs: bool
    caption: Caption

    def names(self, words: Sequence[str]) -> bool:
        """Whether the caption has one of the words, in any of its forms."""
        said = split_words(self.caption.text)
        return any(_has(said, word.split(" ")) for word in words)

    def faults(self) -> list[str]:
        """What is wrong with the caption."""
        found = [] if self.names(self.things) else ["main thing not named"]
        mentioned = concept_mentions().find(split_words(self.caption.text))
        if self.people is False and "person" in mentioned:
            found.append("people invented")
        if not self.dogs and "dog" in mentioned:
            found.append("dog invented")
        return found


def _has(said: Sequence[str], words: Sequence[str]) -> bool:
    """Whether words follow one another, the last in any form."""
    length = len(words)
    return any(
        [*said[start : start + length - 1]] == [*words[:-1]]
        and said[start + length - 1] in forms(words[-1], said)
        for start in range(len(said) - length + 1)
    )


def read_photos(data: Path, model: Path | None, hedge: bool) -> list[Photo]:
    """Read what is in the photos, and caption them."""
    places = {path.name: path for path in data.rglob("*.jpg")}
    rows = [json.loads(line) for line in THINGS.read_text("utf-8").splitlines()]
    if missing := [row["image"] for row in rows if row["image"] not in places]:
        raise SystemExit(f"{len(missing)} photos are not in {data}: {missing[0]}")
    paths = [places[row["image"]] for row in rows]
    photos = []
    changes = {} if hedge else {"hedge": False}
    batches = load_captioner(model).caption_all(paths, **changes)
    results = [result for batch in batches for _, result in batch]
    for row, path, result in zip(rows, paths, results, strict=True):
        if isinstance(result, AppError):
            raise SystemExit(str(result))
        things = tuple(row["things"])
        photos.append(Photo(path, things, row["people"], row["dogs"], result[0]))
    return photos


def percent(photos: Sequence[Photo], fault: str) -> str:
    """How many of the photos have a fault, in percent."""
    count = sum(fault in photo.faults() for photo in photos)
    return f"{100 * count / len(photos):5.1f} % of {len(photos)}"


def print_areas(photos: Sequence[Photo]) -> None:
    """Print how well confidence tells right from wrong, 0.5 being not at all."""
    right = np.array([photo.names(photo.things) for photo in photos])
    sure = np.array([photo.caption.confidence for photo in photos])
    print(f"confidence, area      {area_under_curve(sure, right):6.3f}")
    evidence = [photo.caption.evidence for photo in photos]
    known = [found for found in evidence if found]
    hedged = sum(bool(photo.caption.original) for photo in photos)
    if hedged:
        print(f"claim less            {hedged:4} of {len(photos)}")
    elif len(known) == len(photos):
        others = cross_fit(known, right.tolist())
        if others is not None:
            print(f"cross-fitted on these {area_under_curve(others, right):6.3f}")
    unsure = [photo for photo in photos if photo.caption.unsure]
    if unsure:
        print("not named if unsure  ", percent(unsure, "main thing not named"))


def main() -> None:
    """Caption and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, metavar="PHOTOS")
    parser.add_argument("--model", type=Path, help="a bundle")
    parser.add_argument("--list", action="store_true", help="print all captions")
    parser.add_argument(
        "--no-hedge", action="store_false", dest="hedge", help="as the model wrote it"
    )
    args = parser.parse_args()
    photos = read_photos(args.data, args.model, args.hedge)
    print("main thing not named ", percent(photos, "main thing not named"))
    empty = [photo for photo in photos if photo.people is False]
    print("people invented      ", percent(empty, "people invented"))
    without = [photo for photo in photos if not photo.dogs]
    print("dogs invented        ", percent(without, "dog invented"))
    print_areas(photos)
    if args.list:
        for photo in photos:
            text, faults = photo.caption.text, ", ".join(photo.faults())
            print(photo.path.name, text, faults, sep="\t")


if __name__ == "__main__":
    main()
