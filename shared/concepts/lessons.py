"""What photos teach: which words there are to learn, and what is known of each photo.

Numbers of what is known are in [0, 1], and `UNKNOWN` where nobody has said anything.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.concepts.regression import UNKNOWN
from shared.concepts.table import Table
from shared.concepts.words import (
    Mentions,
    broader_words,
    coco_words,
    concept_mentions,
    imagenet_names,
    imagenet_words,
    read_concepts,
)
from shared.text.english import present_participle, read_word
from shared.text.vocabulary import split_words
from shared.vision.images import StoredImage

SEEN_FROM, SEEN_TO = 0.15, 0.45  # a detector's scores: surely nothing, surely something
NAMED = 0.8  # how often somebody would name the one thing of a labelled photo
MOST_OFTEN = 8.0  # how much more a photo of a small source may count
ABSENT = 0.05  # a thing of a lower probability is not there

_WNID = re.compile(r"n\d{8}_")  # WordNet's number, before a class of ImageNet

# fmt: off
# Words that say nothing of what a photo shows, or nothing that could be seen.
FUNCTION = frozenset("""
a about above across after against all alone along alongside also am among an and
another any apparently appear are around as at attach attempt away back background be
because become before begin behind being below beside between bit both bottom bound
bunch but by can close come corner could couple cover covering day different display
distance do does down during each edge eight end engage enjoy event few fill find first
five follow for four from front full get give go group have he head her herself him
himself his hold i if image in inside into it item its itself just kind large larger
lead left lie life like line lone long look lot low make many match matching middle more
most move near nearby next nine no not number object of off on one onto open or other
out outside over pair part past perform photo photograph picture piece place point
position prepare preparing prop put reach ready right row same say scene second see set
setting seven several she shot show side similar site six size small smaller some
somebody someone something somewhere spot start stay step stop stuff style surround t
take ten than that the their them themselves then there these they thing third this
those three through throughout time to together too top toward towards try turn two type
under underneath unseen up upon use various very view wait way wear what when where
which while whilst who whose with within without work would you young younger 's
""".split())  # noqa: SIM905
# fmt: on


class Photo(NamedTuple):
    """A photo to learn from, or to judge by.

    Attributes:
        image: the photo.
        split: "train" or "dev".
        captions: those that people wrote; empty if nobody did.
        labels: what it shows, as its file and its folder are called; the first that
            names something counts.
        source: number of the data set or folder that it is of.
        digest: of `digest_photos`.
    """

    image: Path | StoredImage
    split: str = "train"
    captions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    source: int = 0
    digest: str = ""


@dataclass
class Lesson:
    """All photos, with what is known of each.

    Axes: P photos, R regions, D feature size.

    Attributes:
        photos: P.
        places: of each photo's features: its source, and the row there.
        features: float (photos, views, R, D) of each source.
        scores: float16 (P, 80), the teacher's.
        weights: float32 (P,), how much each counts: those of a small source more.
    """

    photos: list[Photo]
    places: list[tuple[int, int]]
    features: list[np.ndarray]
    scores: np.ndarray
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        sources = np.array([photo.source for photo in self.photos])
        taught = sources[self.rows("train")]
        counts = np.bincount(taught, minlength=len(self.features)).clip(1)
        often = np.sqrt(counts.max() / counts).clip(1.0, MOST_OFTEN)
        self.weights = often.astype(np.float32)[sources]

    @property
    def feature_size(self) -> int:
        """D."""
        return int(self.features[0].shape[-1])

    def take(self, rows: Iterable[int]) -> np.ndarray:
        """Give the features of photos: float32 (rows, R, D)."""
        places = (self.places[row] for row in rows)
        found = [self.features[source][row, 0] for source, row in places]
        return np.stack(found).astype(np.float32)

    def rows(self, split: str) -> np.ndarray:
        """Give the numbers of a split's photos: int (rows,)."""
        return np.flatnonzero([photo.split == split for photo in self.photos])


def choose_words(photos: Iterable[Photo], least: int) -> tuple[list[str], list[str]]:
    """Find the words that a concept net may have.

    Returns:
        words that name a class of COCO or ImageNet; and those that captions of `least`
        photos or more name, some of the former among them.
    """
    named = _names_in([photo.captions for photo in photos if photo.captions])
    classes = dict.fromkeys([*coco_words(), *imagenet_words()])
    order = {word: i for i, word in enumerate(read_concepts())}
    often = [word for word, count in named.most_common() if count >= least]
    return sorted(classes, key=order.__getitem__), often


def _names_in(captioned: Sequence[Sequence[str]]) -> Counter[str]:
    """Count the photos whose captions name each word, broader ones not counted."""
    split = [[split_words(text) for text in captions] for captions in captioned]
    tokens = {word for captions in split for words in captions for word in words}
    known = concept_mentions()
    others = dict.fromkeys(filter(None, (_call(w, known) for w in sorted(tokens))))
    mentions = Mentions([*read_concepts(), *others])
    counts: Counter[str] = Counter()
    for captions in split:
        counts.update({word for words in captions for word in mentions.named(words)})
    return counts


