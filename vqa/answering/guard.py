"""What to tell the user about a question before its answer is believed."""

import re
from collections.abc import Collection, Mapping, Sequence
from os.path import commonprefix
from typing import NamedTuple

import numpy as np

from shared.errors import AppError
from shared.text.english import forms, read_word, spelt_like
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, split_words
from vqa.answering.replies import Asked
from vqa.text.answers import AnswerSpace, normalize
from vqa.text.words import answer_words

MAX_LETTERS = 2000
OPENING_WORDS = 2
_CLITICS = {"'s": "is", "'re": "are"}
# Words for the photo itself, and for asking, that nobody has to have learnt.
_NO_CONTENT = frozenset(["please", "hey", "hi", "hello", "tell", "me"])
# Words by which alone a choice of several words cannot be judged.
_SMALL_WORDS = frozenset(
    "a an the of in on at to by with for from and or is are it 's n't not".split()  # noqa: SIM905
)


class Choices(NamedTuple):
    """The choices of a question that a model can judge, no two of them alike.

    Attributes:
        texts: as somebody typed them.
        read: as the model reads them, see `known_form`.
        ids: those of the answers that they are; None if some are no answer of the
            model, which then goes by their words.
        notes: sentences on what is left out, and what is unknown of the others.
    """

    texts: tuple[str, ...]
    read: tuple[str, ...]
    ids: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


class Checked(NamedTuple):
    """A question that can be asked.

    Attributes:
        words: as typed.
        choices: if there are any.
        opened: the words that the net is asked, see
            `vqa.answering.fitting.FittingAnswers.open_question`.
    """

    words: list[str]
    choices: Choices | None
    opened: list[str]


def opening(question: str) -> str:
    """Give the words that say what kind of question it is: "what color", "is there".

    "What's" opens as "what is" does, "colour" as "color". Empty for no words.
    """
    return _opening(split_words(question))


def check_question(question: str) -> list[str]:
    """Split a question that somebody typed into words.

    Raises:
        AppError: if there is no word in it, or it is longer than any question.
    """
    if len(question) > MAX_LETTERS:
        raise AppError(
            f"The question has {len(question)} letters; at most {MAX_LETTERS} are "
            "read. Ask one short question, such as: what color is the dog?"
        )
    words = split_words(question)
    if not words:
        raise AppError(
            f"The question {question!r} has no word in it. Ask something such as: what "
            "color is the dog?"
        )
    return words


def check_asked(
    asked: Asked, objective: str, vocabulary: Vocabulary, space: AnswerSpace | None
) -> Checked:
    """Make sure that a question can be asked, and split it into words.

    Args:
        asked: the question, with what it chooses from.
        objective: of the model, see `vqa.config.VqaConfig`.
        vocabulary, space: see `check_choices`.

    Raises:
        AppError: if it cannot; the message says why.
    """
    words = check_question(asked.question)
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
    choices = None
    if asked.choices:
        choices = check_choices(asked.choices, vocabulary, space)
    for place, box in enumerate(asked.boxes):
        left, top, right, bottom = np.clip(box, 0, 1)
        if left >= right or top >= bottom:
            raise AppError(
                f"Box {place} is {box}, which is no part of the photo. A box is "
                "left, top, right, bottom, each 0 to 1 of its width or height."
            )
    return Checked(words, choices, words)


def warnings(
    words: Sequence[str],
    vocabulary: Vocabulary,
    openings: Collection[str],
    max_words: int,
) -> list[str]:
    """Say what about a question the model has not learnt.

    Args:
        words: of the question, from `check_question`.
        openings: kinds of questions that it has learnt, see `opening`; none if that
            is not known.
        max_words: words that it reads.

    Returns:
        sentences for the user, none if all is well.
    """
    found = []
    read = [known_form(word, vocabulary) for word in words[:max_words]]
    for word in dict.fromkeys(words[:max_words]):
        if word not in vocabulary and word not in _NO_CONTENT:
            found.append(_unknown_word(word, vocabulary))
    if not any(form in vocabulary for form in read):
        found.append("It knows no word of the question, so its answer means nothing.")
    elif openings and (first := _opening(read)) not in openings:
        found.append(f"It has never learnt from questions that start with {first!r}.")
    if len(words) > max_words:
        found.append(
            f"It reads the first {max_words} words; the question has {len(words)}."
        )
    return found


def _opening(words: Sequence[str]) -> str:
    first = " ".join(_CLITICS.get(word, word) for word in words[:OPENING_WORDS])
    return first.replace("colour", "color")


