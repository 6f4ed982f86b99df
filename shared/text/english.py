"""English words: the number of nouns, the tense of verbs, and words spelt alike.

LemmInflect's lexicon, made from the SPECIALIST lexicon of the NIH, knows the forms of
35,000 words. It is read when it is first needed.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

from shared.text.lexicon import Bases, bases_of

NEAREST = 3

# fmt: off
# Words in -ing that only say what somebody does, though the lexicon has nouns and
# adjectives of the same spelling. Others, such as "building", are words of their own.
_DEEDS = frozenset("""
acting attending backing beating beginning bleeding blinking blocking blowing breathing
brushing burning carving chewing closing coming cooking covering cutting dealing doing
drilling dripping driving dumping eating entertaining facing fastening feeding finding
flying folding following freezing giving going greeting grinding grooming handling
hanging happening harvesting hearing helping holding hunting jogging joining jousting
jumping learning licking loading milking mounting moving nursing overlapping parachuting
passing performing planting playing posing pulling pushing racing reading resting
rinsing rowing rubbing running sailing saying scattering serving shaving shooting
shopping sitting skating skiing sleeping smoking splitting standing stirring surfing
swimming taking tapping teaching throwing tipping turning typing waking walking washing
wearing weighing working wrestling writing
""".split())  # noqa: SIM905
# Plurals that name another thing than their singular.
_OWN_WORDS = frozenset("""
blues clothes glasses goggles goods grounds means media overalls pants shades shorts
slacks spectacles tights trunks woods
""".split())  # noqa: SIM905
# fmt: on
_PLURALS = {
    "person": "people",
    "fish": "fish",
    "ox": "oxen",
    "flamingo": "flamingos",
}
"""Plurals that the lexicon lacks, or has otherwise."""

_MORE_NOUNS = frozenset(["act", "bar", "log", "pan", "tailgate", "top"])
"""Nouns that the lexicon has only as verbs."""

_BRITISH = """
grey gray/colour color/moustache mustache/jewellery jewelry/tyre tire/pyjamas pajamas
doughnut donut/aeroplane airplane/centre center/theatre theater/blond blonde/kerb curb
yoghurt yogurt/harbour harbor/favourite favorite/neighbour neighbor/axe ax
tshirt t-shirt/tee-shirt t-shirt
"""
_AMERICAN = dict(pair.split() for pair in re.split("[/\n]", _BRITISH.strip()))
"""Other spellings of the same word."""

_UNSURE = frozenset(["lied"])  # told a lie, or lay: "lying" is both
_NO_NOUNS = frozenset("and for from into onto than the upon with".split())  # noqa: SIM905


class Word(NamedTuple):
    """What the spelling of a word says about it.

    Attributes:
        base: its singular or infinitive, in American spelling; "" if that is unknown,
            or if it may be a form of more than one word ("saw", "left", "leaves",
            "building").
        noun: whether it can be a noun.
        describes: whether it can be an adjective or adverb.
    """

    base: str
    noun: bool = False
    describes: bool = False


@lru_cache(maxsize=2**16)
def read_word(word: str) -> Word:
    """Look up a word in lower case.

    >>> read_word("carried")
    Word(base='carry', noun=False, describes=False)
    """
    if word in _UNSURE:
        return Word("")
    if word in _OWN_WORDS or not word[:1].isalpha():
        return Word(_AMERICAN.get(word, word), noun=True)
    for one, many in _PLURALS.items():
        if word == many:
            return Word(one, noun=True)
    lemmas = _lemmas(word)
    if not lemmas:
        base = _regular_singular(word)
        return Word(_AMERICAN.get(base, base), noun=True)
    nouns = _noun_bases(word, lemmas)
    verbs = [base for kind in ("VERB", "AUX") for base in lemmas.get(kind, ())]
    describes = _describes(word, lemmas)
    if {*verbs} - {word} and (word in _DEEDS or word.endswith("en")):
        nouns, describes = [base for base in nouns if base != word], False
    bases = [*nouns, *verbs, *([word] if describes else [])]
    if any(word == base + "s" for base in bases):  # "travels" is no noun of its own
        bases = [base for base in bases if base != word]
    sure = len({_spelling(base) for base in bases}) == 1
    base = _AMERICAN.get(bases[0], bases[0]) if sure else ""
    return Word(base, bool(nouns), describes)


def forms(word: str, known: Collection[str]) -> set[str]:
    """Find the forms of an English word among the known words.

    They are those that surely share its base, so "men" and "man" find each other, and
    so do "ran" and "running"; "left" and "leave" do not, as "left" is a side as well.

    >>> sorted(forms("run", {"run", "running", "ran", "rung", "runner"}))
    ['ran', 'run', 'running']

    Returns:
        The known forms, `word` among them if it is known.
    """
    base = read_word(word).base
    found: set[str] = set()
    for other in known:
        of = read_word(other).base
        if other in (word, base) or (of and of in (word, base)):
            found.add(other)
    return found


def spelt_like(word: str, known: Iterable[str]) -> list[str]:
    """Find known words that are spelt like a word, nearest first, at most three.

    Two letters in the wrong order are the likeliest slip: "dgo" is "dog".
    """
    import difflib  # 20 ms that only a slip needs

    if len(word) < 3:
        return []
    words = sorted(w for w in known if w[:1].isalpha() and not is_doubled_plural(w))
    turned = {
        word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)
    }
    first = [w for w in words if w in turned]
    alike = difflib.get_close_matches(word, words, NEAREST, cutoff=0.75)
    return list(dict.fromkeys([*first, *alike]))[:NEAREST]


_AN = re.compile("(?!eu|one|uni|use|ute)[aeiou]|hour|heir|honor")


def article(noun: str) -> str:
    """The indefinite article before a noun, by its spelling.

    >>> [article(noun) for noun in ("umbrella", "uniform", "hourglass", "house")]
    ['an', 'a', 'an', 'a']
    """
    return "an" if _AN.match(noun) else "a"


def plural(noun: str) -> str:
    """The plural of a noun; one that is a plural already stays as it is.

    >>> [plural(noun) for noun in ("dog", "woman", "sheep", "pants", "flops")]
    ['dogs', 'women', 'sheep', 'pants', 'flops']
    """
    if is_plural(noun):
        return noun
    return _PLURALS.get(noun) or _inflected(noun, "NNS")


def regular_plural(noun: str) -> str:
    """The plural by the spelling alone, for those who go without the lexicon.

    >>> [regular_plural(noun) for noun in ("bus", "city", "woman", "loaf", "key")]
    ['buses', 'cities', 'women', 'loaves', 'keys']
    """
    if noun.endswith("man") and noun != "human":
        return noun.removesuffix("man") + "men"
    if re.search("[^aeiou]y$", noun):
        return noun.removesuffix("y") + "ies"
    if re.search("(oa|al|wi)fe?$", noun):  # loaf, calf, wife
        return re.sub("fe?$", "ves", noun)
    return noun + ("es" if re.search("([sxz]|[cs]h)$", noun) else "s")


def is_plural(word: str) -> bool:
    """Whether a word is a plural by its form: "flops", "men", "pants"."""
    if word in _OWN_WORDS or word in _PLURALS.values():
        return True
    lemmas = _lemmas(word)
    if not lemmas:
        return _regular_singular(word) != word
    return word not in (_noun_bases(word, lemmas) or [word])


@lru_cache(maxsize=2**16)
def is_only_noun(word: str) -> bool:
    """Whether the lexicon has a word as a noun and as nothing else: "biscuits"."""
    return set(_lemmas(word)) == {"NOUN"}


def is_doubled_plural(word: str) -> bool:
    """Whether a word is a plural put into the plural again, such as "flopses"."""
    return word.endswith("ses") and not _lemmas(word) and is_plural(word[:-2])


def present_participle(verb: str) -> str:
    """A verb in -ing: run -> running, ride -> riding, lie -> lying."""
    return _inflected(verb, "VBG")


def third_person(verb: str) -> str:
    """A verb as he, she or it does it: run -> runs, carry -> carries, have -> has."""
    return _inflected(verb, "VBZ") or verb + "s"


def _lemmas(word: str) -> Bases:
    """Bases by part of speech, as the lexicon has them, most frequent first."""
    lemmas = bases_of(word)
    for noun in _MORE_NOUNS & {word, word.removesuffix("s")}:
        lemmas["NOUN"] = (noun,)
    return lemmas


def _inflected(base: str, tag: str) -> str:
    from lemminflect import getInflection

    return getInflection(base, tag)[0]


def _noun_bases(word: str, lemmas: Bases) -> list[str]:
    """Singulars of a word: of "pools" pool alone, of "data" data alone."""
    bases = lemmas.get("NOUN", ())
    if word not in bases[:1] or len(bases) == 1:
        return [base for base in bases if base != word or len(bases) == 1]
    return [word]


def _describes(word: str, lemmas: Bases) -> bool:
    """Whether it is an adverb or adjective, not only a noun before another: "head"."""
    if word in lemmas.get("ADV", ()) or "NOUN" not in lemmas:
        return word in (*lemmas.get("ADV", ()), *lemmas.get("ADJ", ()))
    more = word.removesuffix("e") + "er"
    return word in lemmas.get("ADJ", ()) and word in _lemmas(more).get("ADJ", ())


def _regular_singular(word: str) -> str:
    """Singular of a noun too new for the lexicon: "seagulls"."""
    stem = word.removesuffix("s")
    fits = len(stem) >= 3 and not stem.endswith("s") and stem not in _NO_NOUNS
    return stem if fits and not _lemmas(stem) else word


def _spelling(base: str) -> str:
    """One spelling for cookie and cooky, cameraman and camera-man."""
    return re.sub("ie$", "y", base.replace("-", ""))
