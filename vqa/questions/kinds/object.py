"""What is the girl holding? Is she riding a bike? Playing with a stick?"""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from vqa.questions.actions import INSTRUMENTS
from vqa.questions.facts import Votes
from vqa.questions.lexicon import lexicon, word_list, word_set
from vqa.questions.photo import Photo, Subject, SubjectKind, Unsaid, agreed
from vqa.questions.question import Claim, Question, Wordings
from vqa.questions.wordforms import fields_of, names_of

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
_DRINKS = word_set("water beer wine coffee drink")
_POOLS = word_set("water pool lake ocean river")
_NO_ANSWERS = word_set("outfit ground thing person animal uniform")


class _Asked(NamedTuple):
    """A question about someone, and where its answers come from.

    Attributes:
        relations: of the subject, as `Facts.relations` calls them.
        wordings: of the question.
        kinds: of things that will do.
        things: others that will do.
    """

    relations: str
    wordings: Wordings
    kinds: str = ""
    things: Collection[str] = ()


_ASKED = (
    _Asked(
        "ride",
        (
            "what {is} {who} riding?",
            "what {is} {who} riding?",
            "what {is} {who} riding on?",
            "what {is} {who} on?",
        ),
        things=_RIDABLE,
    ),
    _Asked(
        "sit on",
        (
            "what {is} {who} sitting on?",
            "what {is} {who} sitting on?",
            "what {is} {who} on?",
        ),
        "place vehicle",
        _SEATS,
    ),
    _Asked(
        "stand on",
        ("what {is} {who} standing on?", "what {is} {who} standing in?"),
        "place",
        _SEATS,
    ),
    _Asked(
        "lie on",
        ("what {is} {who} lying on?", "what {is} {who} laying on?"),
        "place",
        _SEATS,
    ),
    _Asked("run on", ("what {is} {who} running on?",), "place"),
    _Asked(
        "run through",
        ("what {is} {who} running through?", "what {is} {who} running in?"),
        "place nature",
    ),
    _Asked("walk on", ("what {is} {who} walking on?",), "place object"),
    _Asked(
        "climb",
        ("what {is} {who} climbing?", "what {is} {who} climbing on?"),
        "object place nature",
    ),
    _Asked("eat", ("what {is} {who} eating?",), "food"),
    _Asked("drink", ("what {is} {who} drinking?",), things=_DRINKS),
    _Asked("read", ("what {is} {who} reading?",), "object"),
    _Asked("throw", ("what {is} {who} throwing?",), "object"),
    _Asked("kick", ("what {is} {who} kicking?",), things=("ball", "football")),
    _Asked(
        "catch",
        ("what {is} {who} catching?", "what {is} {who} trying to catch?"),
        things=_IN_MOUTH,
    ),
    _Asked(
        "chase",
        ("what {is} {who} chasing?", "what {is} {who} running after?"),
        "object animal",
    ),
    _Asked("push", ("what {is} {who} pushing?",), "object vehicle"),
    _Asked("pull", ("what {is} {who} pulling?",), "object vehicle"),
    _Asked(
        "play",
        ("what instrument {is} {who} playing?", "what {is} {who} playing?"),
        things=INSTRUMENTS,
    ),
    _Asked(
        "play with,catch,chase",
        ("what {is} {who} playing with?", "what {is} {who} playing with?"),
        "object animal",
    ),
    _Asked("play on", ("what {is} {who} playing on?",), "object place"),
    _Asked(
        "jump into",
        ("what {is} {who} jumping into?", "what {is} {who} jumping in?"),
        things=_POOLS,
    ),
    _Asked(
        "jump over",
        ("what {is} {who} jumping over?", "what {is} {who} leaping over?"),
        "object place",
    ),
    _Asked(
        "jump off",
        ("what {is} {who} jumping off?", "what did {who} jump off of?"),
        "object place",
    ),
    _Asked("jump on", ("what {is} {who} jumping on?",), "object"),
    _Asked("slide down", ("what {is} {who} sliding down?",), "object place"),
    _Asked("behind", ("what is behind {who}?",), "place object nature vehicle"),
)
_MOUTH = _Asked(
    "hold,with,catch,bite",
    (
        "what {does} {who} have in {his} mouth?",
        "what {is} {who} carrying?",
        "what is in {whose} mouth?",
        "what {is} {who} holding in {his} mouth?",
        "what {is} {who} holding?",
    ),
    things=_IN_MOUTH,
)
_HAND = _Asked(
    "hold,with",
    (
        "what {is} {who} holding?",
        "what {is} {who} holding?",
        "what {does} {who} have in {his} hand?",
        "what {is} {who} carrying?",
        "what is in {whose} hands?",
    ),
    things=_IN_HAND,
)


