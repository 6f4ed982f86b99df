"""Training batches: photos with their questions as ids, in an order fixed by seeds."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from shared.features import Features, read_again
from shared.images import Resize, StoredImage
from shared.text import PAD, UNK, Vocabulary, split_words
from vqa.answers import AnswerSpace, normalize
from vqa.config import VqaConfig
from vqa.data import Record
from vqa.words import encode_answers

SIDES = ("left", "right")

Batch = dict[str, np.ndarray]
# rows int (B,), mirrored bool (B,), random source -> "features" or "images"
Look = Callable[[np.ndarray, np.ndarray, np.random.Generator], Batch]


class Drawn(NamedTuple):
    """Questions of a batch. Axes: B photos, N questions, S words, A answers.

    Attributes:
        inputs: "tokens" int32 (B, N, S), padded with empty questions; and "choices",
            as of `vqa.model.Answerer`, where the objective has them.
        targets: float32 (B, N, A): how right each answer or choice is.
        weights: float32 (B, N): 0 for an empty question, or one that no answer of the
            vocabulary is right for.
    """

    inputs: Batch
    targets: np.ndarray
    weights: np.ndarray


class Questions:
    """The questions of a data set, photo by photo, as ids.

    Args:
        records: questions; those of a photo need not be side by side.
        space: the answers that can be given; None where they come with the question.
        config: the recipe.
        sizes: width and height of each photo by name, in pixels; for boxes alone.

    Attributes:
        photos: a record of each photo, in the order of their first questions.
        members: for each photo, the indexes of its records.
        tokens: int32 (records, S).
    """

    def __init__(
        self,
        records: Sequence[Record],
        vocabulary: Vocabulary,
        space: AnswerSpace | None,
        config: VqaConfig,
        sizes: dict[str, tuple[int, int]] | None = None,
    ):
        first: dict[str, int] = {}
        members: list[list[int]] = []
        for index, record in enumerate(records):
            place = first.setdefault(record.name, len(members))
            if place == len(members):
                members.append([])
            members[place].append(index)
        self.members = [np.array(rows) for rows in members]
        self.photos = [records[rows[0]] for rows in members]
        length = config.vocabulary.max_words
        self.tokens = np.stack(
            [
                vocabulary.encode(split_words(record.question), length)
                for record in records
            ]
        )
        self.choices = _choices(records, vocabulary, config, sizes or {})
        if self.choices is None and space is not None:
            self.scores = [_scores(record, space, config) for record in records]
            self.width = len(space)
        else:
            self.scores = [
                {} if record.right is None else {record.right: 1.0}
                for record in records
            ]
            self.width = 0 if self.choices is None else self.choices.shape[1]
        self.weights = np.array([record.weight for record in records], np.float32)
        self._other_side = _swap_words(vocabulary)
        self._other_answer = _swap_answers(space) if space else np.zeros(0, int)

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, chosen: Sequence[np.ndarray], mirrored: np.ndarray) -> Drawn:
        """Bring questions into a batch.

        Args:
            chosen: for each photo, the indexes of N records; -1 is an empty question.
            mirrored: bool (B,), whether left and right are exchanged.
        """
        rows = np.stack(chosen)  # (B, N)
        empty = rows < 0
        tokens = np.where(empty[..., None], PAD, self.tokens[rows])
        inputs = {"tokens": tokens.astype(np.int32)}
        targets = np.zeros((*rows.shape, self.width), np.float32)
        for place in np.argwhere(~empty):
            for answer, score in self.scores[rows[tuple(place)]].items():
                targets[(*place, answer)] = score
        if self.choices is not None:
            inputs["choices"] = np.where(
                empty[..., None, None], 0, self.choices[rows]
            ).astype(self.choices.dtype)
        self._mirror(inputs, targets, mirrored)
        known = ~empty & (targets.max(axis=-1, initial=0.0) > 0)
        weights = np.where(known, self.weights[rows], 0.0).astype(np.float32)
        return Drawn(inputs, targets, weights)

    def _mirror(self, inputs: Batch, targets: np.ndarray, mirrored: np.ndarray) -> None:
        if not mirrored.any():
            return
        inputs["tokens"][mirrored] = self._other_side[inputs["tokens"][mirrored]]
        choices = inputs.get("choices")
        if choices is None:
            moved = np.zeros_like(targets[mirrored])
            to = self._other_answer
            moved[..., to[to >= 0]] = targets[mirrored][..., to >= 0]
            targets[mirrored] = moved
        elif choices.dtype == np.int32:
            choices[mirrored] = self._other_side[choices[mirrored]]
        else:
            left, top, right, bottom = np.moveaxis(choices[mirrored], -1, 0)
            real = right > left
            choices[mirrored] = np.stack(
                [
                    np.where(real, 1 - right, 0),
                    top,
                    np.where(real, 1 - left, 0),
                    bottom,
                ],
                axis=-1,
            )


def _scores(record: Record, space: AnswerSpace, config: VqaConfig) -> dict[int, float]:
    if config.loss == "soft":
        return space.encode_soft(record.answers)
    best = space.encode(record.answers)
    return {} if best is None else {best: 1.0}


def _choices(
    records: Sequence[Record],
    vocabulary: Vocabulary,
    config: VqaConfig,
    sizes: dict[str, tuple[int, int]],
) -> np.ndarray | None:
    """Give int32 (records, C, L) or float32 (records, C, 4), padded with zeros."""
    if config.objective == "answers":
        return None
    if config.objective == "boxes":
        most = max(len(record.boxes) for record in records)
        boxes = np.zeros((len(records), most, 4), np.float32)
        for index, record in enumerate(records):
            if record.boxes:
                boxes[index, : len(record.boxes)] = np.array(record.boxes) / (
                    *sizes[record.name],
                    *sizes[record.name],
                )
        return boxes.clip(0, 1)
    most = max(len(record.choices) for record in records)
    flat = encode_answers(
        [choice for record in records for choice in record.choices], vocabulary
    )
    words = np.full((len(records), most, flat.shape[1]), PAD, np.int32)
    start = 0
    for index, record in enumerate(records):
        words[index, : len(record.choices)] = flat[start : start + len(record.choices)]
        start += len(record.choices)
    return words


def _swap_words(vocabulary: Vocabulary) -> np.ndarray:
    """For each word's id, that of what it becomes in a mirror: int32 (V,)."""
    other = np.arange(len(vocabulary), dtype=np.int32)
    for side, turned in zip(SIDES, SIDES[::-1], strict=True):
        if side in vocabulary:
            other[vocabulary.ids[side]] = vocabulary.ids.get(turned, UNK)
    return other


