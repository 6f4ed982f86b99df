"""Look at every photo, question and answer before hours are spent on them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.data.checking import (
    PhotoCheck,
    check_photos,
    name_some,
    without_split,
)
from shared.runs.briefing import count_rare, name_rare, warn_of_few
from shared.text.vocabulary import Vocabulary, find_glued, split_words
from vqa.data import Record, Split
from vqa.text.answers import AnswerSpace
from vqa.text.words import choose_vocabulary
from vqa.training.answer_shares import Balance, best_answer, weigh_answers
from vqa.training.calibration import LEAST
from vqa.training.cost import Sizes

LONG_QUESTION = 24  # words; the recipes read so many
OPENING = 2  # words: "what color", "how many"


@dataclass(frozen=True)
class DatasetCheck(PhotoCheck):
    """What `check_dataset` found; `str()` of it is the report.

    Attributes:
        questions: how many, by split.
        answered: how many of them say what is right, by split.
        unanswered: questions of train or dev that do not say what is right, and of
            test if others there do; each with its id.
        wordless: ids of the questions without a word.
        glued: a question whose words run together, if most do.
        balance: how the answers are spread.
        words: different words in the training questions.
        kept: how many of them are learnt: those seen at least `min_count` times.
        rare: the others, with how often each was seen.
        vocabulary: words in all, as training counts them: with those of the answers
            and four special ones.
        min_count: a rarer word becomes unknown.
        coverage: share of the running words of dev's questions that are learnt, 0 to 1.
        lengths: number of words -> how many questions have it.
        answers: size of the answer list.
    """

    questions: dict[Split, int]
    answered: dict[Split, int]
    unanswered: tuple[str, ...]
    wordless: tuple[str, ...]
    glued: str
    balance: Balance
    words: int
    kept: int
    rare: Counter[str]
    vocabulary: int
    min_count: int
    coverage: float
    lengths: Counter[int]
    answers: int

    @property
    def problems(self) -> list[str]:
        """What to fix, a paragraph each, with examples."""
        found = [
            *super().problems,
            name_some("questions without an answer", self.unanswered),
            name_some("questions without a word", self.wordless),
            *without_split("questions with answers", self.answered),
        ]
        if self.balance.different == 1:
            answer = self.balance.groups[0].answers[0][0]
            found.append(f"all training questions have the same answer, {answer!r}")
        if self.words and not self.kept:
            found.append(f"no word is seen {_times(self.min_count)}, see `min_count`")
        if self.glued:
            found.append(
                "questions in a script without spaces, such as "
                f"{self.glued[:40]!r}: each counts as one word, and another question "
                "has none of its words. Put spaces between the words, by a program "
                "that finds them, here and in whatever is asked later"
            )
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
    def notes(self) -> list[str]:
        """What is good to know."""
        long = sum(count for n, count in self.lengths.items() if n > LONG_QUESTION)
        found = super().notes
        if long:
            found.append(
                f"questions of more than {LONG_QUESTION} words, of which models read "
                f"so many: {long}"
            )
        return found

    @property
    def sizes(self) -> Sizes:
        """How much there is to learn, for a new model."""
        train, dev = (self.photos.get(split, 0) for split in ("train", "dev"))
        asked = self.answered.get("dev", 0)
        return Sizes(train, dev, asked, self.vocabulary, self.answers)

    def __str__(self) -> str:
        total, longest = self.lengths.total(), max(self.lengths, default=0)
        mean = sum(n * count for n, count in self.lengths.items()) / max(total, 1)
        lines = [
            *(["", str(self.balance)] if str(self.balance) else []),
            "",
            f"words: {self.words} in train's questions, {self.kept} of them at least "
            f"{_times(self.min_count)}; with those of the answers, a new model knows "
            f"{self.vocabulary}, and {self.coverage:.1%} of the words in dev's",
            f"questions: {mean:.1f} words on average, {longest} in the longest",
        ]
        counts = {"questions": self.questions, "answered": self.answered}
        return self.report(counts, "\n".join(lines))


def check_dataset(
    records: Sequence[Record],
    *,
    answers: int = 1000,
    min_count: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetCheck:
    """Decode every photo once, count every question, answer and word.

    Args:
        records: what `read_dataset` returned.
        answers: size of the answer list that training will use.
        min_count: how often a word must be seen in train to be learnt.
        progress: called with (photos looked at, photos in all) after each.
    """
    photos = check_photos(records, progress)
    unreadable = photos.unreadable
    words = _count_words(records)
    silent = {record.id for record in records if not _is_answered(record)}
    learnt = [
        record
        for record in records
        if record.id not in silent
        and words.of[record.id]
        and record.name not in unreadable
    ]
    vocabulary = _vocabulary(learnt, answers, min_count)
    train = Counter(w for r in learnt if r.split == "train" for w in words.of[r.id])
    dev = Counter(w for r in learnt if r.split == "dev" for w in words.of[r.id])
    kept = sum(count >= min_count for count in train.values())
    questions = Counter(record.split for record in records)
    answered = Counter(r.split for r in records if r.id not in silent)
    return DatasetCheck(
        **vars(photos),
        questions={split: questions[split] for split in photos.photos},
        answered={split: answered[split] for split in photos.photos},
        unanswered=tuple(
            f"{record.id}: {record.question}"
            for record in records
            if record.id in silent and (record.split != "test" or answered["test"])
        ),
        wordless=tuple(r.id for r in records if not words.openings[r.id]),
        glued=find_glued([record.question for record in records]),
        balance=weigh_answers(records, words.openings, answers),
        words=len(train),
        kept=kept,
        rare=count_rare(train, vocabulary.ids),
        vocabulary=len(vocabulary),
        min_count=min_count,
        coverage=vocabulary.coverage(dev),
        lengths=words.lengths,
        answers=answers,
    )


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
