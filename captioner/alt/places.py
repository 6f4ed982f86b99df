"""Where the images of a text without alternative texts are: what is found in a page."""

from typing import NamedTuple


class Place(NamedTuple):
    """An image without an alternative text, or one that needs none.

    Attributes:
        offset: where the text would be inserted, in characters.
        sources: the addresses of its picture, in the order to try.
        left: why it is left as it is; empty if it is to be described.
        linked: whether it is in a link.
        lang: whether its page is in English, or it has a language of its own.
        is_tag: whether it is an <img>, not Markdown.
    """

    offset: int
    sources: tuple[str, ...]
    left: str
    linked: bool
    lang: bool
    is_tag: bool


class Found(NamedTuple):
    """What is found in a text.

    Attributes:
        places: in order.
        described: how many images have an alternative text.
        base: where relative addresses start; empty at the page.
    """

    places: list[Place]
    described: int
    base: str = ""
