"""The page's tab that describes a photo, shows why, and lets it be steered."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr

from captioner.predict import Caption, Looked, PhotoCaptioner
from shared.components import component, model_choice
from shared.errors import AppError
from shared.seen import Photo, Photos, View, grids
from shared.web import problem

METHODS: dict[str, dict[str, Any]] = {  # as people choose them -> changes to the recipe
    "Greedy": {"method": "beam", "beam_size": 1, "groups": 1},
    "Beam search": {"method": "beam", "groups": 1},
    "Diverse beams": {"method": "beam"},
    "Sampling": {"method": "sample", "groups": 1},
}
GREEDY, BEAM, DIVERSE, SAMPLING = METHODS
MOST_PREFIX = 400  # letters
CHOICES = 8  # words offered in the place of one
# Of `confidence`. A fifth of Flickr8k's dev photos are below it; their captions reach a
# CIDEr-D of 24, those of all photos 56, and of the fifth that is above 0.38, 93.
UNSURE = 0.24


def confidence(caption: Caption) -> float:
    """How much the words were to be expected, 0 to 1.

    The geometric mean of the probabilities of the words and of the end after them.
    """
    return math.exp(caption.log_prob / (len(caption.words) + 1))


def view(captioner: PhotoCaptioner) -> View:
    """How a model sees photos."""
    encoder = captioner.config.encoder
    return encoder.image_size, encoder.resize


class Controls(NamedTuple):
    """How a caption is searched for, as components of the page."""

    method: gr.Radio
    beam_size: gr.Slider
    min_words: gr.Slider
    max_words: gr.Slider
    prefix: gr.Textbox
    must: gr.Textbox
    ban: gr.Textbox
    inflections: gr.Checkbox
    temperature: gr.Slider
    seed: gr.Number


def build_controls() -> Controls:
    """Add the controls to the page, folded up."""
    with gr.Accordion("How it is written", open=False, elem_id="controls"):
        method = gr.Radio([*METHODS], value=BEAM, label="Search", elem_id="method")
        beam_size = gr.Slider(
            1, 10, value=4, step=1, label="Captions considered at once"
        )
        with gr.Row():
            min_words = gr.Slider(1, 20, value=1, step=1, label="Words at least")
            max_words = gr.Slider(1, 30, value=20, step=1, label="Words at most")
        prefix = gr.Textbox(
            label="It starts with", max_length=200, elem_id="prefix", max_lines=1
        )
        with gr.Row():
            must = gr.Textbox(
                label="Words that it must have",
                info="Parted by commas",
                max_length=200,
                elem_id="must",
                max_lines=1,
            )
            ban = gr.Textbox(
                label="Words that it must not have",
                info="Parted by commas",
                max_length=500,
                elem_id="ban",
                max_lines=1,
            )
        inflections = gr.Checkbox(label="Other forms of these words count, too")
        with gr.Row(visible=False) as sampled:
            temperature = gr.Slider(
                0.1, 2, value=0.7, step=0.1, label="Temperature: higher is wilder"
            )
            seed = gr.Number(1, label="Seed", precision=0, minimum=0, maximum=10**9)
    method.change(
        lambda chosen: gr.Row(visible=chosen == SAMPLING),
        method,
        sampled,
        api_visibility="private",
        show_progress="hidden",
    )
    return Controls(
        method,
        beam_size,
        min_words,
        max_words,
        prefix,
        must,
        ban,
        inflections,
        temperature,
        seed,
    )


def to_changes(
    method: str,
    beam_size: int,
    min_words: int,
    max_words: int,
    prefix: str,
    must: str,
    ban: str,
    inflections: bool,
    temperature: float,
    seed: int,
) -> dict[str, Any]:
    """Turn what the controls say into changes to a recipe's `DecodingConfig`."""
    changes: dict[str, Any] = {
        "beam_size": int(beam_size),
        "min_words": int(min_words),
        "max_words": int(max_words),
        "prefix": prefix or "",
        "must": split_words_given(must),
        "ban": split_words_given(ban),
        "inflections": bool(inflections),
        **METHODS[method],
    }
    if method == DIVERSE:
        changes["groups"] = changes["beam_size"]
    if method == SAMPLING:
        changes |= {"temperature": float(temperature), "seed": int(seed or 0)}
    return changes


