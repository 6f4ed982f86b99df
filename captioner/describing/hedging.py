"""What to say of a photo where a caption is probably wrong: less, and more surely."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from captioner.describing.grounding import kinds_of, least_of
from captioner.search.config import DecodingConfig
from shared.concepts.words import PERSON, broader_words, read_concepts, widest_words
from shared.text.english import article

SEEN = 0.35  # what is less surely there is not spoken of
# Where things are rather than what they are, so that the thing itself is left open.
# fmt: off
SETTINGS = {
    "bathroom": "in a bathroom", "beach": "on a beach", "bedroom": "in a bedroom",
    "desk": "on a desk", "field": "in a field",
    "forest": "in a forest", "grass": "on grass", "kitchen": "in a kitchen",
    "living room": "in a living room", "office": "in an office", "park": "in a park",
    "room": "in a room", "sand": "on sand", "sky": "in the sky", "snow": "in the snow",
    "street": "on a street", "table": "on a table", "water": "in the water",
}
# fmt: on


class Hedge(NamedTuple):
    """A sentence that claims little.

    Attributes:
        text: the sentence.
        right: probability that a person who describes the photo says as much.
    """

    text: str
    right: float


class Hedging:
    """Speaks of the one thing that is most surely worth it.

    Widest words, such as "furniture", say too little, and of people not even their sex
    or trade is said.

    Args:
        concepts: the words of a concept net, in the order of its probabilities.
    """

    def __init__(self, concepts: Sequence[str]):
        kinds = kinds_of(concepts)
        self._places = {
            word: (place, kinds[place])
            for place, word in enumerate(concepts)
            if _can_be_said(word)
        }

    def hedge(
        self, there: np.ndarray, said: np.ndarray, decoding: DecodingConfig
    ) -> Hedge | None:
        """Say the least that can be said of a photo.

        Args:
            there, said: float (C,), how surely each concept is seen, and mentioned.
            decoding: what the search may not say is not said here, either.

        Returns:
            None if nothing is surely there.
        """
        least, ban = least_of(decoding), {*decoding.ban}

        def may_be_said(word: str, place: int, kind: str) -> bool:
            sure = min(there[place], said[place]) if kind == PERSON else there[place]
            enough = there[place] >= SEEN and sure >= least.get(kind, 0.0)
            return bool(enough) and not ban & {*word.split(" ")}

        sure = {
            word: float(said[place])
            for word, (place, kind) in self._places.items()
            if may_be_said(word, place, kind)
        }
        if not sure:
            return None
        word = max(sure, key=sure.__getitem__)
        return Hedge(say(word), sure[word])


def say(word: str) -> str:
    """Make a sentence of a concept that claims no more than that it is there.

    >>> [say(word) for word in ("umbrella", "scissors", "table")]
    ['Perhaps an umbrella.', 'Perhaps scissors.', 'Something on a table.']
    """
    if word in SETTINGS:
        return f"Something {SETTINGS[word]}."
    concept = read_concepts()[word]
    # Of sheep, that may be one; of scissors and bread there is no one.
    counted = concept.plural != word or _is_animal(word)
    return f"Perhaps {article(word)} {word}." if counted else f"Perhaps {word}."


def _can_be_said(word: str) -> bool:
    if word not in read_concepts() or PERSON in broader_words(word):
        return False
    return word == PERSON or word in SETTINGS or word not in widest_words()


def _is_animal(word: str) -> bool:
    return "animal" in broader_words(word)
