"""Count what the captions of one photo say."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from shared.text.english import present_participle
from vqa.questions.actions import action
from vqa.questions.facts import Facts, Votes
from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.sentence import AGENTS, Clause, Parse, Phrase

_FUR = {"tan": "brown", "gold": "brown", "blonde": "brown"}
"""A golden, tan or blond animal is brown to most people."""

_PLACE_KINDS = {
    "in": "place vehicle",
    "on": "place vehicle object",
    "at": "place",
    "through": "place",
    "across": "place",
    "along": "place",
    "down": "place",
    "up": "place",
    "inside": "place vehicle",
    "on_top_of": "place vehicle object",
}
"""Preposition -> kinds of things that say with it where someone is."""

_SEATS = word_set("bench chair couch bed table rock log swing slide trampoline")
_STEEDS = word_set(
    """bike motorcycle scooter tricycle unicycle atv sled wheelchair stroller"""
)
_TIED = word_set("collar harness muzzle")
"""Worn by animals: "a woman plays with a dog in a red collar"."""

_NO_PLACES = word_set("ground building tunnel floor")

_RELATIONS = {  # verb -> relation of its subject to its objects
    "wear": "wear",
    "hold": "hold",
    "carry": "hold",
    "retrieve": "hold",
    "ride": "ride",
    "throw": "throw",
    "toss": "throw",
    "kick": "kick",
    "catch": "catch",
    "chase": "chase",
    "fetch": "chase",
    "climb": "climb",
    "scale": "climb",
    "eat": "eat",
    "drink": "drink",
    "read": "read",
    "push": "push",
    "pull": "pull",
    "play": "play",
    "bite": "bite",
    "chew": "bite",
}
_RELATIONS_BY_PLACE = {  # (verb, preposition) -> relation to what follows
    ("sit", "on"): "sit on",
    ("sit", "in"): "sit on",
    ("sit", "on_top_of"): "sit on",
    ("stand", "on"): "stand on",
    ("stand", "on_top_of"): "stand on",
    ("lie", "on"): "lie on",
    ("lay", "on"): "lie on",
    ("run", "on"): "run on",
    ("run", "through"): "run through",
    ("walk", "on"): "walk on",
    ("jump", "into"): "jump into",
    ("leap", "into"): "jump into",
    ("dive", "into"): "jump into",
    ("jump", "over"): "jump over",
    ("leap", "over"): "jump over",
    ("jump", "off"): "jump off",
    ("leap", "off"): "jump off",
    ("jump", "on"): "jump on",
    ("climb", "on"): "climb",
    ("climb", "up"): "climb",
    ("play", "with"): "play with",
    ("play", "on"): "play on",
    ("ride", "on"): "ride",
    ("ride", "in"): "ride",
    ("slide", "down"): "slide down",
}


def count_facts(captions: Sequence[Parse]) -> Facts:
    """Count what the captions of one photo say, each as `clauses.parse` reads it."""
    facts, sport_of = Facts(len(captions)), lexicon().sport_of
    for said in captions:
        facts.words |= set(said.words)
        facts.unsure |= said.unsure
        sports = (sport_of[word] for word in said.words if word in sport_of)
        facts.sports.update(dict.fromkeys(sports, 1))
        _count_nouns(facts, said)
        _count_colors(facts, said)
        _count_doings(facts, said)
    return facts


def _count_nouns(facts: Facts, said: Parse) -> None:
    mentioned: set[str] = set()
    totals: Votes = Counter()
    uncounted: set[str] = set()
    for phrase in said.phrases:
        for noun in (phrase.noun, *phrase.others):
            if noun.kind != "rest":
                mentioned |= set(lexicon().wider(noun.word))
        if phrase.noun.kind == "rest":
            continue
        facts.spoken[phrase.noun.word][phrase.text] += 1
        for word in lexicon().wider(phrase.noun.word):
            totals[word] += phrase.count
            if phrase.count == 0:
                uncounted.add(word)
    facts.mentions.update(sorted(mentioned))
    facts.named.update({p.noun.word for p in said.phrases if p.noun.kind != "rest"})
    for word, total in totals.items():
        if word not in uncounted:
            facts.counts[word].append(total)
    facts.uncounted |= uncounted


def _count_colors(facts: Facts, said: Parse) -> None:
    colors: dict[str, set[str]] = defaultdict(set)
    owners, wider = _owners(said), lexicon().wider
    for phrase in said.phrases:
        noun = phrase.noun
        names = set(phrase.colors)
        if noun.kind == "person":
            shown = names & {"blonde"}
            if {"haired", "hair"} & set(phrase.adjectives):
                shown = names
            names = set()
            if len(shown) == 1:
                colors[f"{noun.word}'s hair"] |= shown
        if noun.kind == "animal":
            names = {_FUR.get(name, name) for name in names}
        if noun.kind == "rest" or not 1 <= len(names) <= 2:
            continue
        color = " and ".join(sorted(names))
        for word in wider(noun.word) if noun.kind == "animal" else [noun.word]:
            colors[word].add(color)
        for owner in wider(owners[id(phrase)]) if id(phrase) in owners else []:
            colors[f"{owner}'s {noun.word}"].add(color)
    for thing, found in colors.items():
        if len(found) == 1:
            facts.colors[thing][found.pop()] += 1
        else:
            facts.mixed.add(thing)


def _owners(said: Parse) -> dict[int, str]:
    """Phrase (its id) of something worn -> who wears it."""
    owners = {id(p): p.owner for p in said.phrases if p.owner}
    for person, thing in _worn(said):
        owners.setdefault(id(thing), person.noun.word)
    return owners


def _worn(said: Parse) -> Iterator[tuple[Phrase, Phrase]]:
    """Who wears what: "wearing a hat", "in a hat", "with a hat"."""
    for clause in said.clauses:
        for subject in clause.subjects if clause.verb == "wear" else ():
            for thing in (*clause.objects, *(p for _, p in clause.places)):
                if thing.noun.kind == "clothing":
                    yield subject, thing
    for phrase in said.phrases:
        if phrase.noun.kind in AGENTS:
            for preposition, thing in phrase.places:
                worn = preposition in ("in", "with") and thing.noun.kind == "clothing"
                tied = phrase.noun.kind == "person" and thing.noun.word in _TIED
                if worn and not tied:
                    yield phrase, thing


def _count_doings(facts: Facts, said: Parse) -> None:
    """Add what each subject does, where it is and what it has to do with things."""
    actions: set[tuple[str, str]] = set()
    places: set[tuple[str, str]] = set()
    relations: set[tuple[str, str, str]] = set()
    for clause in said.clauses:
        for subject in clause.subjects:
            if subject.noun.kind in AGENTS:
                animal = subject.noun.kind == "animal"
                for word in lexicon().wider(subject.noun.word):
                    if answer := _action(clause, said, animal):
                        actions.add((word, answer))
                    relations |= {(word, r, t) for r, t in _relations(clause)}
                    places |= {(word, p) for p in _places(clause.places)}
    for person, thing in _worn(said):
        for word in lexicon().wider(person.noun.word):
            relations.add((word, "wear", thing.noun.word))
    for phrase in said.phrases:
        if phrase.noun.kind not in AGENTS:
            continue
        for word in lexicon().wider(phrase.noun.word):
            facts.adjectives[word].update(set(phrase.adjectives))
            actions |= {(word, a) for a in _implied_actions(phrase)}
            places |= {(word, p) for p in _places(phrase.places)}
            relations |= {(word, r, t) for r, t in _held(phrase.places)}
    for word, answer in sorted(actions):
        facts.actions[word][answer] += 1
    for word, place in sorted(places):
        facts.places[word][place] += 1
    for word, relation, other in sorted(relations):
        facts.relations[word, relation][other] += 1
    facts.background.update(_background(said))


def _action(clause: Clause, said: Parse, animal: bool) -> str:
    things = [p.noun.word for p in (*clause.objects, *(p for _, p in clause.places))]
    if clause.verb == "ride" and not set(things) & set(lexicon().ridden):
        things += [noun.word for p in said.phrases for noun in (p.noun, *p.others)]
    return action(clause.verb, things, said.words, animal)


def _implied_actions(phrase: Phrase) -> Iterator[str]:
    """A skier skis, a smiling man smiles."""
    if phrase.text in lexicon().doers:
        yield lexicon().doers[phrase.text]
    for adjective in phrase.adjectives:
        if adjective in _participles():
            yield _participles()[adjective]


@cache
def _participles() -> dict[str, str]:
    """Verb in -ing -> what one is doing who is described by it."""
    actions = lexicon().action_of
    return {present_participle(verb): answer for verb, answer in actions.items()}


def _places(places: Iterable[tuple[str, Phrase]]) -> Iterator[str]:
    for preposition, phrase in places:
        noun = phrase.noun
        if "snow" in " ".join(phrase.adjectives) and noun.kind == "place":
            yield "snow"
        elif noun.word in ("field", "thing", "yard", "hill") and (
            "grassy" in phrase.adjectives or "green" in phrase.colors
        ):
            yield "grass"
        elif (
            noun.word in _NO_PLACES
            or noun.word in _STEEDS
            or (noun.kind == "object" and noun.word not in _SEATS)
        ):
            continue
        elif noun.kind in _PLACE_KINDS.get(preposition, "").split() or (
            preposition == "in" and noun.word in ("bed", "chair", "swing", "tree")
        ):
            yield noun.word


def _relations(clause: Clause) -> Iterator[tuple[str, str]]:
    """(relation, thing) of the subject of a clause."""
    relation = _RELATIONS.get(clause.verb, "")
    for phrase in clause.objects if relation else ():
        if (relation == "wear") == (phrase.noun.kind == "clothing"):
            yield relation, phrase.noun.word
    for preposition, phrase in clause.places:
        relation = _RELATIONS_BY_PLACE.get((clause.verb, preposition), "")
        if relation and phrase.noun.kind != "rest":
            yield relation, phrase.noun.word
    if clause.verb != "play":  # with a ball, not in the hand
        yield from _held(clause.places)
    in_mouth = [p for p in clause.places if p[1].text == "mouth"]
    for phrase in clause.objects if in_mouth else ():
        yield "hold", phrase.noun.word


def _held(places: Iterable[tuple[str, Phrase]]) -> Iterator[tuple[str, str]]:
    """Things "with" which someone is, and what stands behind someone."""
    for preposition, phrase in places:
        if preposition == "with" and phrase.noun.kind in ("object", "food"):
            yield "with", phrase.noun.word
        if preposition == "in_front_of" and phrase.noun.kind not in ("rest", *AGENTS):
            yield "behind", phrase.noun.word


def _background(said: Parse) -> Iterator[str]:
    """X in "with X in the background"."""
    last = ""
    for phrase in said.phrases:
        if phrase.text == "background" and last:
            yield last
        last = phrase.noun.word if phrase.noun.kind not in ("rest", *AGENTS) else ""
