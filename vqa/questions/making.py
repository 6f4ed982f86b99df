"""Questions with answers for every photo, made from its captions by rules.

Source: the idea is COCO-QA's, Ren et al. 2015, arXiv:1505.02074; the rules are our own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

import numpy as np

from vqa.questions.absence import Absence
from vqa.questions.balance import balance, thin_out
from vqa.questions.clauses import parse
from vqa.questions.counting import count_facts
from vqa.questions.kinds import (
    action,
    animal,
    attribute,
    clothing,
    color,
    count,
    object,
    place,
    presence,
    scene,
    sport,
    surroundings,
    who,
)
from vqa.questions.lexicon import lexicon
from vqa.questions.named import Named, read_names
from vqa.questions.naming import name_questions
from vqa.questions.pairs import presence_questions
from vqa.questions.photo import Photo, Unsaid, about_everyone
from vqa.questions.question import Captioned, Claim, Question
from vqa.questions.wordforms import spaced

KINDS = (  # a kind more is a file in `kinds` and a line here
    presence.KIND,
    color.KIND,
    count.KIND,
    about_everyone(
        action.KIND,
        place.KIND,
        clothing.KIND,
        object.KIND,
        attribute.KIND,
    ),
    sport.KIND,
    animal.KIND,
    who.KIND,
    scene.KIND,
    surroundings.KIND,
)
MOST_ALIKE = 500
"""Questions about one thing, such as "is there a dog?", that yes answers, at most; as
many are answered by no."""

FEWEST_PHOTOS = 12
"""Things and actions that fewer photos have are not asked for with yes or no."""

_ONES = 0.2  # share of the counts of one that captions without photos are asked for


def make_questions(
    captioned: Sequence[Captioned],
    *,
    seed: int = 1,
    most: int = 36,
) -> list[dict[str, Any]]:
    """Make questions with answers, in the order of the photos.

    What is usual in a photo is learned from split train alone. Questions for yes or no
    are right and wrong equally often within a split, for every thing that is asked
    about and every wording, so that nothing can be guessed from the question.

    Args:
        captioned: photos with captions, best five each, some of them in split train.
        seed: of the choice of questions and wordings.
        most: questions about one photo, at most; up to half of them for yes or no. As
            many again ask what things there are, half of them for yes or no.

    Returns:
        rows with image (path), question, answers (a list of one), split,
        question_type, answer_type ("yes/no", "number" or "other") and weight, (0, 1].

    Raises:
        ValueError: if no photo is in split train.
    """
    if not any(photo.split == "train" for photo in captioned):
        raise ValueError("`make_questions` needs photos of split train.")
    rng = Random(seed)
    photos = [_read_photo(photo.captions, rng) for photo in captioned]
    asked = [_unlike(open_questions(photo), most, rng) for photo in photos]
    unsaid = _unsaid(photos, captioned)
    named = [read_names(photo.captions) for photo in captioned]
    splits = [
        [i for i, photo in enumerate(captioned) if photo.split == split]
        for split in ("train", "dev", "test")
    ]
    for here in splits:
        claims = _claims(photos, named, unsaid, here)
        chosen = balance(claims, MOST_ALIKE, rng)
        for i, questions in thin_out(chosen, most // 2, rng).items():
            asked[i] = asked[i][: most - len(questions)] + questions
    _add_names(asked, named, most // 2, rng)
    for here in splits:
        before = [{question.text for question in asked[i]} for i in here]
        names = [named[i] for i in here]
        pairs = presence_questions(names, before, rng, MOST_ALIKE, most // 2)
        for i, _, question in pairs:
            asked[here[i]].append(question)
    return [
        _row(photo, question)
        for photo, questions in zip(captioned, asked, strict=True)
        for question in questions
    ]


def ask_texts(
    captions: Sequence[str], *, seed: int = 1, most: int = 8
) -> list[list[Question]]:
    """Make questions with answers of captions that have no photos.

    What a single caption leaves unsaid may well be there; only what the concepts that
    are made up for it leave out, too, is surely not. So of the claims, those about
    things are as `vqa.questions.pairs` makes them, the others need no such knowledge.

    Args:
        captions: each of a photo of its own.
        seed: of the choice of questions and wordings.
        most: questions of one caption, at most; as many again name things, and as many
            ask with yes or no whether they are there.

    Returns:
        the questions of each caption.
    """
    rng = Random(seed)
    photos = [_read_photo([caption], rng) for caption in captions]
    opened = ([q for q in open_questions(p) if _tells(q, rng)] for p in photos)
    found = [_unlike(asked, most, rng) for asked in opened]
    named = [read_names([caption]) for caption in captions]
    _add_names(found, named, most, rng)
    unknown = [Unsaid({}, {})] * len(photos)
    claims = _claims(photos, named, unknown, range(len(photos)))
    chosen = balance(claims, len(photos), rng)
    for i, questions in thin_out(chosen, most // 2, rng).items():
        found[i] += questions
    known = [{question.text for question in asked} for asked in found]
    for i, _, question in presence_questions(named, known, rng, len(photos), most):
        found[i].append(question)
    return found


def _tells(asked: Question, rng: Random) -> bool:
    """Keep few of the answers "1": nobody counts one, and concepts tell no numbers."""
    return asked.kind != "count" or asked.answer != "1" or rng.random() < _ONES


def open_questions(photo: Photo) -> Iterator[Question]:
    """All questions about a photo that words answer."""
    for kind in KINDS:
        yield from kind.ask(photo)


def claims_about(photo: Photo, unsaid: Unsaid) -> Iterator[Claim]:
    """All claims about a photo; not balanced yet."""
    for kind in KINDS:
        yield from kind.claim(photo, unsaid)


def _read_photo(captions: Sequence[str], rng: Random) -> Photo:
    return Photo(count_facts([parse(caption) for caption in captions]), rng)


def _add_names(
    asked: Sequence[list[Question]], named: Sequence[Named], most: int, rng: Random
) -> None:
    """Ask each photo for names, `most` at most, in words that are not used yet."""
    for questions, one in zip(asked, named, strict=True):
        known = {question.text for question in questions}
        new = [q for q in name_questions(one, rng) if q.text not in known]
        questions += _unlike(new, most, rng)


def _claims(
    photos: Sequence[Photo],
    named: Sequence[Named],
    unsaid: Sequence[Unsaid],
    here: Iterable[int],
) -> Iterator[tuple[int, Claim]]:
    """All claims about some photos, with the photos' places."""
    for i in here:
        for claim in claims_about(photos[i], unsaid[i]):
            denies = claim.kind == "presence" and not claim.verdict.truth
            if not (denies and named[i].mentions(spaced(claim.about))):
                yield i, claim  # else it is named by a word that the lexicon lacks


