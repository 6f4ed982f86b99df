"""An encoder: uint8 pixels to the features of regions, which are cells of a grid."""

import hashlib
import os
import re
from pathlib import Path

import keras
import numpy as np
from keras import ops

from shared.addresses import refuse_address
from shared.bundles.folder import check_bundle
from shared.bundles.manifests import CONFIG, read_text, weight_files
from shared.bundles.trial import try_files
from shared.bundles.weights import load_weights
from shared.config import parse_toml
from shared.errors import AppError
from shared.vision.names import ENCODERS

CAFFE_MEAN = (103.939, 116.779, 123.68)  # Simonyan & Zisserman 2015, BGR


class Encoder(keras.Model):
    """A convolutional net without its classifier.

    Batch normalisation and stochastic depth always run as at inference: the few
    photos of a captioning batch would spoil their statistics.

    Axes: B batch, H W image px, R regions, D feature size.

    Args:
        name: a key of `shared.vision.names.ENCODERS`.
        image_size: height and width of its input, px.
        weights: "imagenet", the path of a Keras weights file without top, the folder
            of a bundle with an encoder of this name, or None for random weights.

    Call arguments:
        images: uint8 (B, H, W, 3), RGB. Pixel scaling happens inside.

    Attributes:
        grid: rows and columns of the last feature map; R is their product.

    Returns:
        float32 (B, R, D), the rows of the last feature map one after the other.

    Raises:
        AppError: if the name is unknown, or the weights cannot be had.
    """

    def __init__(self, name: str, image_size: int, weights: str | None):
        super().__init__(name="encoder")
        if name not in ENCODERS:
            raise AppError(f"No encoder {name!r}. There are {', '.join(ENCODERS)}.")
        self.scaling = ENCODERS[name].scaling
        bundle = Path(weights) if weights and Path(weights).is_dir() else None
        self.backbone = _load(name, image_size, None if bundle else weights)
        self.image_size = image_size
        *grid, self.feature_size = self.backbone.output_shape[1:]
        self.grid = rows, columns = tuple(grid)
        self.regions = rows * columns
        self.built = True
        if bundle:
            _check_origin(bundle, name)
            load_weights(bundle, self, "encoder")

    def call(self, images):
        """Give the region features of a batch of images."""
        return ops.reshape(self.map(images), (-1, self.regions, self.feature_size))

    def map(self, images):
        """Give the last feature map: float32 (B, rows, columns, D)."""
        return self.backbone(self._scale(images), training=False)

    def export(self, images):
        """Give what an exported graph does; see `shared.bundles.litert.EncoderGraph`.

        The features of a square grid are those of the call; others are the map, from
        whose shape the grid is known without Keras.
        """
        rows, columns = self.grid
        return self(images) if rows == columns else self.map(images)

    def _scale(self, images):
        pixels = ops.cast(images, "float32")
        if self.scaling == "unit":
            return pixels / 127.5 - 1.0
        if self.scaling == "caffe":
            return pixels[..., ::-1] - ops.array(CAFFE_MEAN, "float32")
        if self.scaling == "bytes":
            return (pixels - 127.0) / 128.0
        return pixels

    def train_from(self, block: str) -> None:
        """Choose what a training step may change.

        Args:
            block: "all", "none", or the name of the first backbone layer to train;
                every later one is trained too.

        Raises:
            AppError: if the backbone has no such layer.
        """
        names = [layer.name for layer in self.backbone.layers]
        if block not in ("all", "none", *names):
            raise AppError(
                f"The encoder has no layer {block!r}. Give all, none or one of "
                f"{', '.join(names)}."
            )
        first = {"all": 0, "none": len(names)}.get(block)
        first = names.index(block) if first is None else first
        # Through the parent first: setting it would overwrite the layers' own.
        self.trainable = True
        for index, layer in enumerate(self.backbone.layers):
            layer.trainable = index >= first

    def calibrate(self, images: np.ndarray) -> None:
        """Set the statistics of batch normalisation to those of a batch of images.

        Only for random weights, before `train_from`: with the initial statistics, a
        deep net shrinks its input to nothing, and cannot be trained.

        Args:
            images: uint8 (B, H, W, 3), typical ones.

        Source: Salimans & Kingma 2016, arXiv:1602.07868, on initialising from data.
        """
        norms = [
            layer
            for layer in self.backbone.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0
        self.backbone(self._scale(images), training=True)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def fingerprint(self) -> str:
        """Hexadecimal digest of all that features depend on, weights included."""
        digest = hashlib.sha256(f"{self.backbone.name} {self.image_size}".encode())
        for weight in self.weights:
            digest.update(ops.convert_to_numpy(weight).tobytes())
        return digest.hexdigest()


def _load(name: str, image_size: int, weights: str | None) -> keras.Model:
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        refuse_address(weights, "weights")
        raise AppError(
            f"No encoder weights at {weights}. Give the path of a Keras weights file "
            f"for {name} without top, the folder of a bundle that has this encoder, or "
            "imagenet to let Keras download them."
        )
    shape = (image_size, image_size, 3)
    try:
        return ENCODERS[name].builder()(
            weights=weights, include_top=False, input_shape=shape
        )
    except Exception as error:  # Keras raises a bare one when a download fails
        url = re.search(r"https://\S+\.h5", str(error))
        if weights == "imagenet" and url:
            raise AppError(
                f"The weights of {name} could not be downloaded. Fetch {url[0]} where "
                f"there is internet, put it into {_cache()}, or give its path with "
                "--encoder-weights."
            ) from error
        raise AppError(
            f"The encoder {name} cannot be built at {image_size} px with weights "
            f"{weights}: {error}"
        ) from error


def _check_origin(bundle: Path, name: str) -> None:
    """Make sure that a folder is a bundle, of any task, with this encoder."""
    digests = check_bundle(bundle, None, [CONFIG, *weight_files(bundle).values()])
    values = parse_toml(read_text(bundle, CONFIG), str(bundle / CONFIG))
    try:
        found = values["encoder"]["name"]
    except (KeyError, TypeError) as error:
        raise AppError(
            f"{bundle / CONFIG} does not say which encoder the bundle has. Get the "
            "bundle again, or start from other weights."
        ) from error
    if found != name:
        raise AppError(
            f"The bundle {bundle} has the encoder {found!s:.60}, not {name}. Name "
            f"{found!s:.60} in the recipe, or start from other weights."
        )
    try_files(bundle, digests)


def _cache() -> Path:
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