def split_words_given(text: str) -> tuple[str, ...]:
    """Read words that are parted by commas."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


class DescribeTab:
    """The tab, for each of the models that can be chosen.

    Args:
        captioners: models by name, at least one.
        photos: those shown to the page.

    Attributes:
        caption: the component that shows what `describe` gives.
        inputs: the components that `describe_photo` takes after the photo.
    """

    def __init__(self, captioners: Mapping[str, PhotoCaptioner], photos: Photos):
        self.captioners, self.photos = captioners, photos

    def build(self, key: gr.State) -> None:
        """Add the tab's content to the page.

        Args:
            key: names the photo that is shown.
        """
        self.caption = component("showCaption", elem_id="caption")
        model = model_choice([*self.captioners], "Model", "captioner")
        controls = build_controls()
        self.inputs: list[Any] = [model, *controls]
        told = gr.State(_told([one.value for one in self.inputs]))
        typed = [controls.prefix, controls.must, controls.ban]
        gr.on(
            [one.change for one in self.inputs if one not in typed]
            + [one.submit for one in typed]
            + [one.blur for one in typed],
            self._describe_again,
            [key, told, *self.inputs],
            [self.caption, told],
            api_visibility="private",
            show_progress="hidden",
            trigger_mode="always_last",  # a slider says a lot on its way
        )
        self.caption.select(
            self._steer,
            [key, *self.inputs],
            self.caption,
            api_visibility="private",
            show_progress="hidden",
            trigger_mode="multiple",
        )

    def describe_photo(self, photo: Photo, model: str, *asked: Any) -> dict[str, Any]:
        """Describe a photo as the controls say."""
        try:
            return self.describe(model, photo, to_changes(*asked))
        except Exception as error:
            return problem(error)

    def _describe_again(
        self, key: str | None, last: list[Any], *inputs: Any
    ) -> tuple[Any, list[Any]]:
        """Describe the photo anew if the controls say something else than last time.

        Who only passes by them keeps the caption, with the words chosen in it.
        """
        told = _told(inputs)
        if key is None or told == last:
            return gr.skip(), told
        try:
            return self.describe_photo(self.photos.get(key), *inputs), told
        except AppError as error:
            return problem(error), told

    def _steer(
        self, event: gr.EventData, key: str | None, model: str, *asked: Any
    ) -> dict[str, Any]:
        """Finish the caption from chosen words, or explain another caption."""
        try:
            chosen, changes = _read_choice(event), to_changes(*asked)
            if isinstance(chosen, str):
                changes["prefix"], chosen = chosen, 0
            return self.describe(model, self.photos.get(key), changes, chosen)
        except Exception as error:
            return problem(error)

    def look(self, name: str, photo: Photo) -> Looked:
        """Look at a photo with a model, once."""
        captioner = self.captioners[name]
        images = photo.images[view(captioner)][None]

        def looked() -> Looked:
            features = photo.once(
                ("features", name), lambda: captioner.runtime.encode(images)
            )
            return captioner.look(images, features)

        found: Looked = photo.once(("looked", name), looked)
        return found

    def describe(
        self, name: str, photo: Photo, changes: Mapping[str, Any], chosen: int = 0
    ) -> dict[str, Any]:
        """Describe a photo for the page.

        Args:
            name: the model's.
            changes: to its way of searching.
            chosen: which caption to explain, from 0.

        Returns:
            "captions", best first, each with "text", "confidence" and "words"; the
            words of the chosen one with "prob", "grid" and "others".

        Raises:
            AppError: if no caption can be as requested.
        """
        captioner = self.captioners[name]
        request = captioner.request(**changes)
        looked = self.look(name, photo)
        (captions,) = captioner.write(looked, *request)
        chosen = min(chosen, len(captions) - 1)
        caption = captions[chosen]
        places = captioner.weigh(looked, caption.words, CHOICES)
        return {
            "captions": [
                {"text": found.text, "confidence": confidence(found)}
                for found in captions
            ],
            "chosen": chosen,
            "unsure": confidence(caption) < UNSURE,
            "words": [
                {
                    "word": word,
                    "prob": prob,
                    "grid": grid,
                    "others": [other._asdict() for other in others if other.word],
                }
                for word, prob, grid, others in zip(
                    caption.words,
                    caption.probs,
                    grids(caption.attention),
                    places,
                    strict=False,
                )
            ],
            "resize": captioner.config.encoder.resize,
        }


def _told(inputs: Sequence[Any]) -> list[Any]:
    """What the controls say, where nothing and an empty text are the same."""
    return [one or "" for one in inputs]


def _read_choice(event: gr.EventData) -> str | int:
    """What was chosen on the page: words to start with, or the place of a caption.

    Raises:
        AppError: if it is neither.
    """
    data = event._data if isinstance(event._data, dict) else {}
    prefix, chosen = data.get("prefix"), data.get("chosen")
    if isinstance(prefix, str) and len(prefix) <= MOST_PREFIX:
        return prefix
    if type(chosen) is int and chosen >= 0:
        return chosen
    raise AppError(
        f"Words of up to {MOST_PREFIX} letters can be chosen, or one of the captions."
    )
