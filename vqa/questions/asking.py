"""Questions that a word answers: what the captions of one photo agree on."""

from collections import Counter
from collections.abc import Collection, Iterator
from random import Random
from typing import NamedTuple

from vqa.questions.actions import INSTRUMENTS, PLAYED, VAGUE
from vqa.questions.facts import KIND_OF, Facts, Votes, wider
from vqa.questions.lexicon import ALIKE, NOUNS, PLURAL, word_list, word_set
from vqa.questions.templates import OPEN
from vqa.questions.wording import in_plural, spaced, speak_of, wordings

ANIMALS = tuple(word for word in NOUNS["animal"] if word != "animal")
PEOPLE = ("person", "man", "woman", "child", "boy", "girl", "baby")

_HEAD = word_set("hat helmet bandana headband scarf wig headphones")
_EYES = word_set("sunglasses glasses goggles mask")
_LEGS = word_set("jeans shorts skirt")
_NECK = word_set("collar scarf tie necklace bandana harness")
_BACK = word_set("backpack")
_IN_MOUTH = word_set("ball frisbee stick toy rope bone football snowball bird")
_IN_HAND = word_set(
    """ball basketball football frisbee stick toy rope skateboard surfboard snowboard
    tennis_racket bat camera phone guitar violin microphone book newspaper magazine
    sign flag umbrella bag bottle cup cigarette balloon flower kite gun sword
    hula_hoop paddle fishing_pole bone box bucket shovel basket pole candle blanket
    towel hose leash drink beer ice_cream lollipop food baby dog cat fish paper
    snowball"""
)
_RIDABLE = word_set(
    """bike motorcycle horse scooter atv unicycle tricycle bus train camel elephant cow
    skateboard snowboard surfboard sled swing boat slide"""
)
_SEATS = word_set(
    """bench chair couch bed table rock log swing slide trampoline stairs wall blanket
    skateboard surfboard fence rail ramp bridge"""
)


class _Answers(NamedTuple):
    """Where the answers to a question about someone come from.

    Attributes:
        relations: of the subject, as `Facts.relations` calls them.
        kinds: of things that will do.
        things: others that will do.
    """

    relations: str
    kinds: str = ""
    things: Collection[str] = ()


_ANSWERED_BY = {
    "ride": _Answers("ride", things=_RIDABLE),
    "sit on": _Answers("sit on", "place vehicle", _SEATS),
    "stand on": _Answers("stand on", "place", _SEATS),
    "lie on": _Answers("lie on", "place", _SEATS),
    "run on": _Answers("run on", "place"),
    "run through": _Answers("run through", "place nature"),
    "walk on": _Answers("walk on", "place object"),
    "climb": _Answers("climb", "object place nature"),
    "eat": _Answers("eat", "food"),
    "drink": _Answers("drink", things=word_list("water beer wine coffee drink")),
    "read": _Answers("read", "object"),
    "throw": _Answers("throw", "object"),
    "kick": _Answers("kick", things=("ball", "football")),
    "catch": _Answers("catch", things=_IN_MOUTH),
    "chase": _Answers("chase", "object animal"),
    "push": _Answers("push", "object vehicle"),
    "pull": _Answers("pull", "object vehicle"),
    "instrument": _Answers("play", things=INSTRUMENTS),
    "play with": _Answers("play with,catch,chase", "object animal"),
    "play on": _Answers("play on", "object place"),
    "jump into": _Answers("jump into", things=word_list("water pool lake ocean river")),
    "jump over": _Answers("jump over", "object place"),
    "jump off": _Answers("jump off", "object place"),
    "jump on": _Answers("jump on", "object"),
    "slide down": _Answers("slide down", "object place"),
    "behind": _Answers("behind", "place object nature vehicle"),
}
_MOUTH = _Answers("hold,with,catch,bite", things=_IN_MOUTH)
_HAND = _Answers("hold,with", things=_IN_HAND)
_CLOTHES = {"wear": frozenset(NOUNS["clothing"]), "head": _HEAD, "eyes": _EYES}
_NO_ANSWERS = word_set("outfit ground thing person animal uniform")
_COLORED = word_set("building wall slide flower grass water sky fence tree")
_INDOORS = word_set(
    """indoors indoor kitchen couch bed carpet bathroom restaurant gym office bathtub
    store subway museum bedroom hallway sofa stove"""
)
_OUTDOORS = word_set(
    """grass snow field beach ocean lake river mountain street road sidewalk forest
    hill yard park sand outside outdoors tree desert path trail track cliff grassy
    snowy pond sky"""
)
_WHERE = {
    "water": "in the water",
    "snow": "in the snow",
    "grass": "on the grass",
    "beach": "on the beach",
}
SUNNY = word_set("sunny sun")
RAINY = word_set("rain raining rainy")
_NIGHT = word_set("night nighttime dusk evening fireworks")


