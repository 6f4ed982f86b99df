"""Make a stand-in for COCO or VQA v2, as large as they are, out of a few photos.

    python benchmarks/coco.py PHOTOS OUT [coco2017|coco2014|karpathy|vqa2]...

Writes OUT/coco2017 and so on (all four, unless some are named), in the official
layout: as many photos, captions and questions, the same kinds of ids, file names and
keys, and captions as long as COCO's. The photos are hard links to those in the folder
PHOTOS, so OUT must be on its disk; captions and questions are drawn from the included
captioner's words, rare ones rarely. What is written depends on the number of photos in
PHOTOS alone. Takes two minutes of a processor, 1 GB of disk and 493,148 links.

COCO: Chen et al. 2015, arXiv:1504.00325. VQA v2: Goyal et al. 2017, arXiv:1612.00837.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

WORDS = Path(__file__).parents[1] / "captioner/bundle/vocabulary.txt"
PHOTOS = {"train": 82_783, "val": 40_504}  # of 2014
HELD_OUT = 5_000  # of val 2014, which became val 2017
HIGHEST_ID = 581_929
# Words in a caption: how many of a thousand have 7, 8, ... of them.
LENGTHS = (9, 164, 221, 214, 154, 98, 58, 33, 18, 11, 7, 4, 3, 2, 1, 1, 1, 1)
CAPTIONS = {"train": 414_113, "val": 202_654}  # five of a photo, seldom more
QUESTIONS = {"train": 443_757, "val": 214_354}
KINDS = (  # of questions: beginning, type of the answer, how often of a hundred
    ("is the", "yes/no", 38),
    ("how many", "number", 12),
    ("what color", "other", 10),
    ("what is the", "other", 40),
)


class Photo:
    """One of COCO's photos: its id, split of 2014, and whether 2017 holds it out."""

    def __init__(self, number: int, split: str, held_out: bool):
        self.number, self.split, self.held_out = number, split, held_out

    def path(self, year: int) -> str:
        """Give its path in the layout of a year."""
        if year == 2014:
            name = f"COCO_{self.split}2014_{self.number:012}.jpg"
            return f"{self.split}2014/{name}"
        return f"{'val' if self.held_out else 'train'}2017/{self.number:012}.jpg"


class Writer:
    """Draws sentences of words with the frequencies of a language."""

    def __init__(self) -> None:
        known = Vocabulary.load(WORDS).words[len(SPECIAL_WORDS) :]
        # Zipf's law as Mandelbrot mends it; the words stand by frequency.
        self._words = known
        self._weights = list(
            accumulate(1 / (place + 2.7) for place in range(len(known)))
        )
        self._rng = Random(1)
        self._lengths = list(accumulate(LENGTHS))

    def sentence(self) -> str:
        """Draw one of a caption's length."""
        (length,) = self._rng.choices(range(7, 25), cum_weights=self._lengths)
        words = self.words(length)
        end = "." if self._rng.random() < 0.75 else ""
        return f"{words[0].capitalize()} {' '.join(words[1:])}{end}"

    def words(self, count: int) -> list[str]:
        """Draw words."""
        return self._rng.choices(self._words, cum_weights=self._weights, k=count)


def main() -> None:
    """Write what is asked for."""
    source, out, *wanted = sys.argv[1:]
    photos = sorted(Path(source).resolve().glob("*.jpg"))
    for name in wanted or LAYOUTS:
        folder = Path(out, name)
        folder.mkdir(parents=True)
        LAYOUTS[name](folder, photos)
        print(folder)


def draw_photos() -> list[Photo]:
    """Draw the ids of all photos, and which of them each split has."""
    rng = Random(0)
    ids = rng.sample(range(1, HIGHEST_ID + 1), sum(PHOTOS.values()))
    train, val = ids[: PHOTOS["train"]], ids[PHOTOS["train"] :]
    held_out = set(val[:HELD_OUT])
    return [
        *(Photo(number, "train", False) for number in sorted(train)),
        *(Photo(number, "val", number in held_out) for number in val),
    ]


def link(folder: Path, photos: Sequence[Photo], year: int, real: list[Path]) -> None:
    """Link every photo's name to a real photo."""
    for name in sorted({photo.path(year).partition("/")[0] for photo in photos}):
        (folder / name).mkdir()
    for place, photo in enumerate(photos):
        os.link(real[place % len(real)], folder / photo.path(year))


def caption(photos: Sequence[Photo], total: int, writer: Writer) -> Iterator[list[str]]:
    """Draw the captions of each photo, as many in all as COCO has."""
    more = total - 5 * len(photos)
    for place in range(len(photos)):
        yield [writer.sentence() for _ in range(5 + (place < more))]


