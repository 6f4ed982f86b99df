"""Questions that a name answers: what is this, what animal, what is on the table?"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from random import Random

from shared.concepts.words import PERSON, broader_words, read_concepts
from vqa.questions.named import PEOPLE, Named
from vqa.questions.question import Question, Wordings

_BACKGROUND = frozenset(
    """grass water sand snow sky wave tree wall window door floor flower plant building
    field mountain beach sea street track sidewalk room sign light table chair plate
    bowl rock wood paper shirt fence structure container furniture machine landscape
    place equipment tool electronics toy instrument clothing person man woman boy girl
    child baby""".split()  # noqa: SIM905
)
"""Named for want of anything that catches the eye."""
_SCENES = frozenset(("place", "landscape", "building"))
_ASKED_WHAT = (
    *("animal", "vehicle", "food", "fruit", "vegetable", "dessert", "appliance"),
    *("furniture", "instrument", "toy", "tool", "machine", "building", "insect"),
    *("bird", "electronics", "clothing", "weapon", "equipment"),
)
"""Kinds that are asked for: "what vehicle is this?"."""
_ROOMS = ("kitchen", "bathroom", "bedroom", "living room", "office", "restaurant")
_WORDINGS: dict[str, Wordings] = {
    # what is to be named -> wordings
    "thing": (
        "what is in the picture?",
        "what is in the photo?",
        "what is in this image?",
        "what is this?",
        "what's this?",
        "what is shown in the picture?",
        "what does the picture show?",
        "what can you see?",
        "what do you see?",
        "what can you see in the picture?",
    ),
    "kind": (
        "what {kind} is this?",
        "what kind of {kind} is this?",
        "what {kind} is in the picture?",
        "which {kind} is this?",
        "what {kind} can you see?",
        "what type of {kind} is this?",
        "what {kind} is shown?",
    ),
    "animal": (
        "what animal is this?",
        "what animal is this?",
        "what animals are these?",
        "what animal is in the picture?",
        "what animals are in the picture?",
        "which animal is this?",
        "what kind of animal is this?",
        "what animal can you see?",
        "what animals are there?",
        "what animal is there?",
    ),
    "vehicle": (
        "what vehicle is this?",
        "what vehicles are these?",
        "what kind of vehicle is this?",
        "what vehicle is in the picture?",
        "what vehicle can you see?",
        "what vehicles are there?",
    ),
    "food": (
        "what food is this?",
        "what food is this?",
        "what kind of food is this?",
        "what food is in the picture?",
        "what food can you see?",
        "what food is there?",
        "what is there to eat?",
    ),
    "held": (
        "what is {joint} the {holder}?",
        "what is {joint} the {holder}?",
        "what's {joint} the {holder}?",
        "what can you see {joint} the {holder}?",
    ),
    "held food": (
        "what is {joint} the {holder}?",
        "what is {joint} the {holder}?",
        "what food is {joint} the {holder}?",
        "what kind of food is {joint} the {holder}?",
    ),
    "room": (
        "what room is this?",
        "what room is this?",
        "which room is this?",
        "what kind of room is this?",
        "what room is shown?",
        "where is this?",
        "where was this picture taken?",
    ),
}


def main_thing(named: Named) -> tuple[str, float]:
    """What one would say the photo shows, and how sure that is; ("", 0) if unclear."""
    ranked = sorted(
        ((_weight(named, word), word) for word in named.leaves()), reverse=True
    )
    if not ranked:
        return "", 0.0
    most, word = ranked[0]
    share = named.votes[word] / named.captions
    if share < min(0.5, 2 / named.captions) or most <= 0:
        return "", 0.0
    rival = ranked[1][0] / most if ranked[1:] else 0.0
    return _neutral(word), 1.0 if rival < 0.8 else 0.6


def _weight(named: Named, word: str) -> float:
    votes = named.votes[word] + 0.5 * named.first[word]
    top = [word, *broader_words(word)]
    if word in _BACKGROUND or PERSON in top:
        return 0.3 * votes
    if top[-1] == "clothing":
        return 0.2 * votes
    return (0.5 if top[-1] in _SCENES else 1.0) * votes


def _neutral(word: str) -> str:
    """What a person is called where it is the whole answer."""
    return PERSON if PERSON in broader_words(word) else word


def name_questions(named: Named, rng: Random) -> Iterator[Question]:
    """Questions that a name answers: what is in the picture, what animal is this?"""
    thing, weight = main_thing(named)
    if thing:
        for text in rng.sample(_WORDINGS["thing"], 2):
            yield Question("naming", text, thing, weight)
    for kind in _ASKED_WHAT:
        found, sure = _one_of(named, kind)
        if found:
            plain = _WORDINGS.get(kind, _WORDINGS["kind"])
            for text in rng.sample(plain, min(2, len(plain))):
                yield Question("naming", text.format(kind=kind), found, sure)
    yield from _held_questions(named, rng)
    rooms = {room: named.votes[room] for room in _ROOMS if named.votes[room]}
    if len(rooms) == 1:
        (room,) = rooms
        for text in rng.sample(_WORDINGS["room"], 2):
            yield Question("naming", text, room, 1.0)


def _held_questions(named: Named, rng: Random) -> Iterator[Question]:
    """What is on the table?"""
    held: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (joint, holder, thing), votes in named.held.items():
        if thing not in PEOPLE and holder not in broader_words(thing):
            held[joint, holder][thing] += votes
    for (joint, holder), things in held.items():
        (thing, most), *others = things.most_common()
        wordings = "held food" if "food" in broader_words(thing) else "held"
        weight = 0.5 if any(2 * votes > most for _, votes in others) else 1.0
        plural = read_concepts()[holder].plural == holder
        for text in rng.sample(_WORDINGS[wordings], 2):
            if not plural or holder in ("water", "snow", "sand", "grass"):
                asked = text.format(joint=joint, holder=holder)
                yield Question("naming", asked, thing, weight)


def _one_of(named: Named, kind: str) -> tuple[str, float]:
    """The one thing of a kind that the captions agree on."""
    found = {w: named.votes[w] for w in named.leaves() if kind in broader_words(w)}
    if not found:
        return "", 0.0
    (most, word), *others = sorted(((n, w) for w, n in found.items()), reverse=True)
    if any(2 * n > most for n, _ in others) or most < min(2, named.captions):
        return "", 0.0
    return word, 1.0 if most >= 0.6 * named.captions else 0.7
