"""What captions name, of all everyday words, and what they say is on or in what.

The lexicon has some hundred nouns. Here are those of `shared.concepts.words`, which are
many more, and of which captions need say nothing but the word: "a photo of an
accordion" is enough.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from shared.concepts.words import broader_words, concept_mentions
from shared.text.vocabulary import split_words

PEOPLE = frozenset(("person", "man", "woman", "child", "boy", "girl", "baby"))

_COLORS = frozenset(["orange"])  # only "oranges" are surely fruit
_HOLDS = dict.fromkeys(
    ("plate", "table", "tray", "counter", "desk"), "on"
) | dict.fromkeys(
    ("bowl", "vase", "basket", "box", "cup", "glass", "pan", "pot", "mug", "bag"), "in"
)
"""What has its things said after it: a plate of food, a vase with flowers."""
_JOINTS = frozenset(
    """of with filled full containing on in under inside atop near by at behind beside
    from to for over through along across""".split()  # noqa: SIM905
)
_FURTHEST = 6  # words between a thing and what it is on


class Named(NamedTuple):
    """What the captions of one photo name.

    Attributes:
        votes: concept -> captions that mention it, or something that is a kind of it.
        first: concept -> captions in which it comes before all others.
        held: (preposition, holder, thing) -> captions that say so: a pizza on a table.
        captions: how many there are.
    """

    votes: Counter[str]
    first: Counter[str]
    held: Counter[tuple[str, str, str]]
    captions: int

    def mentions(self, thing: str) -> bool:
        """Whether a thing is mentioned, by whatever name."""
        places = concept_mentions().places(thing.split())
        return any(word in self.votes for *_, word in places)

    def leaves(self) -> list[str]:
        """The narrowest words: dog, not animal."""
        wider = {broad for word in self.votes for broad in broader_words(word)}
        return [word for word in self.votes if word not in wider]


def read_names(captions: Sequence[str]) -> Named:
    """Count which concepts captions mention, and what is on or in what."""
    named = Named(Counter(), Counter(), Counter(), len(captions))
    for caption in captions:
        words = split_words(caption)
        found = [
            place
            for place in concept_mentions().places(words)
            if place[2] not in _COLORS or words[place[0]] != place[2]
        ]
        things = [word for _, _, word in found]
        named.votes.update({w for word in things for w in (word, *broader_words(word))})
        named.first.update(things[:1])
        named.held.update(dict.fromkeys(_held(words, found), 1))
    return named


def _held(
    words: Sequence[str], found: Sequence[tuple[int, int, str]]
) -> Iterator[tuple[str, str, str]]:
    """What is said to be on, in or under what: "a pizza sitting on top of a table"."""
    for (_, end, before), (start, _, after) in pairwise(found):
        between = words[end:start]
        if len(between) > _FURTHEST or {"and", "or", "while"} & set(between):
            continue
        said = [word for word in between if word in _JOINTS]
        joint = said[0] if said else ""
        if joint in ("of", "with", "filled", "full", "containing") and before in _HOLDS:
            yield _HOLDS[before], before, after
        elif joint in ("on", "in", "under", "inside", "atop") and after not in PEOPLE:
            yield {"inside": "in", "atop": "on"}.get(joint, joint), after, before
