"""The training loop: stage by stage, validated on captions that it writes freely."""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from captioner.batches import (
    Captions,
    Drawn,
    Look,
    Texts,
    epoch_batches,
    look_up,
    read_images,
    shift,
)
from captioner.captions import Caption, to_captions
from captioner.config import CaptionerConfig, StageConfig
from captioner.data import Record
from captioner.metrics.cider import CiderD
from captioner.model import Captioner
from captioner.reward import SelfCritic
from captioner.runtime_keras import Search
from captioner.search.rules import make_rules
from shared.concepts.imagined import Imagined
from shared.concepts.table import Seen
from shared.concepts.telling import tell
from shared.concepts.words import Mentions
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
from shared.text.vocabulary import Vocabulary
from shared.vision.features import Features, PhotosLost, extract_features

LOGGED = ("loss", "dev_cider_d", "dev_distinct")


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
        signature: of what is learnt from, see `shared.runs.folder.sign`.
        fitted: for a model with concepts: what is told of training photos that taught
            the concept net, by their digests, see `shared.concepts`.
        texts: captions without photos, a list for each source.
        known: how many words of the vocabulary a model that is trained further had.
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
        signature: str = "",
        fitted: Mapping[str, Seen] | None = None,
        texts: Sequence[Sequence[str]] = (),
        known: int = 0,
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
        self.progress = Progress(signature=signature)
        self.captions = Captions(records, vocabulary, config.vocabulary.max_words + 1)
        self.turns = count_turns([r.source for r in records], config.balance)
        self.fitted = fitted or {}
        self.sentences = texts
        self.known = known
        self._said: np.ndarray | None = None
        self._texts: Texts | None = None
        # Of each data set by itself: what words are rare depends on the set.
        self.dev_sets = [
            [i for i, r in enumerate(dev) if r.source == source]
            for source in sorted({r.source for r in dev})
        ]
        self.dev_ciders = [
            CiderD([[vocabulary.split(c) for c in dev[i].captions] for i in rows])
            for rows in self.dev_sets
        ]

    def train(self) -> Progress:
        """Run all stages, or what is left of them; the model ends as the best."""
        checkpoint = self.run / CHECKPOINT
        resumed = checkpoint.exists()
        if resumed:
            self.progress = load_progress(checkpoint, Progress, self.progress.signature)
            if self.progress.best is not None:  # better missed now than at the end
                load_arrays(self.run / BEST, self.model.variables)
        progress = self.progress
        while progress.stage < len(self.config.stages):
            stage = self.config.stages[progress.stage]
            if progress.stage and not resumed:
                load_arrays(self.run / BEST, self.model.variables)
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
        load_arrays(self.run / BEST, self.model.variables)
        return progress

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
        first = self.known if stage.learns == "new words" else 0
        model.decoder.train_words_from(first)
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
        return count_steps(self.turns, self._batch_size(stage), stage.texts > 0)

    def _batch_size(self, stage: StageConfig) -> int:
        return min(stage.batch_size, len(self.records))

    def _look(self, stage: StageConfig) -> tuple[Look, Look, Texts | None]:
        """How to see the training photos, how the dev photos, and what to read."""
        encoder = self.config.encoder
        if stage.encoder_rate:
            size, resize = encoder.image_size, encoder.resize
            return (
                read_images(self.records, size, resize, stage.augment),
                read_images(self.dev, size, resize, False),
                None,
            )
        learn = self._features(self.records, stage.augment)
        dev = self._features(self.dev, False)
        if not self.model.concepts:
            return look_up(learn), look_up(dev), None
        if self._said is None:  # its encoder stays as it is, in all stages
            photos = [record.image for record in self.records]
            self._said = tell(self.model.concepts, learn, photos, self.fitted).said
        if stage.texts and self._texts is None:
            self._texts = self._imagine(self.model.concepts.words, self._said)
        return (
            look_up(learn, self._said, stage.blind),
            look_up(dev),
            self._texts if stage.texts else None,
        )

    def _imagine(self, concepts: Sequence[str], said: np.ndarray) -> Texts:
        """Make ready what is learnt from without photos."""
        split = self.vocabulary.split
        captions = [[split(c) for c in record.captions] for record in self.records]
        places = {word: place for place, word in enumerate(concepts)}
        mentions = Mentions(concepts)
        sources = [[split(text) for text in source] for source in self.sentences]
        return Texts(
            sources,
            [[[places[w] for w in mentions.find(s)] for s in some] for some in sources],
            self.vocabulary,
            self.config.vocabulary.max_words + 1,
            Imagined.of_photos(said[..., None], captions, concepts, self.turns),
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
        if features.broken:
            raise PhotosLost(list(features.broken.values()))
        return features

    def _run_stage(self, stage: StageConfig) -> None:
        progress = self.progress
        see_train, see_dev, texts = self._look(stage)
        rules = make_rules(self.config.decoding, self.vocabulary)
        score = Search([self.model], rules)
        learn = self._objective(stage)
        while progress.epoch < stage.epochs and progress.waited < stage.patience:
            started, first = time.monotonic(), progress.step
            losses = run_epoch(
                self._epoch(stage, see_train, texts),
                learn,
                progress,
                save=self._save,
                tick=partial(self._tick, stage),
            )
            seconds = time.monotonic() - started
            with interrupts_wait():  # till the epoch is saved
                ciders, distinct = self._keep_best(score, see_dev)
                record: dict[str, Any] = {
                    "stage": stage.name,
                    "epoch": progress.epoch + 1,
                    "loss": float(np.mean(losses)) if losses else None,
                    "steps": progress.step - first,
                    "seconds": round(seconds, 1),
                    "dev_cider_d": round(float(np.mean(ciders)), 3),
                    "dev_distinct": distinct,
                }
                if len(ciders) > 1:
                    record["dev_sets"] = [round(cider, 3) for cider in ciders]
                progress.history.append(record)
                progress.epoch, progress.step = progress.epoch + 1, 0
                self._save()
            scalars = {key: record[key] for key in LOGGED}
            log_scalars(self.run / "logs", len(progress.history), scalars)
            self.announce(json.dumps(record))

    def _keep_best(self, search: Search, look: Look) -> tuple[list[float], int]:
        """Validate the averaged weights, and keep them if they are the best so far.

        With several data sets, the mean of their scores decides.
        """
        model, progress = self.model, self.progress
        current = [ops.convert_to_numpy(v) for v in model.trainable_variables]
        model.optimizer.finalize_variable_values(model.trainable_variables)
        ciders, distinct = self._validate(search, look)
        cider = float(np.mean(ciders))
        progress.waited += 1
        # 0 is no score: with a photo or two to choose by, there is no other.
        if not progress.best or cider > progress.best:
            progress.best, progress.waited = cider, 0
            save_arrays(self.run / BEST, model.variables, {})
        for variable, value in zip(model.trainable_variables, current, strict=True):
            variable.assign(value)
        return ciders, distinct

    def _epoch(
        self, stage: StageConfig, look: Look, texts: Texts | None
    ) -> Iterator[Drawn]:
        progress = self.progress
        captions = self._batch_size(stage) * stage.captions
        return ahead(
            epoch_batches(
                look,
                self.captions,
                batch_size=self._batch_size(stage),
                count=stage.captions,
                seeds=[self.config.seed, progress.stage, progress.epoch],
                start=progress.step,
                turns=self.turns,
                texts=texts,
                texts_count=round(captions * stage.texts / (1 - stage.texts)),
            )
        )

    def _objective(self, stage: StageConfig) -> Callable[[Drawn], float]:
        """What a step does with a batch; it gives the loss, or the reward."""

        def learn(drawn: Drawn) -> float:
            x = {**drawn.batch, "tokens": shift(drawn.targets)}
            with warnings.catch_warnings():
                # Without photos, what projects them learns nothing, and there is only
                # one region to attend to.
                warnings.filterwarnings("ignore", "(?s).*(Gradients do not|a softmax)")
                return take_step(self.model, x, drawn.targets, None)

        if stage.objective == "cross_entropy":
            return learn
        decoding, beams = self.config.decoding, stage.captions
        critic = SelfCritic(self.model, self.vocabulary, decoding, beams, self.records)

        def improve(drawn: Drawn) -> float:
            if drawn.rows is None:  # nothing to search for
                return learn(drawn)
            tokens, weights, reward = critic.judge(drawn.rows, drawn.batch)
            x = {**drawn.batch, "tokens": shift(tokens)}
            take_step(self.model, x, tokens, weights)
            return reward

        return improve

    def _validate(self, search: Search, look: Look) -> tuple[list[float], int]:
        """Caption the dev photos freely.

        Returns:
            CIDEr-D of each data set in percent, and the number of different captions.
        """
        found: list[Caption] = []
        rng = np.random.default_rng(0)
        size = min(32, len(self.dev))
        for start in range(0, len(self.dev), size):
            # The last batch is filled with rows seen before: one shape to compile.
            rows = np.minimum(np.arange(start, start + size), len(self.dev) - 1)
            sequences = search.predict_on_batch(look(rows, rng))
            for captions in to_captions(sequences, self.vocabulary):
                if not captions:
                    check_numbers(np.array(np.nan))
                found.append(captions[0])
        found = found[: len(self.dev)]
        ciders = [
            100 * np.mean([cider.score(i, found[r].words) for i, r in enumerate(rows)])
            for cider, rows in zip(self.dev_ciders, self.dev_sets, strict=True)
        ]
        return list(map(float, ciders)), len({caption.text for caption in found})
