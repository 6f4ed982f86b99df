"""Captions split into words, and every form of the lexicon's nouns and verbs."""

import re
from functools import cache

from shared.text.english import article, plural, present_participle, third_person
from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.sentence import Noun

_TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|'s|[.,;]")
_LONGEST_TERM = 3

THE = word_set("sky sun ocean sea beach street")
"""Things asked for with "the"."""


def split_terms(caption: str) -> list[str]:
    """Lower-case words and stops; the words of a term are joined by `_`."""
    text = caption.lower().replace("\u2019", "'").replace("n't", " not")
    words = _TOKEN.findall(text)
    terms: list[str] = []
    prepositions = lexicon().prepositions | {"instead_of"}
    start = 0
    while start < len(words):
        for end in range(min(start + _LONGEST_TERM, len(words)), start, -1):
            term = "_".join(words[start:end])
            if end == start + 1 or term in nouns() or term in prepositions:
                terms.append(term)
                start = end
                break
    return terms


def plural_of(word: str) -> str:
    """The plural of a noun: dog -> dogs, tennis_ball -> tennis_balls."""
    start, joint, last = word.rpartition("_")
    return word if last in lexicon().many_in_one else start + joint + plural(last)


def spaced(word: str) -> str:
    """tennis_racket -> tennis racket."""
    return word.replace("_", " ")


def in_plural(word: str) -> str:
    """A noun as questions put several: people, dogs, tennis rackets, grass."""
    known = lexicon()
    many = word in known.plural_only or word in known.mass
    return spaced(word if many else plural_of(word))


def with_article(word: str) -> str:
    """A noun as questions put one: a dog, an umbrella, grass, the sky."""
    known = lexicon()
    if word in known.mass or word in known.plural_only:
        return spaced(word)
    return f"{'the' if word in THE else article(word)} {spaced(word)}"


@cache
def with_plurals(text: str) -> frozenset[str]:
    """The nouns of a text, in the singular and the plural."""
    return frozenset(form for word in text.split() for form in (word, plural(word)))


def names_of(thing: str) -> tuple[str, ...]:
    """What a thing is called in questions: bike, bicycle."""
    also = lexicon().also_called
    return (thing, also[thing]) if thing in also else (thing,)


def fields_of(thing: str) -> dict[str, str]:
    """What wordings say of a thing: {thing}, {things} and {a_thing}."""
    return {
        "thing": spaced(thing),
        "things": in_plural(thing),
        "a_thing": with_article(thing),
    }


@cache
def nouns() -> dict[str, Noun]:
    """Every form of every noun; of two meanings, the first in the lexicon."""
    forms: dict[str, Noun] = {}
    for kind, words in lexicon().nouns.items():
        for word, others in words.items():
            for same in (word, *others):
                many = same in lexicon().many_in_one
                forms.setdefault(same, Noun(kind, word, many))
                forms.setdefault(plural_of(same), Noun(kind, word, True))
    return forms


@cache
def singulars() -> dict[str, str]:
    """Plural of every noun -> singular."""
    kinds = lexicon().nouns.values()
    words = (w for ws in kinds for word, others in ws.items() for w in (word, *others))
    return {plural_of(word): word for word in words}


@cache
def verbs() -> dict[str, tuple[str, str]]:
    """Every form of every verb -> (verb, "base", "s", "ing" or "ed")."""
    forms = {form: (verb, "ed") for form, verb in lexicon().participles.items()}
    for verb in lexicon().verbs:
        forms[verb] = (verb, "base")
        forms[third_person(verb)] = (verb, "s")
        forms[present_participle(verb)] = (verb, "ing")
    return forms
