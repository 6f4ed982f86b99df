"""Runs of `vqa ask`: one question on a terminal, or a file of them."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.bundles.manifests import identify
from shared.console.progress import counted, is_terminal, plain, progress_bar, say
from shared.errors import AppError
from shared.files.outputs import Output
from shared.vision.images import read_image
from vqa.formats import Record, check_target, to_record
from vqa.guard import check_question
from vqa.inputs import Question, by_photo

if TYPE_CHECKING:
    from shared.bundles.runtimes import RuntimeName
    from vqa.photo_answerer import PhotoAnswerer
    from vqa.replies import Answer, Asked, Reply

TOGETHER = 1000  # questions about one photo at once; more memory than a photo needs


@dataclass(frozen=True)
class Way:
    """How questions are asked.

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

    def settings(self) -> dict[str, Any]:
        """Give all that answers depend on, by option, without loading a model.

        Raises:
            AppError: if there is no model.
        """
        from vqa.predict import SHIPPED, why_not_litert

        folder = self.model or SHIPPED
        runtime = self.runtime or ("keras" if why_not_litert(folder) else "litert")
        model = identify([folder], runtime)
        given = {"top": self.top, "blind": self.blind}
        return {"model": model, "runtime": runtime, **given}

    def load(self) -> "PhotoAnswerer":
        """Load the model.

        Raises:
            AppError: as `vqa.predict.load_vqa`.
        """
        from vqa.predict import SHIPPED, load_vqa, why_not_litert

        answerer = load_vqa(self.model, runtime=self.runtime)
        if self.verbose:
            reason = "" if self.runtime else why_not_litert(self.model or SHIPPED)
            because = f", because with LiteRT {reason}" if reason else ""
            say(f"runtime: {answerer.runtime.name}{because}")
        return answerer


def ask_one(
    image: Path,
    question: str,
    choices: Sequence[str],
    way: Way,
    attention: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Ask one question, and print `answer<TAB>confidence` lines, best first.

    Args:
        image: the photo.
        question: as somebody typed it.
        choices: answers to choose from; none is all that the model knows.
        way: how to ask.
        attention: picture to draw, see `vqa.overlay`.
        overwrite: whether that may replace a file.

    Raises:
        AppError: if there is no answer; before a model is loaded, if possible.
    """
    check_question(question)
    if attention:
        from vqa.overlay import ENDINGS  # Pillow's letters, which few ask for

        check_target(attention, overwrite, ENDINGS)
    if not os.path.isfile(image):  # noqa: PTH113  # pathlib raises for long names
        read_image(image)  # says what is wrong
    answerer = way.load()
    config = answerer.config
    if attention and not config.net.hops:
        raise AppError(
            "This model does not look at parts of a photo (hops = 0), so it has no "
            "attention to draw."
        )
    started = time.monotonic()
    reply = answerer.ask(
        image, question, choices=choices, count=way.top, blind=way.blind
    )
    if way.verbose:
        say(f"answered in {1000 * (time.monotonic() - started):.0f} ms")
    for note in reply.notes:
        say(plain(f"note: {note}"))
    _print_reply(reply)
    if attention:
        from vqa.overlay import draw_attention, write_overlay

        picture = draw_attention(
            read_image(image),
            reply.attention,
            config.encoder.resize,
            question,
            f"{reply.answer} ({reply.confidence:.0%})",
        )
        write_overlay(attention, picture)


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


@dataclass
class Job:
    """Questions to answer, and where the answers go.

    Attributes:
        questions: in order.
        output: file for the answers; None prints them.
        way: how they are asked.
        done: questions dealt with so far, those of an earlier run among them.
        errors: how many of them failed.
    """

    questions: Sequence[Question]
    output: Output | None = None
    way: Way = field(default_factory=Way)
    done: int = 0
    errors: int = 0
    _said: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Answer what is not answered yet.

        Raises:
            AppError: if there is no model, or the answers cannot be written. What was
                written before is kept, unless the message says that it is lost.
        """
        with self.output or nullcontext():
            try:
                self._run()
            except BaseException:
                if self.done and self.output and self.output.is_there():
                    say(f"note: {self.output}; go on with --resume")
                raise
        if self.errors or is_terminal():
            answers = self.done - self.errors
            say(f"{counted(answers, 'answer')}, {counted(self.errors, 'error')}")

    def _run(self) -> None:
        if self.output is None:
            self._answer(range(len(self.questions)))
            return
        self.done, self.errors = self.output.done, self.output.errors
        if self.output.finished:
            say(f"{self.output.path} is finished already; --overwrite replaces it.")
            return
        if self.output.todo:
            self._answer(self.output.todo)
        self.output.finish()

    def _answer(self, todo: Sequence[int]) -> None:
        bar = progress_bar(
            "answers",
            len(self.questions),
            self.done,
            shown=self.output is not None or not sys.stdout.isatty(),
            unit="questions",
        )
        answerer = self.way.load()
        started, first = time.monotonic(), self.done
        with bar as advance:
            for found in self._in_order(answerer, todo):
                self._put(found)
                self.done += len(found)
                self.errors += sum("error" in record for _, record in found)
                advance(self.done)
        if self.way.verbose:
            count, seconds = self.done - first, time.monotonic() - started
            asked = counted(count, "question")
            say(f"{asked} in {seconds:.2f} s, {count / seconds:.1f} a second")

    def _in_order(
        self, answerer: "PhotoAnswerer", todo: Sequence[int]
    ) -> Iterator[list[tuple[int, Record]]]:
        """Yield records with their places, in the order of the questions.

        Photos come in the order of their first questions. Of a photo's later ones,
        the answers wait; they are texts.
        """
        waiting: dict[int, Record] = {}
        left = deque(todo)
        asked = set(todo)
        for places, replies in self._by_photo(answerer, asked):
            for i, reply in zip(places, replies, strict=True):
                if i in asked:
                    image, path, question, _, id_ = self.questions[i]
                    waiting[i] = to_record(image, question, id_, reply, str(path))
            ready = []
            while left and left[0] in waiting:
                place = left.popleft()
                ready.append((place, waiting.pop(place)))
            if ready:
                yield ready

    def _by_photo(
        self, answerer: "PhotoAnswerer", todo: Set[int]
    ) -> Iterator[tuple[list[int], "Sequence[Reply | AppError]"]]:
        photos = list(by_photo(self.questions, todo, TOGETHER))
        found = answerer.ask_all(
            map(self._asked, photos), count=self.way.top, blind=self.way.blind
        )
        for places, (_, replies) in zip(photos, found, strict=True):
            yield places, replies

    def _asked(self, places: Sequence[int]) -> tuple[Path, list["Asked"]]:
        """Give a photo, which is about to be read, and its questions."""
        from vqa.replies import Asked

        if self.output:
            self.output.note(places[0])
        questions = [self.questions[i] for i in places]
        return questions[0].path, [Asked(q.question, q.choices) for q in questions]

    def _put(self, found: Sequence[tuple[int, Record]]) -> None:
        for _, record in found:
            if "error" in record:
                self._say_once(f"error: {record['image']}: {record['error']}")
            elif self.output is None:
                for note in record.get("notes", ()):
                    self._say_once(f"note: {record['image']}: {note}")
                cells = map(plain, (record["image"], record["question"]))
                answer = _line(record["answer"], record["confidence"])
                print(*cells, answer, sep="\t")
        if self.output:
            self.output.append(found)
        else:
            sys.stdout.flush()

    def _say_once(self, message: str) -> None:
        """Say what is true of all questions about a photo once."""
        if message not in self._said:
            self._said.add(message)
            say(plain(message))
