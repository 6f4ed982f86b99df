"""What sport is this? Are they playing soccer?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon
from vqa.questions.photo import Kind, Photo, Unsaid, agreed
from vqa.questions.question import Claim, Question, Verdict

_SPORT = (
    "what sport is this?",
    "what sport is this?",
    "what sport {is} {who} doing?",
    "which sport is shown?",
    "what kind of sport is this?",
    "what sport are they doing?",
)
_PLAYED = (
    "what sport is this?",
    "what sport is being played?",
    "what sport are they playing?",
    "what sport {is} {who} playing?",
    "what game are they playing?",
    "which sport is being played?",
)
_CLAIM = (
    "are they playing {thing}?",
    "is this {thing}?",
    "are the people playing {thing}?",
)


def _ask(photo: Photo) -> Iterator[Question]:
    sports = photo.facts.sports
    sport, weight = agreed(sports)
    people = [subject for subject in photo.subjects if subject.kind == "person"]
    if not people or not photo.said_often(sports[sport]):
        return
    wordings = _PLAYED if sport in lexicon().played else _SPORT
    for _ in range(2):
        fields = photo.speak_of(photo.rng.choice(people))
        yield photo.ask("sport", wordings, sport, weight, **fields)


def _claim(photo: Photo, _: Unsaid) -> Iterator[Claim]:
    sports = photo.facts.sports
    sport, weight = agreed(sports)
    if not photo.said_often(sports[sport]):
        return
    for other in lexicon().played:
        if other == sport or not sports[other]:
            verdict = Verdict(other == sport, weight)
            yield Claim("sport", "sport", other, _CLAIM, {"thing": other}, verdict)


KIND = Kind(_ask, _claim)
