"""The words by which a photo of an archive is found, see the table `search`."""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from shared.concepts.words import LONGEST, broader_words, names_of, read_concepts
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
    """Give the things that a sentence names, with what they are a kind of.

    `shared.concepts.words.Mentions` knows deeds, too, by a lexicon that takes half a
    second to read; full text finds the forms of words by itself.
    """
    said, names = split_words(text), _names()
    found: set[str] = set()
    start = 0
    while start < len(said):
        for length in range(LONGEST, 0, -1):  # "a hot dog" is no dog
            word = names.get(" ".join(said[start : start + length]))
            if word is not None:
                found |= {word, *broader_words(word)}
                start += length - 1
                break
        start += 1
    return found


@cache
def _names() -> dict[str, str]:
    """Give the words for things by all their names, in the singular and the plural."""
    return {
        name: concept.word
        for concept in read_concepts().values()
        for name in names_of(concept)
    }
