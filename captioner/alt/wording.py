"""Captions as alternative texts: without what screen readers say anyway, and short."""

import re

from captioner.search.config import BAD_ENDINGS

LONGEST = 125  # characters; some screen readers cut what is longer

# "A photo of a dog" -> "A dog"; a screen reader says that it is an image.
_OPENING = re.compile(
    r"(?:(?:this|there) (?:is|are) )?(?:(?:an? |the )?"
    r"(?:(?:black and white|close[ -]?up|blurry|colou?r) )*"
    r"(?:photo|photograph|picture|image|close[ -]?up|view) of )?(?=\S)",
    re.IGNORECASE,
)


def to_alt(caption: str) -> str:
    """Word a caption as an alternative text.

    >>> to_alt("A black and white photo of two dogs on a beach.")
    'Two dogs on a beach'

    Args:
        caption: a sentence.

    Returns:
        the sentence without its full stop and without "a photo of", at most `LONGEST`
        characters, ended after a word that can be the last one.
    """
    text = " ".join(caption.split())
    rest = _OPENING.sub("", text, count=1)
    text = (rest[:1].upper() + rest[1:]).rstrip(" .")
    if len(text) <= LONGEST:
        return text
    words = text[: LONGEST + 1].split(" ")[:-1] or [text[:LONGEST]]
    while len(words) > 1 and words[-1].strip(",;:").lower() in BAD_ENDINGS:
        words.pop()
    return " ".join(words).rstrip(" ,;:.")
