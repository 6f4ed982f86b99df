"""What a stage of training does with a captioner: its batches, steps and validation."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from statistics import fmean
from typing import Any

import keras
import numpy as np

from captioner.config import CaptionerConfig, StageConfig
from captioner.describing.captions import to_captions
from captioner.metrics.photo_metrics import PHOTO_METRICS
from captioner.net.model import Captioner
from captioner.net.runtime_keras import Search
from captioner.search.rules import make_rules
from captioner.training.batches import Captions, Drawn, Texts, draw_batches, shift
from captioner.training.chances import Chances
from captioner.training.reward import SelfCritic
from shared.concepts.cross_fitting import predict_photos
from shared.concepts.imagined import Imagined
from shared.concepts.table import ConceptProbs
from shared.concepts.words import Mentions
from shared.data.captioned import Record
from shared.data.mixing import Look, Order, count_turns
from shared.runs.checkpoints import history_key
from shared.runs.folder import BEST
from shared.runs.photos import Viewer, compile_with_encoder, look_up
from shared.runs.trainer import Epochs, Validated
from shared.runs.training import check_numbers, take_step
from shared.text.sentences import Sentences
from shared.text.vocabulary import Vocabulary
from shared.vision.features import Features

AT_ONCE = 32  # photos in a validation


class CaptionTask:
    """A captioner and what it learns from, for a `shared.runs.trainer.Trainer`.

    In a self-critical stage, the mean reward stands in for the loss.

    Args:
        config: the recipe.
        model: what is trained.
        learn: photos to learn from.
        dev: photos to choose by; the mean of their data sets' scores decides.
        viewer: looks at photos with the model's encoder.
        fitted: for a model with concepts: what is told of training photos that taught
            the concept net, by their digests, see `shared.concepts.fitted`.
        texts: captions without photos, a list for each source.
        known: how many words of the vocabulary a model that is trained further had.
        said: the captions of `learn`, see `captioner.training.batches.Captions`.
    """

    def __init__(
        self,
        config: CaptionerConfig,
        model: Captioner,
        vocabulary: Vocabulary,
        learn: Sequence[Record],
        dev: Sequence[Record],
        viewer: Viewer,
        fitted: Mapping[str, ConceptProbs] | None = None,
        texts: Sequence[Sequence[str]] = (),
        known: int = 0,
        said: Sentences | None = None,
    ):
        self.config = config
        self.model = model
        self.vocabulary = vocabulary
        self.learn = learn
        self.viewer = viewer
        self.fitted = fitted or {}
        self.sentences = texts
        self.known = known
        self._said: np.ndarray | None = None
        self.photos = [record.image for record in learn]
        self.dev_photos = [record.image for record in dev]
        self.turns = count_turns([record.source for record in learn], config.balance)
        self.longest = config.vocabulary.max_words + 1
        self.captions = Captions(learn, vocabulary, self.longest, said)
        # Of each data set by itself: what words are rare depends on the set.
        self.dev_sets = [
            [i for i, record in enumerate(dev) if record.source == source]
            for source in sorted({record.source for record in dev})
        ]
        metric, split = PHOTO_METRICS[config.choose_by], vocabulary.split
        self.scorers = [
            metric([split(c) for c in dev[i].captions] for i in rows)
            for rows in self.dev_sets
        ]

    @property
    def kept(self) -> Mapping[str, Sequence[keras.Variable]]:
        """All of the model."""
        return {BEST: self.model.variables}

    def _order(self, stage: StageConfig) -> Order:
        return Order(self.turns, stage.batch_size, stage.texts > 0)

    def prepare(self, stage: StageConfig) -> None:
        """Compile the model for a stage."""
        first = self.known if stage.learns == "new words" else 0
        self.model.decoder.train_words_from(first)
        self.model.attention_penalty = stage.attention_penalty
        self.model.attention_entropy = stage.attention_entropy
        compile_with_encoder(self.model, stage, self._order(stage).steps)

    def begin(self, stage: StageConfig) -> Epochs[Drawn]:
        """Look at the photos, and get ready to search for captions."""
        order = self._order(stage)
        look, look_dev = self._look(stage), self._look_plainly(stage)
        others = order.batch_size * stage.captions * stage.texts / (1 - stage.texts)

        chances = self._chances(stage, order.steps)

        def batches(seeds: Sequence[int], start: int) -> Iterator[Drawn]:
            drawn = draw_batches(
                order.walk(seeds, start),
                look,
                self.captions,
                stage.captions,
                mirror=stage.augment,
                texts=self.texts if stage.texts else None,
                texts_count=round(others),
            )
            return chances.add(drawn, seeds, start)

        rules = make_rules(self.config.decoding, self.vocabulary)
        validate = partial(self._validate, Search([self.model], rules), look_dev)
        return Epochs(order.steps, batches, self._objective(stage), validate)

    def _chances(self, stage: StageConfig, steps: int) -> Chances:
        """What is drawn in a stage; regions only where attention can learn from it."""
        learns = stage.objective == "cross_entropy" and stage.learns == "all"
        return Chances(
            regions=learns and self.config.decoder.draws,
            words=stage.scheduled_sampling,
            schedule=stage.sampling_schedule,
            steps=steps,
            epochs=stage.epochs,
        )

    def _look(self, stage: StageConfig) -> Look:
        """How to see photos to learn from."""
        if stage.reads_photos:
            return self.viewer.look_anew(self.photos, stage.augment)
        features = self.viewer.encode(self.photos, stage.augment)
        return look_up(features, self._predict_concepts(features), stage.blind)

    def _look_plainly(self, stage: StageConfig) -> Look:
        """How to see photos to choose by: as they are, and as those of users."""
        if stage.reads_photos:
            return self.viewer.look_anew(self.dev_photos)
        return look_up(self.viewer.encode(self.dev_photos))

    def _predict_concepts(self, features: Features) -> Mapping[str, np.ndarray]:
        concepts = self.model.concepts
        if concepts is None:
            return {}
        if self._said is None:  # its encoder stays as it is, in all stages
            self._said = predict_photos(
                concepts, features.array, self.photos, self.fitted
            ).said
        return {"said": self._said}

    @cached_property
    def texts(self) -> Texts:
        """What is learnt from without photos, once it is known what photos show."""
        assert self.model.concepts and self._said is not None
        concepts, split = self.model.concepts.words, self.vocabulary.split
        captions = [[split(c) for c in record.captions] for record in self.learn]
        sources = [[split(text) for text in source] for source in self.sentences]
        places = {word: place for place, word in enumerate(concepts)}
        mentions = Mentions(concepts)
        return Texts(
            sources,
            [[[places[w] for w in mentions.find(s)] for s in some] for some in sources],
            self.vocabulary,
            self.longest,
            Imagined.of_photos(self._said[..., None], captions, concepts, self.turns),
        )

    def _objective(self, stage: StageConfig) -> Callable[[Drawn], float]:
        """What a step does with a batch; it gives the loss, or the reward."""

        def learn(drawn: Drawn) -> float:
            return self._step(drawn, drawn.targets, None)

        if stage.objective == "cross_entropy":
            return learn
        decoding, beams = self.config.decoding, stage.captions
        metric = PHOTO_METRICS[stage.reward]
        critic = SelfCritic(
            self.model, self.vocabulary, decoding, beams, self.learn, metric
        )

        def improve(drawn: Drawn) -> float:
            if drawn.rows is None:  # nothing to search for
                return learn(drawn)
            tokens, weights, reward = critic.judge(drawn.rows, drawn.batch)
            self._step(drawn, tokens, weights)
            return reward

        return improve

    def _step(
        self, drawn: Drawn, targets: np.ndarray, weights: np.ndarray | None
    ) -> float:
        """Train on captions of a batch; gives the loss."""
        x = {**drawn.batch, "tokens": shift(targets)}
        with warnings.catch_warnings():
            # Without photos, what projects them learns nothing, and there is only one
            # region to attend to; nor does attention to the likeliest region.
            warnings.filterwarnings("ignore", "(?s).*(Gradients do not|a softmax)")
            return take_step(self.model, x, targets, weights)

    def _validate(self, search: Search, look: Look) -> Validated:
        """Caption the dev photos freely, and score the captions."""
        found = []
        count = len(self.dev_photos)
        size = min(AT_ONCE, count)
        rng, unturned = np.random.default_rng(0), np.zeros(size, bool)
        for start in range(0, count, size):
            # The last batch is filled with rows seen before: one shape to compile.
            rows = np.minimum(np.arange(start, start + size), count - 1)
            sequences = search.predict_on_batch(look(rows, unturned, rng))
            for captions in to_captions(sequences, self.vocabulary):
                if not captions:
                    check_numbers(np.array(np.nan))
                found.append(captions[0])
        scores = [
            100 * fmean(scorer.score(range(len(rows)), [found[r].words for r in rows]))
            for scorer, rows in zip(self.scorers, self.dev_sets, strict=True)
        ]
        mean = fmean(scores)
        record: dict[str, Any] = {
            history_key(self.config.choose_by): mean,
            "dev_distinct": len({caption.text for caption in found[:count]}),
        }
        if len(scores) > 1:
            record["dev_sets"] = [round(score, 3) for score in scores]
        return Validated([mean], record)
