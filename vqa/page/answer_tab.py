"""The page's tab that answers questions about a photo, and shows where it looked."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

import gradio as gr
import numpy as np

from shared.errors import AppError
from shared.vision.detector import Thing, Things
from shared.vision.photo_cache import Photo, Photos, grids, owner_of, view_of
from shared.web.components import QUIETLY, component, model_choice
from shared.web.turns import Turns
from shared.web.wording import problem
from vqa.answering.photo_answerer import PhotoAnswerer
from vqa.answering.replies import NOT_SURE, Asked

ANSWERS = 5  # shown
CELLS = 40  # a side, of the grid that shows boxes
MOST_CHOICES = 20
MOST_LETTERS = 2000  # of a question; the model reads far fewer


class AskTab:
    """The tab, for each of the models that can be chosen.

    Args:
        answerers: models by name, at least one.
        photos: those shown to the page.
        encoders: for each model the name of its encoder; models with one name share
            what it finds in a photo.

    Attributes:
        answers: the component that shows what `ask` gives.
    """

    def __init__(
        self,
        answerers: Mapping[str, PhotoAnswerer],
        photos: Photos,
        encoders: Mapping[str, str],
    ):
        self.answerers, self.photos, self.encoders = answerers, photos, encoders
        self._numbers = count(1)

    def build(self, turns: Turns) -> None:
        """Add the tab's content to the page; its events take turns."""
        model = model_choice([*self.answerers], "vqa")
        with gr.Row(elem_id="question-row"):
            question = gr.Textbox(
                label="Question",
                placeholder="What is the dog doing?",
                scale=4,
                elem_id="question",
                max_lines=1,
                max_length=MOST_LETTERS,
            )
            button = gr.Button("Ask", variant="primary", elem_id="ask", min_width=80)
        component("showSuggestions")
        with gr.Accordion("Choose among answers", open=False):
            choices = gr.Textbox(
                label="Answers to choose from",
                info="Parted by commas",
                elem_id="choices",
                max_length=MOST_LETTERS,
            )
        self.answers = component("showAnswers", elem_id="answers")
        gr.on(
            [button.click, question.submit, choices.submit],
            turns.taking(self._answer),
            [model, question, choices],
            self.answers,
            **QUIETLY,
        )

    def _answer(
        self, visitor: gr.Request, model: str, question: str, choices: str
    ) -> dict[str, Any]:
        try:
            photo = self.photos.get(owner_of(visitor))
            return self.ask(model, photo, question or "", split_choices(choices or ""))
        except Exception as error:
            return problem(error) | {"turn": next(self._numbers)}

    def ask(
        self, name: str, photo: Photo, question: str, choices: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Answer a question for the page.

        Args:
            name: the model's.
            choices: answers to choose from; none is all that the model knows.

        Returns:
            "question", "answer", "unsure", "answers" and "guesses", each with "text"
            and "confidence", "notes", "maps" with "name" and "grid", "resize", and
            "turn", which no other reply has.

        Raises:
            AppError: if the question cannot be asked.
        """
        answerer = self.answerers[name]
        asked = Asked(question, tuple(choices))
        answerer.check(asked)
        (reply,) = answerer.answer(
            self._features(name, photo),
            [asked],
            _finding(answerer, photo),
            count=ANSWERS,
            blind=True,
        )
        if isinstance(reply, AppError):
            raise reply
        maps, columns = [], answerer.runtime.grid[1]
        if reply.things:
            maps, columns = [_found(reply.things)], CELLS
        elif answerer.config.net.hops:
            maps = _maps(reply.attention)
        return {
            "turn": next(self._numbers),
            "question": question.strip(),
            "answer": reply.answer,
            "unsure": reply.answer == NOT_SURE,
            "answers": [answer._asdict() for answer in reply.answers],
            "guesses": [guess._asdict() for guess in reply.guesses],
            "notes": list(reply.notes),
            "maps": maps,
            "resize": "squash" if reply.things else answerer.config.encoder.resize,
            "columns": columns,
        }

    def _features(self, name: str, photo: Photo) -> np.ndarray:
        answerer = self.answerers[name]

        def features() -> list[np.ndarray]:
            return [answerer.runtime.look(photo.images[view_of(answerer)])[None]]

        found = photo.once(("features", self.encoders[name]), features)
        return np.asarray(found[0][0])


def split_choices(text: str) -> list[str]:
    """Read choices that are parted by commas or lines.

    Raises:
        AppError: if there are too many.
    """
    choices = [part.strip() for part in text.replace("\n", ",").split(",")]
    choices = list(dict.fromkeys(part for part in choices if part))
    if len(choices) > MOST_CHOICES:
        raise AppError(
            f"These are {len(choices)} choices; at most {MOST_CHOICES} can be ranked."
        )
    return choices


def _finding(answerer: PhotoAnswerer, photo: Photo) -> Callable[[], Things] | None:
    """What finds the things on a photo, once for all questions about it."""
    find = answerer.find
    if find is None:
        return None
    return partial(photo.things, find)


def _found(things: Sequence[Thing]) -> dict[str, Any]:
    """Where the things are that an answer is about, in the form of attention."""
    centres = (np.arange(CELLS) + 0.5) / CELLS
    inside = np.zeros((CELLS, CELLS))
    for left, top, right, bottom in (thing.box for thing in things):
        across = (left < centres) & (centres < right)
        down = (top < centres) & (centres < bottom)
        inside = np.maximum(inside, np.outer(down, across))
    return {"name": "What it found", "grid": grids(inside.reshape(1, -1))[0]}


def _maps(attention: np.ndarray) -> list[dict[str, Any]]:
    """Each hop's attention (H, R), and their mean."""
    maps = [
        {"name": f"Look {hop}" if len(attention) > 1 else "Where it looked", "grid": g}
        for hop, g in enumerate(grids(attention), start=1)
    ]
    if len(attention) > 1:
        mean = grids(attention.mean(axis=0, keepdims=True))[0]
        maps.append(
            {"name": "Both looks" if len(attention) == 2 else "All looks", "grid": mean}
        )
    return maps
