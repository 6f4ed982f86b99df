"""A trained VQA model at work: a photo and questions in, ranked answers out.

A runtime stands behind it: Keras, or LiteRT, which starts at once and needs neither
Keras nor TensorFlow.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from shared import bundles, litert
from shared.config import parse_config
from shared.errors import AppError
from shared.images import ImageSource, read_image
from shared.quiet import importing_keras
from shared.text import Vocabulary
from vqa.answers import AnswerSpace, normalize
from vqa.calibration import to_confidence
from vqa.config import VqaConfig
from vqa.guard import check_question, known_form, nearest, warnings
from vqa.runtime import Runtime, Scores
from vqa.runtime_litert import EXPORT, FILES, LiteRTRuntime
from vqa.words import ANSWERS, answer_words, encode_answers

if TYPE_CHECKING:
    from vqa.model import Vqa

SHIPPED = Path(__file__).parent / "bundle"
READERS = max(2, os.cpu_count() or 1)
PHOTOS_AHEAD = 8
NOT_SURE = "not sure"

Box = tuple[float, float, float, float]
RuntimeName = Literal["keras", "litert"]


class Asked(NamedTuple):
    """A question about a photo.

    Attributes:
        question: as somebody typed it.
        choices: answers to choose from; none is all that the model knows.
        boxes: parts of the photo to choose from: left, top, right, bottom, each 0 to
            1 of its width or height; for a model that points.
    """

    question: str
    choices: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


class Answer(NamedTuple):
    """An answer that the model considers.

    Attributes:
        text: the answer; of a box, its number from 0.
        confidence: 0 to 1, calibrated: of answers of 0.7, 70 % are right on questions
            like those that it was chosen by.
    """

    text: str
    confidence: float


class Reply(NamedTuple):
    """What the model says to a question.

    Attributes:
        answer: the best one, or "not sure".
        confidence: of the best one.
        answers: best first.
        guesses: the same by the twin that does not see the photo; empty unless
            wanted.
        attention: float32 (H, R), how much each hop looked at each region, row by row
            of a square grid; each sums to 1.
        notes: sentences on what about the question the model has not learnt.
    """

    answer: str
    confidence: float
    answers: tuple[Answer, ...]
    guesses: tuple[Answer, ...]
    attention: np.ndarray
    notes: tuple[str, ...]


class PhotoAnswerer:
    """A bundle, loaded and ready.

    Args:
        config: recipe of the model.
        vocabulary: its words.
        space: its answers; None where they come with the question.
        runtime: what runs it.
    """

    def __init__(
        self,
        config: VqaConfig,
        vocabulary: Vocabulary,
        space: AnswerSpace | None,
        runtime: Runtime,
    ):
        self.config = config
        self.vocabulary = vocabulary
        self.space = space
        self.runtime = runtime

    def ask(
        self,
        source: ImageSource,
        question: str,
        *,
        choices: Sequence[str] = (),
        boxes: Sequence[Box] = (),
        count: int = 5,
        blind: bool = False,
    ) -> Reply:
        """Answer one question about one photo.

        Args:
            source: as of `shared.images.read_image`.
            question: in English.
            choices, boxes: as of `Asked`.
            count: answers to give at most, at least 1.
            blind: whether to guess without the photo as well.

        Raises:
            AppError: if the photo cannot be read, or the question or its choices
                cannot be answered; the message says why.
            ValueError: if `count` is less than 1.
        """
        asked = Asked(question, tuple(choices), tuple(boxes))
        self.check(asked)  # before the photo is decoded
        (reply,) = self.answer(self.look(source), [asked], count=count, blind=blind)
        if isinstance(reply, AppError):
            raise reply
        return reply

    def ask_all(
        self,
        items: Iterable[tuple[Any, Sequence[Asked]]],
        *,
        count: int = 5,
        blind: bool = False,
    ) -> Iterator[tuple[Any, list[Reply | AppError]]]:
        """Answer questions about any number of photos, in order.

        Each photo is looked at once. Reading photos, looking at them and answering
        overlap, a few photos at a time.

        Args:
            items: photos, as of `shared.images.read_image`, each with its questions;
                taken as they are needed.
            count, blind: as of `ask`.

        Yields:
            each photo with a reply to each of its questions, or the reason why there
            is none.
        """
        readers, looker = ThreadPoolExecutor(READERS), ThreadPoolExecutor(1)
        queue: deque[tuple[Any, Sequence[Asked], Future]] = deque()
        left = iter(items)
        try:
            while True:
                for source, asked in islice(left, PHOTOS_AHEAD - len(queue)):
                    read = readers.submit(self._read, source)
                    queue.append((source, asked, looker.submit(self._look, read)))
                if not queue:
                    return
                source, asked, future = queue.popleft()
                try:
                    features = future.result()
                except AppError as error:
                    yield source, [error] * len(asked)
                    continue
                yield source, self.answer(features, asked, count=count, blind=blind)
        finally:  # whoever stops early does not wait for what was read ahead
            looker.shutdown(wait=False, cancel_futures=True)
            readers.shutdown(wait=False, cancel_futures=True)

    def look(self, source: ImageSource) -> np.ndarray:
        """Read a photo and give its features float32 (R, D), for `answer`.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        return self.runtime.look(self._read(source))

    def answer(
        self,
        features: np.ndarray,
        questions: Sequence[Asked],
        *,
        count: int = 5,
        blind: bool = False,
    ) -> list[Reply | AppError]:
        """Answer questions about one photo that was looked at.

        Args:
            features: of `look`.
            questions: any number of them.
            count, blind: as of `ask`.

        Raises:
            ValueError: if `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"`count` must be at least 1. Received: count={count}")
        checked = [self._try_check(asked) for asked in questions]
        good = [words for words in checked if not isinstance(words, AppError)]
        if not good:
            return [words for words in checked if isinstance(words, AppError)]
        length = self.config.vocabulary.max_words
        read = [
            [known_form(word, self.vocabulary) for word in words[:length]]
            for words in good
        ]
        tokens = np.stack([self.vocabulary.encode(words, length) for words in read])
        seen = self.runtime.answer(features, tokens)
        guessed = self.runtime.guess(tokens) if blind else None
        replies: list[Reply | AppError] = []
        row = 0
        for asked, words in zip(questions, checked, strict=True):
            if isinstance(words, AppError):
                replies.append(words)
                continue
            replies.append(
                self._reply(asked, words, features, seen, guessed, row, count)
            )
            row += 1
        return replies

    def check(self, asked: Asked) -> list[str]:
        """Make sure that a question can be asked, and split it into words.

        Raises:
            AppError: if it cannot; the message says why.
        """
        words = check_question(asked.question)
        objective = self.config.objective
        if objective == "boxes" and not asked.boxes:
            raise AppError(
                "This model chooses among boxes of a photo, and none were given. Ask "
                "it through a data set with boxes, or use a model that names answers."
            )
        if objective != "boxes" and asked.boxes:
            raise AppError(
                "This model answers in words; boxes need one that was trained to point "
                '(objective = "boxes").'
            )
        if objective == "choices" and not asked.choices:
            raise AppError(
                "This model chooses among answers that come with the question: give "
                "some with --choices."
            )
        if asked.choices and len(set(asked.choices)) < 2:
            raise AppError("Give at least two different choices.")
        for choice in asked.choices:
            self._check_choice(choice)
        for place, box in enumerate(asked.boxes):
            left, top, right, bottom = np.clip(box, 0, 1)
            if left >= right or top >= bottom:
                raise AppError(
                    f"Box {place} is {box}, which is no part of the photo. A box is "
                    "left, top, right, bottom, each 0 to 1 of its width or height."
                )
        return words

    def _try_check(self, asked: Asked) -> list[str] | AppError:
        try:
            return self.check(asked)
        except AppError as error:
            return error

    def _check_choice(self, choice: str) -> None:
        if self.space and choice in self.space:
            return
        words = answer_words(choice)
        if not any(word in self.vocabulary for word in words):
            near = [n for word in words for n in nearest(word, self.vocabulary)]
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise AppError(
                f"The model knows no word of the choice {choice!r}, so it cannot judge "
                f"it.{meant}"
            )

    def _reply(
        self,
        asked: Asked,
        words: Sequence[str],
        features: np.ndarray,
        seen: Scores,
        guessed: Scores | None,
        row: int,
        count: int,
    ) -> Reply:
        texts, ids = self._candidates(asked)
        vectors = self._vectors(asked, features) if ids is None else (None, None)
        rules = self.config.answering

        def rank(net: Scores, own: np.ndarray | None, temperature: float) -> Any:
            return self._rank(texts, ids, own, net, row, temperature, count)

        answers = rank(seen, vectors[0], rules.temperature)
        guesses = rank(guessed, vectors[1], rules.blind_temperature) if guessed else ()
        best = answers[0]
        unsure = not texts and best.confidence < rules.unsure
        notes = warnings(
            words, self.vocabulary, rules.openings, self.config.vocabulary.max_words
        )
        return Reply(
            NOT_SURE if unsure else best.text,
            best.confidence,
            answers,
            guesses,
            seen.alpha[row],
            tuple(notes),
        )

    def _candidates(self, asked: Asked) -> tuple[Sequence[str], Sequence[int] | None]:
        """Give the texts to choose from, none for all answers, and their ids.

        There are ids only if all are answers of the vocabulary, which the model knows
        better than by their words.
        """
        if asked.boxes:
            return [str(place) for place in range(len(asked.boxes))], None
        if not asked.choices:
            return (), ()
        choices = list(dict.fromkeys(asked.choices))
        ids = [
            self.space.ids[normalize(choice)]
            for choice in choices
            if self.space and choice in self.space
        ]
        return choices, ids if len(ids) == len(choices) else None

    def _vectors(self, asked: Asked, features: np.ndarray) -> Any:
        if asked.boxes:
            boxes = np.array(asked.boxes, np.float32).clip(0, 1)
            return self.runtime.encode_boxes(features, boxes)
        choices = list(dict.fromkeys(asked.choices))
        return self.runtime.encode(encode_answers(choices, self.vocabulary))

    def _rank(
        self,
        texts: Sequence[str],
        ids: Sequence[int] | None,
        vectors: np.ndarray | None,
        found: Scores,
        row: int,
        temperature: float,
        count: int,
    ) -> tuple[Answer, ...]:
        alone = self.config.soft and not texts  # of choices, exactly one is right
        if vectors is not None:
            scores = vectors @ found.joint[row]
        else:
            scores = found.scores[row]
            if texts:
                scores = scores[list(ids or ())]
        if not texts and self.space:
            texts = self.space.answers
        confidence = to_confidence(scores, temperature, alone)
        order = np.argsort(-confidence, kind="stable")[:count]
        return tuple(Answer(texts[i], float(confidence[i])) for i in order)

    def _look(self, read: Future) -> np.ndarray:
        return self.runtime.look(read.result())

    def _read(self, source: ImageSource) -> np.ndarray:
        encoder = self.config.encoder
        return read_image(source, encoder.image_size, encoder.resize)


def load_vqa(
    model: str | Path | None = None, *, runtime: RuntimeName | None = None
) -> PhotoAnswerer:
    """Load a bundle.

    Args:
        model: its folder; None is the model that comes with the package.
        runtime: "litert" needs a bundle exported for it, "keras" needs Keras; None is
            LiteRT where that works, else Keras.

    Raises:
        AppError: if there is no bundle, it is damaged, or the runtime cannot run it.
        ValueError: if there is no such runtime.
    """
    if runtime not in (None, *get_args(RuntimeName)):
        raise ValueError(
            f"`runtime` must be one of {get_args(RuntimeName)} or None. Received: "
            f"runtime={runtime!r}"
        )
    folder = Path(model or SHIPPED)
    reason = why_not_litert(folder)
    if runtime == "litert" and reason:
        raise AppError(f"LiteRT cannot run this: {reason}")
    if runtime == "keras" or reason:
        with importing_keras():
            from vqa.runtime_keras import KerasRuntime
        config, vocabulary, space, net = load_bundle(folder)
        return PhotoAnswerer(config, vocabulary, space, KerasRuntime(net))
    config, vocabulary, space = _read_bundle(folder, fast=True)
    loaded = LiteRTRuntime(folder, threads=max(1, (os.cpu_count() or 1) - 1))
    known = len(space) if space else 0
    if loaded.answers != known:
        raise AppError(
            f"The LiteRT graphs of {folder} know {loaded.answers} answers, its list "
            f"has {known}. Export it again with `{EXPORT}`, or give --runtime keras."
        )
    return PhotoAnswerer(config, vocabulary, space, loaded)


def why_not_litert(folder: Path) -> str:
    """Say why LiteRT cannot run a bundle; empty if it can."""
    return litert.why_not_litert([folder], EXPORT)


def load_bundle(
    folder: Path,
) -> tuple[VqaConfig, Vocabulary, AnswerSpace | None, "Vqa"]:
    """Load the parts of a VQA bundle, with the model in Keras.

    Raises:
        AppError: if there is no bundle, it is damaged, or Keras is missing.
    """
    config, vocabulary, space = _read_bundle(folder, fast=False)
    with importing_keras():
        from vqa.runtime_keras import load_net
    return config, vocabulary, space, load_net(folder, config, vocabulary, space)


def _read_bundle(
    folder: Path, fast: bool
) -> tuple[VqaConfig, Vocabulary, AnswerSpace | None]:
    """Check a bundle, or only what the fast path needs of it, and read what is text."""
    texts = [bundles.CONFIG, bundles.VOCABULARY]
    bundles.check_bundle(folder, "vqa", texts)
    text = bundles.read_text(folder, bundles.CONFIG)
    config = parse_config(text, VqaConfig, str(folder / bundles.CONFIG))
    if config.objective == "answers":
        texts.append(ANSWERS)
    names = [*texts, *FILES] if fast else None
    bundles.check_bundle(folder, "vqa", names)
    space = AnswerSpace.load(folder / ANSWERS) if ANSWERS in texts else None
    return config, Vocabulary.load(folder / bundles.VOCABULARY), space