def write_coco(folder: Path, real: list[Path], year: int) -> None:
    """Write the photos and captions of a year."""
    photos, writer = draw_photos(), Writer()
    link(folder, photos, year, real)
    (folder / "annotations").mkdir()
    totals = CAPTIONS if year == 2014 else {"train": 591_753, "val": 25_014}
    number = 0
    for split, total in totals.items():
        of_split = [p for p in photos if p.path(year).startswith(split)]
        images, annotations = [], []
        captions = caption(of_split, total, writer)
        for photo, texts in zip(of_split, captions, strict=True):
            name = photo.path(year).partition("/")[2]
            address = f"http://images.cocodataset.org/{photo.path(year)}"
            images.append(
                {
                    "license": 1 + photo.number % 8,
                    "file_name": name,
                    "coco_url": address,
                    "height": 480,
                    "width": 640,
                    "date_captured": "2013-11-14 11:18:45",
                    "flickr_url": f"http://farm3.staticflickr.com/{photo.number}_z.jpg",
                    "id": photo.number,
                }
            )
            for text in texts:
                number += 1
                annotations.append(
                    {"image_id": photo.number, "id": number, "caption": text}
                )
        Random(2).shuffle(annotations)  # those of a photo are not side by side
        write(
            folder / f"annotations/captions_{split}{year}.json",
            {
                "info": {"description": "A stand-in for COCO", "year": year},
                "images": images,
                "licenses": [{"id": n} for n in range(1, 9)],
                "annotations": annotations,
            },
        )


def write_karpathy(folder: Path, real: list[Path]) -> None:
    """Write the photos of 2014, and the splits of Karpathy and Fei-Fei."""
    photos, writer = draw_photos(), Writer()
    link(folder, photos, 2014, real)
    images, number = [], 0
    captions = caption(photos, sum(CAPTIONS.values()), writer)
    for place, (photo, texts) in enumerate(zip(photos, captions, strict=True)):
        split = photo.split
        if split == "val":  # 5,000 of them are dev, 5,000 test; the rest is learnt
            rest = place - PHOTOS["train"]
            split = "val" if rest < 5000 else "test" if rest < 10_000 else "restval"
        sentences = []
        for text in texts:
            tokens = text.rstrip(".").lower().split()
            sentences.append(
                {"tokens": tokens, "raw": text, "imgid": place, "sentid": number}
            )
            number += 1
        path = photo.path(2014)
        images.append(
            {
                "filepath": path.partition("/")[0],
                "sentids": [sentence["sentid"] for sentence in sentences],
                "filename": path.partition("/")[2],
                "imgid": place,
                "split": split,
                "sentences": sentences,
                "cocoid": photo.number,
            }
        )
    write(folder / "dataset_coco.json", {"images": images, "dataset": "coco"})


def write_vqa(folder: Path, real: list[Path]) -> None:
    """Write the photos of 2014, with questions and ten people's answers to each."""
    photos, writer, rng = draw_photos(), Writer(), Random(3)
    link(folder, photos, 2014, real)
    weights = list(accumulate(kind[2] for kind in KINDS))
    for split, total in QUESTIONS.items():
        of_split = [photo for photo in photos if photo.split == split]
        questions, annotations = [], []
        for number in range(total):
            photo = of_split[number % len(of_split)]
            id_ = photo.number * 1000 + number // len(of_split)
            ((opening, kind, _),) = rng.choices(KINDS, cum_weights=weights)
            rest = " ".join(writer.words(rng.randint(1, 6)))
            people = answer(kind, rng, writer)
            questions.append(
                {
                    "image_id": photo.number,
                    "question": f"{opening.capitalize()} {rest}?",
                    "question_id": id_,
                }
            )
            annotations.append(
                {
                    "question_type": opening,
                    "multiple_choice_answer": max(set(people), key=people.count),
                    "answers": [
                        {"answer": one, "answer_confidence": "yes", "answer_id": place}
                        for place, one in enumerate(people, 1)
                    ],
                    "image_id": photo.number,
                    "answer_type": kind,
                    "question_id": id_,
                }
            )
        name = f"mscoco_{split}2014"
        about = {
            "info": {"description": "A stand-in for VQA v2", "version": "2.0"},
            "task_type": "Open-Ended",
            "data_type": "mscoco",
            "license": {"name": "none"},
            "data_subtype": f"{split}2014",
        }
        write(
            folder / f"v2_OpenEnded_{name}_questions.json",
            about | {"questions": questions},
        )
        write(
            folder / f"v2_{name}_annotations.json",
            about | {"annotations": annotations},
        )


def answer(kind: str, rng: Random, writer: Writer) -> list[str]:
    """Draw the answers of ten people, most of them the same."""
    if kind == "yes/no":
        among = ["yes", "no"]
    elif kind == "number":
        among = [str(min(rng.randint(0, 4) * rng.randint(0, 3), 12)), "1", "2"]
    else:
        among = writer.words(4)
    first = rng.choice(among)
    return [first if rng.random() < 0.7 else rng.choice(among) for _ in range(10)]


def write(path: Path, data: Any) -> None:
    """Write JSON as the official files are: on one line."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(data, file)


LAYOUTS: dict[str, Callable[[Path, list[Path]], None]] = {
    "coco2017": lambda folder, real: write_coco(folder, real, 2017),
    "coco2014": lambda folder, real: write_coco(folder, real, 2014),
    "karpathy": write_karpathy,
    "vqa2": write_vqa,
}

if __name__ == "__main__":
    main()
