"""The words by which a photo of an archive is found, see the table `search`."""

from collections.abc import Iterable
from typing import NamedTuple

from shared.concepts.words import broader_words, concept_mentions
from shared.text.vocabulary import split_words


class Words(NamedTuple):
    """What stands in the columns of `search`."""

    caption: str
    candidates: str
    concepts: str
    edit: str


def words_of(
    caption: str, candidates: Iterable[str], concepts: Iterable[str], edit: str | None
) -> Words:
    """Give the words by which a photo is found.

    What the model wrote counts for nothing where a person has described the photo.
    What is there is found by broader words, too: a dog by "animal".

    Args:
        caption: the model's.
        candidates: all captions that its search found.
        concepts: the words that the photo shows.
        edit: what a person wrote, if somebody has.
    """
    written = [caption, *candidates] if edit is None else []
    said = [*written, *([] if edit is None else [edit])]
    mentioned = {word for text in said for word in _mentions(text)}
    shown = dict.fromkeys(concepts)
    wider = {wide for word in shown for wide in broader_words(word)}
    others = dict.fromkeys(text for text in written[1:] if text != caption)
    return Words(
        "".join(written[:1]),
        "\n".join(others),
        "\n".join([*shown, *sorted((mentioned | wider) - {*shown})]),
        edit or "",
    )


def _mentions(text: str) -> set[str]:
    return concept_mentions().find(split_words(text))
