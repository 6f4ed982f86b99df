"""Is there a cat? Asked of pairs of photos, of which one has the thing."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from shared.concepts.words import broader_words, read_concepts
from shared.text.english import article
from vqa.questions.named import Named
from vqa.questions.question import Question, Wordings

_FEWEST_CAPTIONS = 4  # of a photo, for what they leave unsaid to mean anything
_MOST_UNSAID = 0.06  # share of the photos that may have a thing which nobody mentions
_NEAR = 0.5  # share of the questions for what is not there that ask for the like of it
_TRIES = 30
_TOO_WIDE = (
    *("place", "structure", "equipment", "landscape", "container", "machine", "tool"),
    *("electronics", "clothing", "building", "plant", "paper", "wood", "cloth"),
    "light",
)
"""Nobody asks whether there is any."""

_WORDINGS: dict[str, Wordings] = {
    # how a thing is counted -> wordings
    "one": (
        "is there {a_thing}?",
        "is there {a_thing} in the picture?",
        "are there any {things}?",
        "can you see {a_thing}?",
        "is there {a_thing} in the photo?",
        "are there {things} in the picture?",
        "do you see {a_thing}?",
        "are there {things}?",
        "is there {a_thing} in this image?",
        "can you see any {things}?",
    ),
    "any": (
        "is there any {thing}?",
        "is there {thing} in the picture?",
        "can you see {thing}?",
        "is there {thing}?",
        "do you see any {thing}?",
    ),
}


class Presence(NamedTuple):
    """Whether a thing is there: a question, and the place of the photo it is about."""

    photo: int
    thing: str
    question: Question


def presence_questions(
    named: Sequence[Named],
    asked: Sequence[Collection[str]],
    rng: Random,
    most_alike: int,
    most: int,
) -> Iterator[Presence]:
    """Is there a cat? As many with yes as with no, for each thing and each wording.

    Half of those with no are asked about photos of something of the same kind, so that
    what tells a cat from a dog is learnt, too.

    Args:
        named: of each photo.
        asked: what each is asked already, which it is not asked again.
        rng: of the choice.
        most_alike: questions about one thing that yes answers, at most.
        most: questions about one photo, at most.
    """
    found: dict[int, set[str]] = defaultdict(set)
    pairs = list(_pair_up(named, rng, most_alike))
    rng.shuffle(pairs)
    for pair in pairs:
        if all(
            len(found[photo]) < most
            and question.text not in found[photo]
            and question.text not in asked[photo]
            for photo, _, question in pair
        ):
            for one in pair:
                found[one.photo].add(one.question.text)
                yield one


def _pair_up(
    named: Sequence[Named], rng: Random, most_alike: int
) -> Iterator[tuple[Presence, Presence]]:
    """A question that yes answers, and the same about another photo, which has none."""
    unsaid = _unsaid(named) | dict.fromkeys(_TOO_WIDE, 1.0)
    holders: dict[str, list[int]] = defaultdict(list)
    kin: dict[str, list[int]] = defaultdict(list)  # broader word -> photos
    for photo, one in enumerate(named):
        for word in one.votes:
            holders[word].append(photo)
        for broad in {next(broader_words(word), "") for word in one.leaves()} - {""}:
            kin[broad].append(photo)
    for word, photos in sorted(holders.items()):
        if unsaid.get(word, 0.0) > _MOST_UNSAID:
            continue
        alike = kin.get(next(broader_words(word), ""), [])
        drawn = rng.sample(photos, min(most_alike, len(photos)))
        for turn, photo in enumerate(drawn):
            other = _without(word, named, alike, rng)
            if other is not None:
                text = _ask(word, turn)
                weight = 1.0 if named[photo].votes[word] > 1 else 0.8
                yes = Question("presence", text, "yes", weight)
                no = Question("presence", text, "no", 1.0)
                yield Presence(photo, word, yes), Presence(other, word, no)


def _without(
    word: str, named: Sequence[Named], alike: Sequence[int], rng: Random
) -> int | None:
    """A photo that has neither the thing nor anything that might be called so."""
    for _ in range(_TRIES):
        near = alike and rng.random() < _NEAR
        photo = rng.choice(alike) if near else rng.randrange(len(named))
        if not _may_have(word, named[photo].votes):
            return photo
    return None


def _may_have(word: str, votes: Mapping[str, int]) -> bool:
    """Whether it is mentioned, or a wider word that may mean it: any "animal"."""
    return word in votes or any(
        broad in votes and not _has_narrower(broad, votes)
        for broad in broader_words(word)
    )


def _has_narrower(broad: str, votes: Iterable[str]) -> bool:
    return any(broad in broader_words(word) for word in votes)


def _unsaid(named: Sequence[Named]) -> dict[str, float]:
    """The share of the photos that have a thing, though none of its captions says so.

    Estimated from how many photos have it in one caption and in two.

    Source: Chao 1984, Nonparametric estimation of the number of classes, for the
        number of those that were never seen.
    """
    once: Counter[str] = Counter()
    twice: Counter[str] = Counter()
    ever: Counter[str] = Counter()
    photos = 0
    for one in named:
        if one.captions < _FEWEST_CAPTIONS:
            continue
        photos += 1
        ever.update(one.votes.keys())
        once.update(word for word, n in one.votes.items() if n == 1)
        twice.update(word for word, n in one.votes.items() if n == 2)
    return {
        word: once[word] ** 2 / (2 * twice[word] + 1) / max(photos - number, 1)
        for word, number in ever.items()
    }


def _ask(word: str, turn: int) -> str:
    concept = read_concepts()[word]
    counted = concept.plural != word
    texts = _WORDINGS["one" if counted else "any"]
    return texts[turn % len(texts)].format(
        thing=word,
        things=concept.plural if counted else word,
        a_thing=f"{article(word)} {word}",
    )
