"""The page's tab that finds photos of an archive, and lets people correct captions."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import gradio as gr

from captioner.archive.album import Album, Shown
from captioner.archive.editing import LONGEST
from captioner.archive.finding import NothingFoundError
from captioner.archive.found import say_why, to_records
from captioner.page.photo_column import PhotoColumn
from shared.errors import AppError
from shared.vision.images import weigh_image
from shared.vision.photo_cache import MOST_PIXELS, Upload
from shared.vision.pipeline import READERS
from shared.web.components import QUIETLY, component, event_data, preview
from shared.web.turns import Turns
from shared.web.wording import problem

THUMBNAIL = 320  # longer side, px
TOPS = (10, 20, 50, 100)  # photos that can be asked for


class SearchTab:
    """The tab.

    Args:
        album: the archive.
    """

    def __init__(self, album: Album):
        self.album = album
        self._numbers = count(1)
        self._readers = ThreadPoolExecutor(READERS)  # for all visitors' small pictures

    def build(self, turns: Turns) -> None:
        """Add the tab's content to the page; its events take turns."""

        async def describe_photo(asked: Any) -> dict[str, Any]:
            try:
                async with turns.turn((None, None)):
                    return await asyncio.to_thread(self.correct, asked)
            except Exception as error:
                return problem(error)

        with gr.Row(elem_id="query-row"):
            query = gr.Textbox(
                label="What the photos show",
                placeholder="two dogs playing in the snow",
                scale=4,
                elem_id="query",
                max_lines=1,
            )
            button = gr.Button(
                "Search", variant="primary", elem_id="find", min_width=80
            )
        with gr.Accordion("Conditions", open=False):
            without = gr.Textbox(
                label="Without",
                info="What must not be there: people, snow",
                elem_id="without",
            )
            top = gr.Dropdown(list(TOPS), value=20, label="Photos at most")
        self._found = component(
            "showFound",
            elem_id="found",
            server_functions=[describe_photo],
            editable=self.album.is_open,
            longest=LONGEST,
        )
        asking = [button.click, query.submit, without.submit]
        gr.on(asking, None, js="() => sightread.waitForFound()", **QUIETLY)
        find = turns.taking(self._find)
        gr.on(asking, find, [query, without, top], self._found, **QUIETLY)
        like = turns.taking(self._find_alike)
        self._found.like(like, [without, top], self._found, **QUIETLY)

    def listen(self, column: PhotoColumn, turns: Turns) -> None:
        """Have photos that are chosen shown in the column, and described."""
        column.take(self._found, lambda data: self.album.read(data.get("photo")), turns)

    def correct(self, asked: Any) -> dict[str, Any]:
        """Describe a photo in a person's words.

        Args:
            asked: "photo", its number, and "caption"; from the network, so that it may
                be anything.

        Returns:
            "caption" and "by_person", as they are shown from now on.

        Raises:
            AppError: see `Album.describe`.
        """
        asked = asked if isinstance(asked, dict) else {}
        found = self.album.describe(asked.get("photo"), asked.get("caption"))
        return dict(zip(("caption", "by_person"), found, strict=True))

    def _find(self, query: str, without: str, top: int) -> dict[str, Any]:
        text = query or ""
        return self._show(f"“{text.strip()}”", without, top, self.album.find, text)

    def _find_alike(self, event: gr.EventData, without: str, top: int) -> Any:
        photo = event_data(event).get("photo")
        return self._show("a photo like it", without, top, self.album.like, photo)

    def _show(
        self,
        sought: str,
        without: str,
        top: int,
        search: Callable[[Any, int, Sequence[str]], list[Shown]],
        asked: Any,
    ) -> dict[str, Any]:
        """Search, and give what the page shows; "turn" is in no other reply."""
        turn = {"turn": next(self._numbers)}
        try:
            words = [part for part in (without or "").split(",") if part.strip()]
            found = search(asked, top, words)
        except NothingFoundError as error:
            return {"sought": sought, "photos": []} | problem(error) | turn
        except Exception as error:
            return problem(error) | turn
        photos = list(self._readers.map(self._card, found))
        return {"sought": sought, "photos": photos} | turn

    def _card(self, shown: Shown) -> dict[str, Any]:
        """Give what the page shows of a photo; of its path, the name alone."""
        number, found = shown
        (record,) = to_records([found])
        card = {
            "photo": number,
            "name": found.path.name,
            "caption": found.caption,
            "by_person": found.by_person,
            "why": say_why(record),
        }
        try:
            file = Upload(found.path.name, self.album.read(number))
            weigh_image(file.content, MOST_PIXELS, file.name)
            return card | {"preview": preview(file, THUMBNAIL)}
        except AppError as error:
            return card | problem(error)
