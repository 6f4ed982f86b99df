"""A caption into noun phrases and clauses: patterns over word tables, no model.

    A man in a red shirt is riding two horses on the beach .

holds the phrases man (in shirt), shirt (red), horse (2), beach, and one clause:
man ride horse, on beach.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vqa.questions.lexicon import (
    ADJECTIVES,
    COLORS,
    DETERMINERS,
    GROUPS,
    NUMBERS,
    PAIRS,
    PREPOSITIONS,
    SOME,
    word_set,
)
from vqa.questions.terms import Noun, nouns, singulars, split_terms, verbs

AGENTS = ("person", "animal")
_IS = word_set("is are was were be being")
_AND = frozenset(["and", "or"])
_NEW_CLAUSE = word_set("while as whilst when")
_FROM_AFAR = word_set("watch look feed photograph point stare")
"""Verbs whose object may be elsewhere: "a girl feeds ducks in the water"."""
_WHO = frozenset(["who", "that", "which"])
_COLOR_OF = {w: c for c, words in COLORS.items() for w in (c, *words.split())}


@dataclass
class Phrase:
    """A noun with what stands before it, and where it is.

    Attributes:
        noun: the head: wall in "rock wall".
        text: the head as written, in the singular: "guy" for man.
        count: how many; 0 for an unknown number: "some dogs", "a group of men".
        colors: colours said of it, as answered.
        adjectives: other words before it, also those in -ing.
        others: nouns before the head: rock in "rock wall".
        owner: whose it is: man in "the man's hat"; "" if nobody's.
        places: (preposition, phrase) that follow it.
    """

    noun: Noun
    text: str = ""
    count: int = 1
    colors: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    others: tuple[Noun, ...] = ()
    owner: str = ""
    places: list[tuple[str, "Phrase"]] = field(default_factory=list)


@dataclass
class Clause:
    """Who does what to what, and (preposition, phrase) after it."""

    subjects: list[Phrase]
    verb: str
    objects: list[Phrase] = field(default_factory=list)
    places: list[tuple[str, Phrase]] = field(default_factory=list)


@dataclass
class Parse:
    """A caption's words, noun phrases and clauses, in order."""

    words: list[str]
    phrases: list[Phrase]
    clauses: list[Clause]


def parse(caption: str) -> Parse:
    """Read a caption. Words that no table knows are passed over."""
    words = split_terms(caption)
    reader = _Clauses()
    for chunk in _chunks(words):
        reader.read(chunk)
    return Parse(words, reader.phrases, reader.clauses)


Chunk = Phrase | tuple[str, str]
"""A noun phrase, or (what, word): verb, preposition, and, while, who, stop, other."""


def _chunks(words: Sequence[str]) -> Iterator[Chunk]:
    start, last = 0, ""
    while start < len(words):
        word = words[start]
        acts = _is_verb(words, start, last)
        phrase, end = (None, start) if acts else _phrase(words, start)
        if phrase:
            yield phrase
            last = phrase.noun.kind
        else:
            if acts:
                yield "verb", verbs()[word][0]
            else:
                yield from _joint(word)
            if not word.endswith("ly"):
                last = ""
        start = max(end, start + 1) if phrase else start + 1


def _joint(word: str) -> Iterator[Chunk]:
    if word in PREPOSITIONS:
        yield "preposition", word
    elif word in _AND or word == ",":
        yield "and", word
    elif word in _NEW_CLAUSE:
        yield "while", word
    elif word in _WHO:
        yield "who", word
    elif word in (".", ";"):
        yield "stop", word
    else:
        yield "other", word


def _is_verb(words: Sequence[str], i: int, last: str) -> bool:
    """Whether the word acts: `walks` after an agent does, after `the` it does not.

    Args:
        last: kind of the noun right before, or "".
    """
    if words[i] not in verbs():
        return False
    form = verbs()[words[i]][1]
    before = words[i - 1] if i else ""
    if before in DETERMINERS or before in ADJECTIVES or before in _COLOR_OF:
        return False
    if form in ("ing", "ed") or (before == "to" and form == "base"):
        return words[i] not in nouns()
    if form == "s":
        return words[i] not in nouns() or last in (*AGENTS, "clothing")
    return last in AGENTS or (before == "and" and words[i] not in nouns())