def known_form(word: str, vocabulary: Vocabulary) -> str:
    """Give another form of a word, in number or tense, if the model knows only that.

    "Waves" for "wave", never "waving", which may be another word. Of several, the one
    that begins most alike, then the one that is more frequent in what it has learnt.

    Returns:
        the word itself, if the model knows it, or surely no other form of it.
    """
    if word in vocabulary or not read_word(word).base:
        return word
    kind = read_word(word)[1:]
    same = [form for form in forms(word, vocabulary.ids) if read_word(form)[1:] == kind]

    def far(form: str) -> tuple[int, int]:
        alike = commonprefix([form, word])  # noqa: RUF071  # of letters, not of paths
        return -len(alike), vocabulary.ids[form]

    return min(same, key=far, default=word)


def nearest(word: str, vocabulary: Vocabulary) -> list[str]:
    """Find known words that are spelt like a word, see `spelt_like`."""
    return spelt_like(word, vocabulary.words[len(SPECIAL_WORDS) :])


def check_choices(
    choices: Sequence[str], vocabulary: Vocabulary, space: AnswerSpace | None
) -> Choices:
    """Find the choices that a model can judge: answers of its own, or words it knows.

    Args:
        choices: as somebody typed them.
        vocabulary: words that the model knows.
        space: answers that it knows; None if it knows none.

    Raises:
        AppError: if fewer than two of them differ, or it knows none of them.
    """
    ids = space.ids if space else {}
    different: dict[str, tuple[str, str]] = {}  # form to compare -> typed, read
    notes, left_out = [], []
    for choice in dict.fromkeys(choices):
        form, read, notes_on_words = _read_choice(choice, vocabulary, ids)
        if not form:
            notes.append(f"The choice {choice!r} has no word in it and is left out.")
        elif form in different:
            same = different[form][0]
            notes.append(f"The choices {same!r} and {choice!r} are the same.")
        else:
            different[form] = choice, read
            notes += notes_on_words
            if form not in ids and not _has_known_word(read, vocabulary):
                left_out.append(form)
    if len(different) < 2:
        raise AppError("Give at least two different choices.")
    kept = [form for form in different if form not in left_out]
    if not kept:
        raise AppError(
            "The model knows no word of the choices "
            f"{', '.join(repr(choice) for choice, _ in different.values())}, so it "
            "cannot judge them. Give choices of everyday words."
        )
    known = all(form in ids for form in kept)
    if len(kept) == 1:
        says = "that among all its answers" if known else "1 and says nothing"
        notes.append(f"Only one choice is left, so its confidence is {says}.")
    return Choices(
        tuple(different[form][0] for form in kept),
        tuple(different[form][1] for form in kept),
        tuple(ids[form] for form in kept) if known else None,
        tuple(notes),
    )


def _read_choice(
    choice: str, vocabulary: Vocabulary, ids: Mapping[str, int]
) -> tuple[str, str, list[str]]:
    """Its form for comparing, its words as read, and sentences on those unknown."""
    if (form := _answer_form(choice)) in ids:
        return form, choice, []
    words = answer_words(choice)
    read = " ".join(known_form(word, vocabulary) for word in words)
    unknown = [w for w in words if w not in vocabulary and w not in _SMALL_WORDS]
    notes = [_unknown_word(word, vocabulary) for word in dict.fromkeys(unknown)]
    if not _has_known_word(read, vocabulary) and _answer_form(read) not in ids:
        near = dict.fromkeys(n for word in unknown for n in nearest(word, vocabulary))
        meant = f" (it knows {', '.join(near)})" if near else ""
        notes = [
            f"The model knows no word of the choice {choice!r}{meant}, so it is left "
            "out."
        ]
    return _answer_form(read) or form, read, notes


def _has_known_word(text: str, vocabulary: Vocabulary) -> bool:
    words = answer_words(text)
    telling = [word for word in words if word not in _SMALL_WORDS] or words
    return any(word in vocabulary for word in telling)


def _answer_form(choice: str) -> str:
    """The form in which choices are compared; "-1" is not "1"."""
    sign = "-" if re.match(r"\s*[-\u2212]\d", choice) else ""
    return sign + normalize(choice.replace("_", " "))


def _unknown_word(word: str, vocabulary: Vocabulary) -> str:
    form = known_form(word, vocabulary)
    if form != word:
        return f"The model does not know the word {word!r}; it reads {form!r} instead."
    near = ", ".join(nearest(word, vocabulary))
    meant = f"; it knows {near}" if near else ""
    return f"The model does not know the word {word!r}{meant}."