class Asked(NamedTuple):
    """One question with its answer: its type, wording and what the answer is worth."""

    kind: str
    text: str
    answer: str
    weight: float


class Photo:
    """One photo's facts, and whom questions can be about."""

    def __init__(self, facts: Facts, rng: Random):
        self.facts, self.rng = facts, rng
        self.present, self.unclear = facts.present(), facts.unclear()
        self.subjects = list(self._subjects())
        said = facts.words | set(facts.mentions)
        inside, outside = len(said & _INDOORS), len(said & _OUTDOORS)
        self.inside: bool | None = None
        if (inside > 0) != (outside > 0):
            self.inside = inside > 0
        self.night = bool(said & _NIGHT)

    def _subjects(self) -> Iterator[tuple[str, bool]]:
        """(noun, whether there are several) for all who are told apart by one word."""
        facts = self.facts
        for word in (*PEOPLE, *ANIMALS, "animal"):
            mentions, number = facts.mentions[word], facts.count(word)
            if self.said_often(mentions) and number:
                yield word, number > 1
            elif self.said_often(mentions - 1) and word in facts.uncounted:
                yield word, True

    def said_often(self, votes: int) -> bool:
        """Whether enough captions say a thing for it to be no slip: two."""
        return votes >= min(2, self.facts.captions) > 0

    def ask(
        self, kind: str, what: str, answer: str, weight: float = 1.0, **fields: str
    ) -> Asked:
        """Put a question into words."""
        many = fields.get("is") == "are"
        template = self.rng.choice(list(wordings(OPEN[kind][what], many)))
        color = self.rng.choice(("color", "color", "colour"))
        text = template.format(color=color, **fields)
        return Asked(kind, text, spaced(answer), weight)


def agreed(votes: Votes, lead: float = 1.5) -> tuple[str, float]:
    """The answer that most captions give, and its weight; ("", 0) if they disagree.

    An answer needs `lead` times the votes of the next. Of words for alike things,
    such as street and road, the one that is more common decides instead.
    """
    ranked = [(n, word) for word, n in votes.most_common()]
    if not ranked:
        return "", 0.0
    most, first = ranked[0]
    weight = 1.0 if most > 1 else 0.7
    rivals = [word for n, word in ranked[1:] if n * lead > most]
    if not rivals:
        return first, weight
    for words in ALIKE:
        if {first, *rivals} <= words and len(rivals) == 1:
            return first, 0.7 * weight
    return "", 0.0


def open_questions(photo: Photo) -> Iterator[Asked]:
    """All questions about a photo but those with yes or no."""
    yield from _colors(photo)
    yield from _counts(photo)
    for word, plural in photo.subjects:
        if word == "animal" and photo.rng.random() < 0.6:
            continue
        yield from _doings(photo, word, plural)
        yield from _clothes(photo, word, plural)
        yield from _objects(photo, word, plural)
    yield from _sports(photo)
    yield from _animals(photo)
    yield from _who(photo)
    yield from _who_is_at(photo)
    yield from _scenes(photo)
    yield from _things(photo)


def telling(votes: Votes) -> tuple[str, float]:
    """The action that captions agree on: "playing soccer" before "standing"."""
    said = Counter({a: n for a, n in votes.items() if a not in VAGUE})
    vague = Counter({a: n for a, n in votes.items() if a in VAGUE})
    if said and max(said.values()) >= min(2, max(vague.values(), default=0)):
        return agreed(said, 1.01)
    return agreed(vague, 1.01)


