"""Look at every photo and caption of a data set before hours are spent on it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from captioner.config import VocabularyConfig
from captioner.cost import Cost
from captioner.data import Record, Split
from shared.console.progress import counted, plain
from shared.errors import AppError
from shared.runs.briefing import count_rare, name_rare, name_some, warn_of_few
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, are_glued, split_words
from shared.vision.images import image_name, read_image

FEW = 300  # photos to learn from, below which somebody should know what to expect


@dataclass(frozen=True)
class DatasetCheck:
    """What `check_dataset` found; `str()` of it is the report.

    Attributes:
        photos: how many, by split.
        captions: how many, by split; those that hold no word do not count.
        missing: (name, reason) of the photos that are not there.
        broken: (name, reason) of the photos that are there and cannot be read.
        without_caption: names of the photos with nothing but empty captions.
        empty_captions: names of the photos with an empty caption among others.
        long_captions: (name, caption), of more than `vocabulary.max_words` words.
        leaks: names of photos with the same bytes that are in several splits.
        repeats: how many photos have the same bytes as an earlier one of their split.
        same_captions: the most frequent caption, and how often it is written, if
            that is often.
        drawn: how many dev photos were drawn from train, as the source names none.
        glued: a caption whose words run together, if most do and each is one word.
        learn: photos that training learns from: of train, readable, with a caption.
        choose: photos of dev by which it chooses, as `learn`.
        words: different words in the captions that training learns from.
        kept: how many of them are learnt.
        rare: the words that are not, with how often they are seen.
        vocabulary: what the recipe says of words.
        coverage: share of the running words of dev that are kept, 0 to 1.
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
    same_captions: tuple[str, int] | None
    drawn: int
    glued: str
    learn: int
    choose: int
    words: int
    kept: int
    rare: Counter[str]
    vocabulary: VocabularyConfig
    coverage: float

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be fixed."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """What to fix, a paragraph each, with examples."""
        found = [
            name_some("missing photos", map(": ".join, self.missing)),
            name_some("broken photos", map(": ".join, self.broken)),
            name_some("photos without a caption", self.without_caption),
            name_some("photos with an empty caption", self.empty_captions),
            name_some(
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
            least = self.vocabulary.min_count
            found.append(f"no word is seen {least} times, see `min_count`")
        if self.glued:
            found.append(
                "captions in a script without spaces, such as "
                f"{self.glued[:40]!r}: each sentence counts as one word. Add "
                '`units = "character"` to [vocabulary] in the recipe'
            )
        return [text for text in found if text]

    @property
    def warnings(self) -> list[str]:
        """What to expect, a sentence or two each."""
        found = []
        if 0 < self.learn < FEW:
            found.append(
                f"only {counted(self.learn, 'photo')} to learn from: the model picks "
                "up how these captions are worded, and describes photos much like "
                "these; what it says of others is often wrong. Hundreds of photos are "
                "a start, thousands are good; `--from included` needs fewer than a "
                "model from scratch"
            )
        if self.choose and (few := warn_of_few(self.choose)):
            found.append(f"dev: {few}")
        if self.drawn:
            found.append(
                f"the data names no dev photos: {self.drawn} of train are dev, chosen "
                "by their names"
            )
        if not self.captions.get("test"):
            found.append(
                "no test photos: scores on dev flatter a little, as training chooses "
                "by dev"
            )
        if self.same_captions:
            text, times = self.same_captions
            found.append(f"one caption is written {times} times: {text}")
        if self.long_captions:
            title = f"captions of more than {self.vocabulary.max_words} words"
            shown = (f"{name}: {caption}" for name, caption in self.long_captions)
            found.append(name_some(f"{title} (training cuts them)", shown))
        if self.repeats:
            found.append(f"photos that repeat one of their own split: {self.repeats}")
        return found

    def __str__(self) -> str:
        lines = [f"{'split':8}{'photos':>9}{'captions':>10}{'a photo':>9}"]
        for split, photos in self.photos.items():
            captions = self.captions[split]
            lines.append(f"{split:8}{photos:9}{captions:10}{captions / photos:9.1f}")
        lines += [
            "",
            f"{self.vocabulary.units}s: {self.words} in train, {self.kept} of them are "
            f"learnt, which make up {self.coverage:.1%} of dev's text",
        ]
        why = f"seen less than {self.vocabulary.min_count} times"
        if rare := name_rare(self.vocabulary.units, self.rare, why):
            lines.append(rare)
        lines += ["", *(f"note: {text}" for text in self.warnings)]
        lines += [f"problem: {problem}" for problem in self.problems]
        if self.ok:
            lines.append("nothing to fix" if self.warnings else "no problems found")
        return "\n".join(plain(line) for line in "\n".join(lines).split("\n"))


def report_cost(cost: Cost, recipe: str) -> str:
    """Say what training takes, and for which recipe."""
    lines = [
        f"training with {recipe} will take about {_time(cost.total)} on this "
        "computer's processor, if it does nothing else:",
        f"  start and end  {_time(cost.start)}",
    ]
    if cost.features:
        lines.append(
            f"  features       {_time(cost.features)}, once; {_size(cost.disk)} of disk"
        )
    lines += [
        f"  stage {name:9}at most {_time(seconds)}" for name, seconds in cost.stages
    ]
    return "\n".join(lines)


def check_dataset(
    records: Sequence[Record],
    vocabulary: VocabularyConfig | None = None,
    *,
    first: Sequence[str] = SPECIAL_WORDS,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetCheck:
    """Decode every photo, count every caption and word.

    Words are counted as training counts them: in the captions of those photos of
    train that can be read.

    Args:
        records: what `read_dataset` returned.
        vocabulary: the recipe's; None for the defaults.
        first: words that the model knows already, the special ones first.
        workers: threads that decode photos.
        progress: called with (photos looked at, photos in all) after each.
    """
    wanted = vocabulary or VocabularyConfig()
    missing, broken, same = _look_at_all(records, workers, progress)
    unreadable = {name for name, _ in missing + broken}
    written: dict[Split, list[tuple[str, str]]] = {"train": [], "dev": [], "test": []}
    for record in records:
        texts = [text for text in record.captions if any(map(str.isalnum, text))]
        written[record.split] += [(record.name, text) for text in texts]
    words = {
        split: [split_words(t, wanted.units) for n, t in pairs if n not in unreadable]
        for split, pairs in written.items()
    }
    known = Vocabulary.from_sentences(words["train"], wanted.min_count, first)
    counts = Counter(word for sentence in words["train"] for word in sentence)
    every = [pair for pairs in written.values() for pair in pairs]
    captioned = {name for name, _ in every}
    return DatasetCheck(
        photos={
            split: n
            for split in written
            if (n := sum(record.split == split for record in records))
        },
        captions={split: len(pairs) for split, pairs in written.items()},
        missing=tuple(missing),
        broken=tuple(broken),
        without_caption=tuple(r.name for r in records if r.name not in captioned),
        empty_captions=tuple(
            r.name
            for r in records
            if r.name in captioned and not all(map(str.strip, r.captions))
        ),
        long_captions=tuple(
            (name, text)
            for name, text in every
            if len(split_words(text, wanted.units)) > wanted.max_words
        ),
        leaks=tuple(
            tuple(record.name for record in group)
            for group in same
            if len({record.split for record in group}) > 1
        ),
        repeats=sum(len(g) - len({r.split for r in g}) for g in same),
        same_captions=_repeated([text for _, text in every]),
        drawn=sum(record.is_drawn for record in records),
        glued=_glued([text for _, text in every]) if wanted.units == "word" else "",
        learn=_count(written["train"], unreadable),
        choose=_count(written["dev"], unreadable),
        words=len(counts),
        kept=sum(word in known for word in counts),
        rare=count_rare(words["train"], known.ids),
        vocabulary=wanted,
        coverage=known.coverage(words["dev"]),
    )


def _look_at_all(
    records: Sequence[Record],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[list[Record]]]:
    """Give what is missing and what is broken, with reasons, and photos by content."""
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
    return missing, broken, list(same.values())


def _count(pairs: Iterable[tuple[str, str]], unreadable: set[str]) -> int:
    return len({name for name, _ in pairs} - unreadable)


def _repeated(texts: Sequence[str]) -> tuple[str, int] | None:
    """Give the most frequent caption, if it is more than one in twenty."""
    most = Counter(texts).most_common(1)
    return most[0] if most and most[0][1] > max(2, len(texts) / 20) else None


def _glued(texts: Sequence[str]) -> str:
    """Give a caption whose words run together, if most are such."""
    glued = [text for text in texts if are_glued(text)]
    return glued[0] if 2 * len(glued) > len(texts) else ""


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


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
