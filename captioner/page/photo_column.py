"""The page's column for the photo: how one comes, is shown, and is described."""

from collections.abc import Callable
from itertools import count
from typing import Any

import gradio as gr

from captioner.page.describe_tab import DescribeTab
from shared.included import included
from shared.vision.photo_cache import Photos, owner_of
from shared.web.components import QUIETLY, component, event_data, photo_field, previews
from shared.web.turns import Turns
from shared.web.wording import problem


class PhotoColumn:
    """The column beside the tabs.

    Args:
        photos: keeps what is shown.
        describe: the tab that describes each photo that comes.
    """

    def __init__(self, photos: Photos, describe: DescribeTab):
        self.photos, self.describe = photos, describe
        self.examples = sorted(included("examples").glob("*.jpg"))
        self._numbers = count(1)

    def build(self, largest: int) -> None:
        """Add the column's content to the page.

        Args:
            largest: of a photo, MB.
        """
        self._stage = component("showStage", elem_id="stage", largest=largest)
        self._field = photo_field()
        self._gallery = component("showExamples", previews(self.examples))

    def listen(self, answers: gr.HTML, turns: Turns) -> None:
        """Have photos described as they come, each event in its turn.

        Args:
            answers: about the last photo, which go.
        """
        self._outputs = [self._field, self._stage, self.describe.caption, answers]
        inputs = [self._field, *self.describe.inputs]
        self._field.upload(turns.taking(self.arrive), inputs, self._outputs, **QUIETLY)
        show = turns.taking(self.show_example)
        self._gallery.select(show, self.describe.inputs, self._outputs, **QUIETLY)

    def take(
        self, chooser: gr.HTML, read: Callable[[dict[str, Any]], bytes], turns: Turns
    ) -> None:
        """Have photos described that are chosen elsewhere; after `listen`.

        Args:
            chooser: where one is chosen, by its event `select`.
            read: gives the photo's file by what came with the event, which may be
                anything; what is wrong with it is an `AppError`.
        """

        def show(visitor: gr.Request, event: gr.EventData, *rest: Any) -> Any:
            try:
                source = read(event_data(event))
            except Exception as error:
                told = problem(error) | {"turn": next(self._numbers)}
                return None, told, gr.skip(), gr.skip()
            return self.arrive(visitor, source, *rest)

        act = turns.taking(show)
        chooser.select(act, self.describe.inputs, self._outputs, **QUIETLY)

    def arrive(self, visitor: gr.Request, source: Any, *rest: Any) -> tuple[Any, ...]:
        """Read a new photo and describe it.

        What cannot be read changes nothing but to say so.
        """
        turn = {"turn": next(self._numbers)}  # the same photo again is news, too
        try:
            photo = self.photos.add(source, owner_of(visitor))
        except Exception as error:
            return None, problem(error) | turn, gr.skip(), gr.skip()
        described = self.describe.describe_photo(photo, *rest)
        return None, {"preview": photo.preview} | turn, described, None

    def show_example(
        self, visitor: gr.Request, event: gr.EventData, *rest: Any
    ) -> tuple[Any, ...]:
        """Describe one of the photos that come along."""
        place = event_data(event).get("example")
        if type(place) is not int or not 0 <= place < len(self.examples):
            place = 0
        return self.arrive(visitor, self.examples[place], *rest)
