"""Look at every photo and caption of a data set before hours are spent on it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from captioner.config import VocabularyConfig
from shared.console.progress import counted
from shared.data.captioned import Record
from shared.data.checking import (
    PhotoCheck,
    check_photos,
    name_some,
    without_split,
)
from shared.data.reading import Split
from shared.runs.briefing import count_rare, name_rare, warn_of_few
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, find_glued, split_words

FEW = 300  # photos to learn from, below which somebody should know what to expect


@dataclass(frozen=True)
class DatasetCheck(PhotoCheck):
    """What `check_dataset` found; `str()` of it is the report.

    Attributes:
        captions: how many, by split; those that hold no word do not count.
        without_caption: names of the photos with nothing but empty captions.
        empty_captions: names of the photos with an empty caption among others.
        long_captions: (name, caption), of more than `vocabulary.max_words` words.
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

    captions: dict[Split, int]
    without_caption: tuple[str, ...]
    empty_captions: tuple[str, ...]
    long_captions: tuple[tuple[str, str], ...]
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
    def problems(self) -> list[str]:
        """What to fix, a paragraph each, with examples."""
        found = [
            *super().problems,
            name_some("photos without a caption", self.without_caption),
            name_some("photos with an empty caption", self.empty_captions),
            *without_split("photos with captions", self.captions),
        ]
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
        return found

    @property
    def notes(self) -> list[str]:
        """What is good to know, a sentence or two each."""
        found = []
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
        return found + super().notes

    def __str__(self) -> str:
        units, kept = self.vocabulary.units, self.kept
        why = f"seen less than {self.vocabulary.min_count} times"
        about = (
            f"\n{units}s: {self.words} in train, {kept} of them are learnt, which make "
            f"up {self.coverage:.1%} of dev's text",
            name_rare(units, self.rare, why),
        )
        return self.report({"captions": self.captions}, "\n".join(filter(None, about)))


def check_dataset(
    records: Sequence[Record],
    vocabulary: VocabularyConfig | None = None,
    *,
    first: Sequence[str] = SPECIAL_WORDS,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetCheck:
    """Decode every photo, count every caption and word.

    Words are counted as training counts them: in the captions of those photos of
    train that can be read.

    Args:
        records: what `read_dataset` returned.
        vocabulary: the recipe's; None for the defaults.
        first: words that the model knows already, the special ones first.
        progress: called with (photos looked at, photos in all) after each.
    """
    wanted = vocabulary or VocabularyConfig()
    photos = check_photos(records, progress)
    unreadable = photos.unreadable
    written: Counter[Split] = Counter()
    words: dict[Split, Counter[str]] = {split: Counter() for split in get_args(Split)}
    every: list[str] = []
    captioned: dict[str, Split] = {}
    long: list[tuple[str, str]] = []
    for record in records:  # words are counted and dropped: COCO's take half a gigabyte
        texts = [text for text in record.captions if any(map(str.isalnum, text))]
        written[record.split] += len(texts)
        every += texts
        if texts:
            captioned[record.name] = record.split
        for text in texts:
            found = split_words(text, wanted.units)
            if len(found) > wanted.max_words:
                long.append((record.name, text))
            if record.name not in unreadable:
                words[record.split].update(found)
    known = Vocabulary.from_counts(words["train"], wanted.min_count, first)
    learnt = Counter(s for name, s in captioned.items() if name not in unreadable)
    return DatasetCheck(
        **vars(photos),
        captions={split: written[split] for split in get_args(Split)},
        without_caption=tuple(r.name for r in records if r.name not in captioned),
        empty_captions=tuple(
            r.name
            for r in records
            if r.name in captioned and not all(map(str.strip, r.captions))
        ),
        long_captions=tuple(long),
        same_captions=_repeated(every),
        drawn=sum(record.is_drawn for record in records),
        glued=find_glued(every) if wanted.units == "word" else "",
        learn=learnt["train"],
        choose=learnt["dev"],
        words=len(words["train"]),
        kept=sum(word in known for word in words["train"]),
        rare=count_rare(words["train"], known.ids),
        vocabulary=wanted,
        coverage=known.coverage(words["dev"]),
    )


def _repeated(texts: Sequence[str]) -> tuple[str, int] | None:
    """Give the most frequent caption, if it is more than one in twenty."""
    most = Counter(texts).most_common(1)
    return most[0] if most and most[0][1] > max(2, len(texts) / 20) else None
