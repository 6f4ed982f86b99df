"""Where the images of a text without alternative texts are: what is found in a page."""

import re
from typing import NamedTuple

BLANK = "\ufdd0"  # stands for a character of a template; it is in no text

# What templates stand for, by how it begins: Jinja, Liquid, Handlebars, PHP, ERB, ASP.
# Comments and declarations of HTML as well: what is in them is not shown.
_ENDS = {
    **{"{{": "}}", "{%": "%}", "{#": "#}", "<%": "%>", "<?": "?>"},
    **{"<!--": "-->", "<!": ">"},
}
_BEGINS = re.compile("|".join(map(re.escape, _ENDS)))


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


def without_templates(text: str) -> str:
    """Blank templates and comments, so that nothing in them is taken for markup.

    Returns:
        a text of the same length. Of what begins and does not end, only the beginning
        is blanked, but that of PHP goes on to the end of the file.
    """
    parts, place, endless = [], 0, set()
    while begin := _BEGINS.search(text, place):
        start, opening = begin.start(), begin[0]
        end = -1
        if opening not in endless:
            end = text.find(_ENDS[opening], start + 2)  # `<!-->` is a whole comment
        if end >= 0:
            end += len(_ENDS[opening])
        else:
            endless.add(opening)
            is_php = text.startswith(("<?php", "<?="), start)
            end = len(text) if is_php else begin.end()
        parts += [text[place:start], BLANK * (end - start)]
        place = end
    return "".join([*parts, text[place:]])
