"""Is there a dog?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.photo import Kind, Photo, Unsaid
from vqa.questions.question import Claim, Verdict, Wordings
from vqa.questions.wordforms import THE, fields_of, names_of

ASKED_KINDS = ("person", "animal", "vehicle", "object", "food", "place", "nature")
_NOT_ASKED = word_set(
    """ground floor room farm rail outfit thing yard porch court track field subway
    store dock path park city tunnel museum airport zoo hurdle net pole"""
)
_GENDERED = word_set("man woman boy girl")
_WORDINGS: dict[str, Wordings] = {
    "any": (
        "is there any {thing}?",
        "is there {thing} in the picture?",
        "can you see {thing}?",
        "is there any {thing} in the photo?",
        "do you see any {thing}?",
        "is there {thing}?",
    ),
    "several": (
        "are there any {things}?",
        "are there {things} in the picture?",
        "can you see any {things}?",
        "do you see {things}?",
    ),
    "one": (
        "is there {a_thing} in the picture?",
        "is there {a_thing}?",
        "can you see {a_thing}?",
        "are there any {things}?",
        "is there {a_thing} in the photo?",
        "do you see {a_thing}?",
        "are there {things} in the picture?",
        "is there {a_thing} in this image?",
    ),
    "the": (
        "can you see {a_thing}?",
        "is {a_thing} in the picture?",
        "do you see {a_thing}?",
    ),
}


def _claim(photo: Photo, unsaid: Unsaid) -> Iterator[Claim]:
    unnamed, kind_of = _unnamed(photo), lexicon().kind_of
    for thing in unsaid.doubt:
        if kind_of.get(thing) not in ASKED_KINDS or thing in _NOT_ASKED:
            continue
        verdict = unsaid.verdict(photo, thing, thing in photo.present)
        if verdict is None or (thing in unnamed and not verdict.truth):
            continue
        if verdict.truth:
            said = photo.facts.mentions[thing]
            verdict = Verdict(True, 1.0 if said else 0.8, 1.0 if said > 1 else 0.5)
        for name in names_of(thing):
            what = _counted(name)
            fields = fields_of(name)
            yield Claim("presence", what, name, _WORDINGS[what], fields, verdict)


def _counted(name: str) -> str:
    """How people speak of a thing: of any, of several, of one or of the one."""
    if name in THE:
        return "the"
    if name in lexicon().mass:
        return "any"
    return "several" if name in lexicon().plural_only else "one"


def _unnamed(photo: Photo) -> frozenset[str]:
    """Who may be there under a wider word: "people" may be men, women or children."""
    facts = photo.facts
    if facts.count("person") == 1 and any(facts.mentions[w] > 1 for w in _GENDERED):
        return frozenset()
    if facts.named["person"] or facts.named["crowd"]:
        return _GENDERED | {"child", "baby"}
    if facts.named["child"] or facts.named["baby"]:
        return frozenset(("boy", "girl", "baby"))
    return frozenset()


KIND = Kind(claim=_claim)