def _unsaid(photos: Sequence[Photo], captioned: Sequence[Captioned]) -> list[Unsaid]:
    """What each photo may have besides what its captions mention."""
    training = np.array([photo.split == "train" for photo in captioned])
    kind_of, things = lexicon().kind_of, Counter[str]()
    actions: Counter[str] = Counter()
    for photo, train in zip(photos, training, strict=True):
        if train:
            things.update(set(photo.facts.mentions))
            actions.update({a for votes in photo.facts.actions.values() for a in votes})
    kinds = (*presence.ASKED_KINDS, "clothing")
    asked_things = [
        word
        for word, number in sorted(things.items())
        if number >= FEWEST_PHOTOS and kind_of[word] in kinds
    ]
    asked_actions = [a for a, n in sorted(actions.items()) if n >= FEWEST_PHOTOS]
    names = [*asked_things, *(f"do:{action}" for action in asked_actions)]
    mentions = np.zeros((len(photos), len(names)), np.int32)
    for i, photo in enumerate(photos):
        said = [photo.facts.mentions[word] for word in asked_things]
        votes = photo.facts.actions.values()
        done = [max((v[a] for v in votes), default=0) for a in asked_actions]
        mentions[i] = said + done
    captions = Counter(photo.facts.captions for photo in photos).most_common(1)[0][0]
    doubts, usual = Absence(mentions[training], captions).doubts(mentions)
    return [
        Unsaid(
            dict(zip(names, doubt.tolist(), strict=True)),
            dict(zip(names, share.tolist(), strict=True)),
        )
        for doubt, share in zip(doubts, usual, strict=True)
    ]


def _unlike(asked: Iterable[Question], most: int, rng: Random) -> list[Question]:
    """Questions that differ in words, in any order; `most` at most."""
    unlike = list({question.text: question for question in asked}.values())
    return rng.sample(unlike, min(most, len(unlike)))


def _row(photo: Captioned, asked: Question) -> dict[str, Any]:
    closed = asked.answer in ("yes", "no")
    number = "number" if asked.answer.isdigit() else "other"
    return {
        "image": str(photo.image),
        "question": asked.text,
        "answers": [asked.answer],
        "split": photo.split,
        "question_type": asked.kind,
        "answer_type": "yes/no" if closed else number,
        "weight": round(asked.weight, 2),
    }
