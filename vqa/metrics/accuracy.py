"""Whether one answer is right: by people's votes, exactly, or among choices."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from shared.errors import AppError
from vqa.metrics.wups import split_items
from vqa.text.answers import normalize, normalize_official, vote_score

if TYPE_CHECKING:
    from vqa.data import Record

Protocol = Literal["official", "clean"]
Answer = str | int  # an int is the index of a choice or box


def vqa_accuracy(
    answer: str, human_answers: Sequence[str], protocol: Protocol = "official"
) -> float:
    """Accuracy of an answer by how many people gave it, 0 to 1.

        with c others of the same opinion:  min(c / 3, 1)

    averaged over leaving out each of the people in turn.

    Args:
        answer: as the model gives it.
        human_answers: at least one; VQA has ten. Of other numbers, too, each person
            is left out in turn, as the published evaluator does it: of three people
            who agree it makes 2/3, of one 0, of four or more 1.
        protocol: "official" equals the published evaluator to the last digit, with
            its oddities; "clean" compares what `vqa.text.answers.normalize` makes of
            the answers, and one of fewer than `MIN_VOTES` people's scores their share.

    Raises:
        ValueError: if there are no human answers.

    Source: Antol et al. 2015, arXiv:1505.00468; vqaEval.py of GT-Vision-Lab/VQA.
    """
    if not human_answers:
        raise ValueError("an answer is scored against people's. Received: none")
    if protocol == "clean":
        counts = Counter(map(normalize, human_answers))
        same = counts[normalize(answer)] if normalize(answer) else 0
        return vote_score(same, counts.total())
    people = [_flat(text) for text in human_answers]
    answer = _flat(answer)
    # NOTE: unanimous people are taken at their word, and so is the answer then:
    # "yes!" is wrong where all said "yes".
    if len(set(people)) > 1:
        people = [normalize_official(text) for text in people]
        answer = normalize_official(answer)
    alike = [text.lower() == answer.lower() for text in people]
    others = (sum(alike) - own for own in alike)
    return float(sum([min(1, count / 3) for count in others])) / len(people)


def _flat(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def exact_match(
    answer: str, accepted: Sequence[str], protocol: Protocol = "official"
) -> float:
    """Say whether an answer is one of those accepted: 1 or 0.

    Items between commas are a set, "book, lamp" equals "lamp,book": the accuracy of
    Malinowski and Fritz 2014, arXiv:1410.0210. It ignores case; with "clean", also
    what `vqa.text.answers.normalize` evens out. An answer without items is wrong.
    """
    even = normalize if protocol == "clean" else str
    given = set(split_items(even(answer)))
    return float(
        bool(given) and any(given == set(split_items(even(text))) for text in accepted)
    )


def choice_match(answer: Answer, record: "Record") -> float:
    """Say whether the right choice or box was chosen: 1 or 0.

    Args:
        answer: index of the choice or box, from 0; or the choice's words, in which
            case does not matter; or the index of a box in digits.

    Raises:
        AppError: if a box is not named by its index.
    """
    assert record.right is not None
    if isinstance(answer, str) and record.choices:
        return float(_same(answer, record.choices[record.right]))
    try:
        return float(int(answer) == record.right)
    except ValueError:
        raise AppError(
            f"Question {record.id}: the answer is one of {len(record.boxes)} boxes, as "
            f"a number from 0 to {len(record.boxes) - 1}. Received: {answer!r:.60}"
        ) from None


def _same(first: str, second: str) -> bool:
    return first.strip().lower() == second.strip().lower()
