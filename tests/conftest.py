"""Pictures and captions that the tests draw for themselves."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

from captioner.config import CaptionerConfig, DecoderConfig, StageConfig
from captioner.search.config import DecodingConfig
from rnn.config import NetConfig as LanguageNetConfig
from rnn.config import RnnConfig
from rnn.config import VocabularyConfig as SymbolsConfig
from rnn.net.symbols import Symbols
from shared.bundles import trial
from shared.concepts.config import ConceptsConfig
from shared.concepts.table import TABLE, format_table, make_table
from shared.config import format_config
from shared.data.shapes import write_captioned_shapes as write_shapes
from shared.runs.recipes import EncoderConfig
from shared.text.vocabulary import EOS, SPECIAL_WORDS, Vocabulary
from shared.vision import names
from vqa.config import AnsweringConfig, NetConfig, VqaConfig
from vqa.config import StageConfig as VqaStageConfig
from vqa.config import VocabularyConfig as VqaVocabularyConfig
from vqa.text.answers import AnswerSpace

# Keras waits inside the functions: most tests do without.

MORE = "SIGHTREAD_MORE" in os.environ  # try all, where a part says nearly as much

# The same inputs in every run: a change is judged by what it changes. Others are tried
# with `pytest --hypothesis-profile default`, and by `tests/fuzz.py`.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=100 if MORE else 40
)
hypothesis.settings.load_profile("repeatable")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
IN_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=1),  # a browser is slow at times; named in the summary
    pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium"),
]

VOCABULARY = Vocabulary([*SPECIAL_WORDS, "a", "dog", "'s", "hat", "on", "grass"])
VQA_SPACE = AnswerSpace(["yes", "no", "red", "blue hat", "2"])
VQA_VOCABULARY = Vocabulary(
    [
        *SPECIAL_WORDS,
        *("what", "color", "is", "the", "dog", "'s", "hat", "it", "how", "many"),
        *("yes", "no", "red", "blue", "2"),
    ]
)
CONCEPTS = ("person", "dog", "hat", "grass")
ROOT = Path(__file__).parent.parent

# What takes longest comes first, lest one process be left with it at the end.
LONG = (
    *("shared_runs_devices", "hostile_bundles", "captioner_train", "vqa_train"),
    *("app_limits", "ray", "captioner_runtimes", "captioner_export", "app_browser"),
    *("vqa_predict", "other_cells", "vqa_finetune", "docs_extending"),
)


def pytest_collection_modifyitems(items):
    """Sort the modules; `--dist loadfile` gives them out in this order."""
    places = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


# Tracing makes many objects and little garbage: to look for it took a sixth as long.
gc.set_threshold(100_000, 20, 100)


def pytest_collection_finish():
    """Spare what tests run too seldom to gain by."""
    gc.freeze()  # modules stay: each `gc.collect` of LiteRT would search them all
    if "tensorflow" in sys.modules:
        leave_graphs_as_traced()


def leave_graphs_as_traced():
    """Do without what TensorFlow does to graphs before it runs them."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


REALLY_TRY = trial._try


@pytest.fixture(scope="session", autouse=True)
def unfused():
    """Leave out XLA, which compiles a search for three times as long as TensorFlow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("captioner.describing.predict.FUSED", False)
        yield


@pytest.fixture(autouse=True)
def untried(tmp_path_factory):
    """Believe the bundles that tests make, and leave the user's cache alone."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    with pytest.MonkeyPatch.context() as patch:  # a test may undo its own
        patch.setattr(trial, "_cache", lambda: cache)
        patch.setattr(trial, "_try", lambda folder, names: None)
        yield


@pytest.fixture
def eager():
    """Compute at once: to trace a net takes longer than a few steps of it."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def trials(monkeypatch, untried, tmp_path):
    """Try files as users do, with nothing remembered."""
    monkeypatch.setattr(trial, "_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(trial, "_try", REALLY_TRY)


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A data set of 60 drawn shapes."""
    return write_shapes(tmp_path / "shapes", 60)


