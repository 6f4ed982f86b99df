"""Noun phrases of captions, and which of their nouns are really there."""

from collections.abc import Sequence
from functools import cache

from shared.text.english import is_only_noun, is_plural, read_word
from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.sentence import AGENTS, Noun, Phrase
from vqa.questions.wordforms import nouns, singulars, verbs, with_plurals

_IS = word_set("is are was were be being")
AND = frozenset(["and", "or"])
NEW_CLAUSE = word_set("while as whilst when")
WHO = frozenset(["who", "that", "which"])
_GROUNDS = word_set("grass snow sand mud dirt ice")
_SPOTS = word_set(
    "area side corner edge scene view background foreground top bottom middle end"
)
_YOUNG = "cub calf chick pup foal"
_UNREAL = word_set(
    """toy stuffed fake cartoon plastic inflatable ceramic bronze metal wooden stone
    paper lego origami animated painted carved blow-up plush rocking miniature snow
    gingerbread carousel merry-go-round rubber cardboard foam knitted crocheted concrete
    marble robotic"""
)
"""Words before someone who is none: "a stuffed bear", "a wooden horse"."""

_UNREAL_THINGS = word_set(
    "toy fake cartoon model miniature lego paper origami plush imaginary"
)
_PATTERNS = word_set("striped print printed patterned themed shaped")
"""Words after what is only drawn or meant: "a tiger striped shirt"."""
_TOYS = word_set("toy stuffed plush lego")
_NOUNS_TOO = word_set("bowl show watch cover drive ride stop wash")
"""Verbs of the tables that are nouns after a noun: "a dog bowl"."""

_SMALL_WORDS = word_set(
    """it they he she we you i one all each not no without what there here them him but
    then so because if than until except very too only just his her their"""
)


@cache
def _joints() -> frozenset[str]:
    """Words that are neither nouns nor describe one."""
    known = lexicon()
    tables = (known.prepositions, known.determiners, known.some, known.number_of)
    return _SMALL_WORDS.union(_IS, AND, NEW_CLAUSE, WHO, *tables)


