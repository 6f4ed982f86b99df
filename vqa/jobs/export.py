"""A trained VQA model as LiteRT graphs, see `vqa.net.runtime_litert`.

They become a part of the bundle once they were seen to answer as Keras does.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from shared.bundles import folder as bundles
from shared.bundles.litert import PART
from shared.concepts.table import ConceptProbs
from shared.files.locks import hold
from shared.nets.backends import need_tensorflow
from shared.nets.export import (
    Files,
    export_part,
    read_typical,
    share_of_same,
    to_try,
    trace,
    trace_encoder,
    write_litert,
)
from vqa.answering.photo_answerer import PhotoAnswerer
from vqa.answering.predict import load_bundle
from vqa.data import read_dataset, select
from vqa.jobs.evaluate import ask_records, score_records
from vqa.net.model import Vqa, nothing
from vqa.net.runtime import Runtime
from vqa.net.runtime_keras import KerasRuntime
from vqa.net.runtime_litert import LiteRTRuntime
from vqa.text.asked import MOST, Concepts


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
        data: a data set, see `vqa.data.read_dataset`: photos of its train split
            calibrate, the questions of its dev split check.
        precision: of the encoder: "int8", "float16", or "auto", which takes int8 if
            it passes the check.
        max_loss: points of the main score that may be lost.
        announce: told what happens.

    Raises:
        AppError: if there is no bundle or no data, or the result answers too often
            what Keras does not; nothing is written then.
    """
    need_tensorflow("`vqa export`")
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
    sources = list({record.name: record.image for record in learnt}.values())
    encoder = config.encoder
    images = read_typical(sources, encoder.image_size, encoder.resize, "vqa")

    def answer(name: str, runtime: Runtime) -> list[dict[str, Any]]:
        announce(f"answering {len(questions)} questions with {name}")
        answerer = PhotoAnswerer(config, vocabulary, space, runtime, concepts)
        return ask_records(answerer, questions)

    def score(found: Sequence[dict[str, Any]]) -> float:
        return next(iter(score_records(found, questions).report.scores.values())).value

    expected = answer("Keras", KerasRuntime(model))
    before = score(expected)

    def check(made: Path) -> Check:
        count = len(space) if space else 0
        known = len(model.concepts.words) if model.concepts else 0
        found = answer("LiteRT", LiteRTRuntime(made, 1, config, count, known))
        return Check(
            len(questions),
            share_of_same(_best(expected), _best(found)),
            before,
            score(found),
            _share_of_unsure(expected),
            _share_of_unsure(found),
        )

    return export_part(
        folder,
        PART,
        to_try(precision),
        lambda way: write_graphs(model, config.vocabulary.max_words, images, way),
        check,
        about="Encoder in {}, the rest in int8.",
        unit="points",
        max_loss=max_loss,
        announce=announce,
    )


def _best(found: Sequence[dict[str, Any]]) -> list[str]:
    """Give the best answers, of those that there are."""
    return [one["answers"][0]["answer"] for one in found if "answers" in one]


def _share_of_unsure(found: Sequence[dict[str, Any]]) -> float:
    return float(np.mean(["unsure" in entry for entry in found]))


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
    graphs = trace_graphs(model, max_words)
    return write_litert(graphs, model.weights, images, precision)


def trace_graphs(model: Vqa, max_words: int) -> dict[str, Any]:
    """Give the graphs of `vqa.net.runtime_litert` by name, see `trace`."""
    return _Graphs(model).traced(max_words)


class _Graphs:
    """What the graphs compute, over the model's weights."""

    def __init__(self, model: Vqa):
        self.model, self.blind = model, model.blind
        self.points = model.objective == "boxes"

    def traced(self, max_words: int) -> dict[str, Any]:
        encoder, features = trace_encoder(self.model.encoder)
        tokens = tf.TensorSpec((1, None, max_words), tf.int32, "tokens")
        graphs, told = {"encoder": encoder}, {}
        if concepts := self.model.concepts:
            shape = (1, len(concepts.words))
            told = {
                n: tf.TensorSpec(shape, tf.float32, n) for n in ConceptProbs._fields
            }
            told["asked"] = tf.TensorSpec((1, None, MOST), tf.int32, "asked")
            graphs["concepts"] = trace(concepts.export, features)
        boxes = tf.TensorSpec((1, 1, None, 4), tf.float32, "boxes")
        words = tf.TensorSpec((None, None), tf.int32, "choices")
        return graphs | {
            "answer": trace(self.answer, features, tokens, **told),
            "blind": trace(self.guess, tokens),
            "choose": trace(self.choose_box, features, boxes)
            if self.points
            else trace(self.choose, words),
        }

    def answer(self, features: Any, tokens: Any, **told: Any) -> dict[str, Any]:
        return _named(*self.model.explain(features, tokens, **told))

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
