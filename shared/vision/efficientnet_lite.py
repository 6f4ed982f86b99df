"""EfficientNet-Lite: a backbone made for 8-bit numbers, and its ImageNet classifier.

EfficientNet (Tan & Le 2019, arXiv:1905.11946) without squeeze-and-excitation, with
ReLU6 in place of swish, and with a stem and a head that no width scales (Renjie Liu
2020, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog).
Keras has no such nets, so neither are there weights to download: they come from an
`.npz` file with arrays named by place, such as `blocks.3.expand.conv.kernel`.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from shared.errors import AppError


class _Scale(NamedTuple):
    width: float
    depth: float


SCALES = {
    "efficientnet_lite0": _Scale(1.0, 1.0),
    "efficientnet_lite1": _Scale(1.0, 1.1),
    "efficientnet_lite2": _Scale(1.1, 1.2),
    "efficientnet_lite3": _Scale(1.2, 1.4),
    "efficientnet_lite4": _Scale(1.4, 1.8),
}


class _Stage(NamedTuple):
    kernel: int  # px
    stride: int
    expansion: int
    filters: int
    blocks: int


_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000
_EPSILON = (
    1e-3  # of the batch normalisation that the published weights were trained with
)
_FORM = {"kernel": "kernel", "gamma": "gamma", "beta": "beta"} | {
    "moving_mean": "mean",
    "moving_variance": "variance",
}


class Classifier(NamedTuple):
    """The last layer: ImageNet's classes from features.

    Attributes:
        kernel: float32 (1280, 1000); the classes are in ImageNet's order.
        bias: float32 (1000,).
    """

    kernel: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Give the probability of each class.

        Args:
            features: float (B, R, 1280), as the encoder gives them.

        Returns:
            float32 (B, 1000), summing to 1.
        """
        logits = features.mean(axis=1) @ self.kernel + self.bias
        exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exps / exps.sum(axis=-1, keepdims=True)


def efficientnet_lite(
    name: str,
    weights: str | None,
    include_top: bool,
    input_shape: tuple[int, int, int],
) -> keras.Model:
    """Build a backbone, as the functions of `keras.applications` do.

    Args:
        name: a key of `SCALES`.
        weights: path of an `.npz` file as above or of a Keras weights file, or None.
        include_top: must be False; see `read_classifier`.
        input_shape: height, width and 3; float pixels, (0..255 - 127) / 128.

    Returns:
        net from (B, H, W, 3) to (B, H / 32, W / 32, 1280).

    Raises:
        AppError: if the file does not hold these weights.
        ValueError: if ImageNet's weights are to be downloaded.
    """
    if weights == "imagenet":
        raise ValueError(
            "it has no weights to download; give the path of an .npz file of them"
        )
    if include_top:
        raise ValueError("it is built without its classifier; see `read_classifier`")
    width, depth = SCALES[name]
    image = keras.Input(input_shape)
    x = _convolve(image, "stem", _STEM, kernel=3, stride=2)
    number = 0
    for place, stage in enumerate(_STAGES):
        is_end = place in (0, len(_STAGES) - 1)
        filters = _round(stage.filters * width)
        for block in range(stage.blocks if is_end else math.ceil(stage.blocks * depth)):
            stride = stage.stride if block == 0 else 1
            x = _block(x, f"blocks.{number}", stage, filters, stride)
            number += 1
    model = keras.Model(image, _convolve(x, "head", _HEAD), name=name)
    if weights and weights.endswith(".npz"):
        _set_weights(model, weights)
    elif weights:
        model.load_weights(weights)
    return model


efficientnet_lite0, efficientnet_lite1, efficientnet_lite2 = (
    partial(efficientnet_lite, f"efficientnet_lite{number}") for number in range(3)
)
efficientnet_lite3 = partial(efficientnet_lite, "efficientnet_lite3")
efficientnet_lite4 = partial(efficientnet_lite, "efficientnet_lite4")


def read_classifier(path: str) -> Classifier:
    """Read the classifier that belongs to a backbone's weights.

    Args:
        path: an `.npz` file, see above.

    Raises:
        AppError: if it is not there, or not of that size.
    """
    arrays = _read(path)
    return Classifier(
        _take(arrays, "classifier.kernel", (_HEAD, _CLASSES), path),
        _take(arrays, "classifier.bias", (_CLASSES,), path),
    )


def _block(x: Any, name: str, stage: _Stage, filters: int, stride: int) -> Any:
    """Expand, look around in each channel, project (Sandler et al. 2018)."""
    start, channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = _convolve(x, f"{name}.expand", channels * stage.expansion)
    x = layers.DepthwiseConv2D(
        stage.kernel,
        stride,
        padding="same",
        use_bias=False,
        name=f"{name}.depthwise.conv",
    )(x)
    x = _normalize(x, f"{name}.depthwise")
    x = _convolve(x, f"{name}.project", filters, is_linear=True)
    return x if stride > 1 or channels != filters else layers.add([start, x])


def _convolve(
    x: Any,
    name: str,
    filters: int,
    kernel: int = 1,
    stride: int = 1,
    is_linear: bool = False,
) -> Any:
    x = layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, name=f"{name}.conv"
    )(x)
    return _normalize(x, name, is_linear)


def _normalize(x: Any, name: str, is_linear: bool = False) -> Any:
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}.bn")(x)
    return x if is_linear else layers.ReLU(6.0, name=f"{name}.relu")(x)


def _round(filters: float) -> int:
    """Make a number of filters a multiple of 8, less than a tenth below what it was."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def _set_weights(model: keras.Model, path: str) -> None:
    arrays = _read(path)
    for layer in model.layers:
        for weight in layer.weights:
            place = f"{layer.name}.{_FORM[weight.name]}"
            weight.assign(_take(arrays, place, tuple(weight.shape), path))
    others = sorted(arrays.keys() - {"classifier.kernel", "classifier.bias"})
    if others:
        raise _other_weights(path, f"it has {others[0]}, too")


def _read(path: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # whatever a broken archive leads to
        raise AppError(f"{path}: these weights cannot be read: {error}") from error


def _take(
    arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: str
) -> np.ndarray:
    found = arrays.pop(name, None)
    if found is None or found.shape != shape:
        received = "missing" if found is None else f"of shape {found.shape}"
        raise _other_weights(path, f"{name} is {received}, not of shape {shape}")
    return found.astype(np.float32)


def _other_weights(path: str, reason: str) -> AppError:
    return AppError(
        f"{path} has the weights of another net: {reason}. Give the weights of the "
        "encoder that the recipe names."
    )
