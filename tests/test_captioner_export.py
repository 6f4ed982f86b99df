"""Exports of tiny nets: what is written, checked, refused, and loaded back."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import photo, tiny_config, tiny_model, write_shapes, write_tiny

from captioner.cli import main
from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.describing.predict import load_captioner
from captioner.jobs import export as export_module
from captioner.jobs.export import FORMS, export
from captioner.net.runtime_litert import FILES
from shared.bundles import folder as bundles
from shared.errors import AppError

pytestmark = pytest.mark.usefixtures("small_net")

RECIPES = {
    "plain": ({}, {}),
    "ruled": (
        {"attention_units": 0, "tied": False},
        {
            "beam_size": 4,
            "groups": 2,
            "must": ("hat",),
            "ban": ("dog",),
            "prefix": "a",
            "no_repeat": 2,
            "min_words": 3,
            "bad_endings": ("a", "on"),
            "length_penalty": "average",
        },
    ),
    "stacked": ({"layers": 2}, {"length_penalty": 1.5}),
    "only told": ({"attention_units": 0}, {"concepts": {"slots": 9, "units": 6}}),
}


def write(folder, recipe="plain", **decoding):
    decoder, rules = RECIPES[recipe]
    config = tiny_config(decoder, **rules | decoding)
    return write_tiny(folder, config, tiny_model(config))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_shapes(tmp_path_factory.mktemp("export") / "shapes", 30))


@pytest.fixture
def bundle(tmp_path):
    return write(tmp_path / "bundle")


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def scores(monkeypatch):
    """CIDEr-D of Keras and of each export after it, instead of the true ones."""
    left = []

    def score(records, photos):
        assert len(records) == len(photos) == 6
        report = SimpleNamespace(scores={"CIDEr-D": left.pop(0)})
        return SimpleNamespace(report=report)

    monkeypatch.setattr(export_module, "score_records", score)
    return left


@pytest.fixture
def converted(monkeypatch):
    """Precisions that were tried, without converting or loading anything."""
    tried = []

    def convert(model, rules, images, precision):
        assert images.shape == (24, 32, 32, 3)
        tried.append(precision)
        return {Path(name).name: precision.encode() for name in FILES}

    def load(folder, batch_size):
        assert (folder / FILES[0]).read_bytes() == tried[-1].encode()
        return SimpleNamespace(
            name="fake",
            encode=lambda images: [images],
            look=lambda features: features,
            search=lambda *_: found,
        )

    one = np.full((16, 1, 7), 3, np.int32)
    one[:, :, 0] = 5  # everything is a dog
    found = [one, np.zeros((16, 1)), np.zeros((16, 1, 7)), np.zeros((16, 1, 7, 16))]
    form = FORMS["litert"]._replace(write=convert, load=load)
    monkeypatch.setitem(FORMS, "litert", form)
    return tried


def test_what_passes_the_check_is_written(bundle, data, scores, converted):
    scores += [50.0, 49.2]
    before, said = content(bundle), []
    found = export(bundle, "litert", data, announce=said.append)
    assert (found.photos, found.before, found.after) == (6, 50.0, 49.2)
    assert converted == ["int8"]
    after = content(bundle)
    assert set(after) - set(before) == set(FILES)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"card.md", "manifest.json"}
    bundles.check_bundle(bundle, "captioner")
    sums = json.loads(after["manifest.json"])["files"]
    assert set(FILES) <= set(sums)
    assert (
        after["card.md"]
        .decode()
        .endswith(
            "<!-- part litert -->\n\n## As litert\n\nEncoder in int8, decoder in int8, "
            f"search outside. {found}\n\n<!-- end of part litert -->\n"
        )
    )
    assert said == [
        "captioning 6 photos with Keras",
        "writing litert, encoder in int8",
        "captioning 6 photos with litert",
        str(found),
    ]
    assert "On 6 photos 0.0% of its captions are those of Keras" in said[-1]


def test_a_part_is_replaced(bundle, data, scores, converted):
    scores += [50.0, 50.0, 50.0, 50.0]
    export(bundle, "litert", data)
    export(bundle, "litert", data, precision="float16")
    card = (bundle / "card.md").read_text()
    assert card.count("## As litert") == card.count("float16") == 1
    assert (bundle / FILES[0]).read_bytes() == b"float16"
    bundles.check_bundle(bundle, "captioner")


def test_what_loses_too_much_leaves_the_bundle_as_it_was(
    bundle, data, scores, converted
):
    scores += [50.0, 47.9, 47.9]
    before = content(bundle)
    with pytest.raises(AppError, match=r"loses 2.1 CIDEr-D; 2 may be lost"):
        export(bundle, "litert", data, max_loss=2)
    assert converted == ["int8", "float16"]
    assert content(bundle) == before


def test_more_may_be_lost_if_one_says_so(bundle, data, scores, converted, capsys):
    scores += [50.0, 47.9]
    options = ["--format", "litert", "--data", data, "--max-loss", "2.2"]
    assert main(["export", str(bundle), *options]) == 0
    assert capsys.readouterr().out == f"{bundle / 'litert'}\n"


def test_data_without_dev_photos_cannot_check(bundle, tmp_path):
    folder = write_shapes(tmp_path / "shapes", 10)
    text = re.sub(",(dev|train)", ",test", (folder / "captions.csv").read_text())
    (folder / "captions.csv").write_text(text)
    before = content(bundle)
    with pytest.raises(AppError, match=r"no photos with captions in split 'dev'"):
        export(bundle, "litert", str(folder))
    assert content(bundle) == before


def test_photos_that_cannot_be_read_cannot_calibrate(bundle, tmp_path):
    folder = write_shapes(tmp_path / "shapes", 10)
    for path in folder.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(AppError, match="None of the photos to calibrate with"):
        export(bundle, "litert", str(folder))


def test_an_unknown_form_is_refused(bundle, data):
    with pytest.raises(AppError, match=r"No form 'tfjs'. There are litert, saved"):
        export(bundle, "tfjs", data)
    with pytest.raises(AppError, match=r"No trained model in .*nothing"):
        export(bundle / "nothing", "litert", data)


@pytest.mark.parametrize(
    ("form", "name", "advice"),
    [
        ("onnx", "tf2onnx", r"pip install 'sightread\[onnx\]'"),
        ("onnx", "onnxruntime", r"pip install 'sightread\[onnx\]'"),
        ("litert", "ai_edge_litert", r"pip install ai-edge-litert"),
    ],
)
def test_a_missing_library_is_named_at_once(
    bundle, data, monkeypatch, form, name, advice
):
    monkeypatch.setitem(sys.modules, name, None)
    before, said = content(bundle), []
    with pytest.raises(AppError, match=rf"{name} is not installed.*{advice}"):
        export(bundle, form, data, announce=said.append)
    assert said == []  # no photo was captioned in vain
    assert content(bundle) == before


@pytest.mark.parametrize("form", ["savedmodel", "onnx"])
def test_a_sample_cannot_be_put_inside(tmp_path, data, form):
    bundle = write(tmp_path / "sampling", method="sample")
    before, said = content(bundle), []
    match = r"draws its captions \(method sample\).*Export it as litert"
    with pytest.raises(AppError, match=match):
        export(bundle, form, data, announce=said.append)
    assert said == []
    assert content(bundle) == before


def flat(batches):
    return [captions for batch in batches for _, captions in batch]


def check_same(first, second):
    for ones, others in zip(first, second, strict=True):
        assert [one.text for one in ones] == [other.text for other in others]
        for one, other in zip(ones, others, strict=True):
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)
            assert one.probs == pytest.approx(other.probs, abs=1e-4)
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "recipe"), [("savedmodel", "ruled"), ("onnx", "plain"), ("onnx", "ruled")]
)
def test_what_has_the_search_inside_says_what_keras_says(tmp_path, data, form, recipe):
    bundle, sources = write(tmp_path / "bundle", recipe), [photo(i) for i in range(7)]
    found = export(bundle, form, data, max_loss=0)
    assert (found.same, found.before) == (1.0, found.after)
    assert f"## As {form}" in (bundle / "card.md").read_text()
    bundles.check_bundle(bundle, "captioner")
    assert bundles.has_part(bundle, form)
    keras = load_captioner(bundle, runtime="keras", batch_size=3)
    expected = flat(keras.caption_all(sources))
    runtime = FORMS[form].load(bundle, 3)
    for size in (1, 3, 16):
        whole = PhotoCaptioner(keras.config, keras.vocabulary, runtime, size)
        check_same(flat(whole.caption_all(sources)), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "precision"),
    [("ruled", "float16"), ("stacked", "int8"), ("only told", "int8")],
)
def test_litert_says_nearly_what_keras_says(tmp_path, data, recipe, precision):
    bundle = write(tmp_path / "bundle", recipe)
    found = export(bundle, "litert", data, precision=precision, max_loss=100)
    assert found.same > 0.6
    keras, litert = (
        load_captioner(bundle, runtime=name, batch_size=3)
        for name in ("keras", "litert")
    )
    for seed in range(7):
        for words in ("", "a dog"):
            first = dict(keras.alternatives(photo(seed), words))
            second = dict(litert.alternatives(photo(seed), words))
            assert first == pytest.approx(
                second, abs=0.15 if precision == "int8" else 0.01
            )
