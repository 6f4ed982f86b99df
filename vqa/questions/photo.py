"""One photo to ask about: what its captions agree on, and words for who is in it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from vqa.questions.facts import Facts, Votes
from vqa.questions.lexicon import lexicon, word_set
from vqa.questions.question import Claim, Question, Verdict
from vqa.questions.wordforms import in_plural, spaced

PEOPLE = ("person", "man", "woman", "child", "boy", "girl", "baby")
MOST_DOUBT = 0.05
"""A thing that may be there with this chance is not claimed to be missing."""

_UNSPOKEN = word_set(
    """someone somebody individual adult human male female member owner friend parent
    brother sister father mother dad mom son old_man young_man young_woman young_boy
    young_girl little_boy little_girl small_child creature dude family team mutt
    opponent teammate onlooker spectator top infant surf waters shades glass wave
    ocean_wave couple"""
)
"""Words of captions that nobody asks about a photo with."""

_HIS = {"man": "his", "boy": "his", "woman": "her", "girl": "her"}
_HE = {"his": "he", "her": "she", "its": "it", "their": "they"}
_DESCRIBING = word_set("young little old older big small large bald blonde")


class Subject(NamedTuple):
    """Someone whom a question is about.

    Attributes:
        word: the noun of the lexicon.
        plural: whether there are several.
    """

    word: str
    plural: bool

    @property
    def kind(self) -> str:
        """Person or animal."""
        return lexicon().kind_of[self.word]

    @property
    def group(self) -> str:
        """What tells claims about one and about several apart."""
        return f"several {self.word}" if self.plural else self.word

    @property
    def his(self) -> str:
        """Its possessive: his, her, its or their."""
        if self.plural:
            return "their"
        return "its" if self.kind == "animal" else _HIS.get(self.word, "their")


class Photo:
    """One photo's facts, and whom questions can be about.

    Attributes:
        facts: what its captions agree on.
        rng: of the choice of questions and wordings.
        present, unclear: see `Facts`.
        subjects: all who are told apart by one word.
    """

    def __init__(self, facts: Facts, rng: Random):
        self.facts, self.rng = facts, rng
        self.present, self.unclear = facts.present(), facts.unclear()
        self.subjects = list(self._subjects())

    def _subjects(self) -> Iterator[Subject]:
        facts = self.facts
        for word in (*PEOPLE, *lexicon().animals, "animal"):
            mentions, number = facts.mentions[word], facts.count(word)
            if self.said_often(mentions) and number:
                yield Subject(word, number > 1)
            elif self.said_often(mentions - 1) and word in facts.uncounted:
                yield Subject(word, True)

    def said_often(self, votes: int) -> bool:
        """Whether enough captions say a thing for it to be no slip: two."""
        return votes >= min(2, self.facts.captions) > 0

    def ask(
        self,
        kind: str,
        wordings: Sequence[str],
        answer: str,
        weight: float = 1.0,
        **fields: str,
    ) -> Question:
        """Put a question into words."""
        many = fields.get("is") == "are"
        fitting = [text for text in wordings if not (many and "'s {who}" in text)]
        template = self.rng.choice(fitting)
        color = self.rng.choice(("color", "color", "colour"))
        text = template.format(color=color, **fields)
        return Question(kind, text, spaced(answer), weight)

    def speak_of(self, subject: Subject, *, described: bool = True) -> dict[str, str]:
        """Choose words for a subject: the dog, the puppy, it, the black dog ...

        Args:
            described: whether to tell it apart by its looks; not in questions about
                them.

        Returns:
            what wordings need: {who} (the boy), {whose} (the boy's), {his}, and {is},
            {isnt} and {does} (are and do, if they are several).
        """
        chance = self.rng.random()
        who = ""
        if chance < 0.2 and self._is_alone(subject.word):
            who = "they" if subject.plural else _HE[subject.his]
        elif chance < 0.4:
            who = self._synonym(subject)
        elif chance < 0.55 and described:
            who = self._describe(subject)
        who = who or "the " + _counted(subject.word, subject.plural)
        many = subject.plural or who == "they"
        possessive = who + ("'" if who.endswith("s") else "'s")
        return {
            "who": who,
            "whose": subject.his if who in _HE.values() else possessive,
            "his": subject.his,
            "is": "are" if many else "is",
            "isnt": "are" if many else "is",
            "does": "do" if many else "does",
        }

    def _is_alone(self, word: str) -> bool:
        """Whether nobody else could be meant by "he" or "they"."""
        kind_of = lexicon().kind_of
        kinds = {kind_of[w] for w in self.facts.mentions} & {"person", "animal"}
        whole = "person" if kind_of[word] == "person" else "animal"
        return len(kinds) <= 1 and self.facts.count(word) == self.facts.count(whole)

    def _synonym(self, subject: Subject) -> str:
        word, plural = subject
        said = sorted(w for w in self.facts.spoken[word] if w not in _UNSPOKEN)
        if not said or (word == "person" and self.facts.count("person") != 1):
            return "these people" if word == "person" and plural else ""
        return "the " + _counted(self.rng.choice(said), plural)

    def _describe(self, subject: Subject) -> str:
        facts, rng, word = self.facts, self.rng, subject.word
        if subject.plural:
            number, things = facts.count(word), in_plural(word)
            if number == 2 and rng.random() < 0.5:
                return f"both {things}"
            named = {2: "two", 3: "three"}.get(number)
            return f"the {named} {things}" if named else ""
        said = sorted(_DESCRIBING & set(facts.adjectives[word]))
        own = [thing for thing in facts.colors if thing.startswith(f"{word}'s ")]
        worn = sorted(thing for thing in own if "hair" not in thing)
        if word in facts.colors and word not in facts.mixed:
            said.append(facts.colors[word].most_common(1)[0][0])
        if worn and (not said or rng.random() < 0.5):
            thing = rng.choice(worn)
            color = facts.colors[thing].most_common(1)[0][0]
            item = thing.rpartition(" ")[2]
            article = "" if item in lexicon().plural_only else "the "
            return f"the {spaced(word)} in {article}{color} {spaced(item)}"
        return f"the {rng.choice(said)} {spaced(word)}" if said else ""


def _counted(word: str, plural: bool) -> str:
    return in_plural(word) if plural else spaced(word)


def agreed(votes: Votes, lead: float = 1.5) -> tuple[str, float]:
    """The answer that most captions give, and its weight; ("", 0) if they disagree.

    An answer needs `lead` times the votes of the next. Of words for alike things,
    such as street and road, the one that is more common decides instead.
    """
    ranked = [(n, word) for word, n in votes.most_common()]
    if not ranked:
        return "", 0.0
    most, first = ranked[0]
    weight = 1.0 if most > 1 else 0.7
    rivals = [word for n, word in ranked[1:] if n * lead > most]
    if not rivals:
        return first, weight
    alike = any({first, *rivals} <= words for words in lexicon().alike)
    return (first, 0.7 * weight) if alike and len(rivals) == 1 else ("", 0.0)


def telling(votes: Votes) -> tuple[str, float]:
    """The action that captions agree on: "playing soccer" before "standing"."""
    vague = Counter({a: n for a, n in votes.items() if a in lexicon().vague})
    said = votes - vague
    if said and max(said.values()) >= min(2, max(vague.values(), default=0)):
        return agreed(said, 1.01)
    return agreed(vague, 1.01)


def shades(votes: Votes) -> Iterator[tuple[str, Verdict]]:
    """Each colour that a thing has, or surely has not."""
    color, weight = agreed(votes)
    if color:
        for shade in lexicon().colors:
            if shade == color or not any(shade in said for said in votes):
                yield shade, Verdict(shade == color, weight)


@dataclass(frozen=True)
class Unsaid:
    """What is known of the things that a photo's captions do not mention.

    Attributes:
        doubt: thing, or "do:" and an action -> the chance that it is there still.
        usual: the same -> the share of photos alike that mention it.
    """

    doubt: Mapping[str, float]
    usual: Mapping[str, float]

    def missing(self, thing: str) -> Verdict | None:
        """Say that it is not there, or None if that is not sure enough."""
        doubt = self.doubt.get(thing, 1.0)
        if doubt >= MOST_DOUBT:
            return None
        return Verdict(False, 1 - 5 * doubt, self.usual[thing])

    def verdict(self, photo: Photo, thing: str, there: bool) -> Verdict | None:
        """Say whether it is there, or None if the photo has it, or its like."""
        if there:
            return Verdict(True)
        if thing in photo.present or thing in photo.unclear:
            return None
        return self.missing(thing)


def _none(*_: object) -> Iterator[Question]:
    yield from ()


def _no_claims(*_: object) -> Iterator[Claim]:
    yield from ()


class Kind(NamedTuple):
    """A kind of questions about a photo as a whole.

    Attributes:
        ask: yields those that words answer.
        claim: yields those that yes or no answers, right and wrong, not balanced yet.
    """

    ask: Callable[[Photo], Iterator[Question]] = _none
    claim: Callable[[Photo, Unsaid], Iterator[Claim]] = _no_claims


class SubjectKind(NamedTuple):
    """A kind of questions about someone in a photo; see `Kind`."""

    ask: Callable[[Photo, Subject], Iterator[Question]] = _none
    claim: Callable[[Photo, Subject, Unsaid], Iterator[Claim]] = _no_claims


def about_everyone(*kinds: SubjectKind) -> Kind:
    """The kind that asks all of these about each who is in a photo."""

    def ask(photo: Photo) -> Iterator[Question]:
        for subject in photo.subjects:
            if subject.word == "animal" and photo.rng.random() < 0.6:
                continue
            for kind in kinds:
                yield from kind.ask(photo, subject)

    def claim(photo: Photo, unsaid: Unsaid) -> Iterator[Claim]:
        for subject in photo.subjects:
            for kind in kinds:
                yield from kind.claim(photo, subject, unsaid)

    return Kind(ask, claim)