def _colors(photo: Photo) -> Iterator[Asked]:
    facts = photo.facts
    for thing, votes in facts.colors.items():
        owner, _, item = thing.rpartition("'s ")
        color, weight = agreed(votes)
        if thing in facts.mixed or not color:
            continue
        if item == "hair" or owner:
            if facts.count(owner) != 1:
                continue
            fields = speak_of(facts, owner, False, photo.rng, described=False).fields()
            what = "hair" if item == "hair" else "worn"
        elif KIND_OF[item] in ("person", "place", "nature") and item not in _COLORED:
            continue
        else:
            fields, what = {}, "thing"
        several = facts.several(item) and item not in PLURAL
        if several and (owner or KIND_OF[item] not in ("animal", "object")):
            continue
        fields["is"] = "are" if several or item in PLURAL else "is"
        spoken = [w for w in facts.spoken[item] if w not in ("thing", "top")] or [item]
        word = photo.rng.choice([item, item, *spoken]) if not several else item
        many = several or item in PLURAL
        fields["thing"] = in_plural(word) if many else spaced(word)
        yield photo.ask("color", what, color, weight, **fields)


def _counts(photo: Photo) -> Iterator[Asked]:
    facts = photo.facts
    for word in (*PEOPLE, *ANIMALS):
        number = facts.count(word)
        if number == 0 or (number == 1 and photo.rng.random() < 0.4):
            continue
        others = [
            w for w in facts.spoken[word] if w in ("kid", "surfer", "player", "rider")
        ]
        things = in_plural(photo.rng.choice([word, word, *others]))
        yield photo.ask("count", "how many", str(number), things=things)
        doing, weight = telling(facts.actions[word])
        if doing and photo.rng.random() < 0.2:
            fields = {"things": things, "doing": doing}
            yield photo.ask("count", "acting", str(number), 0.7 * weight, **fields)


def _doings(photo: Photo, word: str, plural: bool) -> Iterator[Asked]:
    facts, rng = photo.facts, photo.rng
    doing, weight = telling(facts.actions[word])
    if doing:
        fields = speak_of(facts, word, plural, rng).fields()
        yield photo.ask("action", "doing", doing, weight, **fields)
        if plural and word == "person" and weight == 1:
            yield photo.ask("action", "activity", doing, weight)
    place, sure = agreed(facts.places[word])
    if not place:
        return
    fields = speak_of(facts, word, plural, rng).fields()
    yield photo.ask("place", "where", place, sure, **fields)
    if doing and " " not in doing and rng.random() < 0.4:
        yield photo.ask("place", "acting", place, sure, doing=doing, **fields)
    elif rng.random() < 0.3 and KIND_OF[place] == "place":
        yield photo.ask("place", "scene", place, sure)


def _clothes(photo: Photo, word: str, plural: bool) -> Iterator[Asked]:
    facts = photo.facts
    worn = facts.relations.get((word, "wear"), Counter())
    if not worn:
        return
    animal = KIND_OF[word] == "animal"
    parts = {"neck": _NECK} if animal else {**_CLOTHES, "legs": _LEGS, "back": _BACK}
    for what, things in parts.items():
        votes = Counter({t: n for t, n in worn.items() if t in things - _NO_ANSWERS})
        answer, weight = agreed(votes, 1.01)
        if answer and (what != "wear" or weight == 1):
            fields = speak_of(facts, word, plural, photo.rng, described=False).fields()
            yield photo.ask("clothing", what, answer, weight, **fields)


def _objects(photo: Photo, word: str, plural: bool) -> Iterator[Asked]:
    facts = photo.facts
    animal = KIND_OF[word] == "animal"
    asked = {**_ANSWERED_BY, "mouth" if animal else "hold": _MOUTH if animal else _HAND}
    for what, (relations, kinds, things) in asked.items():
        votes: Votes = Counter()
        for relation in relations.split(","):
            for thing, number in facts.relations.get((word, relation), {}).items():
                fits = thing in things or KIND_OF[thing] in kinds.split()
                among = animal and KIND_OF[thing] == "animal"  # a dog beside a dog
                if fits and not among and thing not in (*_NO_ANSWERS, word):
                    votes[thing] += number
        answer, weight = agreed(votes, 1.01)
        if answer:
            fields = speak_of(facts, word, plural, photo.rng).fields()
            yield photo.ask("object", what, answer, weight, **fields)