def _call(token: str, known: Mentions) -> str:
    """Give the word for what a token says: "run" for "ran"; "" if for nothing."""
    base = read_word(token).base or token
    if known.named([token]) or {token, base} & FUNCTION or len(base) < 3:
        return ""
    # "watching" is what somebody does, "watch" a thing that somebody wears.
    return present_participle(base) if known.named([base]) else base


def mention_shares(photos: Sequence[Photo], words: Sequence[str]) -> np.ndarray:
    """Find how many of a photo's captions mention each word, narrower ones too.

    Returns:
        float32 (photos, words); UNKNOWN for photos without captions.
    """
    mentions, place = Mentions(words), {word: i for i, word in enumerate(words)}
    shares = np.full((len(photos), len(words)), UNKNOWN, np.float32)
    for row, photo in zip(shares, photos, strict=True):
        if photo.captions:
            row[:] = 0.0
        for text in photo.captions:
            for word in mentions.find(split_words(text)):
                row[place[word]] += 1.0 / len(photo.captions)
    return shares


def see_things(scores: np.ndarray) -> np.ndarray:
    """Turn a detector's scores into probabilities that the things are there."""
    return ((scores.astype(np.float32) - SEEN_FROM) / (SEEN_TO - SEEN_FROM)).clip(0, 1)


def read_labels(photos: Sequence[Photo], words: Sequence[str]) -> np.ndarray:
    """Find the words that labels name.

    Returns:
        float32 (photos, words): 1 for what the label names and what that is a kind of;
        0 for other words that name classes of ImageNet; else UNKNOWN. A photo has
        mostly one thing if somebody gave it a label.
    """
    place = {word: i for i, word in enumerate(words)}
    others = [place[word] for word in {*imagenet_words()} & {*place}]
    known, names = concept_mentions(), imagenet_names()
    found = np.full((len(photos), len(words)), UNKNOWN, np.float32)
    for row, photo in zip(found, photos, strict=True):
        for label in photo.labels:
            said = _WNID.sub("", label).lower().replace("_", " ").replace("-", " ")
            narrow = {names[said]} if said in names else known.named(said.split())
            if narrow:
                break
        else:
            continue
        row[others] = 0.0
        for word in narrow:
            row[[place[w] for w in (word, *broader_words(word)) if w in place]] = 1.0
    return found


def head_targets(
    things: np.ndarray, shares: np.ndarray, labels: np.ndarray, heard: Sequence[int]
) -> np.ndarray:
    """Put together what the head learns.

    Args:
        things: float (photos, 80), of `see_things`.
        shares, labels: float (photos, words).
        heard: places of the words that have detectors.

    Returns:
        float32 (photos, 80 + detectors).
    """
    words = np.where(shares == UNKNOWN, labels, shares)[:, list(heard)]
    return np.concatenate([things, words], axis=1).astype(np.float32)


def say_targets(
    table: Table, things: np.ndarray, shares: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Put together how likely a caption of each photo mentions each word.

    Where nobody wrote captions, what a detector sees is taken to be mentioned as often
    as on photos with captions where it sees the same; so that photos of rooms and
    animals say that nobody mentions people there.

    Returns:
        float32 (photos, words).
    """
    captioned = (shares != UNKNOWN).all(axis=1)
    seen = _seen_words(table, things)
    with np.errstate(invalid="ignore"):
        rates = (seen * shares)[captioned].sum(0) / seen[captioned].sum(0)
    enough = seen[captioned].sum(0) >= 10
    guessed = np.where(enough & (seen != UNKNOWN), seen * rates, UNKNOWN)
    classed = np.array([bool(row.classes) for row in table])
    named = np.where(classed & (labels != UNKNOWN), labels * NAMED, UNKNOWN)
    guessed = np.where(guessed == UNKNOWN, named, np.maximum(guessed, named))
    return np.where(shares == UNKNOWN, guessed, shares).astype(np.float32)


def see_targets(
    table: Table, things: np.ndarray, shares: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Put together whether each word is there.

    A detector says so of its things. It also says that a wider word is there if one of
    its things is, and that a narrower one is not if its thing is not. Otherwise, a
    word is there if one caption mentions it, or the label.

    Returns:
        float32 (photos, words).
    """
    seen = _seen_words(table, things)
    told = np.where(shares == UNKNOWN, labels, (shares > 0).astype(np.float32))
    within = np.array([bool(row.within) for row in table])
    absent = within & (seen < ABSENT) & (told == UNKNOWN)
    told = np.where(absent, 0.0, told)
    detected = np.array([row.word in {*coco_words()} for row in table])
    wider = np.array([bool(row.things and not row.within) for row in table])
    sure = detected | (wider & ((told != UNKNOWN) | (seen > 0.5)))
    told = np.where(detected, labels, told)
    return np.where(sure, np.maximum(seen, told), told).astype(np.float32)


def _seen_words(table: Table, things: np.ndarray) -> np.ndarray:
    """Give the highest probability of each word's things; UNKNOWN for words without."""
    seen = np.full((len(things), len(table)), UNKNOWN, np.float32)
    for place, row in enumerate(table):
        if row.things:
            seen[:, place] = things[:, list(row.things)].max(axis=1)
    return seen
