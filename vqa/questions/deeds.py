"""Claims about someone in a photo: does, is at, wears, has, is; see `claims`."""

from collections.abc import Collection, Iterator

from vqa.questions.asking import ANIMALS, Photo
from vqa.questions.claims import Claim, Unsaid, Verdict, names, naming, other_colors
from vqa.questions.facts import KIND_OF, wider
from vqa.questions.lexicon import PLURAL, word_list, word_set
from vqa.questions.wording import spaced, speak_of

_WORN = word_list(
    """hat helmet sunglasses glasses goggles jacket sweater dress skirt shorts jeans
    pants suit swimsuit uniform backpack scarf mask gloves vest tie boots shoes bandana
    headband"""
)
_HELD = word_list(
    """ball stick toy frisbee rope bag camera book phone sign flag umbrella guitar cup
    bottle drink flower football basketball tennis_racket bat"""
)
_IN_MOUTH = word_list("ball stick toy frisbee rope")
_RIDDEN = word_list("bike horse motorcycle skateboard surfboard scooter sled swing")
_PLACES = {
    "water": "in the water",
    "grass": "on the grass",
    "snow": "in the snow",
    "beach": "on the beach",
    "street": "on the street",
    "sidewalk": "on the sidewalk",
    "sand": "on the sand",
    "pool": "in a pool",
    "ocean": "in the ocean",
    "park": "in a park",
    "forest": "in the woods",
    "road": "on a road",
    "bench": "on a bench",
    "couch": "on a couch",
    "bed": "on a bed",
    "chair": "on a chair",
    "swing": "on a swing",
    "rock": "on a rock",
    "mountain": "on a mountain",
    "field": "in a field",
    "boat": "in a boat",
    "kitchen": "in a kitchen",
    "restaurant": "in a restaurant",
    "playground": "on a playground",
}
_BARE_HEAD = word_set("hair haired bald mohawk blonde blond ponytail")
"""Words for what a hat would hide."""

_BARE_CHEST = word_set("shirtless topless bare-chested barechested")
_IN_AIR = word_set("air midair mid-air airborne")
_GROUNDED = word_set("sitting standing walking swimming sleeping") | {"lying down"}
_ALONG_WITH = {  # what one may well do at the same time
    "running": "jumping playing racing jogging walking",
    "jumping": "running playing flying diving falling",
    "walking": "running standing hiking wading",
    "standing": "walking climbing",
    "sitting": "eating drinking reading swinging",
    "playing": "running jumping splashing swimming swinging sliding fighting wrestling",
    "swimming": "wading splashing diving playing",
}
_ALSO_SAID = {
    "sleeping": ("asleep",),
    "sitting": ("sitting down",),
    "standing": ("standing up",),
    "lying down": ("laying down",),
}
_UNTOLD = word_set("smiling talking laughing waiting relaxing posing")
"""Actions that captions often leave out: nobody is claimed not to do them."""

_OPPOSITES = (("old", "young"), ("wet", "dry"), ("big", "small"))
_SAID_AS = {
    "old": word_set("old elderly older"),
    "young": word_set("young little toddler baby"),
    "wet": word_set("wet"),
    "dry": word_set("dry"),
    "big": word_set("big large huge giant"),
    "small": word_set("small little tiny"),
}
_GENDERS = {"man": "woman", "woman": "man", "boy": "girl", "girl": "boy"}


def subject_claims(photo: Photo, unsaid: Unsaid) -> Iterator[Claim]:
    """Claims about everyone who can be asked about; not balanced yet."""
    for word, plural in photo.subjects:
        yield from _doing(photo, word, plural, unsaid)
        yield from _being_at(photo, word, plural, unsaid)
        yield from _wearing(photo, word, plural, unsaid)
        if not plural:
            yield from _wearing_colors(photo, word)
            yield from _having(photo, word, unsaid)
            yield from _being(photo, word)


def _doing(photo: Photo, word: str, plural: bool, unsaid: Unsaid) -> Iterator[Claim]:
    """Is the dog running? Is it in the air?"""
    facts = photo.facts
    said = facts.actions[word]
    if not said:
        return
    anyone = {action for votes in facts.actions.values() for action in votes}
    along = {a for action in said for a in _ALONG_WITH.get(action, "").split()}
    who = speak_of(facts, word, plural, photo.rng).fields()
    group = f"several {word}" if plural else word
    for name in unsaid.doubt:
        action = name.removeprefix("do:")
        if action == name:
            continue
        verdict = None
        if action in said:
            votes = said[action]
            if votes > 1 or 2 * votes > max(said.values()):
                verdict = Verdict(True, 1.0 if votes > 1 else 0.8)
        elif action not in anyone | along | _UNTOLD:
            verdict = unsaid.missing(name)
        if verdict:
            for doing in (action, *_ALSO_SAID.get(action, ())):
                fields = {"doing": doing, **who}
                yield Claim("action", "doing", f"{group} {doing}", fields, verdict)
    in_air = bool(facts.words & _IN_AIR) and "jumping" in said
    if in_air or (set(said) <= _GROUNDED and "jumping" not in anyone):
        yield Claim("action", "air", group, who, Verdict(in_air))


