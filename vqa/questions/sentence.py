"""What a caption consists of: nouns, phrases and clauses.

    A man in a red shirt is riding two horses on the beach .

holds the phrases man (in shirt), shirt (red), horse (2), beach, and one clause:
man ride horse, on beach. Nouns that only say what kind of thing another is, or that are
denied, are in no phrase: "a baby stroller", "no hat", "a toy car".
"""

from dataclasses import dataclass, field

AGENTS = ("person", "animal")
"""Kinds of nouns that do something."""


@dataclass(frozen=True)
class Noun:
    """A noun of the lexicon: what kind of thing, the word to answer with, its form."""

    kind: str
    word: str
    plural: bool = False


@dataclass
class Phrase:
    """A noun with what stands before it, and where it is.

    Attributes:
        noun: the head: wall in "rock wall".
        text: the head as written, in the singular: "guy" for man.
        count: how many; 0 for an unknown number: "some dogs", "a group of men".
        colors: colours said of it, as answered.
        adjectives: other words before it, also those in -ing.
        others: nouns before the head that are there, too: snow in "snow hill".
        owner: whose it is: man in "the man's hat"; "" if nobody's.
        places: (preposition, phrase) that follow it.
        real: whether it is what its noun says, and not a "toy car" or a "dog bowl".
        unsure: nouns that may not be there: rock in "rock wall", man in "the man's
            hat", car in "toy car".
    """

    noun: Noun
    text: str = ""
    count: int = 1
    colors: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    others: tuple[Noun, ...] = ()
    owner: str = ""
    places: list[tuple[str, "Phrase"]] = field(default_factory=list)
    real: bool = True
    unsure: tuple[str, ...] = ()


@dataclass
class Clause:
    """Who does what to what, and (preposition, phrase) after it."""

    subjects: list[Phrase]
    verb: str
    objects: list[Phrase] = field(default_factory=list)
    places: list[tuple[str, Phrase]] = field(default_factory=list)


@dataclass
class Parse:
    """A caption's words, noun phrases and clauses, in order.

    Attributes:
        words: those that are not denied, and name no thing that may not be there.
        phrases: of things that are there.
        clauses: of what is done.
        unsure: nouns that are named, though the thing may not be there: "no hat".
    """

    words: list[str]
    phrases: list[Phrase]
    clauses: list[Clause]
    unsure: set[str]
