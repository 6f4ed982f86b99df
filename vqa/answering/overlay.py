"""A picture of where the model looked: each hop over the photo, and their mean."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shared.files.atomic import cannot_write, replace_file
from shared.vision.detector import Box
from shared.vision.images import Resize

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")

PANEL = 420  # longer side of a panel, px
GAP = 14
COLUMNS = 4
TITLE, LABEL = 22, 16  # letters, px
LINES = 2  # of the question at most
EVEN = 3.0  # the scale ends here, times even attention, unless more is paid

# Cold to hot, with the photo dim where it is cold; red, green, blue.
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_COLOURS = np.array(
    [(15, 15, 40), (70, 35, 140), (205, 50, 110), (255, 125, 40), (255, 165, 90)],
    np.float32,
)
_COVER = (0.6, 0.55, 0.5, 0.5, 0.55)  # how much of the photo the colour hides


def draw_attention(
    photo: np.ndarray,
    attention: np.ndarray,
    resize: Resize,
    question: str,
    answer: str,
    boxes: Sequence[Box] = (),
) -> Image.Image:
    """Draw the photo, what each hop looked at, and the mean of the hops.

    The colours of each panel reach from no attention to the most that a region gets
    in it, at least three times what each would get if all got the same.

    Args:
        photo: uint8 (H, W, 3).
        attention: float (hops, rows, columns), at least one hop.
        resize: how the model sees a photo: whole, or its middle square.
        question, answer: put above.
        boxes: of what was found, drawn on the photo.

    Raises:
        ValueError: if it has no such shape.
    """
    if attention.ndim != 3 or not attention.size:
        raise ValueError(
            f"`attention` must be (hops, rows, columns). Received: {attention.shape}"
        )
    hops = len(attention)
    small = Image.fromarray(photo)
    scale = PANEL / max(small.size)
    small = small.resize(
        (max(1, round(small.width * scale)), max(1, round(small.height * scale))),
        Image.Resampling.BICUBIC,
    )
    panels = {"what was found" if boxes else "photo": _frame(small, boxes)}
    for hop, weights in enumerate(attention, start=1):
        name = f"look {hop}" if hops > 1 else "attention"
        panels[name] = _cover(small, weights, resize)
    if hops > 1:
        panels["mean of all looks"] = _cover(small, attention.mean(axis=0), resize)
    return _side_by_side(panels, question, answer)


def _frame(photo: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """Draw boxes, light with a dark edge, so that they show on any photo."""
    framed = photo.copy()
    draw = ImageDraw.Draw(framed)
    width, height = photo.size
    for left, top, right, bottom in boxes:
        corners = (left * width, top * height, right * width, bottom * height)
        draw.rectangle(corners, outline=(15, 15, 40), width=4)
        draw.rectangle(corners, outline=(255, 165, 90), width=2)
    return framed


def write_overlay(path: Path, picture: Image.Image) -> None:
    """Write what `draw_attention` drew; on failure, nothing.

    Whoever calls holds its place, see `shared.files.outputs.claim`.

    Raises:
        AppError: if the file cannot be written.
    """
    form = Image.registered_extensions()[path.suffix.lower()]
    try:
        with replace_file(path) as new:
            picture.save(new, form)
    except OSError as error:
        raise cannot_write(path, error) from error


def _cover(photo: Image.Image, grid: np.ndarray, resize: Resize) -> Image.Image:
    """Lay the colours of attention (rows, columns) over a photo."""
    box = (0, 0, photo.width, photo.height)
    if resize == "crop":
        side = min(photo.size)
        left, top = (photo.width - side) // 2, (photo.height - side) // 2
        box = (left, top, left + side, top + side)
    size = (box[2] - box[0], box[3] - box[1])
    heat = grid.astype(np.float32) / max(float(grid.max()), EVEN / grid.size)
    smooth = Image.fromarray(heat).resize(size, Image.Resampling.BICUBIC)
    whole = Image.new("F", photo.size, 0.0)
    whole.paste(smooth, box[:2])
    level = np.asarray(whole).clip(0, 1)[:, :, None]  # (H, W, 1)
    colour = np.concatenate(
        [np.interp(level, _STEPS, channel) for channel in _COLOURS.T], axis=2
    )
    cover = np.interp(level, _STEPS, _COVER)
    mixed = np.asarray(photo, np.float32) * (1 - cover) + colour * cover
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _side_by_side(
    panels: dict[str, Image.Image], question: str, answer: str
) -> Image.Image:
    width, height = next(iter(panels.values())).size
    columns = min(len(panels), COLUMNS)
    rows = math.ceil(len(panels) / columns)
    total = max(columns * (width + GAP) + GAP, PANEL)
    big, small = (ImageFont.load_default(size) for size in (TITLE, LABEL))
    lines = [*_wrap(question, big, total - 2 * GAP), answer]
    top = GAP + round(1.4 * TITLE) * len(lines) + GAP // 2
    step = round(1.6 * LABEL) + height + GAP
    sheet = Image.new("RGB", (total, top + rows * step), "white")
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((GAP, GAP + i * round(1.4 * TITLE)), line, "black", big)
    for i, (name, panel) in enumerate(panels.items()):
        left = GAP + i % columns * (width + GAP)
        place = top + i // columns * step
        draw.text((left, place), name, (90, 90, 90), small)
        sheet.paste(panel, (left, place + round(1.6 * LABEL)))
    return sheet


def _wrap(
    text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int
) -> list[str]:
    """Break a text into lines that fit, `LINES` at most."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        elif len(lines) < LINES:
            lines.append(word)
        else:
            lines[-1] += " ..."
            break
    return lines
