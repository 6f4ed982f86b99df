"""A trained captioner in the forms that other programs run.

    litert      a few graphs and a search outside them, see
                `captioner.net.runtime_litert`: what `captioner caption` uses by itself
    savedmodel  TensorFlow's own: photos in, ids out, the search inside
    onnx        the same as one ONNX graph

Each becomes a part of the bundle, once it was seen to say what Keras says.
"""

import importlib.util
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.describing.predict import load_bundle
from captioner.jobs.evaluate import caption_photos, score_records
from captioner.net.decoder import Memory
from captioner.net.model import Captioner
from captioner.net.runtime import Runtime
from captioner.net.runtime_keras import KerasRuntime, Search
from captioner.net.runtime_litert import LOOK, MORE, STEP, LiteRTRuntime
from captioner.search.decoding import Sequences
from captioner.search.rules import Rules, make_rules
from shared.bundles import folder as bundles
from shared.concepts.graph import ODDS
from shared.console.progress import counted
from shared.data.captioned import Record, read_dataset, select
from shared.errors import AppError
from shared.files.locks import hold
from shared.nets.backends import need_tensorflow
from shared.nets.export import (
    Files,
    export_part,
    read_typical,
    save_graphs,
    share_of_same,
    to_try,
    trace,
    trace_encoder,
    write_litert,
)
from shared.nets.traces import GATE

BATCH_SIZE = 16
ONNX_OPSET = 18
Precision = str  # "int8" or "float16"; "" where there is no choice


class Check(NamedTuple):
    """How an exported model compares with Keras, on photos of the dev split.

    Attributes:
        photos: how many.
        same: share of the captions that are the same, 0 to 1.
        before, after: CIDEr-D of Keras and of the export, percent.
    """

    photos: int
    same: float
    before: float
    after: float

    def __str__(self) -> str:
        return (
            f"On {self.photos} photos {self.same:.1%} of its captions are those of "
            f"Keras; CIDEr-D is {self.after:.1f} against {self.before:.1f}."
        )


def export(
    folder: Path,
    form: str,
    data: str,
    *,
    precision: str = "auto",
    max_loss: float = 1.0,
    announce: Callable[[str], None] = lambda message: None,
) -> Check:
    """Export a bundle, check the result, and make it a part of the bundle.

    Args:
        folder: the bundle.
        form: a key of `FORMS`.
        data: a data set, see `shared.data.captioned.read_dataset`: photos of its train
            split calibrate, those of its dev split check.
        precision: of LiteRT's encoder: "int8", "float16", or "auto", which takes
            int8 if it passes the check.
        max_loss: CIDEr-D that may be lost, percent.
        announce: told what happens.

    Raises:
        AppError: if there is no bundle or no data, a library is missing, or the
            result says too often what Keras does not; nothing is written then.
    """
    _check_request(form, precision)
    bundles.check_changeable(folder)
    with hold(folder, "`captioner export`", inside=False):
        return _export(folder, form, data, precision, max_loss, announce)


def _export(
    folder: Path,
    form: str,
    data: str,
    precision: str,
    max_loss: float,
    announce: Callable[[str], None],
) -> Check:
    config, vocabulary, model = load_bundle(folder)
    if config.decoding.strategy.draws and FORMS[form].searches:
        raise AppError(
            f"{folder} draws its captions (method sample), and the random numbers for "
            f"that do not go into {form}. Export it as litert, which can draw."
        )
    records = read_dataset(data)
    photos = select(records, "dev")
    calibration = [r for r in records if r.split == "train"] or photos
    sources = [record.image for record in calibration]
    encoder = config.encoder
    images = read_typical(sources, encoder.image_size, encoder.resize, "captioner")
    rules = make_rules(config.decoding, vocabulary)

    def caption(name: str, runtime: Runtime) -> list[dict[str, Any]]:
        announce(f"captioning {counted(len(photos), 'photo')} with {name}")
        captioner = PhotoCaptioner(config, vocabulary, runtime, BATCH_SIZE)
        return caption_photos(captioner, photos)

    expected = caption("Keras", KerasRuntime([model], BATCH_SIZE))
    before, texts = _score(expected, photos), _captions(expected)

    def check(made: Path) -> Check:
        found = caption(form, FORMS[form].load(made, BATCH_SIZE))
        same = share_of_same(texts, _captions(found))
        return Check(len(texts), same, before, _score(found, photos))

    return export_part(
        folder,
        form,
        FORMS[form].ways(precision),
        lambda way: FORMS[form].write(model, rules, images, way),
        check,
        about=FORMS[form].about,
        unit="CIDEr-D",
        max_loss=max_loss,
        announce=announce,
    )


