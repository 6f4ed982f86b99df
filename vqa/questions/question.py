"""Captioned photos, and the questions made of them: in words, or with yes or no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

Wordings = tuple[str, ...]
"""How people put a question; what is in braces is told of each, see `photo.Photo`."""


@dataclass(frozen=True)
class Captioned:
    """One photo with its captions.

    Attributes:
        name: path below the image folder, with `/`.
        image: the file; nobody has looked yet whether it is a photo.
        captions: as written, without white space around and without empty ones.
        split: train, dev or test.
    """

    name: str
    image: Path
    captions: tuple[str, ...]
    split: str


class Question(NamedTuple):
    """One question with its answer: its type, wording and what the answer is worth."""

    kind: str
    text: str
    answer: str
    weight: float


class Verdict(NamedTuple):
    """Whether a claim is right.

    Attributes:
        truth: whether the answer is yes.
        weight: how sure that is, in (0, 1].
        usual: how usual a yes would be in such a photo. Of wrong claims the more usual
            are preferred: nobody asks for a camel on a couch.
    """

    truth: bool
    weight: float = 1.0
    usual: float = 1.0


@dataclass(frozen=True)
class Claim:
    """A question whether something is so.

    Attributes:
        kind: type of question.
        what: what is claimed.
        about: the thing and whose it is. Claims with the same `what` and `about` are
            made right and wrong equally often.
        wordings: of the question; those with the same `what` have the same.
        fields: what the wordings speak of.
        verdict: the answer.
    """

    kind: str
    what: str
    about: str
    wordings: Sequence[str]
    fields: Mapping[str, str]
    verdict: Verdict

    @property
    def key(self) -> str:
        """What is to be balanced."""
        return f"{self.kind}, {self.what}: {self.about}"

    def question(self, turn: int) -> Question:
        """Ask in one of the wordings, each in its turn."""
        text = self.wordings[turn % len(self.wordings)].format(**self.fields)
        answer = "yes" if self.verdict.truth else "no"
        return Question(self.kind, text, answer, self.verdict.weight)
