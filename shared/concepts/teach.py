"""Teach a concept net: from a detector's answers, from captions and from labels.

The folder that comes out:

    concepts.tsv      the words, see `shared.concepts.table`
    model.weights.h5  see `shared.weights`
    fitted.npz        what the net says of the photos that taught it, each judged by a
                      net that the photo did not teach: `photos`, digests; `said` and
                      `there`, float16 (photos, words)
    teach.json        data, seconds, scores

A net is too sure of photos that taught it. So the photos are divided into folds, a head
is taught without each of them, and its judgement of that fold is what calibration
learns from, and what a captioner or a VQA model is to be trained with.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from shared.captioned import Record
from shared.concepts import lessons
from shared.concepts.calibrate import area_under_curve, calibrate
from shared.concepts.judging import judge, judge_person
from shared.concepts.lessons import UNKNOWN, Photo
from shared.concepts.net import ABOUT, ConceptNet, TaughtHead, load_concepts
from shared.concepts.table import (
    TABLE,
    THINGS,
    Seen,
    Table,
    format_table,
    make_table,
)
from shared.concepts.teachers import Teacher, ask
from shared.concepts.words import PERSON
from shared.efficientnet_lite import Classifier
from shared.encoders import Encoder
from shared.errors import AppError
from shared.features import Features, extract_features
from shared.files import replace_file, write_text
from shared.locks import hold
from shared.runs import digest_photos
from shared.training import ahead, build_optimizer, take_step
from shared.weights import write_weights

FITTED = "fitted.npz"
FOLDS = 2
LEAST = 25  # photos whose captions name a word that gets a detector
VISIBLE = 0.7  # area under the curve of a detector that is worth having
EPOCHS, BATCH = 8, 64
RATE, DECAY = 1e-3, 1e-3
MOST_OFTEN = 8.0  # how much more a photo of a small source may count


class Source(NamedTuple):
    """Photos of one data set or folder.

    Attributes:
        name: for reports.
        photos: without digests or numbers of their source, which `teach` gives them.
    """

    name: str
    photos: Sequence[Photo]


def captioned(name: str, records: Sequence[Record]) -> Source:
    """Take a data set's photos that are to learn from and to judge by.

    Captions without a word are left out; photos without captions still show things.
    """
    photos = []
    for record in records:
        captions = (text for text in record.captions if any(map(str.isalnum, text)))
        if record.split in ("train", "dev"):
            photos.append(Photo(record.image, record.split, tuple(captions)))
    return Source(name, photos)


def uncaptioned(name: str, paths: Sequence[Path], labelled: bool) -> Source:
    """Take photos without captions; all are to learn from.

    Args:
        labelled: whether the name of the file or of its folder says what it shows.
    """
    return Source(
        name,
        [
            Photo(path, labels=(path.stem, path.parent.name) if labelled else ())
            for path in paths
        ],
    )


@dataclass
class Lesson:
    """All photos, with what is known of each.

    Axes: P photos, R regions, D feature size.

    Attributes:
        photos: P.
        places: of each photo's features: its source, and the row there.
        features: of each source.
        scores: float16 (P, 80), the teacher's.
        weights: float32 (P,), how much each counts.
    """

    photos: list[Photo]
    places: list[tuple[int, int]]
    features: list[Features]
    scores: np.ndarray
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        counts = np.bincount([p.source for p in self.photos if p.split == "train"])
        often = np.sqrt(counts.max() / counts.clip(1)).clip(1, MOST_OFTEN)
        numbers = [photo.source for photo in self.photos]
        self.weights = often.astype(np.float32)[np.minimum(numbers, len(often) - 1)]

    def take(self, rows: Iterable[int]) -> np.ndarray:
        """Give the features of photos: float32 (rows, R, D)."""
        places = (self.places[row] for row in rows)
        found = [self.features[source].array[row, 0] for source, row in places]
        return np.stack(found).astype(np.float32)

    def rows(self, split: str) -> np.ndarray:
        """Give the numbers of a split's photos: int (rows,)."""
        return np.flatnonzero([photo.split == split for photo in self.photos])


