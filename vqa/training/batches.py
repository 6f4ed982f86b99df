"""Training batches: photos with their questions as ids, in an order fixed by seeds.

Questions without photos come in batches of their own, each after one of photos.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from shared.concepts.imagined import Imagined
from shared.data.mixing import Batch, Look, choose_mirrored
from shared.text.vocabulary import PAD, Vocabulary, split_words
from vqa.config import VqaConfig
from vqa.data import Record
from vqa.text.answers import AnswerSpace, normalize
from vqa.text.asked import Concepts
from vqa.text.words import encode_answers
from vqa.training.mirror import Mirror
from vqa.training.texts import TextSource

DOUBT = 0.3  # a thing that is there with this chance is not denied, whoever left it out
TEXT_QUESTIONS = 6  # of a caption, in a batch
PRESENCE = "presence"  # kind of the questions made for what captions leave out


class Drawn(NamedTuple):
    """Questions of a batch. Axes: B photos, N questions, S words, A answers.

    Attributes:
        inputs: "tokens" int32 (B, N, S), padded with empty questions; "choices", see
            `vqa.net.answerer.Answerer`, where the objective has them; and "asked" int32
            (B, N, M), see `vqa.text.asked`, for a net with concepts.
        targets: float32 (B, N, A): how right each answer or choice is.
        weights: float32 (B, N): 0 for an empty question, or one that no answer of the
            vocabulary is right for.
        denies: bool (B, N), whether "no" is right only because no caption mentions the
            thing.
    """

    inputs: Batch
    targets: np.ndarray
    weights: np.ndarray
    denies: np.ndarray

    def believe(self, there: np.ndarray) -> "Drawn":
        """Leave out what is denied though it may be there, by the concepts.

        Args:
            there: float (B, V), the probability that it is.
        """
        asked = self.inputs["asked"]
        probs = np.take_along_axis(
            there[:, None], np.maximum(asked - 1, 0).reshape(len(there), 1, -1), -1
        ).reshape(asked.shape)
        likely = np.where(asked > 0, probs, 0.0).max(axis=-1) > DOUBT
        weights = np.where(self.denies & likely, 0.0, self.weights)
        return self._replace(weights=weights.astype(np.float32))


class Questions:
    """The questions of a data set, photo by photo, as ids.

    Args:
        records: questions; those of a photo need not be side by side.
        space: the answers that can be given; None where they come with the question.
        config: the recipe.
        sizes: width and height of each photo by name, in pixels; for boxes alone.
        concepts: of a net with concepts.

    Attributes:
        photos: a record of each photo, in the order of their first questions.
        members: for each photo, the indexes of its records.
        tokens: int32 (records, S).
        sources: int (records,), the data set that each comes from.
    """

    def __init__(
        self,
        records: Sequence[Record],
        vocabulary: Vocabulary,
        space: AnswerSpace | None,
        config: VqaConfig,
        sizes: dict[str, tuple[int, int]] | None = None,
        concepts: Concepts | None = None,
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
        self.asked = (
            concepts.find_all([record.question for record in records])
            if concepts
            else None
        )
        self.denies = np.array(
            [r.question_type == PRESENCE and r.answers[:1] == ("no",) for r in records]
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
        self.sources = np.array([record.source for record in records])
        self.mirror = Mirror(vocabulary, space)

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
        if self.asked is not None:
            inputs["asked"] = np.where(empty[..., None], 0, self.asked[rows])
        targets = np.zeros((*rows.shape, self.width), np.float32)
        for place in np.argwhere(~empty):
            for answer, score in self.scores[rows[tuple(place)]].items():
                targets[(*place, answer)] = score
        if self.choices is not None:
            inputs["choices"] = np.where(
                empty[..., None, None], 0, self.choices[rows]
            ).astype(self.choices.dtype)
        if mirrored.any():
            self.mirror.turn(inputs, targets, mirrored)
        known = ~empty & (targets.max(axis=-1, initial=0.0) > 0)
        weights = np.where(known, self.weights[rows], 0.0).astype(np.float32)
        return Drawn(inputs, targets, weights, self.denies[rows] & ~empty)


class Texts:
    """Questions made from captions without photos, and what their photos would show.

    Args:
        sources: each gives as many as the others.
        vocabulary, space, config, concepts: see `Questions`.
        imagined: makes up what is told of a photo, said and there, for a caption.
    """

    def __init__(
        self,
        sources: Sequence[TextSource],
        vocabulary: Vocabulary,
        space: AnswerSpace,
        config: VqaConfig,
        concepts: Concepts,
        imagined: Imagined,
    ):
        self.imagined = imagined
        self.width = len(space)
        self.mentioned = [
            [concepts.mention(split_words(caption)) for caption in source.captions]
            for source in sources
        ]
        length = config.vocabulary.max_words
        flat = [[one for asked in source.asked for one in asked] for source in sources]
        self._ends = [np.cumsum([len(a) for a in s.asked]) for s in sources]
        self._asked = [concepts.find_all([one.text for one in a]) for a in flat]
        self._tokens = [
            _encode([one.text for one in a], vocabulary, length) for a in flat
        ]
        self._answers = [
            np.array([space.ids.get(normalize(one.answer), -1) for one in a])
            for a in flat
        ]
        self._weights = [np.array([one.weight for one in a], np.float32) for a in flat]
        self._denies = [
            np.array([one.kind == PRESENCE and one.answer == "no" for one in a])
            for a in flat
        ]

    def draw(
        self, captions: int, count: int, rng: np.random.Generator
    ) -> tuple[Batch, Drawn]:
        """Draw captions, and questions of each.

        Args:
            captions: B.
            count: N; of more questions some are drawn, fewer are padded.
        """
        told, rows = [], []
        sources = rng.integers(len(self.mentioned), size=captions)
        for source in sources:
            place = int(rng.integers(len(self.mentioned[source])))
            told.append(self.imagined.draw(self.mentioned[source][place], rng))
            ends = self._ends[source]
            members = np.arange(ends[place - 1] if place else 0, ends[place])
            rows.append(_pad(rng.permutation(members)[:count], count))
        empty = np.stack(rows) < 0

        def take(arrays: Sequence[np.ndarray], nothing: int) -> np.ndarray:
            found = np.stack([arrays[s][r] for s, r in zip(sources, rows, strict=True)])
            hidden = empty.reshape(empty.shape + (1,) * (found.ndim - 2))
            return np.where(hidden, nothing, found)

        answers = take(self._answers, -1)
        targets = np.zeros((captions, count, self.width), np.float32)
        known = np.argwhere(answers >= 0)
        targets[(*known.T, answers[tuple(known.T)])] = 1.0
        weights = np.where(answers >= 0, take(self._weights, 0), 0.0)
        inputs = {
            "tokens": take(self._tokens, PAD).astype(np.int32),
            "asked": take(self._asked, 0).astype(np.int32),
        }
        both = np.stack(told).astype(np.float32)  # (B, V, 2)
        batch = {"said": both[..., 0], "there": both[..., 1]}
        denies = take(self._denies, 0).astype(bool)
        drawn = Drawn(inputs, targets, weights.astype(np.float32), denies)
        return batch, drawn.believe(batch["there"])


def _encode(
    questions: Sequence[str], vocabulary: Vocabulary, length: int
) -> np.ndarray:
    known: dict[str, np.ndarray] = {}
    for question in questions:
        if question not in known:
            known[question] = vocabulary.encode(split_words(question), length)
    return np.stack([known[question] for question in questions])


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


def draw_batches(
    steps: Iterable[tuple[np.ndarray | None, np.random.Generator]],
    look: Look,
    questions: Questions,
    count: int,
    *,
    mirror: bool,
    texts: Texts | None = None,
    texts_count: int = 0,
) -> Iterator[tuple[Batch, Drawn]]:
    """Draw a batch for each step.

    Args:
        steps: see `shared.data.mixing.Order.walk`.
        count: questions of each photo, N; of more, some are drawn, fewer are padded.
        mirror: whether half of the photos are mirrored.
        texts: questions without photos, for steps without.
        texts_count: how many of their captions are a batch, each with `TEXT_QUESTIONS`.

    Yields:
        what `look` gives, and what is asked about it.
    """
    for rows, rng in steps:
        if rows is None:
            assert texts
            yield texts.draw(texts_count, TEXT_QUESTIONS, rng)
            continue
        mirrored = choose_mirrored(len(rows), mirror, rng)
        chosen = [
            _pad(rng.permutation(questions.members[r])[:count], count) for r in rows
        ]
        drawn = questions.take(chosen, mirrored)
        batch = look(rows, mirrored, rng)
        there = batch.get("there")
        yield batch, drawn if there is None else drawn.believe(there)


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
