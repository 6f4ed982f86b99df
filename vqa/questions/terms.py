"""The forms of the words of the tables, and captions split into such words."""

import re
from dataclasses import dataclass
from functools import cache

from shared.text.english import plural, present_participle, third_person
from vqa.questions.actions import PARTICIPLES, VERBS
from vqa.questions.lexicon import MANY_IN_ONE, NOUNS, word_set

_TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|'s|[.,;]")
_LONGEST_TERM = 3
_PREPOSITIONS = word_set(
    """in_front_of next_to on_top_of out_of close_to away_from inside_of outside_of
    instead_of"""
)


@dataclass(frozen=True)
class Noun:
    """A noun of the tables: what kind of thing, the word to answer with, its form."""

    kind: str
    word: str
    plural: bool = False


def split_terms(caption: str) -> list[str]:
    """Lower-case words and stops; the words of a term are joined by `_`."""
    text = caption.lower().replace("\u2019", "'").replace("n't", " not")
    words = _TOKEN.findall(text)
    terms: list[str] = []
    start = 0
    while start < len(words):
        for end in range(min(start + _LONGEST_TERM, len(words)), start, -1):
            term = "_".join(words[start:end])
            if end == start + 1 or term in nouns() or term in _PREPOSITIONS:
                terms.append(term)
                start = end
                break
    return terms


def plural_of(word: str) -> str:
    """The plural of a noun of the tables: dog -> dogs, tennis_ball -> tennis_balls."""
    start, joint, last = word.rpartition("_")
    return word if last in MANY_IN_ONE else start + joint + plural(last)


@cache
def nouns() -> dict[str, Noun]:
    """Every form of every noun; of two meanings, the first in the tables."""
    forms: dict[str, Noun] = {}
    for kind, words in NOUNS.items():
        for word, others in words.items():
            for same in (word, *others.split()):
                many = same in MANY_IN_ONE
                forms.setdefault(same, Noun(kind, word, many))
                forms.setdefault(plural_of(same), Noun(kind, word, True))
    return forms


@cache
def singulars() -> dict[str, str]:
    """Plural of every noun -> singular."""
    words = (w for ws in NOUNS.values() for k, v in ws.items() for w in (k, *v.split()))
    return {plural_of(word): word for word in words}


@cache
def verbs() -> dict[str, tuple[str, str]]:
    """Every form of every verb -> (verb, "base", "s", "ing" or "ed")."""
    forms = {form: (verb, "ed") for form, verb in PARTICIPLES.items()}
    for verb in VERBS:
        forms[verb] = (verb, "base")
        forms[third_person(verb)] = (verb, "s")
        forms[present_participle(verb)] = (verb, "ing")
    return forms