def patches(weights, include_top, input_shape):
    """Stand in for a net of `keras.applications`."""
    import keras
    from keras import layers

    image = keras.Input(input_shape)
    x = layers.Conv2D(12, 8, strides=8, activation="relu")(image)
    return keras.Model(image, x, name="patches")


@pytest.fixture(scope="module")
def small_net():
    """Add the encoder `patches`, of 4 x 4 regions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names.ENCODERS, "patches", names.Source(patches, "unit"))
        yield


@pytest.fixture(scope="module")
def unusual_net():
    """Add the encoder `strips`, of 2 x 4 regions, and `plain`, a cell of one state."""
    import keras
    from keras import layers, ops

    from shared.nets import cells
    from shared.nets.names import CELLS, CellSource

    def strips(weights, include_top, input_shape):
        image = keras.Input(input_shape)
        x = layers.Conv2D(12, (16, 8), strides=(16, 8), activation="relu")(image)
        return keras.Model(image, x, name="strips")

    class PlainCell(cells.Cell):
        def build(self, inputs_shape, state_shape=None):
            self.mix = layers.Dense(self.units, activation="tanh")
            self.mix.build((*inputs_shape[:-1], inputs_shape[-1] + self.units))
            self.built = True

        def project(self, inputs):
            return inputs

        def advance(self, projected, state):
            h = self.mix(ops.concatenate([projected, state[0]], axis=-1))
            return {}, (h,)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names.ENCODERS, "strips", names.Source(strips, "unit"))
        patch.setattr(cells, "PlainCell", PlainCell, raising=False)
        source = CellSource("shared.nets.cells:PlainCell", 1, 1, 1)
        patch.setitem(CELLS, "plain", source)
        yield


def tiny_config(decoder=None, encoder="patches", concepts=None, **decoding):
    """A recipe whose search is ruled by the model alone."""
    sizes = {"units": 8, "embed_dim": 6, "region_units": 8, "attention_units": 4}
    return CaptionerConfig(
        encoder=EncoderConfig(name=encoder, weights="none", image_size=32),
        decoder=DecoderConfig(**sizes | (decoder or {})),
        concepts=concepts and ConceptsConfig(**concepts),
        decoding=DecodingConfig(**{"max_words": 6, "bad_endings": (), **decoding}),
        stages=(StageConfig(name="only", epochs=1, learning_rate=0.1),),
    )


def tiny_model(config, seed=2, vocabulary=VOCABULARY):
    """A net whose captions depend on the image: its weights are large."""
    import keras

    from captioner.net.model import build_captioner

    keras.utils.set_random_seed(seed)
    concepts = None
    if config.concepts:
        from shared.concepts.net import ConceptNet

        concepts = ConceptNet(make_table(CONCEPTS, CONCEPTS, False))
    net = build_captioner(config, vocabulary, None, concepts)
    for weight in net.trainable_variables:
        weight.assign(weight * 3)
    return net


def write_concepts(folder, words, photos=()):
    """Write what `captioner teach` does, of a net for 16 features that knows nothing.

    Args:
        words: its concepts.
        photos: digests of photos that taught it; what it tells of them is random.
    """
    import keras

    from shared.bundles.weights import write_weights
    from shared.concepts.net import ConceptNet

    keras.utils.set_random_seed(1)
    net = ConceptNet(make_table(words, words, False))
    net.build((None, 16, 16))
    write_weights(folder, net)
    (folder / TABLE).write_text(format_table(net.table))
    (folder / "teach.json").write_text('{"feature_size": 16}')
    told = np.random.default_rng(0).random((2, len(photos), len(words)))
    said, there = told.astype(np.float16)
    digests = np.array(photos, "U32")
    np.savez(folder / "fitted.npz", photos=digests, said=said, there=there)
    return folder


def write_tiny(folder, config, model, vocabulary=VOCABULARY):
    """Write a bundle."""
    from shared.bundles.folder import write_bundle

    text = "".join(f"{word}\n" for word in vocabulary.words)
    write_bundle(
        folder,
        task="captioner",
        config=format_config(config),
        vocabulary=text,
        model=model,
        card="# A captioner\n",
        more={TABLE: format_table(model.concepts.table)} if model.concepts else None,
    )
    return folder


def photo(seed):
    """A photo of a few plain patches, unlike others."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
    return np.asarray(image.resize((48, 40), Image.Resampling.NEAREST))