def _sports(photo: Photo) -> Iterator[Asked]:
    facts = photo.facts
    sport, weight = agreed(facts.sports)
    people = [(w, many) for w, many in photo.subjects if KIND_OF[w] == "person"]
    if not sport or not people or facts.sports[sport] < min(2, facts.captions):
        return
    for _ in range(2):
        word, plural = photo.rng.choice(people)
        fields = speak_of(facts, word, plural, photo.rng).fields()
        what = "played" if sport in PLAYED else "sport"
        yield photo.ask("sport", what, sport, weight, **fields)


def _animals(photo: Photo) -> Iterator[Asked]:
    facts, rng = photo.facts, photo.rng
    found = {w for w in facts.mentions if w in ANIMALS}
    narrow = {w for w in found if facts.mentions[w] >= min(3, facts.captions)}
    narrow -= {"bird"} if narrow & {"duck", "swan"} else set()
    if len(narrow) != 1 or found - narrow - {"bird"}:
        return
    (animal,) = narrow
    if animal == "dog" and rng.random() < 0.4:
        return
    for _ in range(1 if animal == "dog" else 3):
        what = "kinds" if facts.several(animal) else "kind"
        yield photo.ask("animal", what, animal)
    doing, weight = telling(facts.actions[animal])
    if doing and rng.random() < 0.4:
        yield photo.ask("animal", "acting", animal, weight, doing=doing)


def _who(photo: Photo) -> Iterator[Asked]:
    facts, rng = photo.facts, photo.rng
    named = [w for w in ("man", "woman", "boy", "girl", "baby") if facts.mentions[w]]
    if len(named) != 1 or facts.mentions[named[0]] < min(3, facts.captions):
        return
    (who,) = named
    if facts.count("person") == 1:
        what = "adult" if who in ("man", "woman") else "child"
        if who != "baby":
            yield photo.ask("who", what, who)
    elif facts.count(who) != 1:
        return
    if rng.random() < 0.5:
        yield photo.ask("who", "anyone", who)
    doing, weight = telling(facts.actions[who])
    if doing and rng.random() < 0.5:
        yield photo.ask("who", "acting", who, weight, doing=doing)


def _scenes(photo: Photo) -> Iterator[Asked]:
    facts, rng = photo.facts, photo.rng
    if photo.inside is not None and (photo.inside or rng.random() < 0.12):
        inside = "indoors" if photo.inside else "outdoors"
        yield photo.ask("scene", "inside", inside)
    if photo.said_often(facts.mentions["snow"]):
        yield photo.ask("scene", "season", "winter")
        yield photo.ask("scene", "weather", "snowy", 0.7)
        yield photo.ask("scene", "ground", "snow")
    elif facts.words & SUNNY:
        yield photo.ask("scene", "weather", "sunny")
    elif facts.words & RAINY:
        yield photo.ask("scene", "weather", "rainy")
    if photo.night or (photo.inside is False and rng.random() < 0.03):
        yield photo.ask("scene", "time", "night" if photo.night else "day")


def _things(photo: Photo) -> Iterator[Asked]:
    facts = photo.facts
    vehicles = {w: n for w, n in facts.mentions.items() if KIND_OF[w] == "vehicle"}
    vehicle, weight = agreed(Counter(vehicles))
    if vehicle and photo.said_often(vehicles[vehicle]):
        yield photo.ask("object", "vehicle", vehicle, weight)
    behind, weight = agreed(facts.background, 1.01)
    if behind:
        yield photo.ask("object", "background", behind, weight)


def _who_is_at(photo: Photo) -> Iterator[Asked]:
    facts = photo.facts
    if facts.named["person"] or facts.named["crowd"]:
        return
    for place, where in _WHERE.items():
        there = [w for w in (*PEOPLE, *ANIMALS) if place in facts.places.get(w, ())]
        narrow = [w for w in there if not any(w in wider(v)[1:] for v in there)]
        if len(narrow) == 1 and photo.rng.random() < 0.3:
            yield photo.ask("who", "at", narrow[0], at=where)
