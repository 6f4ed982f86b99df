"""Look at every photo, question and answer before hours are spent on them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, get_args

from shared.console.progress import counted
from shared.errors import AppError
from shared.runs.briefing import count_rare, name_rare, name_some, warn_of_few
from shared.text.vocabulary import Vocabulary, split_words
from shared.vision.images import image_name, read_image
from vqa.answers import AnswerSpace
from vqa.balance import Balance, best_answer, weigh_answers
from vqa.calibration import LEAST
from vqa.data import Record, Split
from vqa.words import choose_vocabulary

LONG_QUESTION = 24  # words; the recipes read so many
OPENING = 2  # words: "what color", "how many"
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class TrainingCost:
    """What training takes, to be multiplied by the size of a data set.

    The seconds were measured on 2 CPU cores with photos of 224 x 224 pixels;
    other machines differ, and so do photos straight from a camera.

    Attributes:
        bytes_per_view: features of one view of one photo, R x D x 2 bytes.
        views: versions of a photo whose features are stored, e.g. 2 if mirrored.
        epochs: passes over the training questions.
        seconds_per_view: to read a photo and run the encoder.
        seconds_per_question: to train on one question once.
        seconds_per_epoch: to validate and to save, whatever the size.
        seconds_once: to start, to calibrate and to write the model and its reports.
        memory: bytes of a running training; features stay on disk.
    """

    bytes_per_view: int = 49 * 1280 * 2
    views: int = 2
    epochs: int = 20
    seconds_per_view: float = 0.012
    seconds_per_question: float = 0.0025
    seconds_per_epoch: float = 0.5
    seconds_once: float = 20.0
    memory: int = 3_000_000_000


@dataclass(frozen=True)
class DatasetCheck:
    """What `check_dataset` found; `str()` of it is the report.

    Attributes:
        photos: how many, by split.
        questions: how many, by split.
        answered: how many of them say what is right, by split.
        missing: (name, reason) of the photos that are not there.
        broken: (name, reason) of the photos that are there and cannot be read.
        unanswered: questions of train or dev that do not say what is right, and of
            test if others there do; each with its id.
        wordless: ids of the questions without a word.
        leaks: names of photos with the same bytes that are in several splits.
        repeats: how many photos have the same bytes as an earlier one of their split.
        balance: how the answers are spread.
        words: different words in the training questions.
        kept: how many of them are learnt: those seen at least `min_count` times.
        rare: the others, with how often each was seen.
        vocabulary: words in all, as training counts them: with those of the answers
            and four special ones.
        min_count: a rarer word becomes unknown.
        coverage: share of the running words of dev's questions that are learnt, 0 to 1.
        lengths: number of words -> how many questions have it.
        cost: what training takes.
    """

    photos: dict[Split, int]
    questions: dict[Split, int]
    answered: dict[Split, int]
    missing: tuple[tuple[str, str], ...]
    broken: tuple[tuple[str, str], ...]
    unanswered: tuple[str, ...]
    wordless: tuple[str, ...]
    leaks: tuple[tuple[str, ...], ...]
    repeats: int
    balance: Balance
    words: int
    kept: int
    rare: Counter[str]
    vocabulary: int
    min_count: int
    coverage: float
    lengths: Counter[int]
    cost: TrainingCost

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
            name_some("questions without an answer", self.unanswered),
            name_some("questions without a word", self.wordless),
            name_some(
                "photos that are in several splits, so that dev or test scores flatter",
                map(" = ".join, self.leaks),
            ),
        ]
        found += (
            f"no questions with answers in split {split}"
            for split in ("train", "dev")
            if not self.answered.get(split)
        )
        if self.balance.different == 1:
            answer = self.balance.groups[0].answers[0][0]
            found.append(f"all training questions have the same answer, {answer!r}")
        if self.words and not self.kept:
            found.append(f"no word is seen {_times(self.min_count)}, see `min_count`")
        return [text for text in found if text]

    @property
    def warnings(self) -> list[str]:
        """What does not stop a training, but makes it less than it seems."""
        few = self.answered.get("dev", 0)
        found = [warn_of_few(self.photos["dev"])] if self.photos.get("dev") else []
        if 0 < few < LEAST:
            found.append(
                f"{few} dev questions are too few to find out how sure an answer must "
                f"be, which takes {LEAST}: a model that starts from another (--from) "
                'keeps that one\'s "not sure", others never say it'
            )
        why = f"seen less than {_times(self.min_count)} in train's questions"
        found.append(name_rare("word", self.rare, why))
        return [text.removesuffix(".") for text in found if text]

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
        """Time of the rest of a run, as an estimate."""
        cost = self.cost
        questions = self.answered.get("train", 0) * cost.seconds_per_question
        return cost.seconds_once + cost.epochs * (cost.seconds_per_epoch + questions)

    @property
    def _views(self) -> int:
        photos = self.photos.get("train", 0) + self.photos.get("dev", 0)
        return photos * self.cost.views

    def __str__(self) -> str:
        titles = ("photos", "questions", "answered", "a photo")
        lines = [f"{'split':8}" + "".join(f"{title:>10}" for title in titles)]
        for split, photos in self.photos.items():
            questions, answered = self.questions[split], self.answered[split]
            each = questions / photos
            lines.append(f"{split:8}{photos:10}{questions:10}{answered:10}{each:10.1f}")
        total, longest = self.lengths.total(), max(self.lengths, default=0)
        mean = sum(n * count for n, count in self.lengths.items()) / max(total, 1)
        lines += ["", str(self.balance)] if str(self.balance) else []
        lines += [
            "",
            f"words: {self.words} in train's questions, {self.kept} of them at least "
            f"{_times(self.min_count)}; with those of the answers, a new model knows "
            f"{self.vocabulary}, and {self.coverage:.1%} of the words in dev's",
            f"questions: {mean:.1f} words on average, {longest} in the longest",
            "",
            "training will take, as an estimate for 2 CPU cores:",
            f"  disk      {_size(self.cache_bytes)} for the features of train and dev",
            f"  memory    {_size(self.cost.memory)}; features stay on disk",
            f"  features  {_time(self.feature_seconds)}, once",
            f"  training  {_time(self.training_seconds)} for {self.cost.epochs} epochs "
            "at most",
            "",
        ]
        long = sum(count for n, count in self.lengths.items() if n > LONG_QUESTION)
        if long:
            lines.append(
                f"note: questions of more than {LONG_QUESTION} words, of which models "
                f"read so many: {long}"
            )
        if self.repeats:
            lines.append(
                f"note: photos that repeat one of their own split: {self.repeats}"
            )
        lines += [f"warning: {warning}" for warning in self.warnings]
        lines += [f"problem: {problem}" for problem in self.problems]
        if self.ok:
            count = len(self.warnings)
            heed = f", but {counted(count, 'warning')}" if count else ""
            lines.append(f"no problems found{heed}")
        # File names may hold bytes that are no text.
        return "\n".join(lines).encode("utf-8", "replace").decode()


def check_dataset(
    records: Sequence[Record],
    *,
    answers: int = 1000,
    min_count: int = 1,
    workers: int = 2,
    cost: TrainingCost | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetCheck:
    """Decode every photo once, count every question, answer and word.

    Photos are looked at one by one in `workers` threads; none is kept.

    Args:
        records: what `read_dataset` returned.
        answers: size of the answer list that training will use.
        min_count: how often a word must be seen in train to be learnt.
        workers: threads that decode photos.
        cost: what training takes; None for the defaults.
        progress: called with (photos looked at, photos in all) after each.
    """
    photos = _look_at_all(records, workers, progress)
    lost = {name for name, _ in (*photos.missing, *photos.broken)}
    words = _count_words(records)
    learnt = [
        record
        for record in records
        if _is_answered(record) and words.of[record.id] and record.name not in lost
    ]
    vocabulary = _vocabulary(learnt, answers, min_count)
    train = Counter(w for r in learnt if r.split == "train" for w in words.of[r.id])
    dev = [words.of[r.id] for r in learnt if r.split == "dev"]
    kept = sum(count >= min_count for count in train.values())
    questions = Counter(record.split for record in records)
    answered = Counter(record.split for record in records if _is_answered(record))
    found = [split for split in SPLITS if questions[split]]
    return DatasetCheck(
        photos={
            s: sum(s in places for places in photos.splits.values()) for s in found
        },
        questions={split: questions[split] for split in found},
        answered={split: answered[split] for split in found},
        missing=tuple(photos.missing),
        broken=tuple(photos.broken),
        unanswered=tuple(
            f"{record.id}: {record.question}"
            for record in records
            if not _is_answered(record) and (record.split != "test" or answered["test"])
        ),
        wordless=tuple(r.id for r in records if not words.openings[r.id]),
        leaks=tuple(
            tuple(names)
            for names in photos.same.values()
            if len({split for name in names for split in photos.splits[name]}) > 1
        ),
        repeats=sum(
            count - 1
            for names in photos.same.values()
            for count in Counter(s for n in names for s in photos.splits[n]).values()
        ),
        balance=weigh_answers(records, words.openings, answers),
        words=len(train),
        kept=kept,
        rare=count_rare([list(train.elements())], vocabulary.ids),
        vocabulary=len(vocabulary),
        min_count=min_count,
        coverage=vocabulary.coverage(dev),
        lengths=words.lengths,
        cost=cost or TrainingCost(),
    )


class _Photos(NamedTuple):
    splits: defaultdict[str, set[Split]]  # of each name
    missing: list[tuple[str, str]]
    broken: list[tuple[str, str]]
    same: defaultdict[str, list[str]]  # names by what the files hold


def _look_at_all(
    records: Sequence[Record],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> _Photos:
    """Decode each photo once, however many questions it has."""
    photos = _Photos(defaultdict(set), [], [], defaultdict(list))
    for record in records:
        photos.splits[record.name].add(record.split)
    todo = list({record.name: record for record in records}.values())
    for done, (record, digest, error) in enumerate(_look(todo, workers), 1):
        if error is None:
            photos.same[digest].append(record.name)
        else:
            reason = str(error).removeprefix(f"{image_name(record.image)}: ")
            is_missing = isinstance(error.__cause__, FileNotFoundError)
            found = photos.missing if is_missing else photos.broken
            found.append((record.name, reason))
        if progress:
            progress(done, len(todo))
    return photos


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


def _vocabulary(learnt: Sequence[Record], answers: int, min_count: int) -> Vocabulary:
    """Choose words as training does."""
    train = [record for record in learnt if record.split == "train"]
    given = [record.answers for record in train if best_answer(record)]
    texts = AnswerSpace.from_answers(given, answers).answers if given else ()
    if train and all(record.choices for record in train):
        texts = tuple(choice for record in train for choice in record.choices)
    return choose_vocabulary((r.question for r in train), texts, min_count)


class _Words(NamedTuple):
    of: dict[str, list[str]]  # by the question's id
    lengths: Counter[int]  # of all questions
    openings: dict[str, str]  # first words by the question's id


def _count_words(records: Iterable[Record]) -> _Words:
    words = {record.id: split_words(record.question) for record in records}
    lengths = Counter(map(len, words.values()))
    openings = {id_: " ".join(asked[:OPENING]) for id_, asked in words.items()}
    return _Words(words, lengths, openings)


def _is_answered(record: Record) -> bool:
    return record.right is not None or bool(best_answer(record))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
