"""The page's tab that describes a photo, shows why, and lets it be steered."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from captioner.describing.captions import Caption
from captioner.describing.concepts import LIKELY, MOST
from captioner.describing.photo_captioner import Looked, PhotoCaptioner
from captioner.page.controls import (
    TERMS,
    build_controls,
    follow,
    own_search,
    read_search,
    to_changes,
)
from shared.errors import AppError
from shared.nets.traces import Trace
from shared.runs.recipes import CellConfig
from shared.text.vocabulary import Units, go_on, starts
from shared.vision.photo_cache import Owner, Photo, Photos, grids, owner_of, view_of
from shared.web.components import QUIETLY, component, event_data, model_choice
from shared.web.turns import Turns
from shared.web.wording import problem

MOST_PREFIX = 400  # letters
CHOICES = 8  # words offered in the place of one


class DescribeTab:
    """The tab, for each of the models that can be chosen.

    Args:
        captioners: models by name, at least one.
        photos: those shown to the page.

    Attributes:
        caption: the component that shows what `describe` gives.
        model: the component in which a model is chosen.
        inputs: the components that `describe_photo` takes after the photo.
    """

    def __init__(self, captioners: Mapping[str, PhotoCaptioner], photos: Photos):
        self.captioners, self.photos = captioners, photos
        self.own = {
            name: own_search(one.config.decoding) for name, one in captioners.items()
        }

    def build(self, turns: Turns) -> None:
        """Add the tab's content to the page; its events take turns."""
        self.caption = component("showCaption", elem_id="caption")
        model = self.model = model_choice([*self.captioners], "captioner")
        controls = build_controls([*self.own.values()])
        self.inputs: list[Any] = [model, *controls]
        told = gr.State(_told([one.value for one in self.inputs]))
        typed = [controls.prefix, controls.must, controls.ban]
        # A slider says a lot on its way.
        again = QUIETLY | {
            "inputs": [told, *self.inputs],
            "trigger_mode": "always_last",
        }
        gr.on(
            [one.change for one in controls if one not in typed]
            + [one.submit for one in typed]
            + [one.blur for one in typed],
            turns.taking(self._describe_again),
            outputs=[self.caption, told],
            **again,
        )
        change = turns.taking(self._change_model)
        model.change(change, outputs=[self.caption, told, *controls], **again)
        steer = turns.taking(self._steer)
        self.caption.select(steer, self.inputs, self.caption, **QUIETLY)

    def describe_photo(self, photo: Photo, model: str, *asked: Any) -> dict[str, Any]:
        """Describe a photo as the controls say."""
        try:
            return self.describe(model, photo, self._changes(model, asked))
        except Exception as error:
            return problem(error, TERMS)

    def _describe_again(
        self, visitor: gr.Request, last: list[Any], *inputs: Any
    ) -> tuple[Any, list[Any]]:
        """Describe the photo anew if the controls say something else than last time.

        Who only passes by them keeps the caption, with the words chosen in it.
        """
        told, owner = _told(inputs), owner_of(visitor)
        if told == last or not self.photos.has_had(owner):
            return gr.skip(), told
        try:
            return self.describe_photo(self.photos.get(owner), *inputs), told
        except AppError as error:
            return problem(error, TERMS), told

    def _change_model(
        self, visitor: gr.Request, last: list[Any], model: str, *asked: Any
    ) -> tuple[Any, ...]:
        """Describe the photo anew with another model, as it searches by itself."""
        search = read_search(asked)
        if last[0] in self.own and model in self.own:
            search = follow(search, self.own[last[0]], self.own[model])
        caption, told = self._describe_again(visitor, last, model, *search)
        return caption, told, *search

    def _changes(self, model: str, asked: Sequence[Any]) -> dict[str, Any]:
        return to_changes(read_search(asked), self.own[model])

    def _steer(
        self, visitor: gr.Request, event: gr.EventData, model: str, *asked: Any
    ) -> dict[str, Any]:
        """Finish the caption from a chosen word, or explain another caption."""
        try:
            choice, changes = _read_choice(event), self._changes(model, asked)
            units = self.captioners[model].vocabulary.units
            prefix = go_on(choice.prefix, [choice.word] if choice.word else [], units)
            changes |= {"hedge": False, "prefix": prefix}
            photo = self.photos.get(owner_of(visitor))
            return self.describe(model, photo, changes, choice.chosen)
        except Exception as error:
            return problem(error, TERMS)

    def look(self, name: str, photo: Photo) -> Looked:
        """Look at a photo with a model, once."""
        captioner = self.captioners[name]
        images = photo.images[view_of(captioner)][None]

        def looked() -> Looked:
            features = photo.once(
                ("features", name), lambda: captioner.runtime.encode(images)
            )
            return captioner.look(images, features)

        found: Looked = photo.once(("looked", name), looked)
        if captioner.find is None:
            return found
        return found._replace(find=[partial(photo.things, captioner.find)])

    def describe(
        self, name: str, photo: Photo, changes: Mapping[str, Any], chosen: int = 0
    ) -> dict[str, Any]:
        """Describe a photo for the page.

        Args:
            name: the model's.
            changes: to its way of searching.
            chosen: which caption to explain, from 0.

        Returns:
            "captions", best first, each with "text" and "confidence", and their
            "prefix"; of the chosen one, whether that is a probability that it is
            right, "judged", whether it is "unsure", the "original" if it claims less,
            and its "words", see `_explain`; "concepts", see `see`.

        Raises:
            AppError: if no caption can be as requested.
        """
        captioner = self.captioners[name]
        decoding, rules = captioner.request(**changes)
        (captions,), looked = captioner.write(self.look(name, photo), decoding, rules)
        chosen = min(chosen, len(captions) - 1)
        caption = captions[chosen]
        return {
            "captions": [
                {"text": found.text, "confidence": found.confidence}
                for found in captions
            ],
            "prefix": decoding.prefix,
            "judged": caption.right is not None,
            "original": caption.original.text if caption.original else None,
            "chosen": chosen,
            "unsure": caption.unsure,
            "words": _explain(
                caption,
                captioner.weigh(looked, caption.words, CHOICES),
                captioner.vocabulary.units,
            ),
            "concepts": self.see(name, looked),
            "resize": captioner.config.encoder.resize,
            "columns": captioner.runtime.grid[1],
        }

    def see(self, name: str, looked: Looked) -> list[dict[str, Any]]:
        """Tell what a photo likely shows, as a model saw it.

        Returns:
            "word", "there" and "grid" of each concept, the last empty where that is
            not known; nothing of a model without concepts.
        """
        (found,) = self.captioners[name].see(looked, MOST, LIKELY, where=True)
        return [
            {"word": one.word, "there": one.there, "grid": _grid(one.where)}
            for one in found
        ]

    def trace(
        self, owner: Owner, name: str, words: Sequence[str]
    ) -> tuple[CellConfig, Trace]:
        """Tell what a model's cells do while it writes a caption of somebody's photo.

        Raises:
            AppError: if there is no photo, or no such model.
        """
        if name not in self.captioners:
            raise AppError("There is no such model here. Load the page again.")
        captioner, photo = self.captioners[name], self.photos.get(owner)
        looked = self.look(name, photo)
        told: Looked = photo.once(
            ("told", name), lambda: captioner.write(looked, *captioner.request()).looked
        )
        return captioner.config.decoder, captioner.trace(told, words)


