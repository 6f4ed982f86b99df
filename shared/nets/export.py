"""Write a trained model in other forms, and keep what is nearly as good as Keras."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import numpy as np
import tensorflow as tf

from shared.bundles import folder as bundles
from shared.console.quiet import muted
from shared.errors import AppError
from shared.vision.images import ImageSource, Resize, read_image

CALIBRATION_PHOTOS = 200
Files = Mapping[str, bytes]  # content by name


class Check(Protocol):
    """How an export compares with Keras; `str` says it in a sentence."""

    @property
    def before(self) -> float:
        """Score of Keras."""

    @property
    def after(self) -> float:
        """Score of the export."""


C = TypeVar("C", bound=Check)


def to_try(precision: str) -> tuple[str, ...]:
    """Give the precisions to try in order; "auto" is int8 if that is good enough."""
    return ("int8", "float16") if precision == "auto" else (precision,)


def export_part(
    folder: Path,
    part: str,
    precisions: Sequence[str],
    write: Callable[[str], Files],
    check: Callable[[Path], C],
    *,
    about: str,
    unit: str,
    max_loss: float,
    announce: Callable[[str], None],
) -> C:
    """Add a part to a bundle, in the first precision that loses little enough.

    Args:
        folder: the bundle.
        part: name of the part, such as "litert".
        precisions: of the encoder, to be tried in order; "" where there is no choice.
        write: precision to the files of the part.
        check: a folder that holds the part to how it compares with Keras.
        about: what the card says of the part, with {} for the precision.
        unit: of the score, such as "CIDEr-D".
        max_loss: how much of the score may be lost.
        announce: told what happens.

    Returns:
        how the part that was added compares with Keras.

    Raises:
        AppError: if more is lost in each precision; nothing is written then.
    """
    for precision in precisions:
        announce(f"writing {part}{precision and f', encoder in {precision}'}")
        with tempfile.TemporaryDirectory() as name:
            with muted():
                files = write(precision)
            _save(files, Path(name, part))
            found = check(Path(name))
        announce(str(found))
        lost = found.before - found.after
        if lost <= max_loss:
            card = f"## As {part}\n\n{about.format(precision)} {found}\n"
            bundles.add_part(folder, part, files, card)
            return found
    other = "try --precision float16, or " if precision == "int8" else ""
    raise AppError(
        f"The exported model loses {lost:.1f} {unit}; {max_loss:g} may be lost, so "
        f"nothing was written. If that is too strict, {other}allow more with "
        "--max-loss."
    )


def _save(files: Files, folder: Path) -> None:
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)


def share_of_same(expected: Sequence[str], found: Sequence[str]) -> float:
    """Say how many texts are the same, 0 to 1."""
    return float(np.mean([a == b for a, b in zip(expected, found, strict=True)]))


def read_typical(
    sources: Sequence[ImageSource], size: int, resize: Resize, command: str
) -> np.ndarray:
    """Read photos to calibrate an encoder in int8 with: some 200, evenly chosen.

    Args:
        sources: the photos; those that cannot be read are left out.
        size: side of the images, px.
        resize: see `read_image`.
        command: whose `data` says what is wrong with photos, for the message.

    Returns:
        uint8 (photos, size, size, 3).

    Raises:
        AppError: if none can be read.
    """
    images = []
    for source in sources[:: max(1, len(sources) // CALIBRATION_PHOTOS)]:
        try:
            images.append(read_image(source, size, resize))
        except AppError:  # the check of the data set lists them
            continue
    if not images:
        raise AppError(
            f"None of the photos to calibrate with can be read. `{command} data` says "
            "what is wrong with them."
        )
    return np.stack(images)


def trace(function: Callable[..., Any], *specs: Any, **named: Any) -> Any:
    """Give a function of tensors as a graph, for arguments of these specs."""
    return tf.function(function, autograph=False).get_concrete_function(*specs, **named)


def trace_encoder(encoder: Any) -> tuple[Any, Any]:
    """Give the graph of a `shared.vision.encoders.Encoder`, and its features' spec.

    It takes one photo, `images`, see `shared.bundles.litert.EncoderGraph`.
    """

    def encode(images: Any) -> dict[str, Any]:
        return {"features": encoder.export(images)}

    size = encoder.image_size
    images = tf.TensorSpec((1, size, size, 3), tf.uint8, "images")
    shape = (1, encoder.regions, encoder.feature_size)
    return trace(encode, images), tf.TensorSpec(shape, tf.float32, "features")


def save_graphs(
    graphs: Mapping[str, Any], weights: Sequence[Any], folder: Path
) -> None:
    """Write a SavedModel.

    Args:
        graphs: what `trace` gave, by the name of the signature.
        weights: Keras variables that they use.
        folder: where to.
    """
    module = tf.Module()
    module.tracked = [weight.value for weight in weights]
    tf.saved_model.save(module, str(folder), signatures=dict(graphs))


def write_litert(
    graphs: Mapping[str, Any],
    weights: Sequence[Any],
    images: np.ndarray,
    precision: str,
    inside: Mapping[str, str] = MappingProxyType({}),
) -> Files:
    """Convert graphs to LiteRT.

    Args:
        graphs: what `trace` gave, by name; one is called "encoder" and takes `images`.
        weights: Keras variables that they use.
        images: uint8 (photos, H, W, 3), typical ones, for an encoder in int8.
        precision: of the encoder, "int8" or "float16".
        inside: graphs that are a second signature in the file of another, with which
            they share weights.

    Returns:
        content of a .tflite file for each other graph.
    """
    files = {}
    for name in graphs:
        if name in inside:
            continue
        chosen = {name: graphs[name]}
        chosen |= {n: graphs[n] for n, file in inside.items() if file == name}
        # Each is saved alone: beside others its tensors would be numbered by them, and
        # siblings would not have the same bytes.
        with tempfile.TemporaryDirectory() as saved:
            save_graphs(chosen, weights, Path(saved))
            converter = tf.lite.TFLiteConverter.from_saved_model(
                saved, signature_keys=[*chosen]
            )
            # Matrices in int8, what is multiplied with them in int8 on the fly.
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if name == "encoder" and precision == "float16":
                converter.target_spec.supported_types = [tf.float16]
            elif name == "encoder":
                converter.representative_dataset = lambda: (
                    {"images": image[None]} for image in images
                )
                converter.target_spec.supported_ops = [
                    tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
                    tf.lite.OpsSet.TFLITE_BUILTINS,  # what scales pixels
                ]
            files[f"{name}.tflite"] = converter.convert()
    return files
