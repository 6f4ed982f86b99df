"""LiteRT and Keras say the same, and LiteRT needs little.

For proofs a bundle's part is converted here without rounding anything; how
`captioner.jobs.export` rounds is for its own tests.
"""

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import VOCABULARY, photo, tiny_config, tiny_model, write_tiny
from PIL import Image

from captioner.archive.features import pack, unpack_memory
from captioner.describing.predict import load_bundle, load_captioner
from captioner.net.runtime_litert import EXPORT, FILES, LOOK, PART, STEP, WHERE
from shared.bundles import folder as bundles
from shared.bundles.litert import try_graph, why_not_litert
from shared.bundles.manifests import digest
from shared.concepts.graph import CONCEPTS
from shared.concepts.table import ConceptProbs
from shared.console.quiet import muted
from shared.errors import AppError
from shared.text.vocabulary import BOS, EOS, SPECIAL_WORDS, Vocabulary

ROOT = Path(__file__).parents[1]
KINDS = {
    "tied": {},
    "unattentive": {"attention_units": 0, "tied": False},
    "stacked": {"layers": 2},
}
MORE = {"hard": {"attention": "hard"}, "told": {}}
SEARCHES = {
    "recipe": {},
    "greedy": {"beam_size": 1},
    "wide": {"beam_size": 9, "length_penalty": "average"},
    "diverse": {"beam_size": 6, "groups": 3, "diversity": 1.5, "length_penalty": 1.0},
    "must": {"must": ("hat", "grass")},
    "must of groups": {"must": ("'s",), "beam_size": 4, "groups": 2, "no_repeat": 2},
    "prefix": {"prefix": "a zebra's dog"},
    "rules": {
        "no_repeat": 1,
        "min_words": 3,
        "max_words": 5,
        "ban": ("dog",),
        "bad_endings": ("a", "on", "'s"),
    },
    "sample": {"method": "sample", "beam_size": 8, "seed": 5},
    "tame sample": {
        "method": "sample",
        "beam_size": 5,
        "temperature": 0.7,
        "top_k": 4,
        "top_p": 0.9,
        "prefix": "a",
    },
}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_net")]


def put_inside(graphs):
    """Let `start` itself tell of concepts, as it does in older exports."""
    from shared.nets.export import trace

    concepts, start = graphs.pop("concepts"), graphs["start"]

    def whole(features):
        told = concepts(features=features)
        return told | start(features=features, said=told["said"])

    (features,), _ = concepts.structured_input_signature
    graphs["start"] = trace(whole, features)


def convert(folder, only=(), change=lambda graphs: None):
    """Give graphs of a bundle by file, all or some; their numbers are as they were."""
    with muted():
        import tensorflow as tf

        from captioner.jobs.export import trace_graphs
        from shared.nets.export import save_graphs

        model = load_bundle(folder)[2]
        graphs, files, saved = trace_graphs(model), {}, folder.with_name("saved")
        change(graphs)
        graphs = {name: graphs[name] for name in only or graphs}
        save_graphs(graphs, model.weights, saved)
        for graph in graphs.keys() - {LOOK}:
            names = [graph, LOOK] if graph == STEP else [graph]
            converter = tf.lite.TFLiteConverter.from_saved_model(
                str(saved), signature_keys=names
            )
            files[f"{graph}.tflite"] = converter.convert()
    return files


def add_part(folder):
    """Add a LiteRT part in which all numbers are as they were."""
    bundles.add_part(folder, PART, convert(folder), "## As litert")
    return folder


@pytest.fixture(scope="module")
def bundle_of(small_net, tmp_path_factory):
    """Give the bundle of a kind, with its part."""
    made = {}

    def bundle_of(kind, seed=2):
        if (kind, seed) not in made:
            folder = tmp_path_factory.mktemp("bundle") / kind
            concepts = {"slots": 3, "units": 6} if kind == "told" else None
            config = tiny_config({**KINDS, **MORE}[kind], concepts=concepts)
            made[kind, seed] = add_part(
                write_tiny(folder, config, tiny_model(config, seed))
            )
        return made[kind, seed]

    return bundle_of


@pytest.fixture
def bundle(bundle_of):
    return bundle_of("tied")


@pytest.fixture(scope="module")
def pair_of(bundle_of):
    """Give the captioners of a kind, of Keras and of LiteRT."""
    made = {}

    def pair_of(kind):
        if kind not in made:
            made[kind] = [
                load_captioner(bundle_of(kind), runtime=name, batch_size=3)
                for name in ("keras", "litert")
            ]
        return made[kind]

    return pair_of


