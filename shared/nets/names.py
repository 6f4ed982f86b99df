"""What a recipe calls by name: encoders and cells. Configs ask here, without Keras."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator

# What a backbone was trained on, measured from pixels 0 to 255:
#   pixels  the backbone scales by itself
#   unit    pixels / 127.5 - 1
#   caffe   blue-green-red, less the mean of ImageNet
#   bytes   (pixels - 127) / 128
Scaling = Literal["pixels", "unit", "caffe", "bytes"]


class Source(NamedTuple):
    """A backbone and the pixels that it expects.

    Attributes:
        build: name of a function of `keras.applications` or
            `shared.vision.encoders`, or such a function itself.
        scaling: of its pixels.
    """

    build: str | Callable[..., Any]
    scaling: Scaling


ENCODERS = {
    "small": Source("small", "unit"),
    "vgg16": Source("VGG16", "caffe"),
    "vgg19": Source("VGG19", "caffe"),
    "resnet50": Source("ResNet50", "caffe"),
    "resnet101": Source("ResNet101", "caffe"),
    "resnet152": Source("ResNet152", "caffe"),
    "resnet50_v2": Source("ResNet50V2", "unit"),
    "resnet101_v2": Source("ResNet101V2", "unit"),
    "resnet152_v2": Source("ResNet152V2", "unit"),
    "inception_v3": Source("InceptionV3", "unit"),
    "mobilenet_v2": Source("MobileNetV2", "unit"),
    "mobilenet_v3_small": Source("MobileNetV3Small", "pixels"),
    "mobilenet_v3_large": Source("MobileNetV3Large", "pixels"),
    "efficientnet_v2_b0": Source("EfficientNetV2B0", "pixels"),
    "efficientnet_v2_b1": Source("EfficientNetV2B1", "pixels"),
    "efficientnet_v2_b2": Source("EfficientNetV2B2", "pixels"),
    "efficientnet_v2_b3": Source("EfficientNetV2B3", "pixels"),
    "efficientnet_v2_s": Source("EfficientNetV2S", "pixels"),
    "efficientnet_lite0": Source("efficientnet_lite0", "bytes"),
    "efficientnet_lite1": Source("efficientnet_lite1", "bytes"),
    "efficientnet_lite2": Source("efficientnet_lite2", "bytes"),
    "efficientnet_lite3": Source("efficientnet_lite3", "bytes"),
    "efficientnet_lite4": Source("efficientnet_lite4", "bytes"),
    "convnext_tiny": Source("ConvNeXtTiny", "pixels"),
    "convnext_small": Source("ConvNeXtSmall", "pixels"),
    "convnext_base": Source("ConvNeXtBase", "pixels"),
}
CELLS = ("lstm",)  # the keys of `shared.nets.cells.CELLS`


def _check_encoder(name: str) -> str:
    if name not in ENCODERS:
        raise ValueError(f"no encoder {name!r}. There are {', '.join(ENCODERS)}")
    return name


def _check_cell(name: str) -> str:
    if name not in CELLS:
        raise ValueError(f"no cell {name!r}. There are {', '.join(CELLS)}")
    return name


EncoderName = Annotated[str, AfterValidator(_check_encoder)]
CellName = Annotated[str, AfterValidator(_check_cell)]
