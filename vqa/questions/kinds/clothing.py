"""What is the man wearing? Is he wearing a hat? A red shirt?"""

from collections import Counter
from collections.abc import Collection, Iterator

from vqa.questions.lexicon import lexicon, word_list, word_set
from vqa.questions.photo import Photo, Subject, SubjectKind, Unsaid, agreed, shades
from vqa.questions.question import Claim, Question, Verdict, Wordings
from vqa.questions.wordforms import fields_of, names_of, spaced

_WEAR = ("what {is} {who} wearing?", "what's {who} wearing?")
_ON_HEAD = (
    "what {is} {who} wearing on {his} head?",
    "what {does} {who} have on {his} head?",
    "what is on {whose} head?",
)
_ON_EYES = (
    "what {is} {who} wearing on {his} face?",
    "what {does} {who} have on {his} eyes?",
    "what {is} {who} wearing over {his} eyes?",
)
_ON_LEGS = (
    "what kind of pants {is} {who} wearing?",
    "what {is} {who} wearing on {his} legs?",
)
_ON_NECK = (
    "what {is} {who} wearing?",
    "what {is} {who} wearing around {his} neck?",
    "what is around {whose} neck?",
)
_ON_BACK = (
    "what {is} {who} wearing on {his} back?",
    "what is on {whose} back?",
)
_WEARING = (
    "{is} {who} wearing {a_thing}?",
    "{is} {who} wearing {a_thing}?",
    "{does} {who} have {a_thing} on?",
)
_WEARING_SEVERAL = ("{is} {who} wearing {things}?",)
_WEARING_COLOR = ("{is} {who} wearing {a_thing}?",)
_WEARING_SHIRT = ("{is} {who} wearing a shirt?", "{does} {who} have a shirt on?")

_PARTS = (  # things worn there, and what is asked
    (word_set("hat helmet bandana headband scarf wig headphones"), _ON_HEAD),
    (word_set("sunglasses glasses goggles mask"), _ON_EYES),
    (word_set("jeans shorts skirt"), _ON_LEGS),
    (word_set("backpack"), _ON_BACK),
)
_NECK = word_set("collar scarf tie necklace bandana harness")
_NO_ANSWERS = word_set("outfit uniform")
_WORN = word_list(
    """hat helmet sunglasses glasses goggles jacket sweater dress skirt shorts jeans
    pants suit swimsuit uniform backpack scarf mask gloves vest tie boots shoes bandana
    headband"""
)
_BARE_HEAD = word_set("hair haired bald mohawk blonde blond ponytail")
"""Words for what a hat would hide."""

_BARE_CHEST = word_set("shirtless topless bare-chested barechested")


def _ask(photo: Photo, subject: Subject) -> Iterator[Question]:
    worn = photo.facts.relations.get((subject.word, "wear"), Counter())
    if not worn:
        return
    parts: Collection[tuple[Collection[str], Wordings]] = [(_NECK, _ON_NECK)]
    if subject.kind != "animal":
        parts = [(lexicon().nouns["clothing"], _WEAR), *_PARTS]
    for things, wordings in parts:
        fitting = {*things} - _NO_ANSWERS
        votes = Counter({thing: n for thing, n in worn.items() if thing in fitting})
        answer, weight = agreed(votes, 1.01)
        if answer and (wordings is not _WEAR or weight == 1):
            fields = photo.speak_of(subject, described=False)
            yield photo.ask("clothing", wordings, answer, weight, **fields)


def _claim(photo: Photo, subject: Subject, unsaid: Unsaid) -> Iterator[Claim]:
    facts, word = photo.facts, subject.word
    worn: Collection[str] = facts.relations.get((word, "wear"), ())
    animal = subject.kind == "animal"
    who = photo.speak_of(subject, described=False)
    what = "wear several" if subject.plural else "wear"
    wordings: Wordings = _WEARING_SEVERAL if subject.plural else _WEARING
    for thing in ("collar",) if animal else _WORN:
        verdict = unsaid.verdict(photo, thing, thing in worn)
        if verdict is None:
            continue
        if not verdict.truth:
            verdict = verdict._replace(weight=0.8 * verdict.weight)
            if thing in ("hat", "helmet") and facts.words & _BARE_HEAD:
                verdict = Verdict(False, 1.0, verdict.usual + 1)
        for name in names_of(thing):
            about, fields = f"{word} {name}", {**who, **fields_of(name)}
            yield Claim("clothing", what, about, wordings, fields, verdict)
    bare = bool(facts.words & _BARE_CHEST)
    if not animal and not subject.plural and (bare or "shirt" in worn):
        yield Claim("clothing", "shirt", word, _WEARING_SHIRT, who, Verdict(not bare))
    if not subject.plural:
        yield from _claim_colors(photo, subject)


def _claim_colors(photo: Photo, subject: Subject) -> Iterator[Claim]:
    """Is the boy wearing a red shirt?"""
    facts = photo.facts
    who = photo.speak_of(subject, described=False)
    for name, votes in facts.colors.items():
        owner, _, item = name.rpartition("'s ")
        if owner != subject.word or item == "hair" or name in facts.mixed:
            continue
        one = item not in lexicon().plural_only
        for shade, verdict in shades(votes):
            article = ("an " if shade == "orange" else "a ") if one else ""
            fields = {**who, "a_thing": f"{article}{shade} {spaced(item)}"}
            about = f"{item} {shade}"
            yield Claim(
                "clothing", "wear color", about, _WEARING_COLOR, fields, verdict
            )


KIND = SubjectKind(_ask, _claim)
