"""What is the dog doing? Is it running? Is it in the air?"""

from collections.abc import Iterator

from vqa.questions.lexicon import word_set
from vqa.questions.photo import Photo, Subject, SubjectKind, Unsaid, telling
from vqa.questions.question import Claim, Question, Verdict

_DOING = (
    "what {is} {who} doing?",
    "what {is} {who} doing?",
    "what {is} {who} doing in the picture?",
    "what {is} {who} doing here?",
    "what's {who} doing?",
)
_ACTIVITY = (
    "what are they doing?",
    "what are these people doing?",
    "what are the people doing?",
    "what is happening in this picture?",
    "what is going on?",
)
_CLAIM = (
    "{is} {who} {doing}?",
    "{is} {who} {doing}?",
    "{is} {who} {doing} in the picture?",
)
_IN_AIR = (
    "{is} {who} in the air?",
    "{is} {who} up in the air?",
    "{is} {who} in midair?",
)

_AIR = word_set("air midair mid-air airborne")
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


def _ask(photo: Photo, subject: Subject) -> Iterator[Question]:
    doing, weight = telling(photo.facts.actions[subject.word])
    if doing:
        yield photo.ask("action", _DOING, doing, weight, **photo.speak_of(subject))
        if subject.plural and subject.word == "person" and weight == 1:
            yield photo.ask("action", _ACTIVITY, doing, weight)


def _claim(photo: Photo, subject: Subject, unsaid: Unsaid) -> Iterator[Claim]:
    facts = photo.facts
    said = facts.actions[subject.word]
    if not said:
        return
    anyone = {action for votes in facts.actions.values() for action in votes}
    along = {a for action in said for a in _ALONG_WITH.get(action, "").split()}
    who, group = photo.speak_of(subject), subject.group
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
                about, fields = f"{group} {doing}", {"doing": doing, **who}
                yield Claim("action", "doing", about, _CLAIM, fields, verdict)
    in_air = bool(facts.words & _AIR) and "jumping" in said
    if in_air or (set(said) <= _GROUNDED and "jumping" not in anyone):
        yield Claim("action", "air", group, _IN_AIR, who, Verdict(in_air))


KIND = SubjectKind(_ask, _claim)
