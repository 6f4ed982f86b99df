"""Questions made from captions that have no photos, to learn what words mean."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from sys import intern
from typing import NamedTuple

from shared.data.texts import read_texts
from vqa.questions.question import Question

# Captions, whose facts take some 20 kB each until they are asked about.
AT_ONCE = 10_000


class TextSource(NamedTuple):
    """A file of captions.

    Attributes:
        captions: each of a photo that nobody has.
        asked: the questions that each of them answers, at least one.
    """

    captions: list[str]
    asked: list[list[Question]]


def read_text_sources(
    paths: Sequence[str], seed: int, ask: Callable[..., list[list[Question]]]
) -> list[TextSource]:
    """Read files of captions, and make questions.

    Args:
        paths: see `shared.data.texts.read_texts`.
        seed: of the choice of questions and wordings.
        ask: makes the questions, such as `vqa.questions.making.ask_texts`.

    Raises:
        AppError: if a file cannot be read, or holds no caption.
    """
    sources = [
        list(_ask(captions, seed + place, ask))
        for place, captions in enumerate(read_texts(paths))
    ]
    return [
        TextSource([caption for caption, _ in pairs], [asked for _, asked in pairs])
        for pairs in sources
        if pairs
    ]


def _ask(
    captions: Sequence[str], seed: int, ask: Callable[..., list[list[Question]]]
) -> Iterator[tuple[str, list[Question]]]:
    """Yield captions with their questions, those that answer none left out."""
    left = iter(captions)
    while some := list(islice(left, AT_ONCE)):
        for caption, asked in zip(some, ask(some, seed=seed), strict=True):
            if asked:  # the same question is asked of many
                yield caption, [one._replace(text=intern(one.text)) for one in asked]
