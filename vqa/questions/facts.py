"""What the captions of one photo agree on."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from vqa.questions.lexicon import lexicon

Votes = Counter[str]


@dataclass
class Facts:
    """Votes of a photo's captions; a caption votes at most once for each thing.

    Someone is known under every word that fits: what a boy does, a child and a
    person do too.

    Attributes:
        captions: how many there are.
        words: all their words.
        mentions: noun -> captions that have it or a narrower word.
        named: noun -> captions that have this one and no narrower word for it.
        spoken: noun -> words that the captions use for it, of its synonyms.
        colors: thing, or "owner's thing" -> colours.
        mixed: things of which some caption has two in different colours.
        actions: subject -> what it is doing.
        places: subject -> where it is.
        relations: (subject, such as "hold") -> things.
        adjectives: noun -> what is said of it.
        counts: noun -> how many, from each caption that tells.
        uncounted: nouns of which some caption has an unknown number.
        sports: sports.
        background: things said to be in the background.
        unsure: things that are named, though they may not be there: "no hat".
    """

    captions: int = 0
    words: set[str] = field(default_factory=set)
    mentions: Votes = field(default_factory=Counter)
    named: Votes = field(default_factory=Counter)
    spoken: dict[str, Votes] = field(default_factory=lambda: defaultdict(Counter))
    colors: dict[str, Votes] = field(default_factory=lambda: defaultdict(Counter))
    mixed: set[str] = field(default_factory=set)
    actions: dict[str, Votes] = field(default_factory=lambda: defaultdict(Counter))
    places: dict[str, Votes] = field(default_factory=lambda: defaultdict(Counter))
    relations: dict[tuple[str, str], Votes] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    adjectives: dict[str, Votes] = field(default_factory=lambda: defaultdict(Counter))
    counts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    uncounted: set[str] = field(default_factory=set)
    sports: Votes = field(default_factory=Counter)
    background: Votes = field(default_factory=Counter)
    unsure: set[str] = field(default_factory=set)

    def count(self, word: str) -> int:
        """How many of it there are; 0 if the captions do not agree.

        Captions leave out people more often than they make them up: one that says
        more than most puts the number in doubt, one that says less does not.
        """
        said = self.counts.get(word, [])
        if word in self.uncounted or not said:
            return 0
        number, votes = Counter(said).most_common(1)[0]
        agreed = votes >= min(2, self.captions) and votes >= 0.6 * len(said)
        return number if agreed and number == max(said) else 0

    def several(self, word: str) -> bool:
        """Whether there is surely more than one of it."""
        return word in self.uncounted or self.count(word) > 1

    def present(self) -> set[str]:
        """Things in the photo, also those that the captions leave unsaid."""
        found = set(self.mentions)
        for _ in range(2):  # a surfer is on the ocean, the ocean is water
            for word in found | self.words:
                found |= set(lexicon().implies.get(word, ()))
        return found

    def unclear(self) -> set[str]:
        """Things of which nothing is known: the photo may have them, or their like."""
        known, present = lexicon(), self.present()
        sets = [words for words in known.alike if words & present]
        unsure = {word for named in self.unsure for word in known.wider(named)}
        for word in present:
            of_kind = known.parts.get(known.kind_of.get(word, ""), ())
            unsure |= set(known.parts.get(word, of_kind))
        return unsure.union(*sets) - present
