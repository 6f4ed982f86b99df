"""The page's controls: how a caption is searched for, at first as the model does."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from captioner.search.beam import BeamSearch
from captioner.search.config import DecodingConfig
from captioner.search.sample import Sampling
from captioner.search.strategies import STRATEGIES

METHODS: dict[str, dict[str, Any]] = {  # as people choose them -> changes to the recipe
    shown: {"method": name, **changes}
    for name, strategy in STRATEGIES.items()
    for shown, changes in strategy.shown.items()
}
GREEDY, BEAM, DIVERSE = BeamSearch.shown
(SAMPLING,) = Sampling.shown
DRAWN = {shown for one in STRATEGIES.values() if one.draws for shown in one.shown}
MIN_WORDS, MAX_WORDS, PREFIX = "Words at least", "Words at most", "It starts with"
MUST, BAN = "Words that it must have", "Words that it must not have"
BEAMS = 4  # of the beam search, of a model that is greedy by itself
TEMPERATURE = 0.7  # of samples, of a model that does not sample by itself
# What a recipe calls them, in messages, -> what stands on the page.
TERMS = {
    r"max_words": f"“{MAX_WORDS}”",
    r"min_words": f"“{MIN_WORDS}”",
    r"^must (?=\")": f"“{MUST}”: ",
    r"^ban (?=\")": f"“{BAN}”: ",
    r"must-words that it lacks": "words that it must have and that are not in it",
    r"a must-word and": "a word that it must have and",
    r"must-words": "words that it must have",
    r"the method sample": f"“{SAMPLING}”",
    r"the method beam|(?<=Use )beam\b": f"“{BEAM}”",
    r" \(inflections\)": "",
    r"[Tt]he prefix": f"“{PREFIX}”",
}


class Search(NamedTuple):
    """How a caption is searched for, in the words of the page's controls."""

    method: str
    beam_size: int
    min_words: int
    max_words: int
    prefix: str
    must: str
    ban: str
    inflections: bool
    temperature: float
    seed: int


class Controls(NamedTuple):
    """What is set on the page, as components; see `Search`."""

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


def own_search(decoding: DecodingConfig) -> Search:
    """Say how a model searches by itself."""
    sampling = decoding.strategy.draws
    method = decoding.strategy.label(decoding.beam_size)
    return Search(
        method,
        BEAMS if method == GREEDY else decoding.beam_size,
        decoding.min_words,
        decoding.max_words,
        decoding.prefix,
        ", ".join(decoding.must),
        ", ".join(decoding.ban),
        decoding.inflections,
        decoding.temperature if sampling else TEMPERATURE,
        decoding.seed,
    )


def build_controls(searches: Sequence[Search]) -> Controls:
    """Add the controls to the page, folded up.

    Args:
        searches: how each of the models searches by itself; the first is shown.
    """
    shown = searches[0]

    def slider(
        name: str, least: float, most: float, step: float, label: str
    ) -> gr.Slider:
        most = max(most, *(getattr(search, name) for search in searches))
        value = getattr(shown, name)
        return gr.Slider(least, most, value=value, step=step, label=label)

    with gr.Accordion("How it is written", open=False, elem_id="controls"):
        method = gr.Radio(
            [*METHODS], value=shown.method, label="Search", elem_id="method"
        )
        beam_size = slider("beam_size", 1, 10, 1, "Captions considered at once")
        with gr.Row():
            min_words = slider("min_words", 1, 20, 1, MIN_WORDS)
            max_words = slider("max_words", 1, 30, 1, MAX_WORDS)
        prefix = _text_field(PREFIX, shown.prefix, "prefix", 200)
        with gr.Row():
            must = _text_field(MUST, shown.must, "must", 200, "Parted by commas")
            ban = _text_field(BAN, shown.ban, "ban", 500, "Parted by commas")
        inflections = gr.Checkbox(
            shown.inflections, label="Other forms of these words count, too"
        )
        with gr.Row(visible=shown.method in DRAWN) as sampled:
            label = "Temperature: higher is wilder"
            temperature = slider("temperature", 0.01, 2, 0.01, label)
            most = max(10**9, *(search.seed for search in searches))
            seed = gr.Number(
                shown.seed, label="Seed", precision=0, minimum=0, maximum=most
            )
    method.change(
        lambda chosen: gr.Row(visible=chosen in DRAWN),
        method,
        sampled,
        api_visibility="private",
        show_progress="hidden",
    )
    texts = prefix, must, ban
    return Controls(
        method, beam_size, min_words, max_words, *texts, inflections, temperature, seed
    )


def _text_field(
    label: str, shown: str, elem_id: str, most: int, info: str | None = None
) -> gr.Textbox:
    return gr.Textbox(
        shown,
        label=label,
        info=info,
        max_length=most,
        elem_id=elem_id,
        max_lines=1,
    )


def to_changes(asked: Search, own: Search) -> dict[str, Any]:
    """Turn what the controls say into changes to a recipe's `DecodingConfig`.

    Args:
        asked: what they say.
        own: what they say of the model's own search; only what differs is a change.
    """
    changes: dict[str, Any] = {
        name: getattr(asked, name)
        for name in ("min_words", "max_words", "prefix", "inflections")
        if getattr(asked, name) != getattr(own, name)
    }
    for name in ("must", "ban"):
        if getattr(asked, name) != getattr(own, name):
            changes[name] = split_words_given(getattr(asked, name))
    if (asked.method, asked.beam_size) != (own.method, own.beam_size):
        changes |= {"beam_size": asked.beam_size, **METHODS[asked.method]}
        if asked.method == DIVERSE:
            changes["groups"] = asked.beam_size
    if asked.method in DRAWN:
        changes |= {"temperature": asked.temperature, "seed": asked.seed}
    return changes


def read_search(controls: Sequence[Any]) -> Search:
    """Read what the controls say, where an empty field may be None."""
    method, beam_size, min_words, max_words, *texts, inflections, heat, seed = controls
    prefix, must, ban = (text or "" for text in texts)
    numbers = int(beam_size), int(min_words), int(max_words)
    return Search(
        method, *numbers, prefix, must, ban, bool(inflections), heat, int(seed or 0)
    )


def follow(asked: Search, before: Search, own: Search) -> Search:
    """Let what nobody has changed follow the model, from one way to search to another.

    Args:
        asked: what the controls say.
        before, own: how the last model, and the one just chosen, search by themselves.
    """
    chosen = zip(asked, before, own, strict=True)
    return Search._make(new if value == old else value for value, old, new in chosen)


def split_words_given(text: str) -> tuple[str, ...]:
    """Read words that are parted by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