def teach(
    sources: Sequence[Source],
    encoder: Encoder,
    classifier: Classifier | None,
    teacher: Teacher,
    out: Path,
    *,
    cache: Path | None = None,
    seed: int = 0,
    announce: Callable[[str], None] = print,
    tick: Callable[[str, int, int, int, float], None] = lambda *_: None,
) -> Path:
    """Teach a concept net; an interrupted run goes on, a finished one is left as it is.

    Args:
        sources: photos with captions, labels or nothing.
        encoder: frozen.
        classifier: the encoder's own, of ImageNet's classes.
        teacher: of the things.
        out: the folder to write.
        cache: for features and answers; None is `work` in `out`.
        announce: told what happens, a sentence each.
        tick: told of each step: stage, epoch, step, steps and loss.

    Returns:
        `out`.

    Raises:
        AppError: if there is too little to learn from, or a folder cannot be written.
    """
    began = time.monotonic()
    work = cache or out / "work"
    try:
        work.mkdir(parents=True, exist_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        with hold(out, "`captioner teach`"):
            lesson = _gather(sources, encoder, teacher, work, announce)
            run = _Run(lesson, classifier, out, work, seed, announce, tick)
            run.sign(encoder, teacher)
            run.teach([source.name for source in sources], began)
    except OSError as error:
        raise AppError(
            f"{error.filename or out}: {error.strerror or error}. Mend this and give "
            "the same command again: it goes on."
        ) from error
    return out


def _gather(
    sources: Sequence[Source],
    encoder: Encoder,
    teacher: Teacher,
    work: Path,
    announce: Callable[[str], None],
) -> Lesson:
    """Encode all photos, and ask the teacher about them."""
    photos, places, features = [], [], []
    for number, source in enumerate(sources):
        announce(f"{source.name}: {len(source.photos)} photos.")
        images = [photo.image for photo in source.photos]
        found = extract_features(
            images, encoder, work, resize="squash", mirrored=False, announce=announce
        )
        if found.broken:
            reason = next(iter(found.broken.values()))
            announce(f"{len(found.broken)} cannot be read; the first: {reason}")
        features.append(found)
        digests = digest_photos(images)
        for row, photo in enumerate(source.photos):
            if row not in found.broken:
                photos.append(photo._replace(source=number, digest=digests[row]))
                places.append((number, row))
    if not any(photo.captions for photo in photos if photo.split == "train"):
        raise AppError(
            "There are no photos with captions to learn from. Give a data set with "
            "--data, as `captioner train` takes it."
        )
    different = {photo.digest: photo.image for photo in photos}
    announce(f"The teacher is asked about {len(different)} photos.")
    answers = dict(zip(different, ask(teacher, different, work), strict=True))
    scores = np.stack([answers[photo.digest] for photo in photos])
    return Lesson(photos, places, features, scores)


@dataclass
class _Run:
    """One teaching, with what its parts share."""

    lesson: Lesson
    classifier: Classifier | None
    out: Path
    work: Path
    seed: int
    announce: Callable[[str], None]
    tick: Callable[[str, int, int, int, float], None]

    def sign(self, encoder: Encoder, teacher: Teacher) -> None:
        """Note what makes this run: another one shares nothing with it."""
        known = [(p.digest, p.split, p.captions, p.labels) for p in self.lesson.photos]
        parts = (known, encoder.fingerprint(), teacher.digest, self.seed)
        settings = (FOLDS, LEAST, EPOCHS, BATCH, RATE, DECAY)
        text = repr((parts, settings))
        self.signature = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        self.about = {
            "encoder": encoder.backbone.name,
            "image_size": encoder.image_size,
            "feature_size": encoder.feature_size,
            "encoder_fingerprint": encoder.fingerprint(),
            "teacher": teacher.digest,
        }

    def teach(self, names: Sequence[str], began: float) -> None:
        if _is_done(self.out, self.signature):
            self.announce(f"{self.out} is taught already.")
            return
        lesson = self.lesson
        learn = lesson.rows("train")
        folds = np.array([int(photo.digest[:8], 16) for photo in lesson.photos]) % FOLDS
        classed, heard = lessons.choose_words(
            [lesson.photos[row] for row in learn], LEAST
        )
        words = list(dict.fromkeys([*classed, *heard]))
        things = lessons.see_things(lesson.scores)
        shares = lessons.mention_shares(lesson.photos, words)
        labels = lessons.read_labels(lesson.photos, words)
        places = [words.index(word) for word in heard]
        targets = lessons.head_targets(things, shares, labels, places)
        logits = self._cross_fit(learn, folds, targets)
        seen = self._find_visible(learn, logits, targets)
        kept = [word for word, good in zip(heard, seen, strict=True) if good]
        words = [word for word in words if word in {*classed, *kept}]
        columns = [*range(THINGS), *(THINGS + np.flatnonzero(seen)).tolist()]
        self.announce(
            f"{len(words)} words, {len(kept)} of them with a detector; "
            f"{len(heard) - len(kept)} words of captions do not show on photos."
        )
        table = make_table(words, kept, self.classifier is not None)
        shares = lessons.mention_shares(lesson.photos, words)
        labels = lessons.read_labels(lesson.photos, words)
        head = self._fit("all photos", learn, targets[:, columns], self.seed)
        net = self._assemble(table, head)
        witnesses = self._witness(net, logits[:, columns])
        say = lessons.say_targets(table, things, shares, labels)
        see = lessons.see_targets(table, things, shares, labels)
        odds = np.stack([one[learn] for one in witnesses])
        for judge_, goal in ((net.say, say), (net.see, see)):
            found = calibrate(odds, goal[learn], lesson.weights[learn], net.has > 0)
            for weight, values in zip(judge_.parts, found, strict=True):
                weight.assign(values)
        write_text(self.out / TABLE, format_table(table))
        write_weights(self.out, net)
        fitted = Seen(
            *(ops.convert_to_numpy(j(list(odds))) for j in (net.say, net.see))
        )
        _write_fitted(self.out, [lesson.photos[row].digest for row in learn], fitted)
        about = self.about | {"signature": self.signature, "seed": self.seed}
        about["words"], about["detectors"] = len(words), len(kept)
        about["data"] = self._describe(names)
        write_text(self.out / ABOUT, json.dumps(about))  # which loading needs
        about["dev"] = self._judge(names, shares, see)
        about["person on photos that taught, cross-fitted"] = self._judge_fitted(
            names, table, learn, fitted, shares
        )
        about["seconds"] = round(time.monotonic() - began)
        about["done"] = True
        write_text(self.out / ABOUT, json.dumps(about, indent=1) + "\n")

    def _cross_fit(
        self, learn: np.ndarray, folds: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """Judge each photo by a head that it did not teach: logits (P, N).

        Those of dev photos stay 0.
        """
        logits = np.zeros(targets.shape, np.float32)
        for fold in range(FOLDS):
            path = self.work / f"fold-{fold}.npz"
            own = learn[folds[learn] == fold]
            found = _read_fold(path, self.signature, (len(own), targets.shape[1]))
            if found is None:
                others = learn[folds[learn] != fold]
                head = self._fit(
                    f"without fold {fold + 1}", others, targets, self.seed + 1 + fold
                )
                found = self._predict(head, own)
                with replace_file(path) as new, new.open("wb") as file:
                    np.savez(file, signature=np.array(self.signature), logits=found)
            logits[own] = found
        return logits

    def _fit(
        self, stage: str, rows: np.ndarray, targets: np.ndarray, seed: int
    ) -> TaughtHead:
        """Train a head on photos."""
        if not len(rows):
            raise AppError(
                "There are too few photos to learn from: some for each of "
                f"{FOLDS} folds are needed. Give more with --data."
            )
        keras.utils.set_random_seed(seed)
        head = TaughtHead(targets.shape[1])
        head.build((None, None, self.lesson.features[0].array.shape[-1]))
        steps = max(1, round(float(self.lesson.weights[rows].sum()) / BATCH))
        optimizer = build_optimizer(
            head,
            steps=EPOCHS * steps,
            learning_rate=RATE,
            warmup=0.02,
            weight_decay=DECAY,
            clip_norm=100.0,
        )
        head.compile(optimizer=optimizer, loss=known_loss, jit_compile=False)
        random = np.random.default_rng(seed)
        for epoch in range(EPOCHS):
            drawn = self._draw(rows, steps, random)
            batches = ((self.lesson.take(b), targets[b]) for b in drawn)
            for step, (x, y) in enumerate(ahead(batches), start=1):
                loss = take_step(head, x, y, None)
                self.tick(stage, epoch, step, steps, loss)
        return head

    def _draw(
        self, rows: np.ndarray, steps: int, random: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Draw an epoch's batches; a photo comes about as often as its weight."""
        often = self.lesson.weights[rows]
        times = np.floor(often + random.random(len(rows))).astype(int)
        order = random.permutation(np.repeat(rows, times))
        order = np.resize(order, steps * BATCH)  # all batches have one shape
        yield from order.reshape(steps, BATCH)

    def _predict(self, head: TaughtHead, rows: np.ndarray) -> np.ndarray:
        found = [
            ops.convert_to_numpy(head.predict_on_batch(self.lesson.take(batch)))
            for batch in _batches(rows)
        ]
        return np.concatenate(found)

    def _find_visible(
        self, learn: np.ndarray, logits: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """Find the detectors that can tell photos apart: bool (detectors,)."""
        captioned = np.array([bool(self.lesson.photos[row].captions) for row in learn])
        rows = learn[captioned]
        areas = [
            area_under_curve(logits[rows, column], targets[rows, column] > 0)
            for column in range(THINGS, targets.shape[1])
        ]
        self.areas = areas
        return np.array(areas) >= VISIBLE

    def _assemble(self, table: Table, head: TaughtHead) -> ConceptNet:
        net = ConceptNet(table)
        net.build((None, None, self.lesson.features[0].array.shape[-1]))
        net.head.set_weights(head.get_weights())
        if net.classifier and self.classifier:
            net.classifier.set_weights([self.classifier.kernel, self.classifier.bias])
        return net

    def _witness(self, net: ConceptNet, logits: np.ndarray) -> list[np.ndarray]:
        """Give what each witness says of each photo, float32 (P, V)."""
        found: list[list[np.ndarray]] = [[], [], []]
        for batch in _batches(np.arange(len(logits))):
            classes = None
            if net.classifier and self.classifier:
                classes = self.classifier(self.lesson.take(batch))
            taught = 1.0 / (1.0 + np.exp(-logits[batch].clip(-30, 30)))
            for one, odds in zip(found, net.witnesses(taught, classes), strict=True):
                one.append(ops.convert_to_numpy(odds))
        return [np.concatenate(one) for one in found]

    def _describe(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Tell the photos of each source apart, and give a hash of them."""
        described = []
        for number, name in enumerate(names):
            own = [photo for photo in self.lesson.photos if photo.source == number]
            digest = hashlib.sha256("".join(p.digest for p in own).encode()).hexdigest()
            described.append(
                {
                    "name": name,
                    "photos": len(own),
                    "dev": sum(photo.split == "dev" for photo in own),
                    "captions": sum(len(photo.captions) for photo in own),
                    "labels": sum(bool(photo.labels) for photo in own),
                    "sha256": digest,
                }
            )
        return described

    def _judge(
        self, names: Sequence[str], shares: np.ndarray, see: np.ndarray
    ) -> dict[str, Any]:
        """Score what was written on the dev photos of each source."""
        net, report = load_concepts(self.out), {}
        dev = self.lesson.rows("dev")
        numbers = np.array([self.lesson.photos[row].source for row in dev])
        for number, name in enumerate(names):
            rows = dev[numbers == number]
            if len(rows):
                seen = [net(self.lesson.take(batch)) for batch in _batches(rows)]
                said, there = (
                    np.concatenate([ops.convert_to_numpy(one[i]) for one in seen])
                    for i in (0, 1)
                )
                scores = self.lesson.scores[rows]
                report[name] = judge(
                    net.table, said, there, shares[rows], see[rows], scores
                )
        return report

    def _judge_fitted(
        self,
        names: Sequence[str],
        table: Table,
        learn: np.ndarray,
        fitted: Seen,
        shares: np.ndarray,
    ) -> dict[str, Any]:
        """Score "person" on photos that taught, those without captions too."""
        words = [row.word for row in table]
        numbers = np.array([self.lesson.photos[row].source for row in learn])
        if PERSON not in words:
            return {}
        place = words.index(PERSON)
        return {
            name: judge_person(
                fitted.said[own, place],
                fitted.there[own, place],
                shares[learn[own], place],
                self.lesson.scores[learn[own], 0],
            )
            for number, name in enumerate(names)
            if (own := numbers == number).any()
        }


def known_loss(targets: Any, logits: Any) -> Any:
    """Cross entropy, summed over what is known and averaged over photos."""
    targets = ops.cast(targets, "float32")
    known = ops.cast(targets != UNKNOWN, "float32")
    # log(1 + exp(z)) - t z
    losses = ops.softplus(logits) - targets * logits
    return ops.sum(losses * known, axis=-1)


def _batches(rows: np.ndarray, size: int = 128) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _is_done(out: Path, signature: str) -> bool:
    try:
        about = json.loads((out / ABOUT).read_text("utf-8"))
        return bool(about["done"] and about["signature"] == signature)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _read_fold(path: Path, signature: str, shape: tuple[int, int]) -> np.ndarray | None:
    """Read what an interrupted run has left, if it was this one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["signature"]) == signature and file["logits"].shape == shape:
                return np.array(file["logits"])
    except Exception:  # none, or damaged: it is made anew
        return None
    return None


def _write_fitted(out: Path, digests: Sequence[str], seen: Seen) -> None:
    with replace_file(out / FITTED) as new, new.open("wb") as file:
        np.savez_compressed(
            file,
            photos=np.array(digests, dtype="U32"),
            said=seen.said.astype(np.float16),
            there=seen.there.astype(np.float16),
        )


def read_fitted(folder: Path) -> Mapping[str, Seen]:
    """Read what the net says of the photos that taught it; see `FITTED`.

    Returns:
        by digest, float16 (V,) each.

    Raises:
        AppError: if the folder has no such file, or it is damaged.
    """
    path = folder / FITTED
    try:
        with np.load(path, allow_pickle=False) as file:
            digests, said, there = file["photos"], file["said"], file["there"]
        rows = zip(digests.tolist(), said, there, strict=True)
        return {digest: Seen(*both) for digest, *both in rows}
    except Exception as error:  # NumPy and zipfile have many
        raise AppError(
            f"{path} cannot be read: {error}. Make the concepts anew with `captioner "
            "teach`."
        ) from error
