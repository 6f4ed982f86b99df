"""A trained VQA model as LiteRT graphs, see `vqa.runtime_litert`.

They become a part of the bundle once they were seen to answer as Keras does.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from shared.bundles import folder as bundles
from shared.bundles.litert import PART
from shared.console.quiet import muted
from shared.errors import AppError
from shared.files.locks import hold
from shared.vision.images import read_image
from vqa.asked import MOST, Concepts
from vqa.data import Record, read_dataset, select
from vqa.evaluate import ask_records, score_records
from vqa.model import Vqa, nothing
from vqa.photo_answerer import PhotoAnswerer
from vqa.predict import load_bundle
from vqa.runtime import Runtime
from vqa.runtime_keras import KerasRuntime
from vqa.runtime_litert import GRAPHS, LiteRTRuntime

CALIBRATION_PHOTOS = 200
Files = Mapping[str, bytes]


class Check(NamedTuple):
    """How exported graphs compare with Keras, on questions of the dev split.

    Attributes:
        questions: how many.
        same: share of the answers that are the same, 0 to 1.
        before, after: main score of Keras and of the export, percent.
        unsure_before, unsure_after: share of the questions to which either says "not
            sure", by the temperature and the threshold that were found with Keras.
    """

    questions: int
    same: float
    before: float
    after: float
    unsure_before: float
    unsure_after: float

    def __str__(self) -> str:
        return (
            f"To {self.questions} questions {self.same:.1%} of its answers are those "
            f"of Keras; {self.after:.1f} % are right, against {self.before:.1f} %. It "
            f"is not sure of {self.unsure_after:.1%}, against {self.unsure_before:.1%}."
        )


def export(
    folder: Path,
    data: str,
    *,
    precision: str = "auto",
    max_loss: float = 1.0,
    announce: Callable[[str], None] = lambda message: None,
) -> Check:
    """Export a bundle, check the result, and make it a part of the bundle.

    Args:
        folder: the bundle.
        data: a data set as of `vqa.data.read_dataset`: photos of its train split
            calibrate, the questions of its dev split check.
        precision: of the encoder: "int8", "float16", or "auto", which takes int8 if
            it passes the check.
        max_loss: points of the main score that may be lost.
        announce: told what happens.

    Raises:
        AppError: if there is no bundle or no data, or the result answers too often
            what Keras does not; nothing is written then.
    """
    bundles.check_changeable(folder)
    with hold(folder, "`vqa export`", inside=False):
        return _export(folder, data, precision, max_loss, announce)


def _export(
    folder: Path,
    data: str,
    precision: str,
    max_loss: float,
    announce: Callable[[str], None],
) -> Check:
    config, vocabulary, space, model = load_bundle(folder)
    concepts = Concepts(model.concepts.words) if model.concepts else None
    records = read_dataset(data)
    questions = select(records, "dev")
    learnt = [record for record in records if record.split == "train"] or questions
    images = _read(learnt, config.encoder.image_size, config.encoder.resize)

    def answer(name: str, runtime: Runtime) -> list[dict[str, Any]]:
        announce(f"answering {len(questions)} questions with {name}")
        answerer = PhotoAnswerer(config, vocabulary, space, runtime, concepts)
        return ask_records(answerer, questions)

    def score(found: Sequence[dict[str, Any]]) -> float:
        return next(iter(score_records(found, questions).report.scores.values())).value

    expected = answer("Keras", KerasRuntime(model))
    before = score(expected)
    for way in ("int8", "float16") if precision == "auto" else (precision,):
        announce(f"writing {PART}, encoder in {way}")
        with tempfile.TemporaryDirectory() as name:
            with muted():
                files = write_graphs(model, config.vocabulary.max_words, images, way)
            (Path(name) / PART).mkdir()
            for file, content in files.items():
                (Path(name) / PART / file).write_bytes(content)
            count = len(space) if space else 0
            found = answer("LiteRT", LiteRTRuntime(Path(name), 1, config, count))
        check = Check(
            len(questions),
            _share_of_same(expected, found),
            before,
            score(found),
            *(_share_of_unsure(answers) for answers in (expected, found)),
        )
        announce(str(check))
        if check.before - check.after <= max_loss:
            card = f"## As {PART}\n\nEncoder in {way}, the rest in int8. {check}\n"
            bundles.add_part(folder, PART, files, card)
            return check
    other = "try --precision float16, or " if way == "int8" else ""
    raise AppError(
        f"The exported model loses {check.before - check.after:.1f} points; "
        f"{max_loss:g} may be lost, so nothing was written. If that is too strict, "
        f"{other}allow more with --max-loss."
    )


def _share_of_same(
    expected: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]
) -> float:
    """How many best answers are the same, of those that there are, 0 to 1."""
    pairs = zip(expected, found, strict=True)
    same = [
        a["answers"][0]["answer"] == b["answers"][0]["answer"]
        for a, b in pairs
        if "answers" in a
    ]
    return float(np.mean(same))


def _share_of_unsure(found: Sequence[dict[str, Any]]) -> float:
    return float(np.mean(["unsure" in entry for entry in found]))


def _read(records: Sequence[Record], size: int, resize: Any) -> np.ndarray:
    photos = {record.name: record.image for record in records}
    images = []
    for photo in list(photos.values())[:: max(1, len(photos) // CALIBRATION_PHOTOS)]:
        try:
            images.append(read_image(photo, size, resize))
        except AppError:  # the check of the data set lists them
            continue
    if not images:
        raise AppError(
            "None of the photos to calibrate with can be read. `vqa data` says what is "
            "wrong with them."
        )
    return np.stack(images)


def write_graphs(
    model: Vqa, max_words: int, images: np.ndarray, precision: str
) -> Files:
    """Convert a model to LiteRT.

    Args:
        max_words: S, words of a question.
        images: uint8 (photos, H, W, 3), typical ones, for int8.
        precision: of the encoder, "int8" or "float16".

    Returns:
        content of the .tflite files by name.
    """
    with tempfile.TemporaryDirectory() as saved:
        parts = _Parts(model)
        tf.saved_model.save(parts, saved, signatures=parts.signatures(max_words))
        files = {}
        for graph in GRAPHS:
            converter = tf.lite.TFLiteConverter.from_saved_model(
                saved, signature_keys=[graph]
            )
            # Matrices in int8, what is multiplied with them in int8 on the fly.
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if graph == "encoder" and precision == "float16":
                converter.target_spec.supported_types = [tf.float16]
            elif graph == "encoder":
                converter.representative_dataset = lambda: (
                    {"images": image[None]} for image in images
                )
                converter.target_spec.supported_ops = [
                    tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
                    tf.lite.OpsSet.TFLITE_BUILTINS,  # what scales pixels
                ]
            files[f"{graph}.tflite"] = converter.convert()
    return files


class _Parts(tf.Module):
    """The graphs of `vqa.runtime_litert`, over the model's weights."""

    def __init__(self, model: Vqa):
        super().__init__()
        self.model, self.blind = model, model.blind
        self.points = model.objective == "boxes"
        self.tracked = [weight.value for weight in model.weights]

    def signatures(self, max_words: int) -> dict[str, Any]:
        size = self.model.encoder.image_size
        images = tf.TensorSpec((1, size, size, 3), tf.uint8, "images")
        shape = (1, self.model.encoder.regions, self.model.encoder.feature_size)
        features = tf.TensorSpec(shape, tf.float32, "features")
        tokens = tf.TensorSpec((1, None, max_words), tf.int32, "tokens")
        asked = [tf.TensorSpec((1, None, MOST), tf.int32, "asked")]
        asked = asked if self.model.concepts else []
        boxes = tf.TensorSpec((1, 1, None, 4), tf.float32, "boxes")
        words = tf.TensorSpec((None, None), tf.int32, "choices")
        choose = (
            tf.function(self.choose_box).get_concrete_function(features, boxes)
            if self.points
            else tf.function(self.choose).get_concrete_function(words)
        )
        return {
            "encoder": tf.function(self.encode).get_concrete_function(images),
            "answer": tf.function(self.answer).get_concrete_function(
                features, tokens, *asked
            ),
            "blind": tf.function(self.guess).get_concrete_function(tokens),
            "choose": choose,
        }

    def encode(self, images: Any) -> dict[str, Any]:
        return {"features": self.model.encoder.export(images)}

    def answer(self, features: Any, tokens: Any, asked: Any = None) -> dict[str, Any]:
        return _named(*self.model.explain(features, tokens, asked))

    def guess(self, tokens: Any) -> dict[str, Any]:
        return _named(*self.blind.explain(nothing(tokens), tokens))

    def choose(self, choices: Any) -> dict[str, Any]:
        return {
            "vectors": self.model.encode(choices),
            "blind_vectors": self.blind.encode(choices),
        }

    def choose_box(self, features: Any, boxes: Any) -> dict[str, Any]:
        none = tf.ones((1, 1, 1))
        return {
            "vectors": self.model.encode_boxes(features, boxes),
            "blind_vectors": self.blind.encode_boxes(none, boxes),
        }


def _named(joint: Any, scores: Any, alpha: Any) -> dict[str, Any]:
    named = {"joint": joint, "alpha": alpha}
    return named | ({"scores": scores} if scores.shape[-1] else {})
