"""The training loop: stage by stage, validated on the dev questions."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from shared.concepts.table import Seen
from shared.concepts.telling import tell
from shared.data.mixing import count_steps, count_turns
from shared.runs.checkpoints import Progress, load_arrays, load_progress, save_arrays
from shared.runs.folder import BEST, CHECKPOINT
from shared.runs.training import (
    ahead,
    build_optimizer,
    check_numbers,
    interrupts_wait,
    log_scalars,
    run_epoch,
    take_step,
)
from shared.vision.features import Features, PhotosLost, extract_features
from vqa.batches import (
    Batch,
    Drawn,
    Look,
    Questions,
    Texts,
    all_batches,
    epoch_batches,
    look_up,
    read_images,
)
from vqa.config import StageConfig, VqaConfig
from vqa.model import Vqa

BEST_BLIND = "best_blind.npz"
LOGGED = ("loss", "dev_accuracy", "dev_blind")


@dataclass
class VqaProgress(Progress):
    """Where a run stands.

    Attributes:
        best_blind: highest dev score of the blind twin, or None before the first.
    """

    best_blind: float | None = None


class Trainer:
    """One run: a model, its data, and the folder that it can be resumed from.

    The answerers and their blind twin learn from the same batches. They share no
    weight; the answerers and the twin are each kept as they were after their own best
    epoch.

    Args:
        model: what is trained.
        learn: questions to learn from.
        dev: questions to choose by.
        run: folder for checkpoints and logs.
        cache: folder for features.
        announce: told what happens, a sentence each.
        tick: told of every step: stage name, epoch from 0, step from 1, steps, loss.
        signature: of what is learnt from, see `shared.runs.folder.sign`.
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
        run: Path,
        cache: Path,
        announce: Callable[[str], None] = print,
        tick: Callable[[str, int, int, int, float], None] = lambda *_: None,
        signature: str = "",
        fitted: Mapping[str, Seen] | None = None,
        texts: Texts | None = None,
    ):
        self.config = config
        self.model = model
        self.learn = learn
        self.dev = dev
        self.run = run
        self.cache = cache
        self.announce = announce
        self.tick = tick
        self.fitted = fitted or {}
        self.texts = texts
        self.turns = count_turns([r.source for r in learn.photos], config.balance)
        self.progress = VqaProgress(signature=signature)

    def train(self) -> VqaProgress:
        """Run all stages, or what is left of them; the model ends as the best."""
        checkpoint = self.run / CHECKPOINT
        resumed = checkpoint.exists()
        if resumed:
            self.progress = load_progress(
                checkpoint, VqaProgress, self.progress.signature
            )
            if self.progress.best is not None:  # better missed now than at the end
                self._load_best()
        progress = self.progress
        while progress.stage < len(self.config.stages):
            stage = self.config.stages[progress.stage]
            if progress.stage and not resumed:
                self._load_best()
            self._prepare(stage)
            if resumed:
                load_arrays(checkpoint, self._variables())
                self.announce(
                    f"Going on with stage {stage.name}, epoch {progress.epoch + 1}, "
                    f"step {progress.step + 1}."
                )
                resumed = False
            self._run_stage(stage)
            progress.stage += 1
            progress.epoch = progress.step = progress.waited = 0
        self._load_best()
        return progress

    def answer_dev(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Score the dev questions with the model as it is.

        Returns:
            scores of the answerer, scores of its twin, and targets, each float32
            (questions, A).
        """
        stage = self.config.stages[-1]
        return self._answer(self._look(stage, self.dev, plain=True), stage)

    def _load_best(self) -> None:
        # The second is of the blind twin alone, which the first has as well.
        for name, variables in (
            (BEST, self.model.variables),
            (BEST_BLIND, self.model.blind.variables),
        ):
            load_arrays(self.run / name, variables)

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _save(self) -> None:
        save_arrays(self.run / CHECKPOINT, self._variables(), asdict(self.progress))

    def _tick(self, stage: StageConfig, step: int, loss: float) -> None:
        self.tick(stage.name, self.progress.epoch, step, self._steps(stage), loss)

    def _prepare(self, stage: StageConfig) -> None:
        """Compile the model for a stage."""
        model = self.model
        model.encoder.train_from(stage.encoder_from)
        model.label_smoothing = stage.label_smoothing
        optimizer = build_optimizer(
            model,
            steps=stage.epochs * self._steps(stage),
            learning_rate=stage.learning_rate,
            slow_rate=stage.encoder_rate,
            slow=model.encoder.trainable_variables,
            warmup=stage.warmup,
            final_rate=stage.final_rate,
            weight_decay=stage.weight_decay,
            clip_norm=stage.clip_norm,
            average=stage.average,
        )
        model.compile(optimizer=optimizer, jit_compile=False)

    def _steps(self, stage: StageConfig) -> int:
        return count_steps(self.turns, self._batch_size(stage), stage.texts > 0)

    def _batch_size(self, stage: StageConfig) -> int:
        return min(stage.batch_size, len(self.learn.photos))

    def _look(self, stage: StageConfig, questions: Questions, plain: bool) -> Look:
        """How to see photos; plain is as they are."""
        photos = [record.image for record in questions.photos]
        encoder = self.config.encoder
        if stage.encoder_rate:
            augment = stage.augment and not plain
            return read_images(photos, encoder.image_size, encoder.resize, augment)
        features = self._features(photos, stage.mirror and not plain)
        if not self.model.concepts:
            return look_up(features)
        # What is told of dev photos is what will be told of those of users.
        fitted = {} if plain else self.fitted
        told = np.stack(tell(self.model.concepts, features, photos, fitted), axis=-1)
        return look_up(features, told, 0.0 if plain else stage.blind)

    def _features(self, photos: Sequence[Any], mirrored: bool) -> Features:
        features = extract_features(
            photos,
            self.model.encoder,
            self.cache,
            resize=self.config.encoder.resize,
            mirrored=mirrored,
            announce=self.announce,
        )
        if features.broken:
            raise PhotosLost(list(features.broken.values()))
        return features

    def _run_stage(self, stage: StageConfig) -> None:
        progress = self.progress
        see = self._look(stage, self.learn, plain=False)
        see_dev = self._look(stage, self.dev, plain=True)
        while progress.epoch < stage.epochs and progress.waited < stage.patience:
            started = time.monotonic()
            losses = run_epoch(
                self._epoch(stage, see),
                self._step,
                progress,
                save=self._save,
                tick=partial(self._tick, stage),
            )
            seconds = time.monotonic() - started
            with interrupts_wait():  # till the epoch is saved
                score, blind = self._keep_best(stage, see_dev)
                record: dict[str, Any] = {
                    "stage": stage.name,
                    "epoch": progress.epoch + 1,
                    "loss": float(np.mean(losses)) if losses else None,
                    "seconds": round(seconds, 1),
                    "dev_accuracy": round(score, 3),
                    "dev_blind": round(blind, 3),
                }
                progress.history.append(record)
                progress.epoch, progress.step = progress.epoch + 1, 0
                self._save()
            scalars = {key: record[key] for key in LOGGED}
            log_scalars(self.run / "logs", len(progress.history), scalars)
            self.announce(json.dumps(record))

    def _keep_best(self, stage: StageConfig, look: Look) -> tuple[float, float]:
        """Validate both nets with their averaged weights, and keep the best of each."""
        model, progress = self.model, self.progress
        current = [ops.convert_to_numpy(v) for v in model.trainable_variables]
        model.optimizer.finalize_variable_values(model.trainable_variables)
        seen, guessed, targets = self._answer(look, stage)
        score, blind = (self._score(scores, targets) for scores in (seen, guessed))
        progress.waited += 1
        if progress.best is None or score > progress.best:
            progress.best, progress.waited = score, 0
            save_arrays(self.run / BEST, model.variables, {})
        if progress.best_blind is None or blind > progress.best_blind:
            progress.best_blind = blind
            save_arrays(self.run / BEST_BLIND, model.blind.variables, {})
        for variable, value in zip(model.trainable_variables, current, strict=True):
            variable.assign(value)
        return score, blind

    def _score(self, scores: np.ndarray, targets: np.ndarray) -> float:
        """Judge answers to the dev questions; with several sets, by their mean."""
        sources = self.dev.sources
        return float(
            np.mean(
                [
                    accuracy(scores[sources == source], targets[sources == source])
                    for source in np.unique(sources)
                ]
            )
        )

    def _epoch(self, stage: StageConfig, look: Look) -> Iterator[tuple[Batch, Drawn]]:
        progress = self.progress
        return ahead(
            epoch_batches(
                look,
                self.learn,
                batch_size=self._batch_size(stage),
                count=stage.questions,
                mirror=stage.mirror,
                seeds=[self.config.seed, progress.stage, progress.epoch],
                start=progress.step,
                turns=self.turns,
                texts=self.texts if stage.texts else None,
                texts_share=stage.texts,
            )
        )

    def _step(self, asked: tuple[Batch, Drawn]) -> float:
        batch, drawn = asked
        inputs = {**batch, **drawn.inputs}
        return take_step(self.model, inputs, drawn.targets, drawn.weights)

    def _answer(
        self, look: Look, stage: StageConfig
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        return seen, guessed, targets


def accuracy(scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean of how right the highest scored answers are, percent.

    Args:
        scores, targets: float (questions, A).
    """
    best = scores.argmax(axis=1)
    return 100 * float(targets[np.arange(len(targets)), best].mean())
