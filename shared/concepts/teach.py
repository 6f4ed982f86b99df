"""Teach a concept net: from a detector's answers, from captions and from labels.

The folder that comes out:

    concepts.tsv      the words and their witnesses, see `shared.concepts.table`
    model.weights.h5  see `shared.bundles.weights`
    fitted.npz        what it says of its own photos, see `shared.concepts.fitted`
    teach.json        data, seconds, scores

A net is too sure of photos that taught it. So the photos are divided into folds, a head
is taught without each of them, and what it says of that fold is what calibration learns
from, and what a captioner or a VQA model is to be trained with.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from shared.bundles.manifests import WEIGHTS
from shared.bundles.weights import write_weights
from shared.concepts import fitting, lessons
from shared.concepts.calibrate import area_under_curve, calibrate
from shared.concepts.fitted import FITTED, write_fitted
from shared.concepts.fitting import Announce, Heads, Tick
from shared.concepts.gathering import Source, gather
from shared.concepts.judging import judge, judge_person
from shared.concepts.lessons import Lesson
from shared.concepts.net import ABOUT, ConceptNet, batches, load_concepts, predict
from shared.concepts.table import TABLE, THINGS, ConceptProbs, format_table, make_table
from shared.concepts.teachers import Teacher
from shared.concepts.words import PERSON
from shared.errors import AppError
from shared.files.atomic import sync_file, sync_folder, write_text
from shared.files.locks import ENDING, hold
from shared.vision.efficientnet_lite import Classifier
from shared.vision.encoders import Encoder

LEAST = 25  # photos whose captions name a word that gets a detector
VISIBLE = 0.7  # area under the curve of a detector that is worth having
WORK = "work"
OURS = {TABLE, WEIGHTS, FITTED, ABOUT, WORK}


def teach(
    sources: Sequence[Source],
    encoder: Encoder,
    classifier: Classifier | None,
    teacher: Teacher,
    out: Path,
    *,
    cache: Path | None = None,
    seed: int = 0,
    announce: Announce = print,
    tick: Tick = lambda *_: None,
) -> Path:
    """Teach a concept net; an interrupted run goes on, a finished one stays.

    Args:
        sources: photos with captions, labels or nothing.
        encoder: frozen.
        classifier: the encoder's own, of ImageNet's classes.
        teacher: of the things.
        out: the folder to write.
        cache: for features, answers and heads; None is `work` in `out`.
        announce: told what happens, a sentence each.
        tick: told of each step: stage, epoch from 0, step from 1, steps, loss.

    Returns:
        `out`.

    Raises:
        AppError: if there is too little to learn from, or a folder holds something
            else or cannot be written.
    """
    began, work = time.monotonic(), cache or out / WORK
    try:
        for folder in (out, work):
            folder.mkdir(parents=True, exist_ok=True)
        with hold(out, "`captioner teach`"):
            _check(out)
            lesson = gather(sources, encoder, teacher, work, announce)
            signature = _sign(lesson, encoder, teacher, seed)
            if _is_done(out, signature):
                announce(f"{out} is taught already.")
                return out
            heads = Heads(lesson, work, signature, seed, announce, tick)
            course = _choose(lesson, heads, announce)
            net, fitted = _assemble(course, heads, classifier)
            names = [source.name for source in sources]
            about = {
                **_name_parts(encoder, teacher),
                "seed": seed,
                "signature": signature,
                "words": len(course.words),
                "detectors": len(course.heard),
                "data": _describe(lesson, names),
            }
            _write(out, course, net, fitted, about)
            about |= _report(out, course, fitted, names)
            about |= {"seconds": round(time.monotonic() - began), "done": True}
            write_text(out / ABOUT, json.dumps(about, indent=1) + "\n")
    except OSError as error:
        raise AppError(
            f"{error.filename or out}: {error.strerror or error}. Mend this and give "
            "the same command again: it goes on."
        ) from error
    except KeyboardInterrupt:
        announce(f"Interrupted. The same command goes on with {out}.")
        raise
    return out


def _check(out: Path) -> None:
    found = {path.name for path in out.iterdir() if not path.name.endswith(ENDING)}
    if others := sorted(found - OURS):
        raise AppError(
            f"{out} holds other things, such as {others[0]}. Give an empty folder, or "
            "a new one, with --output."
        )


def _sign(lesson: Lesson, encoder: Encoder, teacher: Teacher, seed: int) -> str:
    """Give a hash of all that makes a run: another one shares nothing with it."""
    photos = [(p.digest, p.split, p.captions, p.labels) for p in lesson.photos]
    parts = (photos, encoder.fingerprint(), teacher.digest, seed)
    learning = fitting.EPOCHS, fitting.BATCH, fitting.RATE, fitting.DECAY
    settings = (fitting.FOLDS, LEAST, *learning)
    text = repr((parts, settings))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _is_done(out: Path, signature: str) -> bool:
    """Whether the folder holds what this very run would write.

    Raises:
        AppError: if it holds what another one wrote.
    """
    try:
        about = json.loads((out / ABOUT).read_text("utf-8"))
        done, other = about["done"], about["signature"] != signature
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    if done and other:
        raise AppError(
            f"{out} holds concepts that something else taught: other photos, captions, "
            "encoder, teacher or seed. Give another folder with --output."
        )
    return bool(done)


class _Course(NamedTuple):
    """What is taught.

    Axes: P photos, V words, N outputs of the head.

    Attributes:
        lesson: the photos.
        words: V of them.
        heard: those that have a detector.
        things: float32 (P, 80), of `lessons.see_things`.
        shares: float32 (P, V), of `lessons.mention_shares`.
        labels: float32 (P, V), of `lessons.read_labels`.
        targets: float32 (P, N), what the head learns.
        logits: float32 (P, N), of heads that a photo did not teach.
    """

    lesson: Lesson
    words: list[str]
    heard: list[str]
    things: np.ndarray
    shares: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    logits: np.ndarray


def _choose(lesson: Lesson, heads: Heads, announce: Announce) -> _Course:
    """Choose the words: those of classes, and those of captions that photos show.

    A word that a head cannot tell from the photo, such as "matching", is none.
    """
    learn = heads.learn
    classed, said = lessons.choose_words([lesson.photos[row] for row in learn], LEAST)
    words = list(dict.fromkeys([*classed, *said]))
    things = lessons.see_things(lesson.scores)
    shares = lessons.mention_shares(lesson.photos, words)
    labels = lessons.read_labels(lesson.photos, words)
    places = [words.index(word) for word in said]
    targets = lessons.head_targets(things, shares, labels, places)
    logits = heads.cross_fit(targets)
    captioned = learn[[bool(lesson.photos[row].captions) for row in learn]]
    areas = np.array(
        [
            area_under_curve(logits[captioned, column], targets[captioned, column] > 0)
            for column in range(THINGS, targets.shape[1])
        ]
    )
    kept = np.flatnonzero(areas >= VISIBLE)
    heard = [said[number] for number in kept]
    announce(
        f"{len(said)} words are common in captions; {len(heard)} of them can be told "
        "from photos."
    )
    columns = [*range(THINGS), *(THINGS + kept)]
    words = list(dict.fromkeys([*classed, *heard]))
    return _Course(
        lesson,
        words,
        heard,
        things,
        lessons.mention_shares(lesson.photos, words),  # without names of other words
        lessons.read_labels(lesson.photos, words),
        targets[:, columns],
        logits[:, columns],
    )


def _assemble(
    course: _Course, heads: Heads, classifier: Classifier | None
) -> tuple[ConceptNet, ConceptProbs]:
    """Put the net together and calibrate it.

    Returns:
        the net; and what is said of the photos to learn from, by heads that they did
        not teach.
    """
    learn = heads.learn
    net = ConceptNet(make_table(course.words, course.heard, classifier is not None))
    net.build((None, None, course.lesson.feature_size))
    head = heads.fit("on all photos", learn, course.targets)
    net.head.set_weights(head.get_weights())
    if net.classifier and classifier:
        net.classifier.set_weights([classifier.kernel, classifier.bias])
    odds = _witness(net, course, learn, classifier)
    given = (net.table, course.things, course.shares, course.labels)
    goals = lessons.say_targets(*given), lessons.see_targets(*given)
    weights = course.lesson.weights[learn]
    for part, goal in zip((net.say, net.see), goals, strict=True):
        found = calibrate(odds, goal[learn], weights, net.has > 0)
        for weight, values in zip(part.parts, found, strict=True):
            weight.assign(values)
    said, there = (
        ops.convert_to_numpy(part(list(odds))) for part in (net.say, net.see)
    )
    return net, ConceptProbs(said, there)


def _witness(
    net: ConceptNet, course: _Course, rows: np.ndarray, classifier: Classifier | None
) -> np.ndarray:
    """Give the log odds of each witness: float32 (witnesses, rows, V)."""
    found = []
    for some in batches(rows):
        taught = ops.convert_to_numpy(ops.sigmoid(course.logits[some]))
        classes = classifier(course.lesson.take(some)) if classifier else None
        odds = net.witnesses(taught, classes)
        found.append(np.stack([ops.convert_to_numpy(one) for one in odds]))
    return np.concatenate(found, axis=1)


def _write(
    out: Path,
    course: _Course,
    net: ConceptNet,
    fitted: ConceptProbs,
    about: dict[str, Any],
) -> None:
    (out / ABOUT).unlink(missing_ok=True)  # until all is there
    sync_folder(out)
    photos = course.lesson.photos
    digests = [photos[row].digest for row in course.lesson.rows("train")]
    write_text(out / TABLE, format_table(net.table))
    for name in write_weights(out, net):
        sync_file(out / name)
    write_fitted(out, digests, fitted)
    write_text(out / ABOUT, json.dumps(about, indent=1) + "\n")


def _name_parts(encoder: Encoder, teacher: Teacher) -> dict[str, Any]:
    """Tell which encoder and teacher there were."""
    return {
        "encoder": encoder.backbone.name,
        "image_size": encoder.image_size,
        "feature_size": encoder.feature_size,
        "encoder_fingerprint": encoder.fingerprint(),
        "teacher": teacher.digest,
    }


def _describe(lesson: Lesson, names: Iterable[str]) -> list[dict[str, Any]]:
    """Tell what each source gave, and a hash of it."""
    described = []
    for number, name in enumerate(names):
        own = [photo for photo in lesson.photos if photo.source == number]
        digests = "".join(photo.digest for photo in own)
        described.append(
            {
                "name": name,
                "photos": len(own),
                "dev": sum(photo.split == "dev" for photo in own),
                "captions": sum(len(photo.captions) for photo in own),
                "labelled": sum(bool(photo.labels) for photo in own),
                "sha256": hashlib.sha256(digests.encode()).hexdigest(),
            }
        )
    return described


def _report(
    out: Path, course: _Course, fitted: ConceptProbs, names: Sequence[str]
) -> dict[str, Any]:
    """Score what was written: on the dev photos of each source, and "person" on all.

    Of photos to learn from, what is scored is said by heads that they did not teach.
    """
    net = load_concepts(out)
    lesson = course.lesson
    given = (course.things, course.shares, course.labels)
    see = lessons.see_targets(net.table, *given)
    sources = np.array([photo.source for photo in lesson.photos])
    dev, learn = lesson.rows("dev"), lesson.rows("train")
    report: dict[str, Any] = {"dev": {}, "person, cross-fitted": {}}
    for number, name in enumerate(names):
        rows = dev[sources[dev] == number]
        if len(rows):
            seen = predict(net, lesson.take, rows)
            scores = lesson.scores[rows]
            scored = judge(net.table, seen, course.shares[rows], see[rows], scores)
            report["dev"][name] = scored
        own = np.flatnonzero(sources[learn] == number)
        if len(own) and PERSON in net.words:
            place, rows = net.words.index(PERSON), learn[own]
            seen = ConceptProbs(fitted.said[own, place], fitted.there[own, place])
            scored = judge_person(
                seen, course.shares[rows, place], lesson.scores[rows, 0]
            )
            report["person, cross-fitted"][name] = scored
    return report
