"""The metrics that score each question by itself.

A new one is a class like those below, and its place in the table of
`vqa.metrics.scoring`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from vqa.metrics.accuracy import (
    Answer,
    Protocol,
    choice_match,
    exact_match,
    vqa_accuracy,
)
from vqa.text.answers import MIN_VOTES, are_votes

if TYPE_CHECKING:
    from vqa.data import Record

PEOPLE = 10  # who answer each question of VQA


class QuestionMetric:
    """Scores the answer to a question, 0 to 1.

    Attributes:
        name: as reports print it.
        needs: what the questions that it cannot score lack, in words.
        in_words: whether answers are words, so that questions have answer classes.
        protocols: how it is computed, in words.
    """

    name: str
    needs: str
    in_words = True
    protocols: ClassVar[Mapping[Protocol, str]]

    def suits(self, records: Sequence["Record"]) -> bool:
        """Whether most questions of a set, all of them answered, are of its kind."""
        raise NotImplementedError

    def can_score(self, record: "Record") -> bool:
        """Whether a question has what it needs."""
        raise NotImplementedError

    def score(self, record: "Record", answer: Answer, protocol: Protocol) -> float:
        """Score an answer to a question that it can score."""
        raise NotImplementedError

    def doubts(self, records: Sequence["Record"]) -> Iterator[str]:
        """Give reasons to doubt the scores of such questions."""
        yield from ()


class MultipleChoice(QuestionMetric):
    """Whether the right choice or box is chosen."""

    name = "multiple choice"
    needs = "multiple choice needs a right choice"
    in_words = False
    protocols: ClassVar[Mapping[Protocol, str]] = {
        "official": "share of questions whose right choice is chosen",
        "clean": "share of questions whose right choice is chosen",
    }

    def suits(self, records: Sequence["Record"]) -> bool:
        """Most know their right choice or box."""
        return 2 * sum(record.right is not None for record in records) > len(records)

    def can_score(self, record: "Record") -> bool:
        """It knows its right choice or box."""
        return record.right is not None

    def score(self, record: "Record", answer: Answer, protocol: Protocol) -> float:
        """Compare the choice, see `choice_match`."""
        return choice_match(answer, record)


class Votes(QuestionMetric):
    """VQA accuracy: how many people gave the same answer."""

    name = "VQA accuracy"
    needs = f"VQA accuracy needs {MIN_VOTES} people's answers or more"
    protocols: ClassVar[Mapping[Protocol, str]] = {
        "official": "VQA accuracy with the answer processing of the published "
        "evaluator: min(c / 3, 1) for c people of the same answer, averaged over "
        "leaving out each person",
        "clean": "VQA accuracy of normalised answers: min(c / 3, 1) for c people of "
        "the same answer, averaged over leaving out each person",
    }

    def suits(self, records: Sequence["Record"]) -> bool:
        """Most have many people's answers, some of them alike."""
        return are_votes(record.answers for record in records)

    def can_score(self, record: "Record") -> bool:
        """It has enough people's answers."""
        return len(record.answers) >= MIN_VOTES

    def score(self, record: "Record", answer: Answer, protocol: Protocol) -> float:
        """Compare with people's answers, see `vqa_accuracy`."""
        return vqa_accuracy(str(answer), record.answers, protocol)

    def doubts(self, records: Sequence["Record"]) -> Iterator[str]:
        """Not as many people as in VQA answered."""
        if odd := sum(len(record.answers) != PEOPLE for record in records):
            yield (
                f"questions with more or fewer than {PEOPLE} people's answers, whose "
                f"accuracy does not compare with published ones: {odd}"
            )


class ExactMatch(QuestionMetric):
    """Whether the answer is one of those accepted."""

    name = "exact match"
    needs = "exact match needs an answer in words"
    protocols: ClassVar[Mapping[Protocol, str]] = {
        "official": "exact match in lower case, of items between commas as a set; one "
        "accepted answer is enough",
        "clean": "exact match of normalised answers, of items between commas as a set; "
        "one accepted answer is enough",
    }

    def suits(self, records: Sequence["Record"]) -> bool:
        """All others."""
        return True

    def can_score(self, record: "Record") -> bool:
        """It has an answer in words."""
        return bool(record.answers)

    def score(self, record: "Record", answer: Answer, protocol: Protocol) -> float:
        """Compare with accepted answers, see `exact_match`."""
        return exact_match(str(answer), record.answers, protocol)

    def doubts(self, records: Sequence["Record"]) -> Iterator[str]:
        """Some would rather be voted on."""
        if voted := sum(are_votes([record.answers]) for record in records):
            yield f"questions with many people's answers, of which any counts: {voted}"
