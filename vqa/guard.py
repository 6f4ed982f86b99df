"""What to tell the user about a question before its answer is believed."""

import difflib
from collections.abc import Collection, Sequence

from shared.errors import AppError
from shared.text import SPECIAL_WORDS, Vocabulary, split_words

MAX_LETTERS = 2000
OPENING_WORDS = 2
NEAREST = 3
_CLITICS = {"'s": "is", "'re": "are"}
_ENDINGS = ("s", "es", "ing", "ed", "y", "d")
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
    unknown = [
        word
        for word in dict.fromkeys(words[:max_words])
        if word not in vocabulary and word not in _NO_CONTENT
    ]
    for word in unknown:
        near = nearest(word, vocabulary)
        meant = f"; it knows {', '.join(near)}" if near else ""
        found.append(f"The model does not know the word {word!r}{meant}.")
    if not any(word in vocabulary for word in words[:max_words]):
        found.append("It knows no word of the question, so its answer means nothing.")
    elif openings and (first := _opening(words)) not in openings:
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
    """Give a form of a word that the model knows: "waves" for "wave".

    The word itself, if it knows that, or no other form.
    """
    if len(word) < 4 or word in vocabulary:
        return word
    stems = [word, *(word.removesuffix(ending) for ending in _ENDINGS)]
    forms = (
        stem + ending for stem in stems if len(stem) > 2 for ending in ("", *_ENDINGS)
    )
    return next((form for form in forms if form in vocabulary), word)


def nearest(word: str, vocabulary: Vocabulary) -> list[str]:
    """Find known words that are spelt like a word, nearest first, at most three.

    Two letters in the wrong order are the likeliest slip: "dgo" is "dog".
    """
    if len(word) < 3:
        return []
    known = [w for w in vocabulary.words[len(SPECIAL_WORDS) :] if w.isalpha()]
    turned = {
        word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)
    }
    first = [w for w in known if w in turned]
    alike = difflib.get_close_matches(word, known, NEAREST, cutoff=0.75)
    return list(dict.fromkeys([*first, *alike]))[:NEAREST]
