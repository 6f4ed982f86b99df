"""What a stage of training does with a VQA model: its batches, steps and validation."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import keras
import numpy as np
from keras import ops

from shared.concepts.cross_fitting import predict_photos
from shared.concepts.table import ConceptProbs
from shared.data.mixing import Batch, Look, Order, count_turns
from shared.runs.ahead import ahead
from shared.runs.checkpoints import history_key
from shared.runs.folder import BEST
from shared.runs.photos import (
    Photo,
    Viewer,
    compile_with_encoder,
    look_up,
)
from shared.runs.trainer import Epochs, Validated
from shared.runs.training import check_numbers, take_step
from shared.vision.features import Features
from vqa.config import StageConfig, VqaConfig
from vqa.metrics.criteria import CRITERIA, Outcome
from vqa.net.model import Vqa
from vqa.training.batches import (
    TEXT_QUESTIONS,
    Drawn,
    Questions,
    Texts,
    all_batches,
    draw_batches,
)

BEST_BLIND = "best_blind.npz"


class AnswerTask:
    """A VQA model and what it learns from, for a `shared.runs.trainer.Trainer`.

    The answerers and their blind twin learn from the same batches. They share no
    weight; the answerers and the twin are each kept as they were after their own best
    epoch.

    Args:
        config: the recipe.
        model: what is trained.
        learn: questions to learn from.
        dev: questions to choose by; the mean of their data sets' scores decides.
        viewer: looks at photos with the model's encoder.
        fitted: for a model with concepts: what is told of training photos that taught
            the concept net, by their digests, see `shared.concepts.fitted`.
        texts: questions without photos.
    """

    def __init__(
        self,
        config: VqaConfig,
        model: Vqa,
        learn: Questions,
        dev: Questions,
        viewer: Viewer,
        fitted: Mapping[str, ConceptProbs] | None = None,
        texts: Texts | None = None,
    ):
        self.config = config
        self.model = model
        self.learn = learn
        self.dev = dev
        self.viewer = viewer
        self.fitted = fitted or {}
        self.texts = texts
        self.turns = count_turns([r.source for r in learn.photos], config.balance)

    @property
    def kept(self) -> Mapping[str, Sequence[keras.Variable]]:
        """All of the model, and the blind twin by itself."""
        return {BEST: self.model.variables, BEST_BLIND: self.model.blind.variables}

    def _order(self, stage: StageConfig) -> Order:
        return Order(self.turns, stage.batch_size, stage.texts > 0)

    def prepare(self, stage: StageConfig) -> None:
        """Compile the model for a stage."""
        compile_with_encoder(self.model, stage, self._order(stage).steps)

    def begin(self, stage: StageConfig) -> Epochs[tuple[Batch, Drawn]]:
        """Look at the photos."""
        order = self._order(stage)
        look, look_dev = self._look(stage), self._look_plainly(stage)
        asked = order.batch_size * stage.questions * stage.texts / (1 - stage.texts)

        def batches(seeds: Sequence[int], start: int) -> Iterator[tuple[Batch, Drawn]]:
            return draw_batches(
                order.walk(seeds, start),
                look,
                self.learn,
                stage.questions,
                mirror=stage.mirror,
                texts=self.texts if stage.texts else None,
                texts_count=max(1, round(asked / TEXT_QUESTIONS)),
            )

        validate = partial(self._validate, stage, look_dev)
        return Epochs(order.steps, batches, self._step, validate)

    def _look(self, stage: StageConfig) -> Look:
        """How to see photos to learn from."""
        photos = [record.image for record in self.learn.photos]
        if stage.reads_photos:
            return self.viewer.look_anew(photos, stage.augment)
        features = self.viewer.encode(photos, stage.mirror)
        return look_up(
            features, self._predict_concepts(features, photos, self.fitted), stage.blind
        )

    def _look_plainly(self, stage: StageConfig) -> Look:
        """How to see photos to choose by: as they are, and as those of users."""
        photos = [record.image for record in self.dev.photos]
        if stage.reads_photos:
            return self.viewer.look_anew(photos)
        features = self.viewer.encode(photos)
        # What is told of users' photos has not been learnt from them.
        learnt = {record.name for record in self.learn.photos}
        known = learnt.issuperset(record.name for record in self.dev.photos)
        fitted = self.fitted if known else {}
        return look_up(features, self._predict_concepts(features, photos, fitted))

    def _predict_concepts(
        self,
        features: Features,
        photos: Sequence[Photo],
        fitted: Mapping[str, ConceptProbs],
    ) -> Mapping[str, np.ndarray]:
        net = self.model.concepts
        if net is None:
            return {}
        return predict_photos(net, features.array, photos, fitted)._asdict()

    def _step(self, asked: tuple[Batch, Drawn]) -> float:
        batch, drawn = asked
        inputs = {**batch, **drawn.inputs}
        return take_step(self.model, inputs, drawn.targets, drawn.weights)

    def answer_dev(self) -> Outcome:
        """Score the dev questions with the model as it is."""
        stage = self.config.stages[-1]
        return self._answer(stage, self._look_plainly(stage))

    def _answer(self, stage: StageConfig, look: Look) -> Outcome:
        dev = self.dev
        size = min(stage.batch_size, len(dev.photos))
        shape = (len(dev), dev.width)
        seen, guessed, targets = (np.zeros(shape, np.float32) for _ in range(3))
        for rows, batch, drawn in ahead(
            all_batches(look, dev, batch_size=size, count=stage.questions)
        ):
            found = self.model.predict_on_batch({**batch, **drawn.inputs})
            real = rows >= 0
            *members, blind = (ops.convert_to_numpy(scores) for scores in found)
            seen[rows[real]] = np.mean(members, axis=0)[real]
            guessed[rows[real]] = blind[real]
            targets[rows[real]] = drawn.targets[real]
        check_numbers(seen)
        return Outcome(seen, guessed, targets)

    def _validate(self, stage: StageConfig, look: Look) -> Validated:
        """Judge both nets' answers to the dev questions."""
        outcome = self._answer(stage, look)
        scores = [self._score(s, outcome.targets) for s in outcome[:2]]
        names = (history_key(self.config.choose_by), "dev_blind")
        return Validated(scores, dict(zip(names, scores, strict=True)))

    def _score(self, scores: np.ndarray, targets: np.ndarray) -> float:
        judge, sources = CRITERIA[self.config.choose_by], self.dev.sources
        sets = [sources == source for source in np.unique(sources)]
        return float(np.mean([judge(scores[rows], targets[rows]) for rows in sets]))