class _Claimed(NamedTuple):
    """What may be claimed of someone and each of some things."""

    what: str
    relations: str
    things: tuple[str, ...]
    wordings: Wordings


_TOYS = word_list("ball stick toy frisbee rope")
_HOLDS = _Claimed(
    "hold",
    "hold,with",
    word_list(
        """ball stick toy frisbee rope bag camera book phone sign flag umbrella guitar
        cup bottle drink flower football basketball tennis_racket bat"""
    ),
    (
        "{is} {who} holding {a_thing}?",
        "{does} {who} have {a_thing}?",
        "{is} {who} carrying {a_thing}?",
    ),
)
_HOLDS_IN_MOUTH = _Claimed(
    "mouth",
    "hold",
    _TOYS,
    (
        "{does} {who} have {a_thing} in {his} mouth?",
        "{is} {who} holding {a_thing}?",
        "{does} {who} have {a_thing}?",
        "{is} {who} carrying {a_thing}?",
    ),
)
_PLAYS_WITH = _Claimed(
    "play with",
    "play with,chase,catch,kick,throw",
    _TOYS,
    ("{is} {who} playing with {a_thing}?",),
)
_RIDES = _Claimed(
    "ride",
    "ride",
    word_list("bike horse motorcycle skateboard surfboard scooter sled swing"),
    ("{is} {who} riding {a_thing}?", "{is} {who} on {a_thing}?"),
)


def _ask(photo: Photo, subject: Subject) -> Iterator[Question]:
    relations, kind_of = photo.facts.relations, lexicon().kind_of
    animal = subject.kind == "animal"
    for asked in (*_ASKED, _MOUTH if animal else _HAND):
        votes: Votes = Counter()
        for relation in asked.relations.split(","):
            for thing, number in relations.get((subject.word, relation), {}).items():
                fits = thing in asked.things or kind_of[thing] in asked.kinds.split()
                among = animal and kind_of[thing] == "animal"  # a dog beside a dog
                if fits and not among and thing not in (*_NO_ANSWERS, subject.word):
                    votes[thing] += number
        answer, weight = agreed(votes, 1.01)
        if answer:
            fields = photo.speak_of(subject)
            yield photo.ask("object", asked.wordings, answer, weight, **fields)


def _claim(photo: Photo, subject: Subject, unsaid: Unsaid) -> Iterator[Claim]:
    facts, word = photo.facts, subject.word
    if subject.plural or not facts.actions[word]:
        return
    claimed = [_HOLDS, _PLAYS_WITH, _RIDES]
    if subject.kind == "animal":
        claimed = [_HOLDS_IN_MOUTH, _PLAYS_WITH]
    who = photo.speak_of(subject)
    for what, relations, things, wordings in claimed:
        found = {
            thing
            for relation in relations.split(",")
            for thing in facts.relations.get((word, relation), ())
        }
        for thing in things:
            verdict = unsaid.verdict(photo, thing, thing in found)
            if verdict is None:
                continue
            for name in names_of(thing):
                about, fields = f"{word} {name}", {**who, **fields_of(name)}
                yield Claim("object", what, about, wordings, fields, verdict)


KIND = SubjectKind(_ask, _claim)
