"""A caption into noun phrases and clauses: patterns over word tables, no model."""

from collections.abc import Iterator, Sequence

from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.negation import denied
from vqa.questions.noun_phrases import AND, NEW_CLAUSE, WHO, read_phrase
from vqa.questions.sentence import AGENTS, Clause, Parse, Phrase
from vqa.questions.wordforms import nouns, split_terms, verbs

_FROM_AFAR = word_set("watch look feed photograph point stare")
"""Verbs whose object may be elsewhere: "a girl feeds ducks in the water"."""


def parse(caption: str) -> Parse:
    """Read a caption. Words that the lexicon does not have are passed over."""
    words = split_terms(caption)
    reader = _Clauses()
    no = denied(words)
    unsure: set[str] = set()
    bare = False
    for chunk, last in _chunks(words):
        if isinstance(chunk, Phrase):
            unsure |= {*chunk.unsure, *([chunk.noun.word] if no[last] else [])}
            bare |= no[last] and chunk.noun.word == "shirt"
        real = not isinstance(chunk, Phrase) or chunk.real
        reader.read(chunk if real and not no[last] else ("other", words[last]))
    unsure -= {
        n.word for phrase in reader.phrases for n in (phrase.noun, *phrase.others)
    }
    said = [
        word
        for word, is_no in zip(words, no, strict=True)
        if not is_no
        and word not in unsure
        and not (word in nouns() and nouns()[word].word in unsure)
    ]
    said += ["shirtless"] if bare else []
    return Parse(said, reader.phrases, reader.clauses, unsure)


Chunk = Phrase | tuple[str, str]
"""A noun phrase, or (what, word): verb, preposition, and, while, who, stop, other."""


def _chunks(words: Sequence[str]) -> Iterator[tuple[Chunk, int]]:
    """Chunks, each with the place of its last word."""
    start, last = 0, None
    while start < len(words):
        word = words[start]
        acts = _is_verb(words, start, last)
        phrase, end = (None, start) if acts else read_phrase(words, start)
        if phrase:
            yield phrase, end - 1
            last = phrase
        else:
            yield ("verb", verbs()[word][0]) if acts else _joint(word), start
            if not word.endswith("ly"):
                last = None
        start = max(end, start + 1) if phrase else start + 1


def _joint(word: str) -> tuple[str, str]:
    if word in lexicon().prepositions:
        return "preposition", word
    if word in AND or word == ",":
        return "and", word
    if word in NEW_CLAUSE:
        return "while", word
    if word in WHO:
        return "who", word
    return ("stop" if word in (".", ";") else "other"), word


def _is_verb(words: Sequence[str], i: int, last: Phrase | None) -> bool:
    """Whether the word acts: `walks` after an agent does, after `the` it does not.

    Args:
        last: the noun phrase right before, if any.
    """
    if words[i] not in verbs():
        return False
    form = verbs()[words[i]][1]
    before = words[i - 1] if i else ""
    kind = last.noun.kind if last else ""
    known = lexicon()
    if any(before in t for t in (known.determiners, known.adjectives, known.color_of)):
        return False
    if form in ("ing", "ed") or (before == "to" and form == "base"):
        return words[i] not in nouns()
    if form == "s":
        return words[i] not in nouns() or kind in (*AGENTS, "clothing")
    return kind in AGENTS or (before == "and" and words[i] not in nouns())


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
        self.latest: Phrase | None = None  # right before

    def read(self, chunk: Chunk) -> None:
        if isinstance(chunk, Phrase):
            self.phrases.append(chunk)
            self._add(chunk)
            self.preposition, self.joined = "", False
            self.latest = chunk
            return
        what, word = chunk
        if what == "other":  # "on a bluff over the sea" is not "on the sea"
            self.preposition, self.latest = "", None
            return
        if what == "verb":
            self._act(word)
        self.latest = None
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
            near = self.latest and self.latest.noun.kind in AGENTS
            if (
                near and self.latest not in subjects
            ):  # "a man with a girl wearing a hat"
                subjects = []
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
