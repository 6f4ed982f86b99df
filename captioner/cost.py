"""What a training takes: disk, and time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from captioner.config import CaptionerConfig, StageConfig

# The seconds below were measured on 2 cores that multiply matrices at this rate.
REFERENCE_RATE = 54e9  # multiplications a second of one core
MATRIX = 96  # rows and columns: few enough to stay on one core

START = 15.0  # seconds to load TensorFlow and the model, and to write the bundle
SAVE = 2.5e-8  # seconds to store a weight after each epoch, thrice
PREPARE = 12.0  # seconds before the first step of a stage, while its graph is built
PREPARE_JOINT = 22.0  # the same if the encoder is trained, too
STEP = 0.04  # seconds of a step, whatever is in it
READ = 0.004  # seconds to read a photo of a camera, made small
RATE = 25e9  # multiplications a second in training and search
BACKWARD = 3  # a step of training takes as long as so many forward passes
TOKENS = 12  # words of a caption
REGIONS = 49
# Million multiplications for an image of 224 x 224 px; by the names' starts.
ENCODERS: Mapping[str, int] = {
    "small": 60,
    "mobilenet_v3_small": 56,
    "mobilenet_v3_large": 217,
    "mobilenet": 300,
    "efficientnet_lite": 600,
    "efficientnet": 700,
    "resnet50": 3900,
    "resnet": 8000,
    "": 2000,
}


@dataclass(frozen=True)
class Cost:
    """What a training takes on this computer, as an estimate; all in seconds.

    Attributes:
        disk: bytes of the stored features.
        features: to compute them, once.
        stages: name and time of each stage, if it runs all its epochs.
        start: for what comes before and after.
    """

    disk: int
    features: float
    stages: tuple[tuple[str, float], ...]
    start: float = START

    @property
    def total(self) -> float:
        """Seconds in all."""
        return self.start + self.features + sum(seconds for _, seconds in self.stages)


def estimate_cost(
    recipe: CaptionerConfig, train: int, dev: int, words: int, rate: float
) -> Cost:
    """Estimate what a training takes, within a factor of two.

    Args:
        recipe: with the stages to come, also of a model that is trained further.
        train: photos to learn from.
        dev: photos to choose by.
        words: size of the vocabulary.
        rate: of this computer, see `measure_rate`.
    """
    slower = REFERENCE_RATE / rate
    frozen = [stage for stage in recipe.stages if not stage.encoder_rate]
    views = dev + train * (2 if any(stage.augment for stage in frozen) else 1)
    look = READ + _encoder(recipe) / RATE
    stages = tuple(
        (stage.name, slower * _stage(stage, recipe, train, dev, words, look))
        for stage in recipe.stages
    )
    return Cost(
        disk=views * REGIONS * 1280 * 2 if frozen else 0,
        features=slower * look * views if frozen else 0.0,
        stages=stages,
        start=slower * START,
    )


def _stage(
    stage: StageConfig,
    recipe: CaptionerConfig,
    train: int,
    dev: int,
    words: int,
    look: float,
) -> float:
    """Seconds of a stage that runs all its epochs."""
    token = _decoder(recipe, words) / RATE
    batch = min(stage.batch_size, max(1, train))
    steps = train // batch
    joint = stage.encoder_rate > 0
    captions = stage.captions / (1 - stage.texts)
    photo = captions * TOKENS * token * BACKWARD
    if stage.objective == "self_critical":  # which searches first
        photo *= 2
    if joint:
        photo += READ + (look - READ) * BACKWARD
    steps_time = STEP * (2 if stage.texts else 1)
    search = TOKENS * (recipe.decoding.beam_size * token + STEP / 60)
    chosen = dev * (search + (look if joint else 0))
    weights = _decoder(recipe, words) + 2e6
    epoch = steps * (steps_time + batch * photo) + chosen + SAVE * weights
    return stage.epochs * epoch + (PREPARE_JOINT if joint else PREPARE)


def _encoder(recipe: CaptionerConfig) -> float:
    """Multiplications to look at one photo."""
    name = recipe.encoder.name
    start = next(start for start in ENCODERS if name.startswith(start))
    return ENCODERS[start] * 1e6 * (recipe.encoder.image_size / 224) ** 2


def _decoder(recipe: CaptionerConfig, words: int) -> float:
    """Multiplications for one word."""
    net = recipe.decoder
    cell = 4 * net.units * (net.embed_dim + net.region_units + net.units) * net.layers
    attention = REGIONS * (net.attention_units + net.region_units)
    return cell + attention + net.embed_dim * (net.units + words)


def measure_rate() -> float:
    """Measure how many multiplications a second a core of this computer does."""
    matrix = np.ones((MATRIX, MATRIX), np.float32)
    product = np.empty_like(matrix)
    best = np.inf
    for _ in range(20):  # a few hundredths of a second, whatever else runs
        started = time.process_time()
        for _ in range(100):
            np.matmul(matrix, matrix, out=product)
        best = min(best, time.process_time() - started)
    return 100 * MATRIX**3 / max(best, 1e-6)
