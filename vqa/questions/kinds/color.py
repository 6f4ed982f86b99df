"""What colour is the dog? Is the man's shirt red?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.photo import Kind, Photo, Subject, Unsaid, agreed, shades
from vqa.questions.question import Claim, Question
from vqa.questions.wordforms import in_plural, spaced

_THING = (
    "what {color} {is} the {thing}?",
    "what {color} {is} the {thing}?",
    "what {color} {is} the {thing} in the picture?",
    "which {color} {is} the {thing}?",
    "what is the {color} of the {thing}?",
)
_WORN = (
    "what {color} {is} {whose} {thing}?",
    "what {color} {is} {whose} {thing}?",
    "what {color} {thing} {isnt} {who} wearing?",
    "what {color} {is} the {thing} {who} {isnt} wearing?",
    "what is the {color} of {whose} {thing}?",
)
_HAIR = (
    "what {color} is {whose} hair?",
    "what {color} hair {does} {who} have?",
)
_CLAIM = (
    "{is} {thing} {shade}?",
    "{is} {thing} {shade}?",
    "{is} {thing} {shade} in the picture?",
)
_COLORED = word_set("building wall slide flower grass water sky fence tree")


def _ask(photo: Photo) -> Iterator[Question]:
    facts, known = photo.facts, lexicon()
    for thing, votes in facts.colors.items():
        owner, _, item = thing.rpartition("'s ")
        color, weight = agreed(votes)
        if thing in facts.mixed or not color:
            continue
        kind = known.kind_of.get(item, "")
        if item == "hair" or owner:
            if facts.count(owner) != 1:
                continue
            fields = photo.speak_of(Subject(owner, False), described=False)
            wordings = _HAIR if item == "hair" else _WORN
        elif kind in ("person", "place", "nature") and item not in _COLORED:
            continue
        else:
            fields, wordings = {}, _THING
        several = facts.several(item) and item not in known.plural_only
        if several and (owner or kind not in ("animal", "object")):
            continue
        many = several or item in known.plural_only
        fields["is"] = "are" if many else "is"
        spoken = [w for w in facts.spoken[item] if w not in ("thing", "top")] or [item]
        word = item if several else photo.rng.choice([item, item, *spoken])
        fields["thing"] = in_plural(word) if many else spaced(word)
        yield photo.ask("color", wordings, color, weight, **fields)


def _claim(photo: Photo, unsaid: Unsaid) -> Iterator[Claim]:
    facts, known = photo.facts, lexicon()
    for name, votes in facts.colors.items():
        owner, _, item = name.rpartition("'s ")
        unfit = item == "hair" or known.kind_of[item] in ("person", "place")
        several = facts.several(item) and item not in known.plural_only
        if unfit or several or name in facts.mixed or agreed(votes)[0].count(" "):
            continue
        thing = f"the {spaced(item)}"
        if owner:
            if facts.count(owner) != 1:
                continue
            who = photo.speak_of(Subject(owner, False), described=False)
            thing = f"{who['whose']} {spaced(item)}"
        is_ = "are" if item in known.plural_only else "is"
        for shade, verdict in shades(votes):
            fields = {"is": is_, "thing": thing, "shade": shade}
            yield Claim("color", "color", f"{item} {shade}", _CLAIM, fields, verdict)


KIND = Kind(_ask, _claim)
