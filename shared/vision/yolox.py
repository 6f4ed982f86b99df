"""YOLOX-Nano: a detector of COCO's 80 kinds of things, by box, in Keras.

Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430: CSPDarknet, a
pyramid of features (PAFPN), and a head that tells class, box and objectness apart; 0.9
million weights. They come from an `.npz` file with arrays named by place, such as
`backbone.lateral_conv0.conv.kernel`, whose batch normalisation is folded in.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from shared.errors import AppError
from shared.vision.detector import SIZE

STRIDES = (8, 16, 32)  # px of the input, of a cell of each grid
CLASSES = 80
_POOLS = (5, 9, 13)  # cells, in spatial pyramid pooling


class YoloxNano(keras.Model):
    """Find things in images.

    Args:
        size: px, height and width of the images, a multiple of 32; the published scores
            are for 416.

    Call arguments:
        images: uint8 or float (B, size, size, 3), RGB, 0 to 255; of a photo that is no
            square, with 114 at the right or below.

    Returns:
        float32 (B, N, 85), a row for each cell of the grids of size / 8, size / 16 and
        size / 32 cells a side: x, y of the centre, width and height in pixels of the
        input; objectness; and the probability of each class, given that there is a
        thing.
    """

    def __init__(self, size: int = SIZE) -> None:
        image = keras.Input((size, size, 3))
        x = ops.conv(ops.cast(image, "float32"), _phases(), strides=2)
        grids = _pyramid(*_darknet(x))
        found = [
            _head(grid, i, size // stride, stride)
            for i, (grid, stride) in enumerate(grids)
        ]
        super().__init__(image, ops.concatenate(found, axis=1), name="yolox_nano")

    def load(self, path: str | Path) -> None:
        """Take the published weights.

        Raises:
            AppError: if the file does not hold them.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                for layer in self.layers:
                    if layer.weights:
                        parts = ("kernel", "bias")
                        layer.set_weights([arrays[f"{layer.name}.{p}"] for p in parts])
        except (OSError, ValueError, KeyError) as error:
            raise AppError(
                f"{path} does not hold the weights of YOLOX-Nano: {error}. Give the "
                "`.npz` file with arrays such as backbone.stem.conv.conv.kernel."
            ) from error


def _phases():
    """A kernel that puts the four pixels of each 2 x 2 side by side, column by column.

    It picks each of their channels, as BGR, which the net knows. To slice and join
    them gives the same, but took LiteRT a third of the time of the whole net.
    """
    kernel = np.zeros((2, 2, 3, 12), np.float32)
    for place, (column, row) in enumerate(np.ndindex(2, 2)):
        for channel in range(3):
            kernel[row, column, 2 - channel, 3 * place + channel] = 1
    return kernel


def _convolve(x, name, filters, kernel=1, stride=1, depthwise=False):
    """A convolution as PyTorch pads it, and SiLU."""
    padding = "same"
    if stride > 1:  # "same" would add a row at the end alone
        x = layers.ZeroPadding2D(kernel // 2)(x)
        padding = "valid"
    build = layers.DepthwiseConv2D if depthwise else layers.Conv2D
    sizes = (kernel,) if depthwise else (filters, kernel)
    return ops.silu(build(*sizes, stride, padding, name=f"{name}.conv")(x))


def _separable(x, name, filters, stride=1):
    x = _convolve(x, f"{name}.dconv", None, 3, stride, depthwise=True)
    return _convolve(x, f"{name}.pconv", filters)


def _stage(x, name, filters, blocks=1, shortcut=False):
    """A cross-stage partial stage: half of it through blocks, half around them."""
    inner, around = (_convolve(x, f"{name}.conv{i}", filters // 2) for i in (1, 2))
    for i in range(blocks):
        y = _convolve(inner, f"{name}.m.{i}.conv1", filters // 2)
        y = _separable(y, f"{name}.m.{i}.conv2", filters // 2)
        inner = inner + y if shortcut else y
    both = ops.concatenate([inner, around], axis=-1)
    return _convolve(both, f"{name}.conv3", filters)


def _darknet(x):
    """Features at strides 8, 16 and 32: 64, 128 and 256 of them."""
    name = "backbone.backbone"
    x = _convolve(x, f"{name}.stem.conv", 16, 3)
    found = []
    for number, (filters, blocks) in enumerate([(32, 1), (64, 3), (128, 3)], 2):
        x = _separable(x, f"{name}.dark{number}.0", filters, 2)
        x = _stage(x, f"{name}.dark{number}.1", filters, blocks, shortcut=True)
        found.append(x)
    x = _separable(x, f"{name}.dark5.0", 256, 2)
    x = _convolve(x, f"{name}.dark5.1.conv1", 128)
    pools = [ops.max_pool(x, size, 1, "same") for size in _POOLS]
    x = _convolve(ops.concatenate([x, *pools], -1), f"{name}.dark5.1.conv2", 256)
    return *found[1:], _stage(x, f"{name}.dark5.2", 256)


def _pyramid(fine, middle, coarse):
    """Mix what is seen at each size, down and up again: grids with their strides."""

    def join(x, y, name, filters):
        return _stage(ops.concatenate([x, y], axis=-1), f"backbone.{name}", filters)

    def grow(x):
        return ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2)

    top = _convolve(coarse, "backbone.lateral_conv0", 128)
    x = join(grow(top), middle, "C3_p4", 128)
    half = _convolve(x, "backbone.reduce_conv1", 64)
    fine = join(grow(half), fine, "C3_p3", 64)
    down = _separable(fine, "backbone.bu_conv2", 64, 2)
    middle = join(down, half, "C3_n3", 128)
    down = _separable(middle, "backbone.bu_conv1", 128, 2)
    coarse = join(down, top, "C3_n4", 256)
    return zip((fine, middle, coarse), STRIDES, strict=True)


def _head(x, number, side, stride):
    """Boxes, objectness and classes of one grid: (B, side * side, 85)."""
    x = _convolve(x, f"head.stems.{number}", 64)
    kinds = boxes = x
    for i in (0, 1):
        kinds = _separable(kinds, f"head.cls_convs.{number}.{i}", 64)
        boxes = _separable(boxes, f"head.reg_convs.{number}.{i}", 64)

    def predict(features, part, filters):
        x = layers.Conv2D(filters, 1, name=f"head.{part}_preds.{number}")(features)
        return ops.reshape(x, (-1, side * side, filters))

    box = predict(boxes, "reg", 4)
    rows, columns = np.divmod(np.arange(side * side), side)
    cells = np.stack([columns, rows], axis=-1).astype("float32")
    return ops.concatenate(
        [
            (box[..., :2] + cells) * stride,
            ops.exp(box[..., 2:]) * stride,
            ops.sigmoid(predict(boxes, "obj", 1)),
            ops.sigmoid(predict(kinds, "cls", CLASSES)),
        ],
        axis=-1,
    )
