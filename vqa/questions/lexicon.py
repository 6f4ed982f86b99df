"""Everyday words: `lexicon.toml`, read when it is first needed (20 ms)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

Words = tuple[str, ...]


def word_list(text: str) -> Words:
    """The words of a text, in order, for a table that can be read."""
    return tuple(text.split())


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Lexicon:
    """The tables of `lexicon.toml`, where each is explained.

    Nouns are answers, under the kind that they are of: person, animal, clothing,
    vehicle, object, food, place, nature, or rest, which are not asked for.
    """

    nouns: Mapping[str, Mapping[str, Words]]
    many_in_one: frozenset[str]
    mass: frozenset[str]
    plural_only: frozenset[str]
    groups: frozenset[str]
    pairs: frozenset[str]
    some: frozenset[str]
    numbers: Words
    determiners: frozenset[str]
    prepositions: frozenset[str]
    adjectives: frozenset[str]
    verbs: Words
    vague: frozenset[str]
    played: Words
    alike: tuple[frozenset[str], ...]
    also_called: Mapping[str, str]
    broader: Mapping[str, str]
    implies: Mapping[str, Words]
    parts: Mapping[str, Words]
    colors: Mapping[str, Words]
    participles: Mapping[str, str]
    actions: Mapping[str, Words]
    sports: Mapping[str, Words]
    doers: Mapping[str, str]
    ridden: Mapping[str, str]

    @cached_property
    def kind_of(self) -> dict[str, str]:
        """Noun, as answered -> its kind."""
        return {word: kind for kind, words in self.nouns.items() for word in words}

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Word or digits -> number."""
        counted = enumerate(self.numbers, start=1)
        return {form: n for n, word in counted for form in (word, str(n))}

    @cached_property
    def color_of(self) -> dict[str, str]:
        """Word for a colour -> the colour, as answered."""
        return {word: c for c, words in self.colors.items() for word in (c, *words)}

    @cached_property
    def action_of(self) -> dict[str, str]:
        """Verb that says enough by itself -> what someone is doing, as answered."""
        return {verb: doing for doing, verbs in self.actions.items() for verb in verbs}

    @cached_property
    def sport_of(self) -> dict[str, str]:
        """Word -> the sport that it speaks of."""
        return {word: sport for sport, words in self.sports.items() for word in words}

    @cached_property
    def animals(self) -> Words:
        """Animals of which one can be told from another."""
        return tuple(word for word in self.nouns["animal"] if word != "animal")

    def wider(self, word: str) -> list[str]:
        """The word and all wider words for it: boy, child, person."""
        found = [word]
        while found[-1] in self.broader:
            found.append(self.broader[found[-1]])
        if self.kind_of.get(word) == "animal" and word != "animal":
            found.append("animal")
        return found


@cache
def lexicon() -> Lexicon:
    """Read the lexicon."""
    text = resources.files(__package__).joinpath("lexicon.toml").read_text("utf-8")
    tables = tomllib.loads(text)

    def lists(table: Mapping[str, str]) -> dict[str, Words]:
        return {word: word_list(others) for word, others in table.items()}

    tables["nouns"] = {kind: lists(words) for kind, words in tables["nouns"].items()}
    tables["alike"] = tuple(map(word_set, tables["alike"]))
    for name in ("implies", "parts", "colors", "actions", "sports"):
        tables[name] = lists(tables[name])
    for name in ("numbers", "verbs", "played"):
        tables[name] = word_list(tables[name])
    sets = {name: word_set(text) for name, text in tables.items() if type(text) is str}
    return Lexicon(**(tables | sets))