def flat(batches):
    return [captions for batch in batches for _, captions in batch]


def texts(captions):
    return [caption.text for caption in captions]


def check_same(first, second):
    """Compare the captions of photos."""
    assert [texts(captions) for captions in first] == [texts(c) for c in second]
    for ones, others in zip(first, second, strict=True):
        for one, other in zip(ones, others, strict=True):
            assert one.words == other.words
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-3)
            assert one.probs == pytest.approx(other.probs, abs=1e-4)
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-4)


def test_other_grids_and_cells_need_a_line_each(unusual_net, tmp_path):
    concepts = {"units": 6, "slots": 2}
    config = tiny_config({"cell": "plain"}, encoder="strips", concepts=concepts)
    folder = add_part(write_tiny(tmp_path / "unusual", config, tiny_model(config)))
    first, second = (load_captioner(folder, runtime=n) for n in ("keras", "litert"))
    for seed in range(3):
        check_same([first.caption(photo(seed))], [second.caption(photo(seed))])
        for captioner in (first, second):
            (concept,) = captioner.concepts(photo(seed), top=1)
            assert concept.where.shape == captioner.runtime.grid == (2, 4)


def test_models_of_any_cells_say_and_vote_alike(tmp_path):
    folders = []
    for cell in ("gru", "fgr"):  # `test_rnn_train` exports more
        config = tiny_config({"cell": cell, "layers": 2})
        model = tiny_model(config)
        folders.append(add_part(write_tiny(tmp_path / cell / "b", config, model)))
    for chosen in [*([folder] for folder in folders), folders]:
        first, second = (load_captioner(chosen, runtime=n) for n in ("keras", "litert"))
        photos = [photo(seed) for seed in range(3)]
        check_same(*(flat(one.caption_all(photos)) for one in (first, second)))


# A search does not know what net it asks: each once, and some of each net.
PAIRS = [("tied", search) for search in SEARCHES]
PAIRS += [(kind, s) for kind in ("unattentive", "stacked") for s in ("recipe", "must")]


@pytest.mark.parametrize(("kind", "search"), PAIRS)
def test_both_runtimes_say_the_same(pair_of, kind, search):
    keras, litert = pair_of(kind)
    assert (keras.runtime.name, litert.runtime.name) == ("keras", "litert")
    sources, changes = [photo(seed) for seed in range(7)], SEARCHES[search]
    first = flat(keras.caption_all(sources, **changes))
    second = flat(litert.caption_all(sources, **changes))
    check_same(first, second)
    for captions in second:
        for words in (caption.words for caption in captions):
            assert {*changes.get("must", ())} <= set(words)
            assert not {*changes.get("ban", ())} & set(words)
            assert 1 <= len(words) <= changes.get("max_words", 6)
    if search == "prefix":
        assert all(c.text.startswith("A zebra's dog") for one in second for c in one)
    assert len({c.text for captions in second for c in captions}) > 1


