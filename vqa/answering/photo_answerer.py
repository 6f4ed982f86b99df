"""A trained VQA model at work: a photo and questions in, ranked answers out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from shared.errors import AppError
from shared.text.vocabulary import Vocabulary
from shared.vision.detector import SIZE, Box, Thing, Things
from shared.vision.images import ImageSource, read_image, read_with_preview
from shared.vision.pipeline import look_ahead, map_ahead
from vqa.answering.confidence import to_confidence
from vqa.answering.detected import (
    Detections,
    asked_of_things,
    chance_of_anybody,
    count_things,
    kinds_to_count,
    missing,
    taken_for_granted,
)
from vqa.answering.fitting import Fitting, FittingAnswers
from vqa.answering.guard import Checked, Choices, check_asked, known_form, warnings
from vqa.answering.replies import NOT_SURE, Answer, Asked, Reply
from vqa.config import VqaConfig
from vqa.net.runtime import Runtime, Scores
from vqa.text.answers import AnswerSpace
from vqa.text.asked import Concepts
from vqa.text.words import encode_answers

PHOTOS_AHEAD = 8
ANSWERING = 2  # threads: one finds things while the other makes replies
_NUMBERS = frozenset(map(str, range(21)))  # larger ones are years and the like


class _Photo(NamedTuple):
    """A photo that was read.

    Attributes:
        image: uint8 (H, W, 3), as the model sees it.
        things: finds the things on it; None if they are left to the model.
    """

    image: np.ndarray
    things: Callable[[], Things] | None


class PhotoAnswerer:
    """A bundle, loaded and ready.

    Args:
        config: recipe of the model.
        vocabulary: its words.
        space: its answers; None where they come with the question.
        runtime: what runs it.
        concepts: those of its concept net, if it has one.
        find: finds the things on a photo, see `vqa.answering.detected`; None leaves
            all questions to the model.
    """

    def __init__(
        self,
        config: VqaConfig,
        vocabulary: Vocabulary,
        space: AnswerSpace | None,
        runtime: Runtime,
        concepts: Concepts | None = None,
        find: Callable[[ImageSource], Things] | None = None,
    ):
        self.config = config
        self.vocabulary = vocabulary
        self.space = space
        self.runtime = runtime
        self.concepts = concepts
        self.find = find
        self._detections = Detections(space, concepts) if space and concepts else None
        self._fitting = FittingAnswers(space) if space else None

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
            source: see `shared.vision.images.read_image`.
            question: in English.
            choices, boxes: see `Asked`. Choices of which the model knows no word are
                left out, as `Reply.notes` says; the others share a confidence of 1. One
                alone has that which it has among all answers.
            count: answers to give at most, at least 1.
            blind: whether to guess without the photo as well.

        Raises:
            AppError: if the photo cannot be read, or the question or its choices
                cannot be answered; the message says why.
            ValueError: if `count` is less than 1.
        """
        asked = Asked(question, tuple(choices), tuple(boxes))
        self.check(asked)  # before the photo is decoded
        photo = self._read(source)
        features = self.runtime.look(photo.image)
        (reply,) = self.answer(
            features, [asked], photo.things, count=count, blind=blind
        )
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

        Each photo is looked at once. Reading photos, looking at them, finding things
        and answering overlap, a few photos at a time.

        Args:
            items: photos, see `read_image`, each with its questions; taken as they
                are needed.
            count, blind: see `ask`.

        Yields:
            each photo with a reply to each of its questions, or the reason why there
            is none.
        """
        batches = look_ahead(
            items,
            lambda item: self._read(item[0]),
            lambda photos: (self.runtime.look(photos[0].image), photos[0].things),
            batch_size=1,
            ahead=PHOTOS_AHEAD,
        )

        def answer(batch: Any) -> tuple[Any, list[Reply | AppError]]:
            ((source, asked),), (error,), looked = batch
            if error:
                return source, [error] * len(asked)
            features, things = looked
            replies = self.answer(features, asked, things, count=count, blind=blind)
            return source, replies

        return map_ahead(answer, batches, ANSWERING)

    def read(self, source: ImageSource) -> np.ndarray:
        """Read a photo as the model sees it: uint8 (H, W, 3), RGB.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        encoder = self.config.encoder
        return read_image(source, encoder.image_size, encoder.resize)

    def look(self, source: ImageSource) -> np.ndarray:
        """Read a photo and give its features float32 (R, D), for `answer`.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        return self.runtime.look(self.read(source))

    def answer(
        self,
        features: np.ndarray,
        questions: Sequence[Asked],
        things: Callable[[], Things] | None = None,
        *,
        count: int = 5,
        blind: bool = False,
    ) -> list[Reply | AppError]:
        """Answer questions about one photo that was looked at.

        Args:
            features: of `look`.
            questions: any number of them.
            things: finds the things on the photo; called if a question is about
                such. None leaves that to the model.
            count, blind: see `ask`.

        Raises:
            ValueError: if `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"`count` must be at least 1. Received: count={count}")
        checked = [self._try_check(asked) for asked in questions]
        good = [found.opened for found in checked if not isinstance(found, AppError)]
        if not good:
            return [found for found in checked if isinstance(found, AppError)]
        if things is not None:
            things = cache(things)  # once for all questions
        length = self.config.vocabulary.max_words
        read = [
            [known_form(word, self.vocabulary) for word in words[:length]]
            for words in good
        ]
        tokens = np.stack([self.vocabulary.encode(words, length) for words in read])
        about = self.concepts
        mentioned = np.stack([about.find(words) for words in good]) if about else None
        seen = self.runtime.answer(features, tokens, mentioned)
        guessed = self.runtime.guess(tokens) if blind else None
        replies: list[Reply | AppError] = []
        row = 0
        for asked, found in zip(questions, checked, strict=True):
            if isinstance(found, AppError):
                replies.append(found)
                continue
            replies.append(
                self._reply(
                    asked,
                    found,
                    features,
                    things,
                    seen.of(row),
                    guessed.of(row) if guessed else None,
                    count,
                )
            )
            row += 1
        return replies

    def check(self, asked: Asked) -> Checked:
        """Make sure that a question can be asked, and split it into words.

        Raises:
            AppError: if it cannot; the message says why.
        """
        found = check_asked(asked, self.config.objective, self.vocabulary, self.space)
        if found.choices or not self._fitting:
            return found
        return found._replace(opened=self._fitting.open_question(found.words))

    def _try_check(self, asked: Asked) -> Checked | AppError:
        try:
            return self.check(asked)
        except AppError as error:
            return error

    def _reply(
        self,
        asked: Asked,
        checked: Checked,
        features: np.ndarray,
        things: Callable[[], Things] | None,
        seen: Scores,
        guessed: Scores | None,
        count: int,
    ) -> Reply:
        choices = checked.choices
        if asked.boxes:
            places = tuple(map(str, range(len(asked.boxes))))
            choices = Choices(places, places)
        vectors = self._vectors(asked, choices, features)
        rules = self.config.answering
        fitting = None
        if self._fitting and not choices:
            fitting = self._fitting.find(checked.words)

        def rank(net: Scores, own: np.ndarray | None, temperature: float) -> Any:
            return self._rank(choices, own, net, temperature, count, fitting)

        found: tuple[Thing, ...] = ()
        lacking: list[str] = []
        notes = warnings(
            checked.words,
            self.vocabulary,
            rules.openings,
            self.config.vocabulary.max_words,
        )
        if things and not choices and (kinds := kinds_to_count(checked.opened)):
            answers, found = self._count(things().of(kinds), seen, count)
        elif things and self._detections and vectors[0] is None:
            of_things = asked_of_things(checked.opened)
            weighed = self._detections.weigh(
                seen.scores, of_things, things, rules.temperature, self.config.soft
            )
            seen = seen._replace(scores=weighed)
            answers = rank(seen, None, rules.temperature)
            if answers[0].confidence >= rules.unsure:
                found = self._detections.about(of_things, answers[0].text, things)
            if granted := taken_for_granted(checked.opened):
                lacking = missing(granted, things())
            if lacking and not choices and checked.opened[0] == "who":
                sure = chance_of_anybody(things())
                answers = tuple(Answer(a.text, a.confidence * sure) for a in answers)
        else:
            answers = rank(seen, vectors[0], rules.temperature)
        guesses = rank(guessed, vectors[1], rules.blind_temperature) if guessed else ()
        best = answers[0]
        unsure = _may_be_none(choices) and best.confidence < rules.unsure
        return Reply(
            NOT_SURE if unsure else best.text,
            best.confidence,
            answers,
            guesses,
            seen.alpha,
            (*notes, *lacking, *(choices.notes if choices else ())),
            found,
        )

    def _count(
        self, things: Sequence[Thing], seen: Scores, count: int
    ) -> tuple[tuple[Answer, ...], tuple[Thing, ...]]:
        """Answer how many of these things there are; give those that were counted."""
        _check_finite(seen.scores)
        temperature = self.config.answering.temperature
        confidence = to_confidence(seen.scores, temperature, self.config.soft)
        known = zip(self.space.answers if self.space else (), confidence, strict=True)
        said = {int(text): float(prob) for text, prob in known if text in _NUMBERS}
        probs = count_things([thing.score for thing in things], said)
        order = np.argsort(-probs, kind="stable")[:count]
        answers = tuple(Answer(str(n), float(probs[n])) for n in order)
        return answers, tuple(things[: order[0]])

    def _read(self, source: ImageSource) -> _Photo:
        """Read a photo for the model and, if that takes no longer, for the detector."""
        if self.find is None:
            return _Photo(self.read(source), None)
        encoder = self.config.encoder
        image, preview = read_with_preview(
            source, encoder.image_size, encoder.resize, SIZE
        )
        return _Photo(image, partial(self.find, source if preview is None else preview))

    def _vectors(
        self, asked: Asked, choices: Choices | None, features: np.ndarray
    ) -> Any:
        """What the model makes of boxes, or of choices that are none of its answers."""
        if asked.boxes:
            boxes = np.array(asked.boxes, np.float32).clip(0, 1)
            return self.runtime.encode_boxes(features, boxes)
        if choices and choices.ids is None:
            return self.runtime.encode(encode_answers(choices.read, self.vocabulary))
        return None, None

    def _rank(
        self,
        choices: Choices | None,
        vectors: np.ndarray | None,
        found: Scores,
        temperature: float,
        count: int,
        fitting: Fitting | None,
    ) -> tuple[Answer, ...]:
        known = self.space.answers if self.space else ()
        scores = found.scores if vectors is None else vectors @ found.joint
        _check_finite(scores)
        texts, ids = (choices.texts, choices.ids) if choices else (known, None)
        if _may_be_none(choices):
            confidence = to_confidence(scores, temperature, self.config.soft)
            confidence = confidence if ids is None else confidence[list(ids)]
        else:
            scores = scores if ids is None else scores[list(ids)]
            confidence = to_confidence(scores, temperature)
        if fitting:
            confidence = fitting.judge(confidence)
        order = np.argsort(-confidence, kind="stable")
        if fitting:
            order = order[fitting.answers[order]]
        return tuple(Answer(texts[i], float(confidence[i])) for i in order[:count])


def _may_be_none(choices: Choices | None) -> bool:
    """Whether answers are judged among all: without choices, or if one is left."""
    return not choices or (choices.ids is not None and len(choices.texts) == 1)


def _check_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise AppError(
            "The model gives no answer, as its numbers are not finite. Get its "
            "bundle again, or train it again."
        )
