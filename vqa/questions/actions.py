"""What someone is doing, as people would put it in a word or two."""

from collections.abc import Collection, Sequence

from vqa.questions.lexicon import lexicon, word_set

INSTRUMENTS = word_set("guitar violin drum piano accordion trumpet flute saxophone")

_AIMED_AT = word_set("ball frisbee stick toy snowball")
_BALLS = {"football": "ball", "basketball": "ball"}
_WITH_OBJECT = {
    "throw": "throwing",
    "toss": "throwing",
    "hurl": "throwing",
    "kick": "kicking",
    "catch": "catching",
    "hit": "hitting",
    "chase": "chasing",
}
_TRICKS = word_set("trick tricks stunt stunts flip wheelie")
_PICTURES = word_set("picture pictures photo photos photograph photographs")


def action(
    verb: str, things: Sequence[str], words: Collection[str], animal: bool
) -> str:
    """What someone is doing, or "" if the verb says too little.

    Args:
        verb: base form.
        things: nouns of the lexicon after it, objects before places.
        words: all words of the caption.
        animal: whether it is an animal that does it.
    """
    known = lexicon()
    if verb == "ride":
        return next((known.ridden[t] for t in things if t in known.ridden), "")
    if verb in ("play", "swing", "bat", "pitch") and not animal:
        sport = next(
            (s for s in known.played if any(w in words for w in known.sports[s])), ""
        )
        instrument = next((t for t in things if t in INSTRUMENTS), "")
        if sport or instrument:
            return f"playing {sport or instrument}"
    if verb == "take" and _PICTURES & set(words):
        return "taking a picture"
    if verb in ("do", "perform") and _TRICKS & set(words):
        return "doing a trick"
    if verb in _WITH_OBJECT:
        aims = (_BALLS.get(thing, thing) for thing in things)
        aim = next((aim for aim in aims if aim in _AIMED_AT), "")
        return f"{_WITH_OBJECT[verb]} a {aim}" if aim else ""
    if verb == "blow" and "bubbles" in things:
        return "blowing bubbles"
    if verb == "talk" and "phone" in things:
        return "talking on the phone"
    if verb == "walk" and "dog" in things[:1]:
        return "walking a dog"
    if verb == "fly" and "kite" not in things and not animal:
        return "jumping"
    if verb == "climb" and animal and "water" in things:
        return ""
    if verb == "race" and animal:
        return "running"
    if verb == "shake" and animal:
        return "shaking"
    if verb == "row" and "boat" not in things and "rowing" not in words:
        return ""
    return known.action_of.get(verb, "")