def _check_request(form: str, precision: str) -> None:
    if form not in FORMS:
        raise AppError(f"No form {form!r}. There are {', '.join(FORMS)}.")
    if form != "litert" and precision != "auto":
        raise AppError(
            f"--precision {precision} is about LiteRT's encoder; {form} computes as "
            "Keras does. Leave it out, or export as litert."
        )
    _check_libraries(form)
    need_tensorflow("`captioner export`")


def _score(found: Sequence[dict[str, Any]], photos: Sequence[Record]) -> float:
    return score_records(found, photos).report.scores["CIDEr-D"]


def _captions(found: Sequence[dict[str, Any]]) -> list[str]:
    """Give the captions of the photos that could be read."""
    return [one["caption"] for one in found if "caption" in one]


def _check_libraries(form: str) -> None:
    for library in FORMS[form].libraries:
        if importlib.util.find_spec(library) is None:
            raise AppError(
                f"{library} is not installed; for {form}: pip install "
                f"{FORMS[form].package}"
            )


def _write_litert(
    model: Captioner, rules: Rules, images: np.ndarray, precision: Precision
) -> Files:
    graphs = trace_graphs(model)
    return write_litert(graphs, model.weights, images, precision, {LOOK: STEP})


def _load_litert(folder: Path, batch_size: int) -> LiteRTRuntime:
    there = [file for file in MORE if (folder / file).exists()]
    return LiteRTRuntime([folder], threads=1, more=[there])


def trace_graphs(model: Captioner) -> dict[str, Any]:
    """Give the graphs of `captioner.net.runtime_litert` by name, see `trace`."""
    return _Graphs(model).traced()


class _Graphs:
    """What the graphs compute, over the model's weights."""

    def __init__(self, model: Captioner):
        self.encoder, self.decoder = model.encoder, model.decoder
        self.concepts, self.vectors = model.concepts, None
        if slots := self.decoder.slots:
            # Found here, so that the graph need not hold the vectors of all words.
            table = self.decoder.embedding.embeddings
            self.vectors = ops.convert_to_numpy(slots.vectors(table))

    def traced(self) -> dict[str, Any]:
        encoder, features = trace_encoder(self.encoder)
        graphs, said = {"encoder": encoder}, []
        if self.concepts:
            graphs["concepts"] = trace(self.concepts.export, features)
            told = graphs["concepts"].structured_outputs
            odds = tf.TensorSpec(told[ODDS].shape, tf.float32, ODDS)
            graphs["where"] = trace(self.where, odds)
            said = [tf.TensorSpec(told["said"].shape, tf.float32, "said")]
        start = graphs["start"] = trace(self.start, features, *said)
        specs = {
            name: tf.TensorSpec(
                (None, None, value.shape[-1])
                if name.startswith("state_")
                else (None, *value.shape[1:]),
                tf.float32,
                name,
            )
            for name, value in start.structured_outputs.items()
        }
        tokens = tf.TensorSpec((None, None), tf.int32, "tokens")
        graphs[STEP] = trace(self.step, tokens, **specs)
        graphs[LOOK] = trace(self.look_at, tokens, **specs)
        return graphs

    def start(self, features: Any, said: Any = None) -> dict[str, Any]:
        memory, state = self.decoder.start(features, 1, said=said, vectors=self.vectors)
        states = {f"state_{i}": part[:, 0] for i, part in enumerate(state)}
        kept = {n: v for n, v in memory._asdict().items() if v is not None}
        return {**kept, **states}

    def where(self, odds: Any) -> dict[str, Any]:
        assert self.concepts
        return {"where": self.concepts.where(odds)}

    def step(self, tokens: Any, **found: Any) -> Any:
        given, _ = self._take(self.decoder.step, tokens, found)
        return given

    def look_at(self, tokens: Any, **found: Any) -> Any:
        given, (gates,) = self._take(self.decoder.look_at, tokens, found)
        return given | {f"{GATE}{name}": values for name, values in gates.items()}

    def _take(self, step: Callable[..., Any], tokens: Any, found: Any) -> Any:
        """Take a step of the decoder; give the outputs, and what else it gives."""
        memory = Memory(**{n: found[n] for n in Memory._fields if n in found})
        count = sum(name.startswith("state_") for name in found)
        state = tuple(found[f"state_{i}"] for i in range(count))
        words = self.decoder.embedding(tokens)
        hidden, state, alpha, *more = step(words, state, memory)
        log_probs = ops.log_softmax(self.decoder.predict(hidden))
        states = {f"state_{i}": part for i, part in enumerate(state)}
        return {"log_probs": log_probs, "alpha": alpha, **states}, more


