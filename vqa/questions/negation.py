"""Words of a caption that name what is not there: "no hat", "dressed as a bear"."""

from collections.abc import Sequence

from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.wordforms import nouns, verbs, with_plurals

_NO = word_set("no without neither nor lacking minus except")
_NOT = word_set(
    """not never cannot barely hardly fail fails failing failed pretend pretends
    pretending"""
)
_ENDS = word_set(". ; , but while whilst as when who that which")
_IS = word_set("is are was were")
_DRESSED = word_set("dressed disguised shaped costumed painted decorated designed")
_LIKENING = word_set("like instead_of resembling resembles depicting depicts imitating")
_PRINTED = word_set("sign flag paper cup bag magazine newspaper book map")
_LIKENESSES = """
    statue sculpture painting drawing poster cartoon mural logo carving figurine
    silhouette shape cutout replica model mask tattoo sketch"""
_PICTURES = "picture photo image photograph print"


def denied(words: Sequence[str]) -> list[bool]:
    """Tell which words of a caption speak of what is not there, or only its likeness.

    "Not" reaches over a verb and what belongs to it, "no" and "without" over a few
    nouns. "A picture of" at the start of a caption is the photo itself.

    Args:
        words: as `split_terms` gives them; "n't" is "not".
    """
    found, prepositions = [], lexicon().prepositions
    reach = ""  # "verb", "noun" or nothing
    for i, word in enumerate(words):
        after = words[i + 1] if i + 1 < len(words) else ""
        ends_noun = (word in prepositions and word != "of") or _acts(word)
        if word in _ENDS or (word == "and" if reach == "verb" else ends_noun):
            reach = ""
        if word in _NO or word in ("nobody", "none", "nothing"):
            reach = "noun"
        elif word in _NOT and after != "only":
            reach = "verb" if _acts(after) or after in prepositions else "noun"
        elif _likens(words, i):
            reach = "noun"
        found.append(bool(reach))
    return found


def _likens(words: Sequence[str], i: int) -> bool:
    """Whether a word brings in a likeness: "dressed as", "shaped like", "statue of"."""
    word, before = words[i], words[:i]
    last = before[-1] if before else ""
    if word == "of" and last in with_plurals(_PICTURES):
        deeds = [w for w in before if w in lexicon().prepositions or _acts(w)]
        return bool({*deeds} - _IS) or _is_on_clothing(words[i:])
    if word == "of":
        return last in with_plurals(_LIKENESSES)
    if word == "with" and words[i + 1 :]:
        printed = "on it" in " ".join(words[i + 1 : i + 6])
        return printed and last in nouns() and _is_printed(last)
    if word == "as":
        return last in _DRESSED or "dressed" in before[-3:]
    return word in _LIKENING


def _is_on_clothing(words: Sequence[str]) -> bool:
    """Whether it goes on with "on a shirt"."""
    on = [i for i, word in enumerate(words) if word == "on"]
    return any(_is_printed(word) for i in on for word in words[i + 1 : i + 4])


def _is_printed(word: str) -> bool:
    """Whether pictures are on it, rather than things."""
    found = nouns().get(word)
    return found is not None and (found.kind == "clothing" or found.word in _PRINTED)


def _acts(word: str) -> bool:
    return word in _IS or (word in verbs() and verbs()[word][1] != "base")
