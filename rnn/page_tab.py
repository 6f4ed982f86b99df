"""The page's tab that looks inside: what a cell does, in a text or in the caption."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from rnn.cells.digits import (
    name_gate,
    share_digits,
    surprise_digits,
    surprise_view,
    to_digits,
    views,
)
from rnn.cells.inspecting import UNBOUNDED
from rnn.cells.scoring import to_levels
from rnn.cells.tracing import trace
from rnn.net.bundles import INCLUDED
from rnn.net.runtime import Runtime
from rnn.net.symbols import Symbols
from rnn.writing.sampling import SHOWN, write_on
from shared.errors import AppError
from shared.nets.traces import Trace
from shared.runs.recipes import CellConfig
from shared.text.vocabulary import EOS, SPECIAL_WORDS
from shared.vision.photo_cache import Owner, owner_of
from shared.web.components import QUIETLY, component, event_data
from shared.web.turns import Turns
from shared.web.wording import problem

MOST_LETTERS = 2000  # of a text
MOST_WORDS = 60  # of a caption, with letters below `MOST_LETTERS` in all
LENGTHS = {"character": 300, "word": 60}  # of what is written
# Of the included model: layer, number, and what `rnn inspect` found.
WORTH = {
    INCLUDED: [
        (1, 289, "off inside quotes"),
        (1, 436, "on inside quotes"),
        (1, 21, "falls along a line"),
        (1, 303, "rises along a line"),
        (1, 352, "on at a space"),
        (1, 355, "off at a capital letter"),
    ]
}
HOTTEST = 2.0  # temperature
MOST_SEED = 2**31 - 1
MOVES = 6  # cells that are named because they move most
OPENING = (  # of War and Peace, which the included model has read
    '"Well, Prince, so Genoa and Lucca are now just family estates of the\n'
    "Buonapartes. But I warn you, if you don't tell me that this means war,\n"
    "if you still try to defend the infamies and horrors perpetrated by that\n"
    "Antichrist, I really believe he is Antichrist, I will have nothing more\n"
    'to do with you." She was the first to arrive (as always) and spoke to\n'
    "Prince Andrew in French. "
)
# What an error of `rnn sample` is called here.
TERMS = {
    r"^The prime\b": "The text",
    r", or train a model on a text that has them": "",
}
UNGATED = ("vanilla", "relu", "irnn")  # cells
NO_GATES = "Only what the cells hold is known: this model's LiteRT export has no gates."


class Writer(NamedTuple):
    """A language model: the sizes of its cells, its symbols, and what runs it."""

    cells: CellConfig
    symbols: Symbols
    runtime: Runtime


TraceCaption = Callable[[Owner, str, Sequence[str]], tuple[CellConfig, Trace]]


class LookTab:
    """The tab, for each of the language models that can be chosen.

    Args:
        writers: models by name, at least one.
        trace_caption: tells what the cells of a captioner do while it writes a caption:
            of whose photo, the captioner's name, and the words of the caption.
    """

    def __init__(
        self,
        writers: Mapping[str, Writer],
        trace_caption: TraceCaption,
    ):
        self.writers, self.trace_caption = writers, trace_caption
        self._numbers = count(1)

    def build(self, turns: Turns, captioner: gr.Dropdown) -> None:
        """Add the tab's content to the page; its events take turns.

        Args:
            captioner: where the captioner is chosen.
        """
        inside = component(
            "showInside",
            elem_id="inside",
            models=[*self.writers],
            most=MOST_LETTERS,
            opening=OPENING,
            worth=WORTH,
        )
        inside.select(turns.taking(self._look), captioner, inside, **QUIETLY)
        goes_on = component(
            "showGoesOn", elem_id="goes-on", hottest=HOTTEST, seeds=MOST_SEED
        )
        goes_on.select(turns.taking(self._write), None, goes_on, **QUIETLY)

    def _look(
        self, visitor: gr.Request, event: gr.EventData, captioner: str
    ) -> dict[str, Any]:
        turn = {"turn": next(self._numbers)}  # the same reply again is news, too
        try:
            asked = event_data(event)
            if "caption" not in asked:
                return self.look(asked) | turn
            words = _read_caption(asked)
            cells, found = self.trace_caption(owner_of(visitor), captioner, words)
            symbols = [f"{word} " for word in ("(start)", *words)]
            return _reply(asked, cells, found, "word", symbols) | turn
        except Exception as error:
            return problem(error) | turn

    def _write(self, event: gr.EventData) -> dict[str, Any]:
        turn = {"turn": next(self._numbers)}
        try:
            return self.write(event_data(event)) | turn
        except Exception as error:
            return problem(error, TERMS) | turn

    def look(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Read a text, and tell what a cell does at each symbol.

        Args:
            asked: "text", "model", "layer" and "number" of the cell, from 1; it may be
                anything.

        Returns:
            see `_reply`.

        Raises:
            AppError: if it is not as above.
        """
        cells, symbols, runtime = self._choose(asked)
        text = _read_text(asked)
        ended = text.endswith("\n")
        ids = symbols.encode(text) if ended else symbols.begin(text)
        if not len(ids):
            raise AppError("There is no text to read. Type or paste one.")
        found = trace(runtime, symbols.start, ids, cells)
        seen = _shown(symbols, text)[: len(ids)]
        reply = _reply(asked, cells, found, symbols.units, seen)
        if unknown := symbols.unknown(text):
            some = " ".join(map(repr, unknown[:SHOWN]))
            reply["notes"].append(
                f"The model does not know {some}, and reads each as the same unknown "
                f"{symbols.units}."
            )
        return reply

    def write(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Go on with a text, as `rnn sample` does.

        Args:
            asked: "text", which may be empty, "model", "temperature" from 0 to
                `HOTTEST`, and "seed"; it may be anything.

        Returns:
            "prime" and what is "written".

        Raises:
            AppError: if it is not as above, or the model does not know the text.
        """
        _, symbols, runtime = self._choose(asked)
        text = _read_text(asked)
        heat: Any = asked.get("temperature")
        seed: Any = asked.get("seed")
        if type(heat) not in (int, float) or not 0 <= heat <= HOTTEST:
            raise AppError(f"The temperature is a number from 0 to {HOTTEST:g}.")
        if type(seed) is not int or not 0 <= seed <= MOST_SEED:
            raise AppError(f"The seed is a whole number from 0 to {MOST_SEED}.")
        pieces = write_on(
            symbols,
            runtime,
            text,
            LENGTHS[symbols.units],
            temperature=heat,
            seed=seed,
        )
        written = "".join(islice(pieces, len(symbols.begin(text)), None))
        return {"prime": text, "written": written}

    def _choose(self, asked: Mapping[str, Any]) -> Writer:
        name = asked.get("model")
        if not isinstance(name, str) or name not in self.writers:
            raise AppError("There is no such model here. Load the page again.")
        return self.writers[name]


def _read_text(asked: Mapping[str, Any]) -> str:
    text = asked.get("text")
    if not isinstance(text, str) or len(text) > MOST_LETTERS:
        raise AppError(f"A text of up to {MOST_LETTERS:,} characters can be read.")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_caption(asked: Mapping[str, Any]) -> list[str]:
    words = asked["caption"]
    if (
        isinstance(words, list)
        and 1 <= len(words) <= MOST_WORDS
        and all(isinstance(word, str) for word in words)
        and sum(map(len, words)) <= MOST_LETTERS
    ):
        return words
    raise AppError("There is no caption yet. Drop a photo on the page.")


def _read_cell(asked: Mapping[str, Any], cells: CellConfig) -> int:
    """Give the place of the cell among those of all layers.

    Another model may have had more: beyond the last one is the last one.
    """
    layer, number = asked.get("layer"), asked.get("number")
    if type(layer) is int and type(number) is int and min(layer, number) >= 1:
        layer, number = min(layer, cells.layers), min(number, cells.units)
        return (layer - 1) * cells.units + number - 1
    layers = "1 layer" if cells.layers == 1 else f"{cells.layers} layers"
    raise AppError(f"This model has {layers} of {cells.units} cells, counted from 1.")


def _shown(symbols: Symbols, text: str) -> str | list[str]:
    """Give the symbols of a text as the page shows them."""
    if symbols.units == "character":
        return text
    end = SPECIAL_WORDS[EOS]
    return ["↵\n" if word == end else f"{word} " for word in symbols.split(text)]


def _reply(
    asked: Mapping[str, Any],
    cells: CellConfig,
    found: Trace,
    unit: str,
    symbols: str | list[str],
) -> dict[str, Any]:
    """Tell the page what was found.

    Returns:
        "unit" and "symbols" of the text; "cell", with "kind", "layers", "units",
        "layer" and "number"; "views", see `rnn.cells.digits.views`, and "lines" of
        digits by their keys; "moves", layer and number of the cells that move most;
        "nats" per symbol; "notes"; of a caption also "means", each gate's mean over all
        cells at each word.
    """
    place = _read_cell(asked, cells)
    bounded = cells.cell not in UNBOUNDED
    moving = np.argsort(-found.outputs.std(axis=0), kind="stable")[:MOVES].tolist()
    lines = {
        "activity": to_digits(to_levels(found.outputs[:, place], bounded)),
        **{name: share_digits(gate[:, place]) for name, gate in found.gates.items()},
        "surprise": surprise_digits(found.log_probs),
    }
    notes = [] if found.gates or cells.cell in UNGATED else [NO_GATES]
    means = {
        name_gate(name): gate.mean(axis=1).round(3).tolist()
        for name, gate in found.gates.items()
    }
    return {
        "unit": unit,
        "symbols": symbols,
        "cell": {
            "kind": cells.cell,
            "layers": cells.layers,
            "units": cells.units,
            "layer": place // cells.units + 1,
            "number": place % cells.units + 1,
        },
        "views": [*views(found.gates), surprise_view()],
        "lines": lines,
        "moves": [[c // cells.units + 1, c % cells.units + 1] for c in moving],
        "nats": round(-float(np.nanmean(found.log_probs)), 3),
        "notes": notes,
        "means": means if unit == "word" else {},
    }
