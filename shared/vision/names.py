"""The encoders that a recipe can name. Configs ask here, without Keras."""

from collections.abc import Callable
from pkgutil import resolve_name
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
        build: what builds it, or where that is: "package.module:function". As those of
            `keras.applications`, it takes `weights`, `include_top` and `input_shape`,
            and gives a model from (B, H, W, 3) to the cells of a grid, (B, rows,
            columns, D). A vision transformer puts its patches in rows, without the
            class token.
        scaling: of its pixels.
    """

    build: str | Callable[..., Any]
    scaling: Scaling

    def builder(self) -> Callable[..., Any]:
        """Give what builds it; this imports Keras."""
        build = self.build
        return resolve_name(build) if isinstance(build, str) else build


_KERAS, _LITE = "keras.applications", "shared.vision.efficientnet_lite"

ENCODERS = {
    "small": Source("shared.vision.small:small", "unit"),
    "vgg16": Source(f"{_KERAS}:VGG16", "caffe"),
    "vgg19": Source(f"{_KERAS}:VGG19", "caffe"),
    "resnet50": Source(f"{_KERAS}:ResNet50", "caffe"),
    "resnet101": Source(f"{_KERAS}:ResNet101", "caffe"),
    "resnet152": Source(f"{_KERAS}:ResNet152", "caffe"),
    "resnet50_v2": Source(f"{_KERAS}:ResNet50V2", "unit"),
    "resnet101_v2": Source(f"{_KERAS}:ResNet101V2", "unit"),
    "resnet152_v2": Source(f"{_KERAS}:ResNet152V2", "unit"),
    "inception_v3": Source(f"{_KERAS}:InceptionV3", "unit"),
    "mobilenet_v2": Source(f"{_KERAS}:MobileNetV2", "unit"),
    "mobilenet_v3_small": Source(f"{_KERAS}:MobileNetV3Small", "pixels"),
    "mobilenet_v3_large": Source(f"{_KERAS}:MobileNetV3Large", "pixels"),
    "efficientnet_v2_b0": Source(f"{_KERAS}:EfficientNetV2B0", "pixels"),
    "efficientnet_v2_b1": Source(f"{_KERAS}:EfficientNetV2B1", "pixels"),
    "efficientnet_v2_b2": Source(f"{_KERAS}:EfficientNetV2B2", "pixels"),
    "efficientnet_v2_b3": Source(f"{_KERAS}:EfficientNetV2B3", "pixels"),
    "efficientnet_v2_s": Source(f"{_KERAS}:EfficientNetV2S", "pixels"),
    "efficientnet_lite0": Source(f"{_LITE}:efficientnet_lite0", "bytes"),
    "efficientnet_lite1": Source(f"{_LITE}:efficientnet_lite1", "bytes"),
    "efficientnet_lite2": Source(f"{_LITE}:efficientnet_lite2", "bytes"),
    "efficientnet_lite3": Source(f"{_LITE}:efficientnet_lite3", "bytes"),
    "efficientnet_lite4": Source(f"{_LITE}:efficientnet_lite4", "bytes"),
    "convnext_tiny": Source(f"{_KERAS}:ConvNeXtTiny", "pixels"),
    "convnext_small": Source(f"{_KERAS}:ConvNeXtSmall", "pixels"),
    "convnext_base": Source(f"{_KERAS}:ConvNeXtBase", "pixels"),
}


def _check_encoder(name: str) -> str:
    if name not in ENCODERS:
        raise ValueError(f"no encoder {name!r}. There are {', '.join(ENCODERS)}")
    return name


EncoderName = Annotated[str, AfterValidator(_check_encoder)]