class _Head:
    """The words gathered for one noun phrase."""

    def __init__(self) -> None:
        self.determiner, self.owner, self.text = "", "", ""
        self.count: int | None = None
        self.colors: list[str] = []
        self.adjectives: list[str] = []
        self.nouns: list[Noun] = []

    def take(self, words: Sequence[str], i: int) -> bool:
        """Add the word at `i`; False if the phrase ends before it."""
        word = words[i]
        after = words[i + 1] if i + 1 < len(words) else ""
        described = self.colors or self.adjectives
        if word == "'s" and self.nouns:
            self.owner = self.nouns[-1].word
            self.nouns, self.colors, self.adjectives = [], [], []
            self.count = None
        elif word in nouns() and not self._acts(word, after):
            self.nouns.append(nouns()[word])
            self.text = singulars().get(word, word)
        elif self.nouns:
            return False
        elif word in DETERMINERS and not described:
            self.determiner = word
        elif word in NUMBERS:
            self.count = NUMBERS[word]
        elif word in SOME:
            self.count = 0
        elif word in _COLOR_OF:
            self.colors.append(_COLOR_OF[word])
        elif word in ("and", ","):
            return bool(described) and (after in _COLOR_OF or after in ADJECTIVES)
        elif word in ADJECTIVES or (
            (described or self.determiner or self.count) and _describes(word)
        ):
            self.adjectives.append(word)
        else:
            return False
        return True

    def _acts(self, word: str, after: str) -> bool:
        """Whether a noun's form is a verb here: `slides` in "a boy slides"."""
        if not self.nouns or word not in verbs():
            return False
        last = self.nouns[-1].kind
        return last in AGENTS or (last == "clothing" and verbs()[word][1] == "s")

    def phrase(self) -> Phrase | None:
        if not self.nouns:
            return None
        head = self.nouns[-1]
        if self.text == "top" and not self.colors:
            head = Noun("rest", "thing")
        count = self.count
        if count is None:
            count = 0 if head.plural else 1
        return Phrase(
            head,
            self.text,
            count,
            tuple(dict.fromkeys(self.colors)),
            tuple(self.adjectives),
            tuple(self.nouns[:-1]),
            self.owner,
        )


def _phrase(words: Sequence[str], start: int) -> tuple[Phrase | None, int]:
    """The noun phrase that starts at `start`, or None, and where it ends."""
    head, i = _Head(), start
    while i < len(words):
        many = not head.nouns and (words[i] in GROUPS or words[i] in PAIRS)
        if many and words[i + 1 : i + 2] == ["of"]:
            inner, end = _phrase(words, i + 2)
            if inner:
                inner.count = 2 if words[i] in PAIRS else 0
                return inner, end
        if many and words[i] in PAIRS:
            return Phrase(Noun("person", "person", True), "couple", 2), i + 1
        if not head.take(words, i):
            break
        i += 1
    return head.phrase(), i


def _describes(word: str) -> bool:
    """Whether an unknown word may stand between an article and its noun."""
    if word in verbs():
        return verbs()[word][1] == "ing"
    known = (
        PREPOSITIONS,
        DETERMINERS,
        _IS,
        _AND,
        _NEW_CLAUSE,
        _WHO,
        ("it", "they", "he", "she"),
    )
    return word[0].isalnum() and not any(word in words for words in known)


class _Clauses:
    """Puts phrases and verbs together, from left to right."""

    def __init__(self) -> None:
        self.phrases: list[Phrase] = []
        self.clauses: list[Clause] = []
        self.subjects: list[Phrase] = []
        self.clause: Clause | None = None
        self.anchor: Phrase | None = None  # what a preposition belongs to
        self.preposition = ""
        self.joined = False  # after "and" or a comma

    def read(self, chunk: Chunk) -> None:
        if isinstance(chunk, Phrase):
            self.phrases.append(chunk)
            self._add(chunk)
            self.preposition, self.joined = "", False
            return
        what, word = chunk
        if what == "other":  # "on a bluff over the sea" is not "on the sea"
            self.preposition = ""
            return
        if what == "verb":
            self._act(word)
        self.preposition = word if what == "preposition" else ""
        self.joined = what == "and"
        if what == "who" and self.anchor and self.anchor.noun.kind in AGENTS:
            self.subjects, self.clause = [self.anchor], None
        if what in ("while", "stop"):
            self.clause = self.anchor = None
        if what == "stop":
            self.subjects = []

    def _act(self, verb: str) -> None:
        """Start a clause. Its subject is whom the last clause is about, or its object.

        "A man watches a dog running": the dog runs; "a man with a dog running" is
        left to the man.
        """
        subjects = self.subjects
        if (
            self.clause
            and not self.joined
            and self.clause.objects[-1:] == [self.anchor]
            and self.anchor
            and self.anchor.noun.kind in AGENTS
        ):
            subjects = [self.anchor]
        if verb == "wear":  # "a man and a woman wearing a hat" wear one hat
            subjects = subjects[-1:]
        self.clause = Clause(subjects, verb)
        self.clauses.append(self.clause)

    def _add(self, phrase: Phrase) -> None:
        agent = phrase.noun.kind in AGENTS
        if self.preposition:
            self._add_place(phrase)
        elif self.joined and not self.clause and self.subjects and agent:
            self.subjects = [*self.subjects, phrase]
            self.anchor = phrase
        elif self.joined and self._like_before(phrase):
            pass
        elif self.clause and not (self.joined and agent and self.clause.objects == []):
            self.clause.objects.append(phrase)
            self.anchor = phrase
        else:
            self.subjects, self.clause, self.anchor = [phrase], None, phrase

    def _add_place(self, phrase: Phrase) -> None:
        place = (self.preposition, phrase)
        of_object = self.clause and self.clause.verb in _FROM_AFAR
        if self.clause and not of_object:
            self.clause.places.append(place)
        if self.anchor:
            self.anchor.places.append(place)
        if self.preposition == "of" and not self.clause and not self.subjects:
            self.subjects = [phrase]

    def _like_before(self, phrase: Phrase) -> bool:
        """Join "in a red shirt and blue jeans", "on grass and dirt"."""
        places = self.clause.places if self.clause else []
        if not places and self.anchor:
            places = self.anchor.places
        if not places or places[-1][1].noun.kind != phrase.noun.kind:
            return False
        places.append((places[-1][0], phrase))
        return True