def draw(*names, level=100):
    """Write grey photos, each lighter than the one before."""
    for i, name in enumerate(names):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 12), level + i).save(name, "PNG")


def dense_model(inputs, units, seed=0):
    """Two layers with batch statistics between them; all weights from 0.1 to 1."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(units, name="low"),
            layers.BatchNormalization(),
            layers.Dense(20, name="high"),
        ]
    )
    for weight in model.weights:
        values = np.random.default_rng(seed).uniform(0.1, 1, weight.shape)
        weight.assign(values)
    return model


VQA_CONCEPTS = ("person", "dog", "hat", "grass")


def tiny_vqa_config(
    objective="answers",
    loss="softmax",
    answering=None,
    encoder="patches",
    concepts=None,
    **net,
):
    """A recipe for the encoder `patches`, of 4 x 4 regions."""
    sizes = {"units": 8, "embed_dim": 6, "question_units": 8}
    sizes |= {"joint_units": 8, "attention_units": 4}
    return VqaConfig(
        encoder=EncoderConfig(name=encoder, weights="none", image_size=32),
        vocabulary=VqaVocabularyConfig(max_words=6),
        net=NetConfig(**sizes | net),
        concepts=concepts and ConceptsConfig(**concepts),
        objective=objective,
        loss=loss,
        answering=AnsweringConfig(**answering or {}),
        stages=(VqaStageConfig(name="only", epochs=1, learning_rate=0.1),),
    )


def tiny_vqa_model(config, seed=1, vocabulary=VQA_VOCABULARY, space=VQA_SPACE):
    """A net whose answers depend on photo and question: its weights are large."""
    import keras

    from vqa.net.runtime_keras import build_net

    keras.utils.set_random_seed(seed)
    space = space if config.objective == "answers" else None
    concepts = None
    if config.concepts:
        from shared.concepts.net import ConceptNet

        concepts = ConceptNet(make_table(VQA_CONCEPTS, VQA_CONCEPTS, False))
    net = build_net(config, vocabulary, space, None, concepts)
    for weight in net.trainable_variables:
        weight.assign(weight * 2)
    for weight in concepts.weights if concepts else ():
        values = np.random.default_rng(seed).normal(size=weight.shape)
        weight.assign(values)
    return net


def write_tiny_vqa(folder, config, model, vocabulary=VQA_VOCABULARY, space=VQA_SPACE):
    """Write a bundle."""
    from shared.bundles.folder import write_bundle

    answers = "".join(f"{answer}\n" for answer in space.answers)
    more = {"answers.txt": answers} if config.objective == "answers" else {}
    if config.concepts:
        more[TABLE] = format_table(model.concepts.table)
    write_bundle(
        folder,
        task="vqa",
        config=format_config(config),
        vocabulary="".join(f"{word}\n" for word in vocabulary.words),
        model=model,
        card="# A VQA model\n",
        more=more,
    )
    return folder


class FakeRuntime:
    """Answers by the brightness of a photo and the words of a question.

    Attributes:
        looks: photos looked at.
        stop, error: questions answered before the error is raised; None is never.
    """

    name, grid = "fake", (2, 2)

    def __init__(self, space, hops=1):
        self.answers = len(space.answers) if space else 0
        self.hops, self.looks = hops, 0
        self.stop, self.error = None, None

    def look(self, image):
        self.looks += 1
        return np.full((4, 3), image.mean(), np.float32)

    def answer(self, features, tokens, asked=None):
        if self.stop is not None and self.stop < len(tokens):
            raise self.error
        self.stop = self.stop and self.stop - len(tokens)
        return self._scores(tokens, round(float(features.mean())))

    def guess(self, tokens):
        return self._scores(tokens, 0)

    def encode(self, choices):
        vectors = np.stack([np.ones(len(choices)), choices.sum(axis=1)], axis=1)
        return vectors, -vectors

    def encode_boxes(self, features, boxes):
        vectors = np.stack([np.ones(len(boxes)), boxes[:, 2] - boxes[:, 0]], axis=1)
        return vectors, -vectors

    def _scores(self, tokens, level):
        from vqa.net.runtime import Scores

        joint = np.tile(np.float32([0, 0.5]), (len(tokens), 1))
        scores = np.zeros((len(tokens), self.answers), np.float32)
        if self.answers:
            best = (tokens.sum(axis=1) + level) % self.answers
            scores[np.arange(len(tokens)), best] = 2
        alpha = np.tile(np.float32([0.1, 0.2, 0.3, 0.4]), (len(tokens), self.hops, 1))
        return Scores(joint, scores, alpha)


class ConceptRuntime:
    """A captioner with concepts: says one of a few sentences, whatever it sees.

    Args:
        sentences: word ids -> probability.
        vocab_size: words, special ones included.
        seen: `said` and `there`, float (C,), the same of every photo.
    """

    name, grid, can_be_told = "fake", (2, 2), True

    def __init__(self, sentences, vocab_size, seen):
        self.sentences, self.vocab_size = sentences, vocab_size
        self._seen = seen

    def encode(self, images):
        return [np.zeros((len(images), 4, 3), np.float32)]

    def look(self, features):
        from shared.concepts.table import ConceptProbs

        count = len(features[0])
        return ConceptProbs(
            **{
                name: np.tile(np.float32(probs), (count, 1))
                for name, probs in self._seen.items()
            }
        )

    def seen(self, looked):
        return looked

    def tell(self, looked, rows, seen):
        told = looked._make(part.copy() for part in looked)
        for part, new in zip(told, seen, strict=True):
            part[rows] = new
        return told

    def take(self, looked, rows):
        return looked._make(part[rows] for part in looked)

    def where(self, looked):
        concepts = len(self._seen["there"])
        where = np.zeros((len(looked.there), 4, concepts), np.float32)
        where[:, np.arange(concepts) % 4, np.arange(concepts)] = self._seen["there"]
        return where

    def search(self, looked, rules, noise=None, bias=None):
        from captioner.search import numpy_ops
        from captioner.search.decoding import search

        count = len(looked.said)
        said = np.full((count, rules.width, rules.max_words + 2), -1)

        def step(tokens, state):
            said, place = state[0].copy(), int(state[1].max())
            said[..., place] = tokens
            log_probs = np.full((*tokens.shape, self.vocab_size), -30, np.float32)
            for index in np.ndindex(tokens.shape):
                before = tuple(said[index][1 : place + 1])
                for sentence, prob in self.sentences.items():
                    if sentence[:place] == before and place < len(sentence):
                        old = np.exp(log_probs[(*index, sentence[place])])
                        log_probs[(*index, sentence[place])] = np.log(old + prob)
            log_probs -= numpy_ops.logsumexp(log_probs, -1)[..., None]
            alpha = np.full((*tokens.shape, 4), 0.25, np.float32)
            return log_probs, alpha, (said, state[1] + 1)

        return search(
            step,
            (said, np.zeros(said.shape[:2], int)),
            rules,
            vocab_size=self.vocab_size,
            regions=4,
            ops=numpy_ops,
            noise=noise,
            bias=bias,
        )


QUOTED = 'He said "one (or two)" here.\nThen "no".\n' * 40


def write_language_model(folder, text=QUOTED, units="character", graph=False, **net):
    """Write the bundle of a net that has learnt nothing of a text.

    Args:
        graph: whether with the part for LiteRT.
        net: of its sizes.
    """
    import keras

    from rnn.net.model import LanguageModel
    from rnn.training.export import write_graph
    from shared.bundles.folder import add_part, write_bundle

    keras.utils.set_random_seed(1)
    config = RnnConfig(
        net=LanguageNetConfig(**{"units": 5, **net}),
        vocabulary=SymbolsConfig(units=units),
        stages=({"name": "text", "epochs": 1, "learning_rate": 0.1},),
    )
    symbols = Symbols.of(text, config.vocabulary)
    model = LanguageModel(config.net, len(symbols))
    write_bundle(
        folder,
        task="rnn",
        config=format_config(config),
        vocabulary=symbols.vocabulary.to_text(),
        model=model,
        card="",
    )
    if graph:
        add_part(folder, "litert", write_graph(model), "## LiteRT\n")
    return folder


def concept_captioner(sentences, there, said=None, own=(), find=None, **config):
    """A captioner without weights that says the likeliest that it may.

    Args:
        sentences: sentence -> probability.
        there, said: concept -> probability; `said` is as `there` by default.
        own: concepts that a few examples taught.
        find: what a second look asks, see `PhotoCaptioner`.
        config: changes to its recipe.
    """
    from captioner.describing.photo_captioner import PhotoCaptioner

    known = dict.fromkeys(word for text in sentences for word in text.split())
    vocabulary = Vocabulary([*SPECIAL_WORDS, *known])
    ids = {
        (*(vocabulary.ids[word] for word in text.split()), EOS): prob
        for text, prob in sentences.items()
    }
    seen = {"there": [*there.values()], "said": [*(said or there).values()]}
    runtime = ConceptRuntime(ids, len(vocabulary), seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names.ENCODERS, "patches", names.Source(patches, "unit"))
        recipe = tiny_config().model_copy(update=config)
    return PhotoCaptioner(
        recipe, vocabulary, runtime, concepts=[*there], own=own, find=find
    )


def fake_answerer(vocabulary=VQA_VOCABULARY, space=VQA_SPACE, **settings):
    """A VQA model without weights; settings as of `tiny_vqa_config`."""
    from vqa.answering.photo_answerer import PhotoAnswerer

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names.ENCODERS, "patches", names.Source(patches, "unit"))
        config = tiny_vqa_config(**settings)
    space = space if config.objective == "answers" else None
    runtime = FakeRuntime(space, config.net.hops)
    return PhotoAnswerer(config, vocabulary, space, runtime)


def _heed_interrupts():
    """What starts in the background of a shell ignores them, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def serve_page(
    folder, *options, command=("-m", "captioner.cli", "demo"), stderr=subprocess.DEVNULL
):
    """Serve the page from a process of its own, whose files go to a folder.

    Yields:
        the process, and its address once it answers.
    """
    environment = {**os.environ, "TMPDIR": str(folder)}
    environment.pop("SIGHTREAD_AUTH", None)
    process = subprocess.Popen(
        [sys.executable, *command, "--port", "0", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        preexec_fn=_heed_interrupts,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def answer(url, headers=None, data=None):
    """Status and text that a server answers."""
    request = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def write_files(folder, files):
    """Write bytes, texts, other objects as JSON, and a photo where None."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.new("RGB", (12, 8), (40, 90, 200)).save(path, "JPEG")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_bytes(text.encode())
    return folder


@pytest.fixture(scope="module")
def browser():
    """Chromium, with a camera."""
    from playwright.sync_api import sync_playwright

    devices = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--disable-gpu", *devices]
        )
        yield chromium
        chromium.close()
