"""What to tell the user about a question before its answer is believed."""

from collections.abc import Collection, Sequence
from os.path import commonprefix

from shared.english import forms, read_word, spelt_like
from shared.errors import AppError
from shared.text import SPECIAL_WORDS, Vocabulary, split_words

MAX_LETTERS = 2000
OPENING_WORDS = 2
_CLITICS = {"'s": "is", "'re": "are"}
# Words for the photo itself, and for asking, that nobody has to have learnt.
_NO_CONTENT = frozenset(["please", "hey", "hi", "hello", "tell", "me"])


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
    for word, form in dict(zip(words, read, strict=False)).items():
        if form in vocabulary or word in _NO_CONTENT:
            known = f"; it reads {form!r} instead" if form != word else None
        else:
            near = ", ".join(nearest(word, vocabulary))
            known = f"; it knows {near}" if near else ""
        if known is not None:
            found.append(f"The model does not know the word {word!r}{known}.")
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
