"""Look at every photo and caption of a data set before hours are spent on it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from captioner.data import Record, Split
from shared.errors import AppError
from shared.images import image_name, read_image
from shared.text import Vocabulary, split_words

LONG_CAPTION = 25  # words; of Flickr8k's captions, 1 in 500 is longer
EXAMPLES = 5


@dataclass(frozen=True)
class TrainingCost:
    """What training takes, to be multiplied by the size of a data set.

    The seconds were measured on 2 CPU cores with photos of 224 x 224 pixels;
    other machines differ, and so do photos straight from a camera.

    Attributes:
        bytes_per_view: features of one view of one photo, R x D x 2 bytes.
        views: versions of a photo whose features are stored, e.g. 2 if mirrored.
        epochs: passes over the training captions.
        seconds_per_view: to read a photo and run the encoder.
        seconds_per_caption: to train on one caption once.
        memory: bytes of a running training; features stay on disk.
    """

    bytes_per_view: int = 49 * 1280 * 2
    views: int = 2
    epochs: int = 20
    seconds_per_view: float = 0.012
    seconds_per_caption: float = 0.004
    memory: int = 4_000_000_000


@dataclass(frozen=True)
class DatasetCheck:
    """What `check_dataset` found; `str()` of it is the report.

    Attributes:
        photos: how many, by split.
        captions: how many, by split; empty ones do not count.
        missing: (name, reason) of the photos that are not there.
        broken: (name, reason) of the photos that are there and cannot be read.
        without_caption: names of the photos with nothing but empty captions.
        empty_captions: names of the photos with an empty caption among others.
        long_captions: (name, caption), of more than 25 words.
        leaks: names of photos with the same bytes that are in several splits.
        repeats: how many photos have the same bytes as an earlier one of their split.
        words: different words in the training captions.
        kept: how many of them are seen at least `min_count` times.
        min_count: a rarer word becomes unknown.
        coverage: share of the running words of dev that are kept, 0 to 1.
        cost: what training takes.
    """

    photos: dict[Split, int]
    captions: dict[Split, int]
    missing: tuple[tuple[str, str], ...]
    broken: tuple[tuple[str, str], ...]
    without_caption: tuple[str, ...]
    empty_captions: tuple[str, ...]
    long_captions: tuple[tuple[str, str], ...]
    leaks: tuple[tuple[str, ...], ...]
    repeats: int
    words: int
    kept: int
    min_count: int
    coverage: float
    cost: TrainingCost

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be fixed."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """What to fix, a paragraph each, with examples."""
        found = [
            _list("missing photos", map(": ".join, self.missing)),
            _list("broken photos", map(": ".join, self.broken)),
            _list("photos without a caption", self.without_caption),
            _list("photos with an empty caption", self.empty_captions),
            _list(
                "photos that are in several splits, so that dev or test scores flatter",
                map(" = ".join, self.leaks),
            ),
        ]
        found += (
            f"no photos with captions in split {split}"
            for split in ("train", "dev")
            if not self.captions.get(split)
        )
        if self.captions.get("train") and not self.kept:
            found.append(f"no word is seen {self.min_count} times, see `min_count`")
        return [text for text in found if text]

    @property
    def cache_bytes(self) -> int:
        """Disk that the features of the train and dev photos will take."""
        return self._views * self.cost.bytes_per_view

    @property
    def feature_seconds(self) -> float:
        """Time to compute the features, as an estimate."""
        return self._views * self.cost.seconds_per_view

    @property
    def training_seconds(self) -> float:
        """Time to train on the features, as an estimate."""
        cost = self.cost
        return self.captions.get("train", 0) * cost.epochs * cost.seconds_per_caption

    @property
    def _views(self) -> int:
        photos = self.photos.get("train", 0) + self.photos.get("dev", 0)
        return photos * self.cost.views

    def __str__(self) -> str:
        lines = [f"{'split':8}{'photos':>9}{'captions':>10}{'a photo':>9}"]
        for split, photos in self.photos.items():
            captions = self.captions[split]
            lines.append(f"{split:8}{photos:9}{captions:10}{captions / photos:9.1f}")
        lines += [
            "",
            f"words: {self.words} in train, {self.kept} of them at least "
            f"{self.min_count} times, which make up {self.coverage:.1%} of dev's text",
            "",
            "training will take, as an estimate for 2 CPU cores:",
            f"  disk      {_size(self.cache_bytes)} for the features of train and dev",
            f"  memory    {_size(self.cost.memory)}; features stay on disk",
            f"  features  {_time(self.feature_seconds)}, once",
            f"  training  {_time(self.training_seconds)} for {self.cost.epochs} epochs",
            "",
        ]
        if self.long_captions:
            shown = (f"{name}: {caption}" for name, caption in self.long_captions)
            title = f"captions of more than {LONG_CAPTION} words (training cuts them)"
            lines.append(f"note: {_list(title, shown)}")
        if self.repeats:
            lines.append(
                f"note: photos that repeat one of their own split: {self.repeats}"
            )
        lines += [f"problem: {problem}" for problem in self.problems]
        lines += ["no problems found"] if self.ok else []
        # File names may hold bytes that are no text.
        return "\n".join(lines).encode("utf-8", "replace").decode()


def check_dataset(
    records: Sequence[Record],
    *,
    min_count: int = 4,
    workers: int = 2,
    cost: TrainingCost | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetCheck:
    """Decode every photo, count every caption and word.

    Photos are looked at one by one in `workers` threads; none is kept.

    Args:
        records: what `read_dataset` returned.
        min_count: how often a word must be seen in train to be learnt.
        workers: threads that decode photos.
        cost: what training takes; None for the defaults.
        progress: called with (photos looked at, photos in all) after each.
    """
    missing: list[tuple[str, str]] = []
    broken: list[tuple[str, str]] = []
    same: defaultdict[str, list[Record]] = defaultdict(list)
    for done, (record, digest, error) in enumerate(_look(records, workers), 1):
        if error is None:
            same[digest].append(record)
        else:
            reason = str(error).removeprefix(f"{image_name(record.image)}: ")
            is_missing = isinstance(error.__cause__, FileNotFoundError)
            (missing if is_missing else broken).append((record.name, reason))
        if progress:
            progress(done, len(records))
    captions = {r.name: [text for text in r.captions if text.strip()] for r in records}
    counts: Counter[Split] = Counter()
    sentences: dict[Split, list[list[str]]] = {"train": [], "dev": [], "test": []}
    long_captions = []
    for record in records:
        counts[record.split] += 1
        for caption in captions[record.name]:
            words = split_words(caption)
            sentences[record.split].append(words)
            if len(words) > LONG_CAPTION:
                long_captions.append((record.name, caption))
    vocabulary = Vocabulary.from_sentences(sentences["train"], min_count)
    empty = Vocabulary.from_sentences([])
    return DatasetCheck(
        photos={split: counts[split] for split in sentences if counts[split]},
        captions={split: len(sentences[split]) for split in sentences},
        missing=tuple(missing),
        broken=tuple(broken),
        without_caption=tuple(r.name for r in records if not captions[r.name]),
        empty_captions=tuple(
            r.name for r in records if 0 < len(captions[r.name]) < len(r.captions)
        ),
        long_captions=tuple(long_captions),
        leaks=tuple(
            tuple(record.name for record in group)
            for group in same.values()
            if len({record.split for record in group}) > 1
        ),
        repeats=sum(len(g) - len({r.split for r in g}) for g in same.values()),
        words=len({word for words in sentences["train"] for word in words}),
        kept=len(vocabulary) - len(empty),
        min_count=min_count,
        coverage=vocabulary.coverage(sentences["dev"]),
        cost=cost or TrainingCost(),
    )


def _look(
    records: Sequence[Record], workers: int
) -> Iterator[tuple[Record, str, AppError | None]]:
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(_look_at, records)


def _look_at(record: Record) -> tuple[Record, str, AppError | None]:
    try:
        read_image(record.image, size=224)
        digest = hashlib.sha256(record.image.read_bytes()).hexdigest()
    except AppError as error:
        return record, "", error
    except OSError as error:  # gone since it was decoded
        return record, "", AppError(f"the file cannot be read: {error.strerror}.")
    return record, digest, None


def _list(title: str, items: Iterable[str]) -> str:
    items = list(items)
    if not items:
        return ""
    lines = [f"{len(items)} {title}:", *items[:EXAMPLES]]
    if len(items) > EXAMPLES:
        lines.append(f"... and {len(items) - EXAMPLES} more")
    return "\n    ".join(lines)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