class _Head:
    """The words gathered for one noun phrase."""

    def __init__(self, joined: bool) -> None:
        self.joined = joined  # to another before it: "a man and a woman"
        self.determiner, self.owner = "", ""
        self.count: int | None = None
        self.colors: list[str] = []
        self.adjectives: list[str] = []
        self.nouns: list[Noun] = []
        self.texts: list[str] = []  # the nouns as written
        self.drawn: set[str] = set()  # nouns of a pattern: "tiger striped"
        self.goes_on = False  # to a noun that no table knows

    def take(self, words: Sequence[str], i: int) -> bool:
        """Add the word at `i`; False if the phrase ends before it."""
        word = words[i]
        after = words[i + 1] if i + 1 < len(words) else ""
        described = self.colors or self.adjectives
        known = lexicon()
        if word == "'s" and self.nouns:
            self.owner = self.nouns[-1].word
            self.nouns, self.texts = [], []
            self.colors, self.adjectives = [], []
            self.count = None
        elif (
            word in with_plurals(_YOUNG)
            and self.nouns
            and self.nouns[-1].kind == "animal"
        ):
            pass  # the head is the bear of "bear cub"
        elif word in nouns() and not self._acts(word, after):
            if not (self._is_of_agent() and _does_sport(after)):
                self.nouns.append(nouns()[word])
                self.texts.append(word)
                self.goes_on = False
        elif self.nouns and word in _PATTERNS and after in nouns():
            self.drawn |= {noun.word for noun in self.nouns}
            self.nouns, self.texts = [], []
        elif self.nouns:
            if not self._goes_on(word, after):
                return False
            self.goes_on = True
        elif word in known.determiners and not described:
            self.determiner = word
        elif word in known.number_of:
            self.count = known.number_of[word]
        elif word in known.some:
            self.count = 0
        elif word in known.color_of:
            self.colors.append(known.color_of[word])
        elif word in ("and", ","):
            goes_on = after in known.color_of or after in known.adjectives
            return bool(described) and goes_on
        elif word in known.adjectives or (
            (described or self.determiner or self.count) and _describes(word)
        ):
            self.adjectives.append(word)
        else:
            return False
        return True

    def _is_of_agent(self) -> bool:
        return bool(self.nouns) and self.nouns[-1].kind in AGENTS

    def _is_one(self) -> bool:
        """Whether there is one of it, which `walks` and does not `walk`."""
        many = self.joined or self.count not in (None, 1)
        return not many and not self.nouns[-1].plural

    def _acts(self, word: str, after: str) -> bool:
        """Whether a noun's form is a verb here: `slides` in "a boy slides"."""
        if not self.nouns or word not in verbs():
            return False
        form = verbs()[word][1]
        if form == "base" and self._is_of_agent() and self._is_one():  # "a baby swing"
            return after in lexicon().determiners
        return self._is_of_agent() or (
            self.nouns[-1].kind == "clothing" and form == "s"
        )

    def _goes_on(self, word: str, after: str) -> bool:
        """Whether a noun follows that no table knows: `bowl` in "a dog bowl"."""
        if word in _joints() or not word.isalpha():
            return False
        one = self._is_one()
        if word in verbs():
            return word in _NOUNS_TOO and one and after not in lexicon().determiners
        if is_only_noun(word):
            return True
        known = read_word(word)
        singular = known.base == word
        if not known.noun or known.describes or not (singular or is_plural(word)):
            return False
        return singular and one if self._is_of_agent() else True

    def phrase(self) -> Phrase | None:
        if not self.nouns:
            return None
        head, text = self.nouns[-1], singulars().get(self.texts[-1], self.texts[-1])
        if text == "top" and not self.colors:
            head = Noun("rest", "thing")
        said = {*self.adjectives, *self.texts[:-1]}
        unreal = said & (_UNREAL if head.kind in AGENTS else _UNREAL_THINGS)
        unsure = {*self.drawn}
        if unreal & _TOYS and head.word != "toy":
            unsure, unreal = {head.word}, set()
            head, text = Noun("object", "toy", head.plural), "toy"
        real = head.word == "toy" or not (unreal or self.goes_on)
        others = [n for n in self.nouns[:-1] if real and _is_there_too(n, head, text)]
        unsure |= {n.word for n in self.nouns[:-1] if n not in (*others, head)}
        unsure.add(self.owner)
        if head.kind in ("clothing", "vehicle"):  # "tennis shoes" are no tennis
            unsure |= {*self.texts[:-1]}
        if not real:
            unsure.add(head.word)
        count = self.count
        if count is None:
            count = 0 if head.plural else 1
        return Phrase(
            head,
            text,
            count,
            tuple(dict.fromkeys(self.colors)),
            tuple(self.adjectives),
            tuple(others),
            self.owner,
            real=real,
            unsure=tuple(unsure - {"", "thing"}),
        )


def _is_there_too(other: Noun, head: Noun, text: str) -> bool:
    """Whether a noun before another is there as well: "lady surfer", "snow hill"."""
    if other.kind == "person" == head.kind or other == head:
        return True
    place = other.kind in ("place", "nature")
    return place and (
        text in _SPOTS or (other.word in _GROUNDS and head.kind == "place")
    )


def _does_sport(word: str) -> bool:
    """Whether "kite" before it is no thing: "surfing"."""
    return word.endswith("ing") and (word in verbs() or not read_word(word).noun)


def read_phrase(words: Sequence[str], start: int) -> tuple[Phrase | None, int]:
    """Find the noun phrase that starts at `start`, or None, and where it ends."""
    head, i = _Head(joined=start > 0 and words[start - 1] in AND), start
    while i < len(words):
        pair = words[i] in lexicon().pairs
        many = not head.nouns and (words[i] in lexicon().groups or pair)
        if many and words[i + 1 : i + 2] == ["of"]:
            inner, end = read_phrase(words, i + 2)
            if inner:
                inner.count = 2 if pair else 0
                return inner, end
        if many and pair:
            return Phrase(Noun("person", "person", True), "couple", 2), i + 1
        if not head.take(words, i):
            break
        i += 1
    return head.phrase(), i


def _describes(word: str) -> bool:
    """Whether an unknown word may stand between an article and its noun."""
    if word in verbs():
        return verbs()[word][1] == "ing"
    return word[0].isalnum() and word not in _joints()
