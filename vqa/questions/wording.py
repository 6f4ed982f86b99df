"""Words for those and for what a question is about: the boy, they, an umbrella."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from shared.text.english import article
from vqa.questions.facts import KIND_OF, Facts
from vqa.questions.lexicon import MASS, PLURAL, word_set
from vqa.questions.terms import plural_of

_UNSPOKEN = word_set(
    """someone somebody individual adult human male female member owner friend parent
    brother sister father mother dad mom son old_man young_man young_woman young_boy
    young_girl little_boy little_girl small_child creature dude family team mutt
    opponent teammate onlooker spectator top infant surf waters shades glass wave
    ocean_wave"""
)
"""Words of captions that nobody asks about a photo with."""

_HIS = {"man": "his", "boy": "his", "woman": "her", "girl": "her"}
_HE = {"his": "he", "her": "she", "its": "it", "their": "they"}
THE = word_set("sky sun ocean sea beach street")
"""Things asked for with "the"."""

_DESCRIBING = word_set("young little old older big small large bald blonde")


def spaced(word: str) -> str:
    """tennis_racket -> tennis racket."""
    return word.replace("_", " ")


def with_article(word: str) -> str:
    """A noun of the tables as questions put it: a dog, an umbrella, grass, the sky."""
    if word in MASS or word in PLURAL:
        return spaced(word)
    if word in THE:
        return "the " + spaced(word)
    return f"{article(word)} {spaced(word)}"


def in_plural(word: str) -> str:
    """people, dogs, tennis rackets."""
    if word in PLURAL or word in MASS:
        return spaced(word)
    return spaced(plural_of(word))


@dataclass(frozen=True)
class Subject:
    """Someone whom a question is about.

    Attributes:
        word: the noun of the tables.
        plural: whether there are several.
        text: such as "the little boy", "they".
        his: his, her, its or their.
    """

    word: str
    plural: bool
    text: str
    his: str

    def fields(self) -> dict[str, str]:
        """What the templates need to speak of the subject."""
        many = self.plural or self.text == "they"
        whose = self.his if self.text in _HE.values() else _possessive(self.text)
        return {
            "who": self.text,
            "whose": whose,
            "his": self.his,
            "is": "are" if many else "is",
            "isnt": "are" if many else "is",
            "does": "do" if many else "does",
        }


def _possessive(text: str) -> str:
    return text + ("'" if text.endswith("s") else "'s")


def his(word: str, plural: bool) -> str:
    """Possessive for a subject."""
    if plural:
        return "their"
    return "its" if KIND_OF[word] == "animal" else _HIS.get(word, "their")


def speak_of(
    facts: Facts, word: str, plural: bool, rng: Random, *, described: bool = True
) -> Subject:
    """Choose words for a subject: the dog, the puppy, it, the black dog ...

    Args:
        described: whether to tell it apart by its looks; not in questions about them.
    """
    owner = his(word, plural)
    chance = rng.random()
    text = ""
    if chance < 0.2 and _alone(facts, word):
        text = "they" if plural else _HE[owner]
    elif chance < 0.4:
        text = _synonym(facts, word, plural, rng)
    elif chance < 0.55 and described:
        text = _described(facts, word, plural, rng)
    if not text:
        text = "the " + (in_plural(word) if plural else spaced(word))
    return Subject(word, plural, text, owner)


def _alone(facts: Facts, word: str) -> bool:
    """Whether nobody else could be meant by "he" or "they"."""
    kinds = {KIND_OF[w] for w in facts.mentions if KIND_OF[w] in ("person", "animal")}
    if len(kinds) > 1:
        return False
    whole = "person" if KIND_OF[word] == "person" else "animal"
    return facts.count(word) == facts.count(whole)


def _synonym(facts: Facts, word: str, plural: bool, rng: Random) -> str:
    said = [w for w in facts.spoken[word] if w not in _UNSPOKEN and w != "couple"]
    if not said or (word == "person" and facts.count("person") != 1):
        return "these people" if word == "person" and plural else ""
    other = rng.choice(sorted(said))
    return "the " + (in_plural(other) if plural else spaced(other))


def _described(facts: Facts, word: str, plural: bool, rng: Random) -> str:
    number = facts.count(word)
    if plural:
        things = in_plural(word)
        if number == 2 and rng.random() < 0.5:
            return f"both {things}"
        return (
            f"the {'two' if number == 2 else 'three'} {things}"
            if number in (2, 3)
            else ""
        )
    said = sorted(_DESCRIBING & set(facts.adjectives[word]))
    worn = sorted(
        t for t in facts.colors if t.startswith(word + "'s ") and "hair" not in t
    )
    if word in facts.colors and word not in facts.mixed:
        said.append(facts.colors[word].most_common(1)[0][0])
    if worn and (not said or rng.random() < 0.5):
        thing = rng.choice(worn)
        color = facts.colors[thing].most_common(1)[0][0]
        article = "" if thing.split()[-1] in PLURAL else "the "
        return (
            f"the {spaced(word)} in {article}{color} {spaced(thing.rpartition(' ')[2])}"
        )
    return f"the {rng.choice(said)} {spaced(word)}" if said else ""


def wordings(templates: Sequence[str], plural: bool) -> Iterator[str]:
    """The templates that fit one or several."""
    for template in templates:
        if not (plural and "'s {who}" in template):
            yield template