def _being_at(photo: Photo, word: str, plural: bool, unsaid: Unsaid) -> Iterator[Claim]:
    """Is the boy in the water?"""
    places = set(photo.facts.places[word])
    if not places:
        return
    if "ocean" in places or ("pool" in places and photo.facts.mentions["water"]):
        places.add("water")
    group = f"several {word}" if plural else word
    who = speak_of(photo.facts, word, plural, photo.rng).fields()
    for place, at in _PLACES.items():
        if verdict := unsaid.verdict(photo, place, place in places):
            yield Claim("place", "at", f"{group} {place}", {"at": at, **who}, verdict)


def _wearing(photo: Photo, word: str, plural: bool, unsaid: Unsaid) -> Iterator[Claim]:
    """Is the man wearing a hat? Are they wearing hats? Is he wearing a shirt?"""
    facts = photo.facts
    worn: Collection[str] = facts.relations.get((word, "wear"), ())
    animal = KIND_OF[word] == "animal"
    who = speak_of(facts, word, plural, photo.rng, described=False).fields()
    what = "wear several" if plural else "wear"
    for thing in ("collar",) if animal else _WORN:
        verdict = unsaid.verdict(photo, thing, thing in worn)
        if verdict is None:
            continue
        if not verdict.truth:
            verdict = verdict._replace(weight=0.8 * verdict.weight)
            if thing in ("hat", "helmet") and facts.words & _BARE_HEAD:
                verdict = Verdict(False, 1.0, verdict.usual + 1)
        for name in names(thing):
            fields = {**who, **naming(name)}
            yield Claim("clothing", what, f"{word} {name}", fields, verdict)
    bare = bool(facts.words & _BARE_CHEST)
    if not animal and not plural and (bare or "shirt" in worn):
        yield Claim("clothing", "shirt", word, who, Verdict(not bare))


def _wearing_colors(photo: Photo, word: str) -> Iterator[Claim]:
    """Is the boy wearing a red shirt?"""
    facts = photo.facts
    who = speak_of(facts, word, False, photo.rng, described=False).fields()
    for name, votes in facts.colors.items():
        owner, _, item = name.rpartition("'s ")
        if owner != word or item == "hair" or name in facts.mixed:
            continue
        for shade, verdict in other_colors(votes):
            article = "" if item in PLURAL else "an " if shade == "orange" else "a "
            fields = {**who, "a_thing": f"{article}{shade} {spaced(item)}"}
            yield Claim("clothing", "wear color", f"{item} {shade}", fields, verdict)


def _having(photo: Photo, word: str, unsaid: Unsaid) -> Iterator[Claim]:
    """Is the girl holding a ball? Riding a bike? Playing with a stick?"""
    facts = photo.facts
    if not facts.actions[word]:
        return
    held = ("play with", _IN_MOUTH, "play with,chase,catch,kick,throw")
    if KIND_OF[word] == "animal":
        asked = [("mouth", _IN_MOUTH, "hold"), held]
    else:
        asked = [("hold", _HELD, "hold,with"), held, ("ride", _RIDDEN, "ride")]
    who = speak_of(facts, word, False, photo.rng).fields()
    for what, things, relations in asked:
        found = {
            thing
            for relation in relations.split(",")
            for thing in facts.relations.get((word, relation), ())
        }
        for thing in things:
            verdict = unsaid.verdict(photo, thing, thing in found)
            if verdict is None:
                continue
            for name in names(thing):
                fields = {**who, **naming(name)}
                yield Claim("object", what, f"{word} {name}", fields, verdict)


def _being(photo: Photo, word: str) -> Iterator[Claim]:
    """Is the man old? Is this a man?"""
    facts = photo.facts
    said = set(facts.adjectives[word]) | set(facts.spoken[word])
    who = speak_of(facts, word, False, photo.rng, described=False).fields()
    for pair in _OPPOSITES:
        found = [adjective for adjective in pair if said & _SAID_AS[adjective]]
        if len(found) != 1 or (pair[0] == "old" and "child" in wider(word)):
            continue
        for adjective in pair:
            verdict = Verdict(adjective == found[0])
            fields = {**who, "doing": adjective}
            yield Claim(
                "attribute", "adjective", f"{word} {adjective}", fields, verdict
            )
    others: tuple[str, ...] = ()
    if word in _GENDERS and facts.count("person") == 1:
        others = (_GENDERS[word],)
    elif word in ANIMALS and facts.count("animal") == 1:
        others = tuple({"dog", "cat", "horse", "bird", "cow"} - set(wider(word)))
    if others and not any(facts.mentions[other] for other in others):
        for other in (word, *sorted(others)):
            verdict = Verdict(other == word)
            yield Claim("attribute", "identity", other, naming(other), verdict)
