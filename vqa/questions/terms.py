"""The forms of the words of the tables, and captions split into such words."""

import re
from dataclasses import dataclass
from functools import cache

from vqa.questions.actions import PARTICIPLES, VERBS, ing_of
from vqa.questions.lexicon import IRREGULAR, MANY_IN_ONE, NOUNS, ONE_FORM, word_set

_TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|'s|[.,;]")
_LONGEST_TERM = 3
_PREPOSITIONS = word_set(
    """in_front_of next_to on_top_of out_of close_to away_from inside_of outside_of"""
)


@dataclass(frozen=True)
class Noun:
    """A noun of the tables: what kind of thing, the word to answer with, its form."""

    kind: str
    word: str
    plural: bool = False


def split_terms(caption: str) -> list[str]:
    """Lower-case words and stops; the words of a term are joined by `_`."""
    words = _TOKEN.findall(caption.lower().replace("\u2019", "'"))
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
    if last in ONE_FORM:
        return word
    if last in _irregular():
        return start + joint + _irregular()[last]
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if last.endswith("y") and last[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


@cache
def _irregular() -> dict[str, str]:
    forms = IRREGULAR.replace("/", " ").split()
    return dict(zip(forms[::2], forms[1::2], strict=True))


@cache
def nouns() -> dict[str, Noun]:
    """Every form of every noun; of two meanings, the first in the tables."""
    forms: dict[str, Noun] = {}
    for kind, words in NOUNS.items():
        for word, others in words.items():
            for same in (word, *others.split()):
                many = plural_of(same) == same and same in MANY_IN_ONE
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
        forms["has" if verb == "have" else plural_of(verb)] = (verb, "s")
        forms["goes" if verb == "go" else "does" if verb == "do" else ""] = (verb, "s")
        forms[ing_of(verb)] = (verb, "ing")
    forms.pop("", None)
    forms["does"], forms["goes"] = ("do", "s"), ("go", "s")
    return forms
