"""Check a caption by asking the VQA model: is there a dog?

Besides `captioner.page.assembly`, the only file that knows of `vqa`, once it is asked.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from captioner.photos.members import Photo
from shared.concepts.words import PERSON, broader_words, concept_mentions, read_concepts
from shared.errors import AppError
from shared.files.formats import Record
from shared.text.english import article, is_plural
from shared.text.vocabulary import split_words

LIKELY = 0.5  # of an answer that counts


class Doubt(NamedTuple):
    """A thing that a caption names and that the VQA model does not see.

    Attributes:
        word: the thing.
        prob: of "no", above one half.
    """

    word: str
    prob: float


Ask = Callable[[Photo, Sequence[str]], list[float]]
"""A photo and questions about it -> the probability of "no" to each."""


def load_asker() -> Ask:
    """Load the VQA model that comes with the package.

    Raises:
        AppError: if there is none.
    """
    from vqa.answering.predict import load_vqa
    from vqa.answering.replies import Asked

    try:
        model = load_vqa()
    except AppError as error:
        raise AppError(
            f"--check asks the VQA model about each caption. {error}"
        ) from error

    def ask(photo: Photo, questions: Sequence[str]) -> list[float]:
        asked = [Asked(question) for question in questions]
        ((_, replies),) = model.ask_all([(photo, asked)], count=2)
        probs = []
        for reply in replies:
            if isinstance(reply, AppError):
                raise reply
            denied = [a.confidence for a in reply.answers if a.text == "no"]
            probs.append(sum(denied))
        return probs

    return ask


class Checker:
    """Checks captions by asking for each thing that they name.

    Args:
        ask: see `load_asker`.
    """

    def __init__(self, ask: Ask):
        self._ask = ask

    def doubts(self, photo: Photo, caption: str) -> list[Doubt]:
        """Give the things in a caption to which the answer is no, in its order.

        People are asked for as persons.

        Raises:
            AppError: if the photo cannot be read any more.
        """
        named = [word for *_, word in concept_mentions().places(split_words(caption))]
        words = [*dict.fromkeys(map(_asked_for, named))]
        if not words:
            return []
        probs = self._ask(photo, [_question(word) for word in words])
        doubts = [Doubt(*pair) for pair in zip(words, probs, strict=True)]
        return [doubt for doubt in doubts if doubt.prob > LIKELY]

    def check(self, photo: Photo, record: Record) -> Record:
        """Write into a record what of its best caption is doubted.

        Each doubt takes its part of the confidence, and makes the caption unsure.

        Returns:
            the record, with "doubted", a list of words, and changed "confidence" and
            "unsure" if there are any; as it was if it is of an error.
        """
        if "error" in record:
            return record
        try:
            doubts = self.doubts(photo, record["caption"])
        except AppError:  # gone since it was captioned
            return record
        best: Record = {"doubted": [doubt.word for doubt in doubts]}
        if doubts:
            left = record["confidence"]
            for doubt in doubts:
                left *= 1 - doubt.prob
            best |= {"confidence": round(left, 4), "unsure": True}
        first, *others = record["captions"]
        return {**record, **best, "captions": [{**first, **best}, *others]}


def _asked_for(word: str) -> str:
    return PERSON if PERSON in broader_words(word) else word


def _question(word: str) -> str:
    if is_plural(word):
        return f"Are there {word}?"
    if read_concepts()[word].plural == word:
        return f"Is there {word}?"
    return f"Is there {article(word)} {word}?"
