"""How many dogs are there? Are there two dogs? Is there only one?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon
from vqa.questions.photo import PEOPLE, Kind, Photo, Unsaid, telling
from vqa.questions.question import Claim, Question, Verdict
from vqa.questions.wordforms import fields_of, in_plural

_HOW_MANY = (
    "how many {things} are there?",
    "how many {things} are there?",
    "how many {things} are in the picture?",
    "how many {things} are in the photo?",
    "how many {things} can you see?",
    "how many {things} do you see?",
    "how many {things} are there in the picture?",
)
_ACTING = ("how many {things} are {doing}?",)
_CLAIM = (
    "are there {number} {things}?",
    "are there {number} {things} in the picture?",
    "can you see {number} {things}?",
)
_MORE = ("is there more than one {thing}?",)
_ONLY = ("is there only one {thing}?", "is there just one {thing}?")
_MANY = ("are there several {things}?", "are there many {things}?")
_ALSO_COUNTED = ("kid", "surfer", "player", "rider")


def _ask(photo: Photo) -> Iterator[Question]:
    facts = photo.facts
    for word in (*PEOPLE, *lexicon().animals):
        number = facts.count(word)
        if number == 0 or (number == 1 and photo.rng.random() < 0.4):
            continue
        others = [other for other in facts.spoken[word] if other in _ALSO_COUNTED]
        things = in_plural(photo.rng.choice([word, word, *others]))
        yield photo.ask("count", _HOW_MANY, str(number), things=things)
        doing, weight = telling(facts.actions[word])
        if doing and photo.rng.random() < 0.2:
            fields = {"things": things, "doing": doing}
            yield photo.ask("count", _ACTING, str(number), 0.7 * weight, **fields)


def _claim(photo: Photo, _: Unsaid) -> Iterator[Claim]:
    for word in (*PEOPLE, *lexicon().animals):
        number = photo.facts.count(word)
        if not number:
            continue
        fields = fields_of(word)
        for asked, name in ((2, "two"), (3, "three"), (4, "four")):
            near = 1.0 if abs(asked - number) == 1 else 0.3
            verdict = Verdict(asked == number, usual=near)
            about, numbered = f"{word} {asked}", {"number": name, **fields}
            yield Claim("count", "count", about, _CLAIM, numbered, verdict)
        yield Claim("count", "more", word, _MORE, fields, Verdict(number > 1))
        yield Claim("count", "only", word, _ONLY, fields, Verdict(number == 1))
        if number != 2:
            yield Claim("count", "many", word, _MANY, fields, Verdict(number > 2))


KIND = Kind(_ask, _claim)