@pytest.mark.parametrize("search", ["diverse", "tame sample"])
def test_hard_attention_sees_one_region_a_word_in_every_search(pair_of, search):
    sources = [photo(seed) for seed in range(4)]
    found = [
        flat(one.caption_all(sources, **SEARCHES[search])) for one in pair_of("hard")
    ]
    check_same(*found)
    for caption in (caption for captions in found[0] for caption in captions):
        np.testing.assert_array_equal(caption.attention.max(-1), 1)
        np.testing.assert_array_equal(caption.attention.sum(-1), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_both_runtimes_heed_the_bias_of_each_photo(pair_of, kind):
    images = np.stack([pair_of(kind)[0].read(photo(seed)) for seed in range(2)])
    bias = np.zeros((2, len(VOCABULARY)), np.float32)
    bias[0, VOCABULARY.ids["dog"]], bias[1, VOCABULARY.ids["hat"]] = -1e9, -1e9
    bias[:, VOCABULARY.ids["grass"]] = [2, -2]
    found = []
    for captioner in pair_of(kind):
        looked, (_, rules) = captioner.look(images).found, captioner.request()
        plain = captioner.runtime.search(looked, rules)
        tokens, log_probs, *_ = captioner.runtime.search(looked, rules, bias=bias)
        assert (tokens[:2] != plain.tokens[:2]).any()
        assert VOCABULARY.ids["dog"] not in tokens[0]
        assert VOCABULARY.ids["hat"] not in tokens[1]
        found.append((tokens[:2], log_probs[:2]))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_both_runtimes_trace_what_cells_do(pair_of, kind):
    traces, words = [], ["a", "dog", "hat"]
    for captioner in pair_of(kind):
        looked = captioner.look(captioner.read(photo(1))[None])
        traces.append(captioner.trace(looked, words))
        weighed = captioner.runtime.read(
            looked.found, VOCABULARY.encode(words, 3)[:3], captioner.request()[1]
        )
        said = [weighed[0, t, VOCABULARY.ids[word]] for t, word in enumerate(words)]
        assert np.isnan(traces[-1].log_probs[0])
        np.testing.assert_allclose(traces[-1].log_probs[1:], said, atol=1e-5)
    keras, litert = traces
    cells = 8 * KINDS[kind].get("layers", 1)
    assert keras.outputs.shape == (4, cells)
    np.testing.assert_allclose(litert.outputs, keras.outputs, atol=1e-4)
    assert litert.gates.keys() == keras.gates.keys() == {"i", "f", "o"}
    for name, gate in keras.gates.items():
        np.testing.assert_allclose(litert.gates[name], gate, atol=1e-4)
    # h = o * tanh(c), as the search's own steps find it
    model = pair_of(kind)[0].runtime.models[0]
    features = pair_of(kind)[0].runtime.encode(pair_of(kind)[0].read(photo(1))[None])[
        0
    ][:1]
    memory, state = model.decoder.start(model.look({"features": features})[0], 1)
    for t, token in enumerate([BOS, *(VOCABULARY.ids[word] for word in words)]):
        vectors = model.decoder.embedding(np.array([[token]]))
        _, state, _ = model.decoder.step(vectors, state, memory)
        hs = np.concatenate([np.asarray(h)[0, 0] for h in state[::2]])
        np.testing.assert_allclose(
            hs, keras.gates["o"][t] * keras.outputs[t], atol=1e-5
        )


def test_both_runtimes_name_people_neutrally(tmp_path):
    words = Vocabulary(
        [*SPECIAL_WORDS, *["a", "person", "man", "woman", "his", "her", "hat"]]
    )
    config = tiny_config({}, neutral=1.0, beam_size=2)
    folder = tmp_path / "bundle"
    add_part(write_tiny(folder, config, tiny_model(config, 3, words), words))
    found = [
        flat(load_captioner(folder, runtime=name).caption_all(map(photo, range(7))))
        for name in ("keras", "litert")
    ]
    check_same(*found)
    said = {word for captions in found[0] for one in captions for word in one.words}
    assert "person" in said and not said & {"man", "woman", "his", "her"}
    guesses = load_captioner(folder).caption_all(map(photo, range(7)), neutral=0)
    said = {
        word for captions in flat(guesses) for one in captions for word in one.words
    }
    assert said & {"man", "woman", "his", "her"}


def test_both_runtimes_tell_the_same_concepts_and_where_they_are(bundle_of, tmp_path):
    folder = copy(bundle_of("told"), tmp_path / "bundle")
    try_graph(folder / WHERE)
    keras, litert = (
        load_captioner(folder, runtime=name, batch_size=3)
        for name in ("keras", "litert")
    )
    places = set()
    for seed in range(4):
        ones, others = keras.concepts(photo(seed)), litert.concepts(photo(seed))
        assert [one.word for one in ones] == [other.word for other in others]
        for one, other in zip(ones, others, strict=True):
            assert one[1:3] == pytest.approx(other[1:3], abs=1e-4)
            assert one.where.shape == other.where.shape == (4, 4)
            np.testing.assert_allclose(one.where, other.where, atol=1e-4)
            places.add(int(one.where.argmax()))
    assert len(places) > 1
    check_same(
        *([one.caption(photo(seed)) for seed in range(4)] for one in (keras, litert))
    )
    old = load_captioner(without(folder, tmp_path / "old", WHERE), runtime="litert")
    assert [one.where for one in old.concepts(photo(0), top=2)] == [None, None]
    assert [one.word for one in old.concepts(photo(0))] == [
        one.word for one in litert.concepts(photo(0))
    ]
    two = load_captioner([folder, folder], runtime="litert")
    np.testing.assert_allclose(
        two.concepts(photo(0))[0].where, litert.concepts(photo(0))[0].where
    )
    forge(folder, WHERE, (folder / FILES[0]).read_bytes())
    with pytest.raises(AppError, match=r"where\.tflite is not the graph"):
        load_captioner(folder)


def test_exports_that_have_the_concept_net_inside_say_the_same(bundle_of, tmp_path):
    new, old = (copy(bundle_of("told"), tmp_path / name) for name in ("new", "old"))
    assert (new / CONCEPTS).exists()
    files = {path.name: path.read_bytes() for path in (old / PART).iterdir()}
    del files[Path(CONCEPTS).name]
    files |= convert(old, ["start"], put_inside)
    bundles.add_part(old, PART, files, "## As litert")
    assert not (old / CONCEPTS).exists()
    models = [load_captioner(folder, runtime="litert") for folder in (new, old)]
    assert [model.runtime.can_be_told for model in models] == [True, False]
    models.append(load_captioner([old, new], runtime="litert"))
    first, *others = (
        [model.caption(photo(seed)) for seed in range(4)] for model in models
    )
    for other in others:
        check_same(first, other)
    first, *others = (model.concepts(photo(0)) for model in models)
    for other in others:
        assert [one[:3] for one in first] == [one[:3] for one in other]
        np.testing.assert_array_equal(first[0].where, other[0].where)
    forge(new, CONCEPTS, (new / FILES[0]).read_bytes())
    with pytest.raises(AppError, match=r"concepts\.tflite is not the graph"):
        load_captioner(new)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", ["", "a", "a zebra", "a dog's hat on grass"])
def test_both_runtimes_go_on_alike(pair_of, kind, words):
    keras, litert = pair_of(kind)
    for seed in range(3):
        first = keras.alternatives(photo(seed), words, 5)
        second = litert.alternatives(photo(seed), words, 5)
        assert [one.word for one in first] == [one.word for one in second]
        assert [one.prob for one in first] == pytest.approx(
            [one.prob for one in second], abs=1e-4
        )


@pytest.mark.parametrize("kind", KINDS)
def test_both_runtimes_score_what_they_remember_as_they_read_it(pair_of, kind):
    tokens, found = [5, 4, 6], []
    for captioner in pair_of(kind):
        images = [captioner.read(photo(seed)) for seed in range(2)]
        looked, (_, rules) = captioner.look(np.stack(images)), captioner.request()
        runtime = captioner.runtime
        log_probs = runtime.read(looked.found, tokens, rules)[:2]
        wanted = np.stack([log_probs[:, t, i] for t, i in enumerate([*tokens, EOS])], 1)
        memory = {
            name: rows[:2] for name, rows in runtime.remember(looked.found).items()
        }
        states = {
            name: rows[:, None] for name, rows in memory.items() if rows.ndim == 2
        }
        said = runtime.score(memory | states, tokens, rules)
        np.testing.assert_allclose(said, wanted, atol=1e-5)
        packed = [one.memory for one in pack(captioner, looked)]
        about = runtime.score(unpack_memory(runtime, packed), tokens, rules)
        found.append((said, about))
    for first, second, most in zip(*found, (1e-4, 0.3), strict=True):
        np.testing.assert_allclose(first, second, atol=most)


@pytest.mark.parametrize(
    ("kind", "search"),
    [("tied", "diverse"), ("tied", "sample"), ("unattentive", "must")],
)
def test_litert_does_not_see_batches(bundle_of, kind, search):
    sources, changes = [photo(seed) for seed in range(7)], SEARCHES[search]

    def caption(order, size):
        captioner = load_captioner(bundle_of(kind), runtime="litert", batch_size=size)
        found = flat(captioner.caption_all([sources[i] for i in order], **changes))
        return [found[order.index(i)] for i in range(7)]

    alone = caption([*range(7)], 1)
    for order, size in (([*range(7)], 3), ([6, 2, 0, 5, 1, 4, 3], 3), ([*range(7)], 9)):
        check_same(alone, caption(order, size))


@pytest.mark.parametrize("name", ["keras", "litert"])
def test_a_model_that_votes_with_itself_changes_nothing(bundle, name):
    one = load_captioner(bundle, runtime=name, batch_size=2)
    two = load_captioner([bundle, bundle], runtime=name, batch_size=2)
    sources = [photo(seed) for seed in range(5)]
    check_same(flat(one.caption_all(sources)), flat(two.caption_all(sources)))
    assert one.alternatives(photo(0), "a", 3) == [
        (word, pytest.approx(prob, abs=1e-5))
        for word, prob in two.alternatives(photo(0), "a", 3)
    ]


def test_models_vote_alike_on_both_runtimes(bundle_of):
    folders = [bundle_of(kind) for kind in KINDS]
    keras, litert = (
        load_captioner(folders, runtime=name, batch_size=4)
        for name in ("keras", "litert")
    )
    sources = [photo(seed) for seed in range(6)]
    for search in ("recipe", "sample"):
        first, second = (
            flat(captioner.caption_all(sources, **SEARCHES[search]))
            for captioner in (keras, litert)
        )
        check_same(first, second)
    singles = [load_captioner(folder, runtime="litert") for folder in folders]
    found = [dict(one.alternatives(photo(1), "a dog", 7)) for one in (litert, *singles)]
    for word, prob in found[0].items():
        mean = np.mean([probs[word] for probs in found[1:]])
        assert prob == pytest.approx(mean, abs=1e-5)


def test_litert_is_taken_where_it_works(bundle, monkeypatch):
    assert why_not_litert([bundle], EXPORT) == ""
    assert load_captioner(bundle).runtime.name == "litert"
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "ai_edge_litert" else find_spec(name),
    )
    assert "not installed (pip install ai-edge-litert)" in why_not_litert(
        [bundle], EXPORT
    )
    assert load_captioner(bundle).runtime.name == "keras"
    with pytest.raises(AppError, match=r"LiteRT cannot run this: it is not installed"):
        load_captioner(bundle, runtime="litert")


