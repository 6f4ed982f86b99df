"""Questions with answers for every photo, made from its captions by rules.

Source: the idea is COCO-QA's, Ren et al. 2015, arXiv:1505.02074; the rules are our own.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

from shared.errors import AppError
from vqa.questions.absence import Absence
from vqa.questions.asking import Asked, Photo, open_questions
from vqa.questions.captions import Captioned, read_captions, read_labelled
from vqa.questions.claims import ASKED_KINDS, Claim, Unsaid, photo_claims
from vqa.questions.deeds import subject_claims
from vqa.questions.facts import KIND_OF, read_facts
from vqa.questions.naming import (
    Named,
    name_questions,
    presence_questions,
    read_names,
)
from vqa.questions.templates import CLAIMS
from vqa.questions.wording import spaced

FEWEST_PHOTOS = 12
"""Things and actions that fewer photos have are not asked for with yes or no."""

_ONES = 0.2  # share of the counts of one that captions without photos are asked for
_ANSWERS_SHOWN, _EXAMPLES_SHOWN = 10, 2


class _Question(NamedTuple):
    asked: Asked
    group: str = ""  # claims of one kind in the same words, of which half are right


_Side = list[tuple[int, Claim]]  # photo's place in the list, claim about it


def make_questions(
    captioned: Sequence[Captioned],
    *,
    seed: int = 1,
    most: int = 36,
    most_alike: int = 500,
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
        most_alike: questions about one thing, such as "is there a dog?", that yes
            answers, at most; as many are answered by no.

    Returns:
        rows with image (path), question, answers (a list of one), split,
        question_type, answer_type ("yes/no", "number" or "other") and weight, (0, 1].

    Raises:
        ValueError: if no photo is in split train.
    """
    if not any(photo.split == "train" for photo in captioned):
        raise ValueError("`make_questions` needs photos of split train.")
    rng = Random(seed)
    photos = [Photo(read_facts(photo.captions), rng) for photo in captioned]
    asked = [
        [_Question(question) for question in _unlike(open_questions(photo), most, rng)]
        for photo in photos
    ]
    unsaid = _unsaid(photos, captioned)
    named = [read_names(photo.captions) for photo in captioned]
    splits = [
        [i for i, photo in enumerate(captioned) if photo.split == split]
        for split in ("train", "dev", "test")
    ]
    for here in splits:
        chosen = _yes_no(photos, named, unsaid, here, most_alike, rng)
        for i, questions in _thinned(chosen, most // 2, rng).items():
            asked[i] = asked[i][: most - len(questions)] + questions
    for questions, one in zip(asked, named, strict=True):
        known = {question.asked.text for question in questions}
        new = (q for q in name_questions(one, rng) if q.text not in known)
        questions += map(_Question, _unlike(new, most // 2, rng))
    for here in splits:
        before = [{question.asked.text for question in asked[i]} for i in here]
        names = [named[i] for i in here]
        found = presence_questions(names, before, rng, most_alike, most // 2)
        for claimed in found:
            asked[here[claimed.photo]].append(_Question(claimed.asked))
    return [
        _row(photo, question.asked)
        for photo, questions in zip(captioned, asked, strict=True)
        for question in questions
    ]


def ask_texts(
    captions: Sequence[str], *, seed: int = 1, most: int = 8
) -> list[list[Asked]]:
    """Make questions with answers of captions that have no photos.

    What a single caption leaves unsaid may well be there; only what the concepts that
    are made up for it leave out, too, is surely not. So of the claims, those about
    things are as `vqa.questions.naming` makes them, the others need no such knowledge.

    Args:
        captions: each of a photo of its own.
        seed: of the choice of questions and wordings.
        most: questions of one caption, at most; as many again name things, and as many
            ask with yes or no whether they are there.

    Returns:
        the questions of each caption.
    """
    rng = Random(seed)
    photos = [Photo(read_facts([caption]), rng) for caption in captions]
    opened = ([q for q in open_questions(p) if _tells(q, rng)] for p in photos)
    found = [list(_unlike(iter(asked), most, rng)) for asked in opened]
    named = [read_names([caption]) for caption in captions]
    for asked, one in zip(found, named, strict=True):
        texts = {question.text for question in asked}
        new = (q for q in name_questions(one, rng) if q.text not in texts)
        asked += _unlike(new, most, rng)
    unknown = [Unsaid({}, {})] * len(photos)
    here = range(len(photos))
    chosen = _yes_no(photos, named, unknown, here, len(photos), rng)
    for i, questions in _thinned(chosen, most // 2, rng).items():
        found[i] += (question.asked for question in questions)
    known = [{question.text for question in asked} for asked in found]
    for claimed in presence_questions(named, known, rng, len(photos), most):
        found[claimed.photo].append(claimed.asked)
    return found


def _tells(asked: Asked, rng: Random) -> bool:
    """Keep few of the answers "1": nobody counts one, and concepts tell no numbers."""
    return asked.kind != "count" or asked.answer != "1" or rng.random() < _ONES


def write_questions(source: str | Path, out: Path, labelled: bool = False) -> str:
    """Make questions of a captioned data set and write them, one JSON object a line.

    Photos are named by their paths below the folder of `out`, or, if they do not lie
    there, by their paths below their own folder; then they have to be put beside it.

    Args:
        source: as of `read_captions`; or if `labelled`, of `read_labelled`.

    Returns:
        what was made, for people to read.

    Raises:
        AppError: if the data set cannot be read, has no photos in split train, or `out`
            cannot be written.
    """
    captioned = read_labelled(Path(source)) if labelled else read_captions(source)
    if not any(photo.split == "train" for photo in captioned):
        raise AppError(
            f"{source} has no photos in split train. Questions are made by what is "
            "usual in them: mark some photos as train."
        )
    rows = make_questions(captioned)
    folder = out.absolute().parent.resolve()
    names = {str(photo.image): _name(photo, folder) for photo in captioned}
    temporary = out.with_name(out.name + ".part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            for row in rows:
                named = {**row, "image": names[row["image"]]}
                file.write(json.dumps(named, ensure_ascii=False) + "\n")
        temporary.replace(out)
    except OSError as error:
        raise AppError(f"{out} cannot be written: {error.strerror}.") from error
    note = ""
    if not (folder / next(iter(names.values()))).exists():
        note = (
            f"\n\nThe photos do not lie below {folder}. Put or link them there, or "
            "write the questions beside them."
        )
    return summary(rows) + note


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Count questions by type, with their most frequent answers and some examples."""
    photos = len({row["image"] for row in rows})
    lines = [f"{len(rows):,} questions about {photos:,} photos"]
    by_type: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        closed = " yes/no" if row["answer_type"] == "yes/no" else ""
        by_type[row["question_type"] + closed].append(row)
    for name, found in sorted(by_type.items(), key=lambda item: -len(item[1])):
        answers = Counter(row["answers"][0] for row in found).most_common(
            _ANSWERS_SHOWN
        )
        lines.append(f"\n{name}: {len(found):,}")
        lines.append("  " + ", ".join(f"{answer} {n:,}" for answer, n in answers))
        for row in found[:: len(found) // _EXAMPLES_SHOWN + 1]:
            lines.append(f"  {row['question']} {row['answers'][0]}")
    return "\n".join(lines)


def _unsaid(photos: Sequence[Photo], captioned: Sequence[Captioned]) -> list[Unsaid]:
    """What each photo may have besides what its captions mention."""
    training = np.array([photo.split == "train" for photo in captioned])
    things: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    for photo, train in zip(photos, training, strict=True):
        if train:
            things.update(set(photo.facts.mentions))
            actions.update({a for votes in photo.facts.actions.values() for a in votes})
    kinds = (*ASKED_KINDS, "clothing")
    asked_things = [
        word
        for word, number in sorted(things.items())
        if number >= FEWEST_PHOTOS and KIND_OF[word] in kinds
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


def _yes_no(
    photos: Sequence[Photo],
    named: Sequence[Named],
    unsaid: Sequence[Unsaid],
    here: Sequence[int],
    most_alike: int,
    rng: Random,
) -> dict[int, list[_Question]]:
    """Claims about some photos in words, as many right as wrong of each kind."""
    pool: dict[str, tuple[_Side, _Side]] = defaultdict(lambda: ([], []))
    for i in here:
        for claims in (photo_claims, subject_claims):
            for claim in claims(photos[i], unsaid[i]):
                denies = claim.kind == "presence" and not claim.verdict.truth
                if denies and named[i].mentions(spaced(claim.about)):
                    continue  # by a word that the grammar does not know
                pool[claim.key][claim.verdict.truth].append((i, claim))
    chosen: dict[int, list[_Question]] = defaultdict(list)
    for _, sides in sorted(pool.items()):
        number = min(len(sides[False]), len(sides[True]), most_alike)
        drawn = [_draw(side, number, rng) for side in sides]
        for turn, pair in enumerate(zip(*drawn, strict=True)):
            for i, claim in pair:
                answer = "yes" if claim.verdict.truth else "no"
                weight = claim.verdict.weight
                asked = Asked(claim.kind, claim.text(turn), answer, weight)
                wording = turn % len(CLAIMS[claim.what])
                chosen[i].append(_Question(asked, f"{claim.key}, {wording}"))
    return chosen


def _draw(side: _Side, number: int, rng: Random) -> _Side:
    """Draw without replacement, the more usual claims more likely.

    Source: Efraimidis and Spirakis 2006, weighted random sampling.
    """
    keyed = [(rng.random() ** (1 / (c.verdict.usual + 0.01)), i, c) for i, c in side]
    keyed.sort(key=lambda entry: entry[:2])
    return [(i, claim) for _, i, claim in keyed[len(keyed) - number :]]


def _thinned(
    chosen: Mapping[int, Sequence[_Question]], most: int, rng: Random
) -> dict[int, list[_Question]]:
    """Leave out what a photo has too much of, and then what that unbalances."""
    kept: dict[int, list[_Question]] = {}
    groups: dict[str, dict[str, list[tuple[int, _Question]]]] = defaultdict(
        lambda: {"yes": [], "no": []}
    )
    for i, questions in chosen.items():
        answers: dict[str, set[str]] = defaultdict(set)
        for question in questions:
            answers[question.asked.text].add(question.asked.answer)
        clear = {q.asked.text: q for q in questions if len(answers[q.asked.text]) == 1}
        kept[i] = list(clear.values())
        if len(kept[i]) > most:
            kept[i] = rng.sample(kept[i], most)
        for question in kept[i]:
            groups[question.group][question.asked.answer].append((i, question))
    for _, sides in sorted(groups.items()):
        surplus = len(sides["yes"]) - len(sides["no"])
        side = sides["yes"] if surplus > 0 else sides["no"]
        for i, question in rng.sample(side, abs(surplus)):
            kept[i].remove(question)
    return kept


def _unlike(asked: Iterator[Asked], most: int, rng: Random) -> Iterable[Asked]:
    """Questions that differ in words, in any order; `most` at most."""
    unlike = list({question.text: question for question in asked}.values())
    return rng.sample(unlike, min(most, len(unlike)))


def _row(photo: Captioned, asked: Asked) -> dict[str, Any]:
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


def _name(photo: Captioned, folder: Path) -> str:
    path = photo.image.absolute().parent.resolve() / photo.image.name
    below = path.is_relative_to(folder)
    return path.relative_to(folder).as_posix() if below else photo.name
