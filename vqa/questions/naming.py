"""Questions for what is there by name, of all everyday words: what is it, is there one?

The other rules read grammar and know some hundred nouns. Here are the nouns of
`shared.concepts.words`, which are many more, and of which captions need say nothing
but the word: "a photo of an accordion" is enough.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from random import Random
from typing import NamedTuple

from shared.concepts.words import Mentions, broader_words, read_concepts
from shared.text.english import article
from shared.text.vocabulary import split_words
from vqa.questions.asking import Asked
from vqa.questions.templates import NAMES, PRESENCE

PERSON = "person"
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
_COLORS = frozenset(["orange"])  # only "oranges" are surely fruit
_ROOMS = ("kitchen", "bathroom", "bedroom", "living room", "office", "restaurant")
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
_PEOPLE = frozenset(("person", "man", "woman", "child", "boy", "girl", "baby"))
_FURTHEST = 6  # words between a thing and what it is on
_FEWEST_CAPTIONS = 4  # of a photo, for what they leave unsaid to mean anything
_MOST_UNSAID = 0.06  # share of the photos that may have a thing which nobody mentions
_NEAR = 0.5  # share of the questions for what is not there that ask for the like of it
_TRIES = 30
_TOO_WIDE = (
    *("place", "structure", "equipment", "landscape", "container", "machine", "tool"),
    *(
        "electronics",
        "clothing",
        "building",
        "plant",
        "paper",
        "wood",
        "cloth",
        "light",
    ),
)
"""Nobody asks whether there is any."""


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
        places = _mentions().places(thing.split())
        return any(word in self.votes for *_, word in places)

    def leaves(self) -> list[str]:
        """The narrowest words: dog, not animal."""
        wider = {broad for word in self.votes for broad in broader_words(word)}
        return [word for word in self.votes if word not in wider]


class Claimed(NamedTuple):
    """Whether a thing is there: a question, and whose photo it is about."""

    photo: int
    thing: str
    asked: Asked


@cache
def _mentions() -> Mentions:
    return Mentions(read_concepts())


def read_names(captions: Sequence[str]) -> Named:
    """Count which concepts captions mention, and what is on or in what."""
    named = Named(Counter(), Counter(), Counter(), len(captions))
    for caption in captions:
        words = split_words(caption)
        found = [
            place
            for place in _mentions().places(words)
            if place[2] not in _COLORS or words[place[0]] != place[2]
        ]
        things = [word for _, _, word in found]
        named.votes.update({w for word in things for w in (word, *broader_words(word))})
        named.first.update(things[:1])
        named.held.update(set(_held(words, found)))
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
        elif joint in ("on", "in", "under", "inside", "atop") and after not in _PEOPLE:
            yield {"inside": "in", "atop": "on"}.get(joint, joint), after, before


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


def name_questions(named: Named, rng: Random) -> Iterator[Asked]:
    """Questions that a name answers: what is in the picture, what animal is this?"""
    thing, weight = main_thing(named)
    if thing:
        for text in rng.sample(NAMES["thing"], 2):
            yield Asked("naming", text, thing, weight)
    for kind in _ASKED_WHAT:
        found, sure = _one_of(named, kind)
        if found:
            plain = NAMES.get(kind, NAMES["kind"])
            for text in rng.sample(plain, min(2, len(plain))):
                yield Asked("naming", text.format(kind=kind), found, sure)
    yield from _held_questions(named, rng)
    rooms = {room: named.votes[room] for room in _ROOMS if named.votes[room]}
    if len(rooms) == 1:
        (room,) = rooms
        for text in rng.sample(NAMES["room"], 2):
            yield Asked("naming", text, room, 1.0)


def _held_questions(named: Named, rng: Random) -> Iterator[Asked]:
    """What is on the table?"""
    held: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (joint, holder, thing), votes in named.held.items():
        if thing not in _PEOPLE and holder not in broader_words(thing):
            held[joint, holder][thing] += votes
    for (joint, holder), things in held.items():
        (thing, most), *others = things.most_common()
        kinds = list(broader_words(thing))
        weight = 0.5 if any(2 * votes > most for _, votes in others) else 1.0
        plural = read_concepts()[holder].plural == holder
        for text in rng.sample(NAMES["held food" if "food" in kinds else "held"], 2):
            if not plural or holder in ("water", "snow", "sand", "grass"):
                asked = text.format(joint=joint, holder=holder)
                yield Asked("naming", asked, thing, weight)


def _one_of(named: Named, kind: str) -> tuple[str, float]:
    """The one thing of a kind that the captions agree on."""
    found = {w: named.votes[w] for w in named.leaves() if kind in broader_words(w)}
    if not found:
        return "", 0.0
    (most, word), *others = sorted(((n, w) for w, n in found.items()), reverse=True)
    if any(2 * n > most for n, _ in others) or most < min(2, named.captions):
        return "", 0.0
    return word, 1.0 if most >= 0.6 * named.captions else 0.7


def presence_questions(
    named: Sequence[Named],
    asked: Sequence[Collection[str]],
    rng: Random,
    most_alike: int,
    most: int,
) -> Iterator[Claimed]:
    """Is there a cat? As many with yes as with no, for each thing and each wording.

    Half of those with no are asked about photos of something of the same kind, so that
    what tells a cat from a dog is learnt, too.

    Args:
        named: of each photo.
        asked: what each is asked already, which it is not asked again.
        rng: of the choice.
        most_alike: questions about one thing that yes answers, at most.
        most: questions about one photo, at most.
    """
    found: dict[int, set[str]] = defaultdict(set)
    pairs = list(_pair_up(named, rng, most_alike))
    rng.shuffle(pairs)
    for pair in pairs:
        if all(
            len(found[photo]) < most
            and claim.text not in found[photo]
            and claim.text not in asked[photo]
            for photo, _, claim in pair
        ):
            for claimed in pair:
                found[claimed.photo].add(claimed.asked.text)
                yield claimed


def _pair_up(
    named: Sequence[Named], rng: Random, most_alike: int
) -> Iterator[tuple[Claimed, Claimed]]:
    """A question that yes answers, and the same about another photo, which has none."""
    unsaid = _unsaid(named) | dict.fromkeys(_TOO_WIDE, 1.0)
    holders: dict[str, list[int]] = defaultdict(list)
    kin: dict[str, list[int]] = defaultdict(list)  # broader word -> photos
    for photo, one in enumerate(named):
        for word in one.votes:
            holders[word].append(photo)
        for broad in {next(broader_words(word), "") for word in one.leaves()} - {""}:
            kin[broad].append(photo)
    for word, photos in sorted(holders.items()):
        if unsaid.get(word, 0.0) > _MOST_UNSAID:
            continue
        alike = kin.get(next(broader_words(word), ""), [])
        drawn = rng.sample(photos, min(most_alike, len(photos)))
        for turn, photo in enumerate(drawn):
            other = _without(word, named, alike, rng)
            if other is not None:
                text = _ask(word, turn)
                weight = 1.0 if named[photo].votes[word] > 1 else 0.8
                yes = Asked("presence", text, "yes", weight)
                no = Asked("presence", text, "no", 1.0)
                yield Claimed(photo, word, yes), Claimed(other, word, no)


def _without(
    word: str, named: Sequence[Named], alike: Sequence[int], rng: Random
) -> int | None:
    """A photo that has neither the thing nor anything that might be called so."""
    for _ in range(_TRIES):
        near = alike and rng.random() < _NEAR
        photo = rng.choice(alike) if near else rng.randrange(len(named))
        if not _may_have(word, named[photo].votes):
            return photo
    return None


def _may_have(word: str, votes: Mapping[str, int]) -> bool:
    """Whether it is mentioned, or a wider word that may mean it: any "animal"."""
    return word in votes or any(
        broad in votes and not _has_narrower(broad, votes)
        for broad in broader_words(word)
    )


def _has_narrower(broad: str, votes: Iterable[str]) -> bool:
    return any(broad in broader_words(word) for word in votes)


def _unsaid(named: Sequence[Named]) -> dict[str, float]:
    """The share of the photos that have a thing, though none of its captions says so.

    Estimated from how many photos have it in one caption and in two.

    Source: Chao 1984, Nonparametric estimation of the number of classes, for the
        number of those that were never seen.
    """
    once: Counter[str] = Counter()
    twice: Counter[str] = Counter()
    ever: Counter[str] = Counter()
    photos = 0
    for one in named:
        if one.captions < _FEWEST_CAPTIONS:
            continue
        photos += 1
        ever.update(one.votes.keys())
        once.update(word for word, n in one.votes.items() if n == 1)
        twice.update(word for word, n in one.votes.items() if n == 2)
    return {
        word: once[word] ** 2 / (2 * twice[word] + 1) / max(photos - number, 1)
        for word, number in ever.items()
    }


def _ask(word: str, turn: int) -> str:
    concept = read_concepts()[word]
    counted = concept.plural != word
    texts = PRESENCE["one" if counted else "any"]
    return texts[turn % len(texts)].format(
        thing=word,
        things=concept.plural if counted else word,
        a_thing=f"{article(word)} {word}",
    )