def test_one_model_without_the_part_is_enough_for_keras(bundle, tmp_path):
    config = tiny_config()
    bare = write_tiny(tmp_path / "bare", config, tiny_model(config))
    assert f"{bare} was not exported" in why_not_litert([bundle, bare], EXPORT)
    assert load_captioner([bundle, bare]).runtime.name == "keras"
    with pytest.raises(AppError, match=r"bare was not exported .*captioner export"):
        load_captioner([bundle, bare], runtime="litert")


def copy(bundle, folder):
    for name in ("manifest.json", *json.loads(manifest(bundle))["files"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((bundle / name).read_bytes())
    return folder


def without(bundle, folder, name):
    """Copy a bundle without one of its files."""
    copy(bundle, folder)
    content = json.loads(manifest(folder))
    del content["files"][name]
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / name).unlink()
    return folder


def manifest(bundle):
    return (bundle / "manifest.json").read_text()


def forge(bundle, name, content):
    """Change a file, and the manifest so that only its reader can notice."""
    old = digest(bundle, name)
    (bundle / name).write_bytes(content)
    text = manifest(bundle).replace(old, digest(bundle, name))
    (bundle / "manifest.json").write_text(text)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_graph_is_named(bundle, tmp_path, name):
    folder = copy(bundle, tmp_path / "copy")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(AppError, match=rf"{name} was changed or damaged"):
        load_captioner(folder)
    (folder / name).unlink()
    with pytest.raises(AppError, match=rf"{name} is missing"):
        load_captioner(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"no graph", b"\0" * 5000, "cut"])
