"""What a training takes on this computer: memory, disk, and time.

A task says what an epoch of each of its stages computes, as an `Epoch`; the rest is
the same for all.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from shared.data.checking import as_size, as_time
from shared.runs.recipes import EncoderConfig, PhotoStageConfig

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
PROGRAM = 1.1e9  # bytes of memory, of TensorFlow, Keras and the graphs of a small net
RECORD = 3200  # bytes of a photo and what is said of it, five captions or questions
WEIGHT = 24  # bytes: itself, a gradient, two moments, an average, a copy to save
NUMBER = 24  # bytes of what a step predicts, till its gradients are there
JOINT = 150e6  # bytes to train an encoder on a photo of 224 x 224 px: ResNet-50's
REGIONS, FEATURES = 49, 1280  # of a photo, and numbers of each, as most encoders
# Numbers of a region, where they are not so many; by the names' starts.
FEATURE_SIZES: Mapping[str, int] = {
    "small": 128,
    "vgg": 512,
    "resnet": 2048,
    "inception": 2048,
    "mobilenet_v3_small": 576,
    "mobilenet_v3_large": 960,
    "efficientnet_v2_b2": 1408,
    "efficientnet_v2_b3": 1536,
    "convnext_base": 1024,
    "convnext": 768,
    "": FEATURES,
}
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

Stage = TypeVar("Stage", bound=PhotoStageConfig)


class Epoch(NamedTuple):
    """What an epoch computes, beside looking at photos.

    Attributes:
        steps: how many there are.
        photos: in a step.
        forward: multiplications of a step's forward pass.
        judging: multiplications to validate.
        weights: numbers stored after it.
        waiting: further seconds of all steps, on the reference computer.
        scores: that a step predicts: of each word at each place, or of each answer.
        held: further bytes of memory, whatever is in a step.
    """

    steps: int
    photos: int
    forward: float
    judging: float
    weights: float
    waiting: float = 0.0
    scores: float = 0.0
    held: float = 0.0

    def seconds(self, look: float, dev: int, trained: bool = False) -> float:
        """Give its time on the reference computer.

        Args:
            look: seconds to look at a photo, if that is done in each step; else 0.
            dev: photos to choose by.
            trained: whether the encoder is trained, too.
        """
        further = (BACKWARD - 1) * (look - READ) if trained else 0.0
        step = STEP + self.forward * BACKWARD / RATE + self.photos * (look + further)
        after = self.judging / RATE + dev * look + SAVE * self.weights
        return self.steps * step + after + self.waiting

    def memory(self, trained: float) -> float:
        """Give its bytes.

        Args:
            trained: bytes to train the encoder on a photo, if it is; else 0.
        """
        step = NUMBER * self.scores + self.photos * trained
        return step + WEIGHT * self.weights + self.held


@dataclass(frozen=True)
class Cost:
    """What a training takes on this computer, as an estimate; times in seconds.

    Attributes:
        disk: bytes of the stored features.
        features: to compute them, once.
        stages: name and time of each stage, if it runs all its epochs.
        start: for what comes before and after.
        memory: bytes, at most at a time; without the parts of the stored features
            that the system keeps in memory while there is room. 0 is not known.
    """

    disk: int
    features: float
    stages: tuple[tuple[str, float], ...]
    start: float = START
    memory: int = 0

    @property
    def total(self) -> float:
        """Seconds in all."""
        return self.start + self.features + sum(seconds for _, seconds in self.stages)


def estimate_cost(
    stages: Sequence[Stage],
    encoder: EncoderConfig,
    train: int,
    dev: int,
    epoch_of: Callable[[Stage], Epoch],
    is_mirrored: Callable[[Stage], bool],
    rate: float,
) -> Cost:
    """Estimate what a training on photos takes, within a factor of two.

    The memory is that of the program, of what is said of photos, and of the stage that
    needs most: its weights, a step's numbers, and what is trained of the encoder.

    Args:
        stages: those to come.
        encoder: of the recipe.
        train: photos to learn from.
        dev: photos to choose by.
        epoch_of: says what an epoch of a stage computes.
        is_mirrored: whether a stage needs the features of mirrored photos as well.
        rate: of this computer, see `measure_rate`.
    """
    slower = REFERENCE_RATE / rate
    views = _count_views(stages, train, dev, is_mirrored)
    look = READ + _encoder(encoder) / RATE

    def seconds(stage: Stage) -> float:
        joint = stage.encoder_rate > 0
        each = look if stage.reads_photos else 0.0
        epoch = epoch_of(stage).seconds(each, dev, joint)
        return stage.epochs * epoch + (PREPARE_JOINT if joint else PREPARE)

    def memory(stage: Stage) -> float:
        joint = JOINT * (encoder.image_size / 224) ** 2 if stage.encoder_rate else 0.0
        return epoch_of(stage).memory(joint)

    return Cost(
        disk=views * count_numbers(encoder) * 2,
        features=slower * look * views,
        stages=tuple((stage.name, slower * seconds(stage)) for stage in stages),
        start=slower * START,
        memory=round(
            PROGRAM + RECORD * (train + dev) + max(map(memory, stages), default=0.0)
        ),
    )


def _count_views(
    stages: Sequence[Stage], train: int, dev: int, is_mirrored: Callable[[Stage], bool]
) -> int:
    """Count the views of photos that are kept, anew after the encoder was trained."""
    trained = 0
    kept: set[tuple[int, bool]] = set()  # how the encoder is, whether both ways round
    for stage in stages:
        if stage.encoder_rate:
            trained += 1
        elif not stage.reads_photos:
            kept.add((trained, is_mirrored(stage)))
    to_learn = sum(2 if both else 1 for _, both in kept)
    return train * to_learn + dev * len({encoder for encoder, _ in kept})


def count_numbers(config: EncoderConfig) -> int:
    """Count the numbers that an encoder turns a photo into, in all regions."""
    start = next(start for start in FEATURE_SIZES if config.name.startswith(start))
    side = 16 if start == "small" else 32  # of a region, px
    return math.ceil(config.image_size / side) ** 2 * FEATURE_SIZES[start]


def _encoder(config: EncoderConfig) -> float:
    """Multiplications to look at one photo."""
    start = next(start for start in ENCODERS if config.name.startswith(start))
    return ENCODERS[start] * 1e6 * (config.image_size / 224) ** 2


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


def report_cost(cost: Cost, recipe: str) -> str:
    """Say what training takes, and for which recipe."""
    lines = [
        f"training with {recipe} will take about {as_time(cost.total)} on this "
        "computer's processor, if it does nothing else:",
        f"  start and end  {as_time(cost.start)}",
    ]
    if cost.memory:
        lines.insert(1, f"  memory         about {as_size(cost.memory)}")
    if cost.features:
        took, disk = as_time(cost.features), as_size(cost.disk)
        lines.append(f"  features       {took}, once; {disk} of disk")
    lines += [
        f"  stage {name:8} at most {as_time(seconds)}" for name, seconds in cost.stages
    ]
    return "\n".join(lines)
