"""Questions that yes or no answers: claims that are surely right or surely wrong.

A caption says what is there, seldom what is not. A claim is wrong only if the captions
say something that excludes it, or if it is unlikely that so many people would have
left it unsaid (see `vqa.questions.absence`). Here are claims about the photo as a
whole; those about someone in it are in `vqa.questions.deeds`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vqa.questions.actions import PLAYED
from vqa.questions.asking import ANIMALS, PEOPLE, RAINY, SUNNY, Photo, agreed
from vqa.questions.facts import KIND_OF, Votes
from vqa.questions.lexicon import ALSO_CALLED, COLORS, MASS, PLURAL, word_set
from vqa.questions.templates import CLAIMS
from vqa.questions.wording import THE, in_plural, spaced, speak_of, with_article

MOST_DOUBT = 0.05
"""A thing that may be there with this chance is not claimed to be missing."""

ASKED_KINDS = ("person", "animal", "vehicle", "object", "food", "place", "nature")
_NOT_ASKED = word_set(
    """ground floor room farm rail outfit thing yard porch court track field subway
    store dock path park city tunnel museum airport zoo hurdle net pole"""
)
_GENDERED = word_set("man woman boy girl")
_WARM = word_set("beach pool shirtless bikini shorts")


class Verdict(NamedTuple):
    """Whether a claim is right.

    Attributes:
        truth: whether the answer is yes.
        weight: how sure that is, in (0, 1].
        usual: how usual a yes would be in such a photo. Of wrong claims the more usual
            are preferred: nobody asks for a camel on a couch.
    """

    truth: bool
    weight: float = 1.0
    usual: float = 1.0


@dataclass(frozen=True)
class Claim:
    """A question whether something is so.

    Attributes:
        kind: type of question.
        what: what is claimed, of `CLAIMS`.
        about: the thing and whose it is. Claims with the same `what` and `about` are
            made right and wrong equally often.
        fields: what the wordings speak of.
        verdict: the answer.
    """

    kind: str
    what: str
    about: str
    fields: Mapping[str, str]
    verdict: Verdict

    @property
    def key(self) -> str:
        """What is to be balanced."""
        return f"{self.kind}, {self.what}: {self.about}"

    def text(self, turn: int) -> str:
        """One of the wordings, each in its turn."""
        templates = CLAIMS[self.what]
        return templates[turn % len(templates)].format(**self.fields)


@dataclass(frozen=True)
class Unsaid:
    """What is known of the things that a photo's captions do not mention.

    Attributes:
        doubt: thing, or "do:" and an action -> the chance that it is there still.
        usual: the same -> the share of photos alike that mention it.
    """

    doubt: Mapping[str, float]
    usual: Mapping[str, float]

    def missing(self, thing: str) -> Verdict | None:
        """Say that it is not there, or None if that is not sure enough."""
        doubt = self.doubt.get(thing, 1.0)
        if doubt >= MOST_DOUBT:
            return None
        return Verdict(False, 1 - 5 * doubt, self.usual[thing])

    def verdict(self, photo: Photo, thing: str, there: bool) -> Verdict | None:
        """Say whether it is there, or None if the photo has it, or its like."""
        if there:
            return Verdict(True)
        if thing in photo.present or thing in photo.unclear:
            return None
        return self.missing(thing)


def photo_claims(photo: Photo, unsaid: Unsaid) -> Iterator[Claim]:
    """Claims about things, colours, numbers, sports and the scene; not balanced yet."""
    yield from _presence(photo, unsaid)
    yield from _colors(photo)
    yield from _numbers(photo)
    yield from _sports(photo)
    yield from _scenes(photo)


def other_colors(votes: Votes) -> Iterator[tuple[str, Verdict]]:
    """Each colour that a thing has, or surely has not."""
    color, weight = agreed(votes)
    if color:
        for shade in COLORS:
            if shade == color or not any(shade in said for said in votes):
                yield shade, Verdict(shade == color, weight)


def names(thing: str) -> tuple[str, ...]:
    """What a thing is called in questions: bike, bicycle."""
    return (thing, ALSO_CALLED[thing]) if thing in ALSO_CALLED else (thing,)


def naming(thing: str) -> dict[str, str]:
    """Fields of wordings for a thing."""
    return {
        "thing": spaced(thing),
        "things": in_plural(thing),
        "a_thing": with_article(thing),
    }


def _presence(photo: Photo, unsaid: Unsaid) -> Iterator[Claim]:
    """Is there a dog?"""
    unnamed = _unnamed(photo)
    for thing in unsaid.doubt:
        if KIND_OF.get(thing) not in ASKED_KINDS or thing in _NOT_ASKED:
            continue
        verdict = unsaid.verdict(photo, thing, thing in photo.present)
        if verdict is None or (thing in unnamed and not verdict.truth):
            continue
        if verdict.truth:
            said = photo.facts.mentions[thing]
            verdict = Verdict(True, 1.0 if said else 0.8, 1.0 if said > 1 else 0.5)
        for name in names(thing):
            what = "any" if name in MASS else "several" if name in PLURAL else "one"
            what = "the" if name in THE else what
            yield Claim("presence", what, name, naming(name), verdict)


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


def _colors(photo: Photo) -> Iterator[Claim]:
    """Is the shirt red? Is the dog white?"""
    facts = photo.facts
    for name, votes in facts.colors.items():
        owner, _, item = name.rpartition("'s ")
        unfit = item == "hair" or KIND_OF[item] in ("person", "place")
        several = facts.several(item) and item not in PLURAL
        if unfit or several or name in facts.mixed or agreed(votes)[0].count(" "):
            continue
        thing = f"the {spaced(item)}"
        if owner:
            if facts.count(owner) != 1:
                continue
            who = speak_of(facts, owner, False, photo.rng, described=False)
            thing = f"{who.fields()['whose']} {spaced(item)}"
        is_ = "are" if item in PLURAL else "is"
        for shade, verdict in other_colors(votes):
            fields = {"is": is_, "thing": thing, "shade": shade}
            yield Claim("color", "color", f"{item} {shade}", fields, verdict)


def _numbers(photo: Photo) -> Iterator[Claim]:
    """Are there two dogs? Is there more than one?"""
    for word in (*PEOPLE, *ANIMALS):
        number = photo.facts.count(word)
        if not number:
            continue
        for asked, name in ((2, "two"), (3, "three"), (4, "four")):
            near = 1.0 if abs(asked - number) == 1 else 0.3
            verdict = Verdict(asked == number, usual=near)
            fields = {"number": name, **naming(word)}
            yield Claim("count", "count", f"{word} {asked}", fields, verdict)
        for what, truth in (("more", number > 1), ("only", number == 1)):
            yield Claim("count", what, word, naming(word), Verdict(truth))
        if number != 2:
            yield Claim("count", "many", word, naming(word), Verdict(number > 2))


def _sports(photo: Photo) -> Iterator[Claim]:
    """Are they playing soccer?"""
    sports = photo.facts.sports
    sport, weight = agreed(sports)
    if photo.said_often(sports[sport]):
        for other in PLAYED:
            if other == sport or not sports[other]:
                verdict = Verdict(other == sport, weight)
                yield Claim("sport", "sport", other, {"thing": other}, verdict)


def _scenes(photo: Photo) -> Iterator[Claim]:
    """Is it outdoors? At night? In winter?"""
    words = photo.facts.words
    snow = photo.said_often(photo.facts.mentions["snow"])
    sunny, rainy = bool(words & SUNNY), bool(words & RAINY)
    truths: dict[str, bool] = {}
    if photo.inside is not None:
        truths |= {"inside": photo.inside, "outside": not photo.inside}
    if photo.night or photo.inside is False:
        truths |= {"night": photo.night, "day": not photo.night}
    if snow != bool(words & _WARM):
        truths |= {"winter": snow, "summer": not snow}
    if sunny or rainy or snow or photo.night:
        truths["sunny"] = sunny and not photo.night
    if rainy or sunny:
        truths["rain"] = rainy
    for what, truth in truths.items():
        yield Claim("scene", what, "", {}, Verdict(truth))
