"""Scripts that put no spaces between words: Chinese, Japanese, Thai and others."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

# Iteration marks and the numeral zero; Hiragana, Katakana, Bopomofo; Han; half-width
# Katakana; Han beyond the first 65,536 characters.
_EAST_ASIAN = (
    "\u3005-\u3007\u3021-\u3029\u3041-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_SOUTH_EAST_ASIAN = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
)
_MARKS = ("Mn", "Mc", "Me", "Cf")


@cache
def _any_of(characters: str) -> re.Pattern[str]:
    """Compile a pattern when it is needed: these take milliseconds."""
    return re.compile(f"[{characters}]")


def _is_mark(character: str) -> bool:
    # Sara am is a vowel sign that counts as a letter.
    return unicodedata.category(character) in _MARKS or character in "\u0e33\u0eb3"


def is_unspaced(text: str) -> bool:
    """Whether a character of a script without spaces is in it."""
    if text.isascii():
        return False
    return _any_of(_EAST_ASIAN + _SOUTH_EAST_ASIAN).search(text) is not None


def split_characters(words: Iterable[str]) -> Iterator[str]:
    """Split the words of scripts without spaces into characters.

    Marks stay with the character that they belong to, such as vowel signs and tones
    of Thai. Words of other scripts, and numbers, stay whole.
    """
    for word in words:
        if not is_unspaced(word):
            yield word
            continue
        token = ""
        for character in word:
            apart = is_unspaced(character) or is_unspaced(token)
            if token and apart and not _is_mark(character):
                yield token
                token = ""
            token += character
        yield token


def full_stop(text: str) -> str:
    """Give what ends a sentence: a full stop of its script, or "" if it has none."""
    if not text[-1].isascii() and _any_of(_EAST_ASIAN).match(text[-1]):
        return "\u3002"
    return "" if is_unspaced(text[-1]) else "."
