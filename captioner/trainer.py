"""The training loop: stage by stage, validated on captions that it writes freely."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from captioner.batches import (
    Batch,
    Captions,
    Look,
    epoch_batches,
    look_up,
    read_images,
    shift,
)
from captioner.choosing import FOUND
from captioner.cider import CiderD
from captioner.config import CaptionerConfig, StageConfig
from captioner.data import Record
from captioner.model import Captioner
from captioner.predict import to_captions
from captioner.rules import make_rules
from captioner.runtime_keras import Search
from shared.errors import AppError
from shared.features import Features, extract_features
from shared.text import EOS, SPECIAL_WORDS, Vocabulary
from shared.training import (
    ahead,
    build_optimizer,
    load_arrays,
    load_progress,
    save_arrays,
)

CHECKPOINT_SECONDS = 120
END = SPECIAL_WORDS[EOS]
DIVERGED = (
    "The training broke down: its loss is not a number any more. Lower the rates of "
    "the stage, and start again in another folder with --out."
)


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        stage, epoch, step: the next step to take, each from 0.
        best: highest dev score so far, or None before the first.
        waited: epochs of this stage since then.
        history: a record per epoch that is done.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    best: float | None = None
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


class Trainer:
    """One run: a model, its data, and the folder that it can be resumed from.

    Args:
        model: what is trained.
        records: photos to learn from.
        dev: photos to choose by.
        run: folder for checkpoints and logs.
        cache: folder for features.
        announce: told what happens, a sentence each.
        tick: told of every step: stage name, epoch from 0, step from 1, steps, loss
            (the mean reward, in a self-critical stage).
    """

    def __init__(
        self,
        config: CaptionerConfig,
        model: Captioner,
        vocabulary: Vocabulary,
        records: Sequence[Record],
        dev: Sequence[Record],
        run: Path,
        cache: Path,
        announce: Callable[[str], None] = print,
        tick: Callable[[str, int, int, int, float], None] = lambda *_: None,
    ):
        self.config = config
        self.model = model
        self.vocabulary = vocabulary
        self.records = records
        self.dev = dev
        self.run = run
        self.cache = cache
        self.announce = announce
        self.tick = tick
        self.progress = Progress()
        self.captions = Captions(records, vocabulary, config.vocabulary.max_words + 1)
        self.dev_cider = CiderD(
            [[vocabulary.split(c) for c in r.captions] for r in dev]
        )

    def train(self) -> Progress:
        """Run all stages, or what is left of them; the model ends as the best."""
        checkpoint = self.run / "checkpoint.npz"
        resumed = checkpoint.exists()
        if resumed:
            self.progress = Progress(**load_progress(checkpoint))
        progress = self.progress
        while progress.stage < len(self.config.stages):
            stage = self.config.stages[progress.stage]
            if progress.stage and not resumed:
                load_arrays(self.run / "best.npz", self.model.variables)
            self._prepare(stage)
            if resumed:
                load_arrays(checkpoint, self._variables())
                self.announce(
                    f"Going on with stage {stage.name}, epoch {progress.epoch + 1}, "
                    f"step {progress.step + 1}."
                )
                resumed = False
            self._run_stage(stage, checkpoint)
            progress.stage += 1
            progress.epoch = progress.step = progress.waited = 0
        if (self.run / "best.npz").exists():
            load_arrays(self.run / "best.npz", self.model.variables)
        return progress

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _prepare(self, stage: StageConfig) -> None:
        """Compile the model for a stage."""
        model = self.model
        model.encoder.train_from(stage.encoder_from)
        model.label_smoothing = stage.label_smoothing
        model.attention_penalty = stage.attention_penalty
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
        return len(self.records) // self._batch_size(stage)

    def _batch_size(self, stage: StageConfig) -> int:
        return min(stage.batch_size, len(self.records))

    def _look(self, stage: StageConfig) -> tuple[Look, Look]:
        """How to see the training photos, and how the dev photos."""
        encoder = self.config.encoder
        if stage.encoder_rate:
            size, resize = encoder.image_size, encoder.resize
            return (
                read_images(self.records, size, resize, stage.augment),
                read_images(self.dev, size, resize, False),
            )
        return (
            look_up(self._features(self.records, stage.augment)),
            look_up(self._features(self.dev, False)),
        )

    def _features(self, records: Sequence[Record], mirrored: bool) -> Features:
        features = extract_features(
            [record.image for record in records],
            self.model.encoder,
            self.cache,
            resize=self.config.encoder.resize,
            mirrored=mirrored,
            announce=self.announce,
        )
        if features.broken:  # it could be read when the run began
            raise AppError(
                f"{len(features.broken)} photos can no longer be read, the first: "
                f"{next(iter(features.broken.values()))} Bring them back and give the "
                "same command again, or start a new run with another --out."
            )
        return features

    def _run_stage(self, stage: StageConfig, checkpoint: Path) -> None:
        progress = self.progress
        see_train, see_dev = self._look(stage)
        rules = make_rules(self.config.decoding, self.vocabulary)
        score = Search([self.model], rules)
        learn = self._objective(stage)
        while progress.epoch < stage.epochs and progress.waited < stage.patience:
            losses: list[float] = []
            started = saved = time.monotonic()
            first = progress.step
            for rows, batch, targets in self._epoch(stage, see_train):
                loss = learn(rows, batch, targets)
                losses.append(loss)
                progress.step += 1
                self.tick(
                    stage.name, progress.epoch, progress.step, self._steps(stage), loss
                )
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    save_arrays(checkpoint, self._variables(), asdict(progress))
                    saved = time.monotonic()
            seconds = time.monotonic() - started
            current = [ops.convert_to_numpy(v) for v in self.model.trainable_variables]
            self.model.optimizer.finalize_variable_values(
                self.model.trainable_variables
            )
            cider, distinct = self._validate(score, see_dev)
            progress.waited += 1
            # 0 is no score: with a photo or two to choose by, there is no other.
            if not progress.best or cider > progress.best:
                progress.best, progress.waited = cider, 0
                save_arrays(self.run / "best.npz", self.model.variables, {})
            for variable, value in zip(
                self.model.trainable_variables, current, strict=True
            ):
                variable.assign(value)
            record = {
                "stage": stage.name,
                "epoch": progress.epoch + 1,
                "loss": float(np.mean(losses)) if losses else None,
                "steps": progress.step - first,
                "seconds": round(seconds, 1),
                "dev_cider_d": round(cider, 3),
                "dev_distinct": distinct,
            }
            progress.history.append(record)
            progress.epoch, progress.step = progress.epoch + 1, 0
            save_arrays(checkpoint, self._variables(), asdict(progress))
            self._log(record)
            self.announce(json.dumps(record))

    def _log(self, record: dict[str, Any]) -> None:
        """Tell TensorBoard about an epoch."""
        # `tf.summary.scalar` needs TensorBoard installed only to write this line.
        scalar = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
        with tf.summary.create_file_writer(str(self.run / "logs")).as_default():
            step = len(self.progress.history)
            for key in ("loss", "dev_cider_d", "dev_distinct"):
                if record[key] is not None:
                    value = tf.constant(record[key], tf.float32)
                    tf.summary.write(key, value, step, scalar)

    def _epoch(
        self, stage: StageConfig, look: Look
    ) -> Iterator[tuple[np.ndarray, Batch, np.ndarray]]:
        progress = self.progress
        return ahead(
            epoch_batches(
                look,
                self.captions,
                batch_size=self._batch_size(stage),
                count=stage.captions,
                seeds=[self.config.seed, progress.stage, progress.epoch],
                start=progress.step,
            )
        )

    def _objective(
        self, stage: StageConfig
    ) -> Callable[[np.ndarray, Batch, np.ndarray], float]:
        """What a step does with a batch; it gives the loss, or the reward."""
        if stage.objective == "self_critical":
            return self._self_critical(stage)

        def learn(rows: np.ndarray, batch: Batch, targets: np.ndarray) -> float:
            return self._step({**batch, "tokens": shift(targets)}, targets)

        return learn

    def _self_critical(
        self, stage: StageConfig
    ) -> Callable[[np.ndarray, Batch, np.ndarray], float]:
        """Search for captions, and learn those better than the photo's others.

        Captions and references end with eos in the reward; without it, captions
        that break off ("a dog with a") would pay.
        """
        reward = CiderD(
            [
                [[*self.vocabulary.split(c), END] for c in r.captions]
                for r in self.records
            ]
        )
        # Without the rules that keep captions from faults: it is to unlearn those.
        plain = {"beam_size": stage.captions, "no_repeat": 0, "bad_endings": ()}
        decoding = self.config.decoding.model_copy(update=plain)
        search = Search([self.model], make_rules(decoding, self.vocabulary))

        def learn(rows: np.ndarray, batch: Batch, targets: np.ndarray) -> float:
            found = search.predict_on_batch(batch)
            tokens = np.asarray(found.tokens, np.int32)
            rewards = np.array(
                [
                    [reward.score(row, self._words(ids)) for ids in beams]
                    for row, beams in zip(rows.tolist(), tokens.tolist(), strict=True)
                ]
            )
            weights = rewards - rewards.mean(axis=1, keepdims=True)
            weights = np.where(found.log_probs > FOUND, weights, 0.0)
            x = {**batch, "tokens": shift(tokens)}
            self._step(x, tokens, weights.astype(np.float32))
            return float(rewards.mean())

        return learn

    def _step(
        self, x: Batch, targets: np.ndarray, weights: np.ndarray | None = None
    ) -> float:
        loss = float(self.model.train_on_batch(x, targets, sample_weight=weights))
        if not math.isfinite(loss):
            raise AppError(DIVERGED)
        return loss

    def _words(self, ids: list[int]) -> list[str]:
        return self.vocabulary.decode(ids) + ([END] if EOS in ids else [])

    def _validate(self, search: Search, look: Look) -> tuple[float, int]:
        """Caption the dev photos freely.

        Returns:
            CIDEr-D in percent, and the number of different captions.
        """
        scores, texts = [], set()
        rng = np.random.default_rng(0)
        size = min(32, len(self.dev))
        for start in range(0, len(self.dev), size):
            # The last batch is filled with rows seen before: one shape to compile.
            rows = np.minimum(np.arange(start, start + size), len(self.dev) - 1)
            found = search.predict_on_batch(look(rows, rng))
            for row, captions in zip(
                rows[: len(self.dev) - start],
                to_captions(found, self.vocabulary),
                strict=False,
            ):
                if not captions:
                    raise AppError(DIVERGED)
                scores.append(self.dev_cider.score(int(row), captions[0].words))
                texts.add(captions[0].text)
        return 100 * float(np.mean(scores)), len(texts)
