"""Parts of the page that its tabs share."""

import base64
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from shared.vision.images import ImageSource, read_preview
from shared.web.shell import ASSETS
from shared.web.shell import ASSETS_URL as MOUNTED

# Gradio asks matplotlib for its backend whenever it is asked something. Unless one is
# named, all of matplotlib is loaded for the first answer, which takes 0.2 s.
os.environ.setdefault("MPLBACKEND", "agg")

ASSETS_URL = f".{MOUNTED}"  # from the page, wherever it is
# The later ones use the first.
SCRIPTS = ("page", "heat", "caption", "answers", "folder", "found", "cells", "look")
STYLES = ("page.css", "cells.css")
HEAD = "".join(f'<script src="{ASSETS_URL}/{name}.js"></script>' for name in SCRIPTS)
HELP = "{ trigger, watch, server, upload }"  # what Gradio lends a part of the page
MOST_CARD = 50_000  # letters of a bundle's card that are shown; ours have 5,000
MARK = ASSETS / "mark.svg"
THUMBNAIL = 144  # longer side, px
# How the page's own events run. "once", Gradio's, would lose one that comes soon.
QUIETLY: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "trigger_mode": "multiple",
}

TITLE = f"""
<img src="{ASSETS_URL}/{MARK.name}" alt="" width="44" height="44">
<div>
<h1>Sightread</h1>
<p>Describes photos and answers questions about them, on this computer. It can be wrong,
about people above all.</p>
</div>
"""
ABOUT = """
## What this is

Two small neural nets that learnt from captioned photos: one writes a sentence about a
photo, the other answers questions. They run on the computer that serves this page;
photos are not sent anywhere else, and are deleted within minutes.

They guess, and can be confidently wrong. Words such as *man*, *woman*, *boy* and
*girl* are guesses from looks, by those who wrote the captions that the nets learnt
from. Do not rely on them where it matters. What each has learnt from, how well it does
and what it cannot do is written on its card.
"""


def make_theme() -> gr.themes.Base:
    """Make the page's colours: of Gradio's, those that can be read on their ground.

    Fonts are the system's: the page asks no other computer for any.
    """
    theme = gr.themes.Default(
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        primary_hue="amber",
        neutral_hue="stone",
        radius_size="lg",
    )
    return theme.set(
        color_accent="*primary_700",
        link_text_color="*primary_700",
        link_text_color_hover="*primary_800",
        link_text_color_visited="*primary_700",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        input_border_color="*neutral_500",
        input_border_color_dark="*neutral_400",
        slider_color="*primary_700",
        slider_color_dark="*primary_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_text_color="white",
        button_primary_text_color_hover="white",
        button_primary_text_color_dark="*neutral_950",
        button_primary_text_color_hover_dark="*neutral_950",
    )


def component(show: str, value: Any = None, **options: Any) -> gr.HTML:
    """Make a part of the page that a function of page.js draws.

    Args:
        show: the function.
        value: what it draws first.
        options: for `gr.HTML`.
    """
    return gr.HTML(
        value,
        html_template="",
        js_on_load=f"sightread.{show}(element, props, {HELP})",
        head=HEAD,
        apply_default_css=False,
        **options,
    )


def event_data(event: gr.EventData) -> dict[str, Any]:
    """Give what came with an event; nothing where a program sent anything else."""
    return event._data if isinstance(event._data, dict) else {}


def photo_field() -> gr.Image:
    """Make the field that brings a photo here; page.js draws what is seen of it.

    It gives the path of the photo's file. Gradio's own way is to open the photo first,
    before we could refuse it.
    """
    field = gr.Image(
        label="Photo",
        type="filepath",
        sources=["upload"],
        elem_id="photo",
        visible="hidden",
    )
    field.preprocess = lambda payload: payload and payload.path  # type: ignore
    return field


def card_text(card: str) -> str:
    """Make a bundle's card Markdown that shows words and tables, and nothing else.

    Whoever made the bundle wrote it: no HTML in it becomes a part of the page, and no
    picture in it is fetched.
    """
    if not card.strip():
        return "This model comes without a card."
    text = re.sub(r"<!--.*?-->", "", card[:MOST_CARD], flags=re.DOTALL)
    text = re.sub(r"<(?=[^\s\d=])", "&lt;", text).replace("![", "!\\[")
    if len(card) > MOST_CARD:
        text += f"\n\n… and {len(card) - MOST_CARD:,} more letters."
    return text


def previews(photos: Sequence[Path]) -> list[dict[str, str]]:
    """Give small pictures of photos, with their names."""
    return [
        {"name": photo.stem, "preview": preview(photo, THUMBNAIL)} for photo in photos
    ]


def preview(photo: ImageSource, longest: int) -> str:
    """Give a small picture of a photo as a `data:` URL, with nothing but its pixels.

    Args:
        longest: its longer side, px.

    Raises:
        AppError: if it cannot be read.
    """
    stored = io.BytesIO()
    read_preview(photo, longest).save(stored, "JPEG", quality=80)
    data = base64.b64encode(stored.getvalue()).decode()
    return f"data:image/jpeg;base64,{data}"


def model_choice(names: Sequence[str], elem_id: str) -> gr.Dropdown:
    """Make the list to choose a model from; it is hidden if there is but one."""
    return gr.Dropdown(
        list(names),
        value=names[0],
        label="Model",
        visible=len(names) > 1,
        elem_id=elem_id,
    )