def _explain(
    caption: Caption, places: Iterable[Any], units: Units
) -> list[dict[str, Any]]:
    """Tell of each word how likely it was, where the model looked, and what else fits.

    Args:
        places: for each word, those that are likeliest in its place.
        units: what the model's sentences are split into.

    Returns:
        "word", what stands "before" it, as it was typed, "prob", "grid" and "others".
    """
    written = caption.original or caption
    return [
        {
            "word": word,
            "before": before,
            "prob": prob,
            "grid": grid,
            "others": [other._asdict() for other in others if other.word],
        }
        for word, before, prob, grid, others in zip(
            caption.words,
            starts(written.text, caption.words, units),
            caption.probs,
            grids(caption.attention),
            places,
            strict=False,
        )
    ]


def _grid(where: np.ndarray | None) -> list[float]:
    """Write where a concept is for the page; empty if that is not known."""
    return [] if where is None or not where.any() else grids(where.reshape(1, -1))[0]


def _told(inputs: Sequence[Any]) -> list[Any]:
    """What the controls say, where nothing and an empty text are the same."""
    return [one or "" for one in inputs]


class Choice(NamedTuple):
    """What was chosen on the page.

    Attributes:
        prefix: what the captions start with.
        word: what comes next, if that was chosen.
        chosen: the place of the caption to explain, from 0.
    """

    prefix: str = ""
    word: str = ""
    chosen: int = 0


def _read_choice(event: gr.EventData) -> Choice:
    """Read what was chosen on the page; it may be anything.

    Raises:
        AppError: if it is no choice.
    """
    data = event_data(event)
    choice = Choice(**{key: data[key] for key in Choice._fields if key in data})
    texts = choice.prefix, choice.word
    if (
        all(isinstance(text, str) for text in texts)
        and sum(map(len, texts)) <= MOST_PREFIX
        and type(choice.chosen) is int
        and choice.chosen >= 0
    ):
        return choice
    raise AppError(
        f"Words of up to {MOST_PREFIX} letters can be chosen, or one of the captions."
    )
