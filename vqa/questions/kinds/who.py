"""Who is in the picture? Is this a man or a woman? Who is in the water?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon
from vqa.questions.photo import PEOPLE, Kind, Photo, telling
from vqa.questions.question import Question

_ACTING = ("who is {doing}?", "who is {doing} in the picture?")
_AT = ("who is {at}?", "what is {at}?", "who or what is {at}?")
_ADULT = ("is this a man or a woman?", "is the person a man or a woman?")
_CHILD = ("is this a boy or a girl?", "is the child a boy or a girl?")
_ANYONE = ("who is in the picture?", "who is in the photo?", "who is this?")

_PLACES = {
    "water": "in the water",
    "snow": "in the snow",
    "grass": "on the grass",
    "beach": "on the beach",
}


def _ask(photo: Photo) -> Iterator[Question]:
    yield from _ask_who(photo)
    yield from _ask_who_is_at(photo)


def _ask_who(photo: Photo) -> Iterator[Question]:
    facts, rng = photo.facts, photo.rng
    named = [w for w in ("man", "woman", "boy", "girl", "baby") if facts.mentions[w]]
    if len(named) != 1 or facts.mentions[named[0]] < min(3, facts.captions):
        return
    (who,) = named
    if facts.count("person") == 1:
        if who != "baby":
            yield photo.ask("who", _ADULT if who in ("man", "woman") else _CHILD, who)
    elif facts.count(who) != 1:
        return
    if rng.random() < 0.5:
        yield photo.ask("who", _ANYONE, who)
    doing, weight = telling(facts.actions[who])
    if doing and rng.random() < 0.5:
        yield photo.ask("who", _ACTING, who, weight, doing=doing)


def _ask_who_is_at(photo: Photo) -> Iterator[Question]:
    facts, known = photo.facts, lexicon()
    if facts.named["person"] or facts.named["crowd"]:
        return
    anyone = (*PEOPLE, *known.animals)
    for place, at in _PLACES.items():
        there = [word for word in anyone if place in facts.places.get(word, ())]
        broad = {wide for word in there for wide in known.wider(word)[1:]}
        narrow = [word for word in there if word not in broad]
        if len(narrow) == 1 and photo.rng.random() < 0.3:
            yield photo.ask("who", _AT, narrow[0], at=at)


KIND = Kind(_ask)
