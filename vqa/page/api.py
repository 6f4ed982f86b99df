"""Answers for other programs, as an endpoint of the page."""

from typing import Annotated, TypedDict

from pydantic import Field

from shared.web.api import Endpoints, Line, Upload
from vqa.answering.photo_answerer import PhotoAnswerer
from vqa.answering.replies import Answer
from vqa.page.answer_tab import MOST_CHOICES, MOST_LETTERS

MOST_ANSWERS = 50


class Rated(TypedDict):
    """An answer that is considered."""

    answer: str
    confidence: float


class Answered(TypedDict):
    """What is answered to a question."""

    answer: str
    confidence: float
    answers: list[Rated]
    guesses: list[Rated]
    notes: list[str]


class AskApi(Endpoints[PhotoAnswerer]):
    """Answers, by each of the models that can be chosen."""

    def ask(
        self,
        photo: Upload,
        question: Annotated[str, Field(max_length=MOST_LETTERS)],
        choices: Annotated[list[Line], Field(max_length=MOST_CHOICES)] | None = None,
        count: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 5,
        model: Line | None = None,
    ) -> Answered:
        """Answer a question about a photo.

        Args:
            photo: the photo, as it was uploaded.
            question: in English.
            choices: answers to choose from, 2 to 20; by default all that it knows.
            count: answers to give at most, 1 to 50.
            model: the name of a model on the page; the first one by default.

        Returns:
            answer: the best one, or "not sure"
            confidence: of the best one, 0 to 1, calibrated
            answers: best first
            guesses: what would be answered without the photo
            notes: what about the question the model has not learnt
        """
        with self.using(photo, model) as (file, answerer):
            reply = answerer.ask(
                file, question, choices=choices or (), count=count, blind=True
            )
        return {
            "answer": reply.answer,
            "confidence": round(reply.confidence, 4),
            "answers": [_rated(answer) for answer in reply.answers],
            "guesses": [_rated(guess) for guess in reply.guesses],
            "notes": list(reply.notes),
        }


def _rated(answer: Answer) -> Rated:
    return {"answer": answer.text, "confidence": round(answer.confidence, 4)}
