"""The concept net: which everyday words a photo shows, each with its probability.

    region features f_r
      -> things      t = lse_r(T relu(H f_r)) - log(R) / 2 + U relu(W [mean f, max f])
         detectors   d = the same, further rows: learnt from captions
         classes     c = softmax(C mean f): ImageNet's
      -> witnesses of a word, in log odds:
         z_1  the sum of sigmoid(t) over its things      a detector taught them
         z_2  the sum of c over its classes
         z_3  d of its own detector; e = E mean f of a word that a few examples taught,
              see `shared.concepts.examples`
      -> said  = sigmoid(a . z + a_0)     one caption of the photo would mention it
         there = sigmoid(b . z + b_0)     it can be seen

A word has the witnesses that `shared.concepts.table` names, and weights of its own.

Source: Fang et al. 2015, arXiv:1411.4952, for detectors of words learnt from captions
and combined over regions; there a noisy-or, here a soft maximum.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from shared.bundles.folder import check_size
from shared.bundles.weights import load_weights
from shared.concepts.graph import ODDS
from shared.concepts.table import (
    CLASSES,
    TABLE,
    THINGS,
    ConceptProbs,
    Row,
    Table,
    read_table,
)
from shared.errors import AppError
from shared.included import get_again

REGION_UNITS, POOLED_UNITS = 256, 256
START = -6.0  # log odds of a word in a region, before anything is learnt
ABOUT = "teach.json"  # how the net was taught
LEAST = 1e-4  # of a probability, so that log odds stay within 9.2
AT_ONCE = 128  # photos of which features fit into memory
WITNESSES = ("things", "classes", "detector")


class TaughtHead(keras.Model):
    """Log odds of things and words, from what detectors and captions taught.

    Axes: B batch, R regions, D feature size, N outputs.

    Args:
        outputs: N.

    Call arguments:
        features: float (B, R, D).

    Returns:
        float32 (B, N).
    """

    def __init__(self, outputs: int, **kwargs: Any):
        super().__init__(**kwargs)
        # Names, lest those in an exported graph depend on what was made before.
        self.region_hidden = layers.Dense(
            REGION_UNITS, activation="relu", name="region_hidden"
        )
        # Most words are on few photos.
        seldom = keras.initializers.Constant(START)
        self.from_region = layers.Dense(
            outputs, bias_initializer=seldom, name="from_region"
        )
        self.pooled_hidden = layers.Dense(
            POOLED_UNITS, activation="relu", name="pooled_hidden"
        )
        self.from_pooled = layers.Dense(outputs, use_bias=False, name="from_pooled")
        self.region_dropout = layers.Dropout(0.3)
        self.pooled_dropout = layers.Dropout(0.3)

    def build(self, features_shape: Sequence[int | None]) -> None:
        """Create the weights."""
        size = features_shape[-1]
        assert size is not None
        self.region_hidden.build((None, None, size))
        self.from_region.build((None, None, REGION_UNITS))
        self.pooled_hidden.build((None, 2 * size))
        self.from_pooled.build((None, POOLED_UNITS))
        self.built = True

    def by_region(self, features: Any, training: bool = False) -> Any:
        """Give the log odds (B, R, N) that a photo would have of regions like each."""
        hidden = self.region_dropout(self.region_hidden(features), training=training)
        pooled = ops.concatenate(
            [ops.mean(features, axis=1), ops.max(features, axis=1)], axis=-1
        )
        whole = self.pooled_dropout(self.pooled_hidden(pooled), training=training)
        whole = self.from_pooled(whole)[:, None]  # (B, 1, N)
        return self.from_region(hidden) + whole + _log_count(features) / 2

    def join(self, odds: Any) -> Any:
        """Join the log odds (B, R, N) of regions to those of photos, (B, N).

        A photo's odds are the mean of its regions'.
        """
        return ops.logsumexp(odds, axis=1) - _log_count(odds)

    def call(self, features: Any, training: bool = False) -> Any:
        """Join what the regions say."""
        return self.join(self.by_region(features, training))


class ConceptNet(keras.Model):
    """Say which words a photo shows; see the top of this file.

    Axes: B batch, R regions, D feature size, V words.

    Args:
        table: the words and their witnesses.

    Attributes:
        table: as given.
        words: V of them.

    Call arguments:
        features: float (B, R, D), of the encoder that it was taught with.

    Returns:
        ConceptProbs.
    """

    def __init__(self, table: Table, **kwargs: Any):
        super().__init__(**kwargs)
        self.table = table
        self.words = tuple(row.word for row in table)
        self._things = _Sums([row.things for row in table])
        self._classes = _Sums([row.classes for row in table])
        count = sum(row.detector is not None for row in table)
        shown = sum(row.example is not None for row in table)
        outputs = THINGS + count
        # A word without a detector reads any output: `has` keeps it from being heard.
        self._detectors = [_place(row, outputs) for row in table]
        self.has = np.array(
            [
                [bool(row.things) for row in table],
                [bool(row.classes) for row in table],
                [place > 0 for place in self._detectors],
            ],
            np.float32,
        )  # (witnesses, V)
        self.head = TaughtHead(outputs, name="head")
        self.classifier = (
            layers.Dense(CLASSES, activation="softmax", name="classifier")
            if any(row.classes for row in table)
            else None
        )
        self.examples = layers.Dense(shown, name="examples") if shown else None
        self.say = Judge(len(table), name="say")
        self.see = Judge(len(table), name="see")

    def build(self, features_shape: Sequence[int | None]) -> None:
        """Create the weights."""
        self.head.build(features_shape)
        if self.classifier:
            self.classifier.build((None, features_shape[-1]))
        if self.examples:
            self.examples.build((None, features_shape[-1]))
        self.say.build(None)
        self.see.build(None)
        self.built = True

    def freeze(self, feature_size: int) -> None:
        """Make it a part of a model, whose training does not change it.

        Args:
            feature_size: D of the model's encoder.
        """
        if not self.built:
            self.build((None, None, feature_size))
        self.trainable = False

    def call(self, features: Any) -> ConceptProbs:
        """Give the probabilities of all words."""
        return self.look(features)[0]

    def look(self, features: Any) -> tuple[ConceptProbs, Any]:
        """Give the probabilities of all words, and what `where` needs."""
        odds = self.head.by_region(features)
        taught = self.head.join(odds)
        if self.examples:
            each = self.examples(features)  # (B, R, examples)
            odds = ops.concatenate([odds, each], axis=-1)
            taught = ops.concatenate([taught, ops.mean(each, axis=1)], axis=-1)
        taught = ops.sigmoid(taught)
        classes = None
        if self.classifier:
            classes = self.classifier(ops.mean(features, axis=1))
        witnesses = self.witnesses(taught, classes)
        return ConceptProbs(self.say(witnesses), self.see(witnesses)), odds

    def export(self, features: Any) -> dict[str, Any]:
        """Give what `shared.concepts.graph` says that an exported graph does."""
        seen, odds = self.look(features)
        return {**seen._asdict(), ODDS: odds}

    def witnesses(self, taught: Any, classes: Any | None) -> list[Any]:
        """Give each witness's log odds (B, V) of each word; 0 where it knows nothing.

        Args:
            taught: float (B, N), probabilities of the head, and of the words that
                were taught by examples after them.
            classes: float (B, 1000), of the classifier, if there is one.
        """
        things = self._things(taught[..., :THINGS])
        heard = ops.take(taught, self._detectors, axis=-1)
        named = heard if classes is None else self._classes(classes)
        probs = (things, named, heard)
        return [_log_odds(p) * known for p, known in zip(probs, self.has, strict=True)]

    def where(self, odds: Any) -> Any:
        """Say roughly where each word is: float32 (B, R, V).

        It is the probability that the word would have if the rest of the photo were
        like the region; 0 for words that only ImageNet's classes witness.

        Args:
            odds: float (B, R, N), of `look`.
        """
        probs = ops.sigmoid(odds)
        heard = ops.take(probs, self._detectors, axis=-1)
        things = self._things(probs[..., :THINGS])
        # Best its own things, then its detector, then the thing that it is a kind of.
        own = np.array([bool(row.things and not row.within) for row in self.table])
        by_detector = self.has[2] * ~own
        by_things = self.has[0] * (1 - by_detector)
        return ops.minimum(things, 1.0) * by_things + heard * by_detector


Take = Callable[[np.ndarray], np.ndarray]
"""Gives the features of photos by their rows: float32 (rows, R, D)."""


def batches(rows: np.ndarray) -> list[np.ndarray]:
    """Cut rows into parts of which features fit into memory."""
    return [rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE)]


def predict(net: keras.Model, take: Take, rows: np.ndarray) -> Any:
    """Ask a net about many photos.

    Args:
        net: of one kind or the other, see above.
        rows: int (photos,), at least one.

    Returns:
        what the net gives, as NumPy arrays, first axis photos.
    """
    found = [net.predict_on_batch(take(some)) for some in batches(rows)]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *found)


def _place(row: Row, outputs: int) -> int:
    """Give the place of a word's own detector among all that are taught; 0 is none."""
    if row.example is not None:
        return outputs + row.example
    return 0 if row.detector is None else THINGS + row.detector


