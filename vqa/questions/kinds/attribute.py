"""Is the man old? Is the dog wet? Is this a man?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.photo import Photo, Subject, SubjectKind, Unsaid
from vqa.questions.question import Claim, Verdict
from vqa.questions.wordforms import fields_of

_ADJECTIVE = ("{is} {who} {doing}?",)
_IDENTITY = ("is this {a_thing}?", "is it {a_thing}?")

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
_ANIMALS = word_set("dog cat horse bird cow")


def _claim(photo: Photo, subject: Subject, _: Unsaid) -> Iterator[Claim]:
    facts, word = photo.facts, subject.word
    if subject.plural:
        return
    wider = lexicon().wider(word)
    said = {*facts.adjectives[word], *facts.spoken[word]}
    who = photo.speak_of(subject, described=False)
    for pair in _OPPOSITES:
        found = [adjective for adjective in pair if said & _SAID_AS[adjective]]
        if len(found) != 1 or (pair[0] == "old" and "child" in wider):
            continue
        for adjective in pair:
            about, fields = f"{word} {adjective}", {**who, "doing": adjective}
            verdict = Verdict(adjective == found[0])
            yield Claim("attribute", "adjective", about, _ADJECTIVE, fields, verdict)
    others: list[str] = []
    if word in _GENDERS and facts.count("person") == 1:
        others = [_GENDERS[word]]
    elif word in lexicon().animals and facts.count("animal") == 1:
        others = sorted(_ANIMALS - {*wider})
    if others and not any(facts.mentions[other] for other in others):
        for other in (word, *others):
            verdict = Verdict(other == word)
            fields = fields_of(other)
            yield Claim("attribute", "identity", other, _IDENTITY, fields, verdict)


KIND = SubjectKind(claim=_claim)