def test_a_graph_that_cannot_be_loaded_is_named(bundle, tmp_path, name, content):
    folder = copy(bundle, tmp_path / "copy")
    if content == "cut":
        whole = (folder / name).read_bytes()
        content = whole[: len(whole) // 2]
    forge(folder, name, content)
    with pytest.raises(AppError, match=rf"{name} cannot be loaded by LiteRT.*keras"):
        load_captioner(folder)


@pytest.mark.parametrize("other", FILES)
@pytest.mark.parametrize("name", FILES)
def test_a_graph_in_the_place_of_another_is_named(bundle, tmp_path, name, other):
    folder = copy(bundle, tmp_path / "copy")
    forge(folder, name, (bundle / other).read_bytes())
    if name == other:
        load_captioner(folder)
        return
    with pytest.raises(AppError, match=rf"{name} is not the graph that is needed here"):
        load_captioner(folder)


ALONE = """
import sys
from pathlib import Path

absent = {absent!r}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from shared.vision import names
names.ENCODERS["patches"] = names.Source("", "unit")  # as `conftest` does
from captioner.cli import main
code = main(sys.argv[1:])
print(*{{name.split(".")[0] for name in sys.modules}}, file=sys.stderr)
sys.exit(code)
"""
HEAVY = {"keras", "tensorflow", "h5py", "torch", "jax", "gradio", "matplotlib"}


def caption_alone(bundle, photos, *options, absent=(), status=0):
    """Run the command in a process of its own, without some packages."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", ALONE.format(absent=set(absent)), "caption"),
            *(str(path) for path in photos),
            *("--model", str(bundle), *options),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    if status:
        return done.stderr.splitlines()[:-1]
    captions = [line.partition("\t")[2] for line in done.stdout.splitlines()]
    return captions, set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        Image.fromarray(photo(seed)).save(path)
    return paths


def test_litert_imports_nothing_heavy(bundle, photos, tmp_path):
    expected = texts(
        load_captioner(bundle, runtime="keras").caption(path)[0] for path in photos
    )
    found, modules = caption_alone(bundle, photos)
    assert found == expected
    assert not (HEAVY | {"nltk"}) & modules
    for options in (
        ["--prefix", "a dog", "--groups", "2"],
        ["--must", "dogs", "--inflections"],
        ["--sample", "--num-captions", "3"],
        ["--details", "-o", str(tmp_path / "out.jsonl")],
        ["-o", str(tmp_path / "out.html"), "--sidecar"],
    ):
        assert not HEAVY & caption_alone(bundle, photos, *options)[1]


def test_litert_runs_where_nothing_heavy_is_installed(bundle, photos):
    captioner = load_captioner(bundle, runtime="keras")
    for changes, options in (
        ({}, []),
        ({"prefix": "a dog's"}, ["--prefix", "a dog's"]),
        ({"must": ("hat",)}, ["--must", "hat"]),
    ):
        found, _ = caption_alone(bundle, photos, *options, absent=HEAVY | {"nltk"})
        assert found == [captioner.caption(path, **changes)[0].text for path in photos]
    keras = ["--runtime", "keras"]
    (line,) = caption_alone(bundle, photos, *keras, absent=HEAVY, status=1)
    assert line.startswith("error: This needs Keras, and ")


def test_threads_may_share_a_captioner(pair_of):
    _, captioner = pair_of("tied")
    sources = [photo(seed) for seed in range(6)]
    alone = [texts(captioner.caption(source)) for source in sources]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(captioner.caption, sources * 20))
    assert [texts(captions) for captions in found] == alone * 20


@pytest.mark.parametrize("runtime", ["litert", "keras"])
def test_what_a_second_look_tells_counts(bundle_of, runtime):
    """Told of some photos, a model goes on as if its concept net had said so."""
    model = load_captioner(bundle_of("told"), runtime=runtime, batch_size=4)
    images = np.stack([model.read(photo(i)) for i in range(3)])
    run, looked = model.runtime, model.look(images).found
    seen = [part[:3].copy() for part in run.seen(looked)]
    probs = np.random.default_rng(3).random((2, 2, seen[0].shape[1]), np.float32)
    told = run.tell(looked, [0, 2], ConceptProbs(*probs))
    for was, now, new in zip(seen, run.seen(told), probs, strict=True):
        assert np.array_equal(now[:3], [new[0], was[1], new[1]])
    assert all(map(np.array_equal, (part[:3] for part in run.seen(looked)), seen))
    _, rules = model.request()
    before, after = (run.read(one, [4, 5], rules)[:3] for one in (looked, told))
    assert np.array_equal(before[1], after[1])
    assert (np.abs(before - after).max(axis=(1, 2))[[0, 2]] > 1e-6).all()
    taken = run.read(run.take(told, [2, 0]), [4, 5], rules)[:2]
    assert taken == pytest.approx(after[[2, 0]], abs=1e-5)
    old = ConceptProbs(*(part[[0, 2]] for part in seen))
    back = run.read(run.tell(told, [0, 2], old), [4, 5], rules)[:3]
    assert back == pytest.approx(before, abs=1e-6)


def test_both_runtimes_are_told_the_same(bundle_of):
    found = []
    for runtime in ("litert", "keras"):
        model = load_captioner(bundle_of("told"), runtime=runtime, batch_size=2)
        looked = model.look(np.stack([model.read(photo(i)) for i in (0, 1)])).found
        count = len(model.concept_words)
        probs = np.random.default_rng(3).random((2, 1, count), np.float32)
        told = model.runtime.tell(looked, [1], ConceptProbs(*probs))
        _, rules = model.request()
        found.append(model.runtime.read(told, [4], rules)[:2])
    assert found[0] == pytest.approx(found[1], abs=1e-4)