class Judge(layers.Layer):
    """Weigh what the witnesses say of each word: sigmoid(a . z + a_0).

    Axes: B batch, V words.

    Args:
        words: V.

    Call arguments:
        witnesses: log odds, float (B, V) of each of `WITNESSES`.

    Returns:
        float32 (B, V), probabilities.
    """

    def __init__(self, words: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.words = words

    def build(self, witnesses_shape: Any) -> None:
        """Create the weights, (V,) each: a bundle rounds vectors hardly at all."""
        names = (*WITNESSES, "bias")
        self.parts = [
            self.add_weight(name=name, shape=(self.words,), initializer="zeros")
            for name in names
        ]
        self.built = True

    def call(self, witnesses: Sequence[Any]) -> Any:
        """Weigh, and turn log odds into probabilities."""
        *scales, odds = self.parts
        for scale, witness in zip(scales, witnesses, strict=True):
            odds = odds + scale * witness
        return ops.sigmoid(odds)


class _Sums:
    """Sums of probabilities over sets of classes that lie within or beside each other.

    In the right order each set is a row of neighbours, and its sum the difference of
    two running sums.

    Raises:
        ValueError: if two sets overlap.
    """

    def __init__(self, sets: Sequence[tuple[int, ...]]):
        ordered = sorted({s for s in sets if s}, key=lambda s: (-len(s), s))
        inside: dict[int, list[int]] = {}
        for number, members in enumerate(ordered):
            for member in members:
                inside.setdefault(member, []).append(number)
        self.order = sorted(inside, key=lambda member: (inside[member], member))
        place = {member: i for i, member in enumerate(self.order)}
        self.starts = [min((place[m] for m in s), default=0) for s in sets]
        sizes = (len(set(members)) for members in sets)
        self.ends = [a + b for a, b in zip(self.starts, sizes, strict=True)]
        for start, end, members in zip(self.starts, self.ends, sets, strict=True):
            if {*self.order[start:end]} != {*members}:
                raise ValueError(f"`sets` overlap. Received: {members}")

    def __call__(self, probs: Any) -> Any:
        """Sum (..., classes) to (..., sets)."""
        chosen = ops.take(probs, self.order or [0], axis=-1)
        running = ops.cumsum(chosen, axis=-1)
        running = ops.concatenate([running[..., :1] * 0.0, running], axis=-1)
        ends = ops.take(running, self.ends, axis=-1)
        return ends - ops.take(running, self.starts, axis=-1)


def _log_count(rows: Any) -> Any:
    """The logarithm of R, which may be known only when the net runs."""
    return ops.log(ops.cast(ops.shape(rows)[1], "float32"))


def _log_odds(probs: Any) -> Any:
    probs = ops.clip(probs, LEAST, 1.0 - LEAST)
    return ops.log(probs) - ops.log(1.0 - probs)


def read_net(folder: Path) -> ConceptNet:
    """Make the concept net that the table in a folder describes, without weights.

    Args:
        folder: a bundle's, or what `captioner teach` wrote.

    Raises:
        AppError: if the table is refused, or describes no net of such weights.
    """
    table = read_table(folder)
    detectors = sum(row.detector is not None for row in table)
    outputs = (THINGS + detectors) * (REGION_UNITS + POOLED_UNITS)
    judges = 2 * (len(WITNESSES) + 1) * len(table)
    check_size(folder, outputs + judges, "concepts")
    try:
        return ConceptNet(table)
    except ValueError as error:  # sets that neither lie within nor beside each other
        raise AppError(
            f"{folder / TABLE} is no table of concepts: {error}. {get_again(folder)}"
        ) from error


def load_concepts(folder: Path) -> ConceptNet:
    """Load what `captioner teach` wrote.

    Raises:
        AppError: if the folder holds none.
    """
    net = read_net(folder)
    try:
        size = int(json.loads((folder / ABOUT).read_text("utf-8"))["feature_size"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise AppError(
            f"{folder / ABOUT} does not say how long features are: {error!s:.200}. "
            "Make the concepts anew with `captioner teach`."
        ) from error
    net.build((None, None, size))
    load_weights(folder, net)
    return net
