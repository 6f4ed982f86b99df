"""What `vqa ask` does: one question answered on a terminal, or a file of them."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shared.bundles.runtimes import identify_models, say_runtime
from shared.console.progress import plain, say
from shared.errors import AppError
from shared.files.formats import Record
from shared.files.jobs import Batch, Do, Note
from shared.vision.images import read_image
from vqa.answering.guard import check_question
from vqa.files.formats import to_record

if TYPE_CHECKING:
    from shared.bundles.runtimes import RuntimeName
    from vqa.answering.photo_answerer import PhotoAnswerer
    from vqa.answering.replies import Answer, Reply
    from vqa.files.inputs import Question

TOGETHER = 1000  # questions about one photo at once; more memory than a photo needs


@dataclass(frozen=True)
class Asking:
    """How questions are asked; see `shared.files.jobs.Work`.

    Attributes:
        top: answers to each, at most.
        blind: whether to guess without the photo as well.
        model: folder of a bundle; None is the one that comes along.
        runtime: "keras", "litert", or None for the faster one that works.
        verbose: whether to say what runs, and how fast.
    """

    top: int = 5
    blind: bool = False
    model: Path | None = None
    runtime: "RuntimeName | None" = None
    verbose: bool = False

    unit: ClassVar[str] = "question"
    noun: ClassVar[str] = "answer"

    def settings(self) -> dict[str, Any]:
        """Give all that answers depend on, by option, without loading a model.

        Raises:
            AppError: if there is no model.
        """
        from vqa.answering.predict import SHIPPED
        from vqa.net.runtime_litert import EXPORT

        models = identify_models([self.model or SHIPPED], self.runtime, EXPORT)
        return {**models, "top": self.top, "blind": self.blind}

    def load(self) -> "Do[Question]":
        """Load the model, see `Work`."""
        return partial(self._answer, self.load_model())

    def load_model(self) -> "PhotoAnswerer":
        """Load the model, and say what runs it if that is wanted.

        Raises:
            AppError: see `vqa.answering.predict.load_vqa`.
        """
        from vqa.answering.predict import SHIPPED, load_vqa
        from vqa.net.runtime_litert import EXPORT

        answerer = load_vqa(self.model, runtime=self.runtime)
        if self.verbose:
            folder = self.model or SHIPPED
            say_runtime(answerer.runtime.name, [folder], self.runtime, EXPORT)
        return answerer

    def _answer(
        self,
        answerer: "PhotoAnswerer",
        questions: Sequence["Question"],
        todo: Sequence[int],
        note: Note,
    ) -> Iterator[Batch]:
        """Yield records with their places, in the order of the questions.

        Photos come in the order of their first questions. Of a photo's later ones,
        the answers wait; they are texts.
        """
        from vqa.answering.replies import Asked
        from vqa.files.inputs import by_photo  # one question needs none of it

        wanted, left = set(todo), deque(todo)
        photos = list(by_photo(questions, wanted, TOGETHER))

        def asked(places: Sequence[int]) -> tuple[Path, list[Asked]]:
            note(places[0])
            about = [questions[i] for i in places]
            return about[0].path, [Asked(q.question, q.choices) for q in about]

        found = answerer.ask_all(map(asked, photos), count=self.top, blind=self.blind)
        waiting: dict[int, Record] = {}
        for places, (_, replies) in zip(photos, found, strict=True):
            for i, reply in zip(places, replies, strict=True):
                if i in wanted:
                    image, path, question, _, id_ = questions[i]
                    waiting[i] = to_record(image, question, id_, reply, str(path))
            ready = []
            while left and left[0] in waiting:
                place = left.popleft()
                ready.append((place, waiting.pop(place)))
            if ready:
                yield ready

    def lines(self, record: Record) -> list[str]:
        """Write a line for the answer."""
        cells = map(plain, (record["image"], record["question"]))
        return ["\t".join([*cells, _line(record["answer"], record["confidence"])])]

    def remarks(self, record: Record) -> list[str]:
        """Say what is to be known of the question."""
        return [f"note: {record['image']}: {n}" for n in record.get("notes", ())]


def ask_one(
    image: Path,
    question: str,
    choices: Sequence[str],
    work: Asking,
    attention: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Ask one question, and print `answer<TAB>confidence` lines, best first.

    Args:
        image: the photo.
        question: as somebody typed it.
        choices: answers to choose from; none is all that the model knows.
        work: how to ask.
        attention: picture to draw, see `vqa.answering.overlay`.
        overwrite: whether that may replace a file.

    Raises:
        AppError: if there is no answer; before a model is loaded, if possible.
    """
    check_question(question)
    held: AbstractContextManager[object] = nullcontext()
    if attention:
        from shared.files.outputs import claim
        from vqa.answering.overlay import ENDINGS  # Pillow's letters, which few ask for

        held = claim(attention, ENDINGS, "`vqa ask`", overwrite)
    with held:
        if not os.path.isfile(image):  # noqa: PTH113  # pathlib raises for long names
            read_image(image)  # says what is wrong
        answerer = work.load_model()
        if attention and not answerer.config.net.hops:
            raise AppError(
                "This model does not look at parts of a photo (hops = 0), so it has no "
                "attention to draw."
            )
        started = time.monotonic()
        reply = answerer.ask(
            image, question, choices=choices, count=work.top, blind=work.blind
        )
        if work.verbose:
            say(f"answered in {1000 * (time.monotonic() - started):.0f} ms")
        for note in reply.notes:
            say(plain(f"note: {note}"))
        _print_reply(reply)
        if attention:
            _draw(attention, image, question, reply, answerer)


def _draw(
    path: Path, image: Path, question: str, reply: "Reply", answerer: "PhotoAnswerer"
) -> None:
    """Write a picture of where the model looked."""
    from vqa.answering.overlay import draw_attention, write_overlay

    picture = draw_attention(
        read_image(image),
        reply.attention.reshape(-1, *answerer.runtime.grid),
        answerer.config.encoder.resize,
        question,
        f"{reply.answer} ({reply.confidence:.0%})",
        [thing.box for thing in reply.things],
    )
    write_overlay(path, picture)


def _print_reply(reply: "Reply") -> None:
    unsure = reply.answer != reply.answers[0].text
    first = _line(reply.answer, reply.confidence)
    is_bold = sys.stdout.isatty()
    print(f"\x1b[1m{first}\x1b[0m" if is_bold else first)
    _print_answers(reply.answers[0 if unsure else 1 :])
    if reply.guesses:
        print("\nwithout the photo:")
        _print_answers(reply.guesses)
    sys.stdout.flush()


def _print_answers(answers: "Sequence[Answer]") -> None:
    for answer in answers:
        print(_line(answer.text, answer.confidence))


def _line(answer: str, confidence: float) -> str:
    return f"{plain(answer)}\t{confidence:.2f}"
