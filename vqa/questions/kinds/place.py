"""Where is the boy? Is he in the water?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon
from vqa.questions.photo import Photo, Subject, SubjectKind, Unsaid, agreed, telling
from vqa.questions.question import Claim, Question

_WHERE = (
    "where {is} {who}?",
    "where {is} {who}?",
    "where {is} {who} in the picture?",
    "where's {who}?",
)
_ACTING = ("where {is} {who} {doing}?", "where {is} {who} {doing}?")
_SCENE = (
    "where is this?",
    "where are they?",
    "where was this picture taken?",
    "where was this photo taken?",
    "what place is this?",
)
_CLAIM = (
    "{is} {who} {at}?",
    "{is} {who} {at}?",
    "{is} {who} {at} in the picture?",
)
_AT = {
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


def _ask(photo: Photo, subject: Subject) -> Iterator[Question]:
    facts, rng = photo.facts, photo.rng
    place, weight = agreed(facts.places[subject.word])
    if not place:
        return
    fields = photo.speak_of(subject)
    yield photo.ask("place", _WHERE, place, weight, **fields)
    doing, _ = telling(facts.actions[subject.word])
    if doing and " " not in doing and rng.random() < 0.4:
        yield photo.ask("place", _ACTING, place, weight, doing=doing, **fields)
    elif rng.random() < 0.3 and lexicon().kind_of[place] == "place":
        yield photo.ask("place", _SCENE, place, weight)


def _claim(photo: Photo, subject: Subject, unsaid: Unsaid) -> Iterator[Claim]:
    places = set(photo.facts.places[subject.word])
    if not places:
        return
    if "ocean" in places or ("pool" in places and photo.facts.mentions["water"]):
        places.add("water")
    who = photo.speak_of(subject)
    for place, at in _AT.items():
        if verdict := unsaid.verdict(photo, place, place in places):
            about, fields = f"{subject.group} {place}", {"at": at, **who}
            yield Claim("place", "at", about, _CLAIM, fields, verdict)


KIND = SubjectKind(_ask, _claim)