def _swap_answers(space: AnswerSpace) -> np.ndarray:
    """For each answer's id, what it becomes in a mirror, or -1 if that is unknown."""
    turned = dict(zip(SIDES, SIDES[::-1], strict=True))
    return np.array(
        [
            space.ids.get(
                normalize(" ".join(turned.get(w, w) for w in answer.split(" "))), -1
            )
            for answer in space.answers
        ]
    )


def look_up(features: Features) -> Look:
    """Take features from a cache, mirrored ones from its second view."""

    def look(rows: np.ndarray, mirrored: np.ndarray, rng: np.random.Generator) -> Batch:
        views = mirrored.astype(int)
        return {
            "features": np.stack(
                [features.array[r, v] for r, v in zip(rows, views, strict=True)]
            )
        }

    return look


def read_images(
    photos: Sequence[StoredImage], size: int, resize: Resize, augment: bool
) -> Look:
    """Read photos from their files, changed a little if asked."""

    def look(rows: np.ndarray, mirrored: np.ndarray, rng: np.random.Generator) -> Batch:
        images = [read_again(photos[row], size, resize) for row in rows]
        if augment:
            images = [_augment(image, rng) for image in images]
        turned = [
            image[:, ::-1] if turn else image
            for image, turn in zip(images, mirrored, strict=True)
        ]
        return {"images": np.stack(turned)}

    return look


def _augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut off up to a seventh, brighten or darken; colours keep their names."""
    size = len(image)
    width, height = (size * rng.uniform(0.86, 1.0, 2)).round()
    left, top = rng.uniform(0, size - width), rng.uniform(0, size - height)
    picture = Image.fromarray(image).resize(
        (size, size),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
    )
    pixels = np.asarray(picture, np.float32) * rng.uniform(0.8, 1.2)
    return pixels.clip(0, 255).astype(np.uint8)


def epoch_batches(
    look: Look,
    questions: Questions,
    *,
    batch_size: int,
    count: int,
    mirror: bool,
    seeds: Sequence[int],
    start: int = 0,
) -> Iterator[tuple[Batch, Drawn]]:
    """Go once through the photos, in an order that only the seeds decide.

    The photos left over by full batches are other ones each epoch.

    Args:
        batch_size: photos in a batch, B.
        count: questions of each, N; of more, some are drawn, fewer are padded.
        mirror: whether half of the photos are mirrored.
        seeds: of this epoch.
        start: batches to leave out at the front, because they were done before.

    Yields:
        what `look` gives, and what is asked about it.
    """
    photos = len(questions.members)
    order = np.random.default_rng(seeds).permutation(photos)
    for step in range(start, photos // batch_size):
        rows = order[step * batch_size : (step + 1) * batch_size]
        rng = np.random.default_rng([*seeds, step + 1])  # 0 is the order's
        mirrored = (rng.random(batch_size) < 0.5) & mirror
        chosen = [
            _pad(rng.permutation(questions.members[r])[:count], count) for r in rows
        ]
        drawn = questions.take(chosen, mirrored)
        yield look(rows, mirrored, rng), drawn


def all_batches(
    look: Look, questions: Questions, *, batch_size: int, count: int
) -> Iterator[tuple[np.ndarray, Batch, Drawn]]:
    """Go once through all questions, in batches that are all of one shape.

    Yields:
        int (B, N), the indexes of the questions' records, -1 for none; what `look`
        gives; and the questions.
    """
    turns = [
        (photo, _pad(rows[start : start + count], count))
        for photo, rows in enumerate(questions.members)
        for start in range(0, len(rows), count)
    ]
    rng, unturned = np.random.default_rng(0), np.zeros(batch_size, bool)
    for start in range(0, len(turns), batch_size):
        group = turns[start : start + batch_size]
        missing = batch_size - len(group)
        photos = np.array([photo for photo, _ in group] + [0] * missing)
        chosen = [rows for _, rows in group] + [np.full(count, -1)] * missing
        drawn = questions.take(chosen, unturned)
        yield np.stack(chosen), look(photos, unturned, rng), drawn


def _pad(rows: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([rows, np.full(count - len(rows), -1, int)])