def _whole(model: Captioner, rules: Rules) -> tuple[Callable[..., Any], Any]:
    """Give photos to Sequences as one function, and the spec of the photos."""
    search = Search([model], rules)
    size = model.encoder.image_size
    spec = tf.TensorSpec((None, size, size, 3), tf.uint8, "images")
    return lambda images: search({"images": images})._asdict(), spec


def _write_savedmodel(
    model: Captioner, rules: Rules, images: np.ndarray, precision: Precision
) -> Files:
    graph = trace(*_whole(model, rules))
    with tempfile.TemporaryDirectory() as saved:
        save_graphs({"serving_default": graph}, model.weights, Path(saved))
        return {
            path.relative_to(saved).as_posix(): path.read_bytes()
            for path in sorted(Path(saved).rglob("*"))
            if path.is_file()
        }


def _write_onnx(
    model: Captioner, rules: Rules, images: np.ndarray, precision: Precision
) -> Files:
    import tf2onnx

    run, spec = _whole(model, rules)
    graph, _ = tf2onnx.convert.from_function(
        tf.function(run, autograph=False), input_signature=[spec], opset=ONNX_OPSET
    )
    return {"model.onnx": graph.SerializeToString()}


class _WholeRuntime:
    """An export that has the search inside, as a `captioner.net.runtime.Runtime`."""

    def __init__(self, run: Callable[[np.ndarray], Mapping[str, np.ndarray]]):
        self.run = run

    def encode(self, images: np.ndarray) -> list[np.ndarray]:
        return [images]  # it looks at them as it searches

    def look(self, features: list[np.ndarray]) -> np.ndarray:
        return features[0]

    def seen(self, looked: np.ndarray) -> None:
        """It does not tell."""

    def where(self, looked: np.ndarray) -> None:
        """It does not tell."""

    def search(
        self, looked: np.ndarray, rules: Rules, noise: None = None, bias: Any = None
    ) -> Sequences:
        found = self.run(looked)
        return Sequences(*(np.asarray(found[name]) for name in Sequences._fields))


def _load_savedmodel(folder: Path, batch_size: int) -> _WholeRuntime:
    loaded = tf.saved_model.load(str(folder / "savedmodel"))

    def run(images: np.ndarray) -> Mapping[str, np.ndarray]:
        serve = loaded.signatures["serving_default"]
        return {name: value.numpy() for name, value in serve(images=images).items()}

    return _WholeRuntime(run)


def _load_onnx(folder: Path, batch_size: int) -> _WholeRuntime:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(images: np.ndarray) -> Mapping[str, np.ndarray]:
        return dict(zip(names, session.run(None, {"images": images}), strict=True))

    return _WholeRuntime(run)


class Form(NamedTuple):
    """One form of an exported model.

    Attributes:
        write: model, rules, calibration images and precision to files by name.
        load: folder that holds the part, and batch size, to a runtime.
        ways: a requested precision to those to try, in order.
        about: for the card, with a place for the precision.
        libraries: to be installed for it, besides those that training needs.
        package: what pip is told to install them.
        searches: whether the search of the recipe is inside.
    """

    write: Callable[[Captioner, Rules, np.ndarray, Precision], Files]
    load: Callable[[Path, int], Any]
    ways: Callable[[str], Sequence[Precision]]
    about: str
    libraries: Sequence[str] = ()
    package: str = ""
    searches: bool = True


FORMS = {
    "litert": Form(
        _write_litert,
        _load_litert,
        to_try,
        "Encoder in {}, decoder in int8, search outside.",
        libraries=["ai_edge_litert"],
        package="ai-edge-litert",
        searches=False,
    ),
    "savedmodel": Form(
        _write_savedmodel,
        _load_savedmodel,
        lambda wish: ("",),
        "Signature `serving_default`: images uint8 (B, H, W, 3) to tokens, log_probs, "
        "word_log_probs and alpha, best first, with the search of the recipe inside.",
    ),
    "onnx": Form(
        _write_onnx,
        _load_onnx,
        lambda wish: ("",),
        "images uint8 (B, H, W, 3) to tokens, log_probs, word_log_probs and alpha, "
        "best first, with the search of the recipe inside.",
        libraries=["tf2onnx", "onnxruntime"],
        package="'sightread[onnx]'",
    ),
}
