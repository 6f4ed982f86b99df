import hashlib
import importlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import (
    VOCABULARY,
    dense_model,
    patches,
    tiny_config,
    tiny_model,
    tiny_vqa_config,
    tiny_vqa_model,
    write_tiny,
    write_tiny_vqa,
)
from keras import ops

from captioner.describing.predict import load_bundle as load_captioner
from shared.bundles.folder import write_bundle
from shared.errors import AppError
from shared.vision import names
from shared.vision.encoders import Encoder
from shared.vision.names import ENCODERS
from vqa.answering.predict import load_bundle as load_answerer

SIZE = 32
QUICK = {"small", "mobilenet_v2", "mobilenet_v3_small", "vgg16"}  # all scalings
KERAS_MODULES = {
    "vgg16": "vgg16",
    "resnet50": "resnet",
    "resnet50_v2": "resnet_v2",
    "inception_v3": "inception_v3",
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_small": "mobilenet_v3",
    "efficientnet_v2_b0": "efficientnet_v2",
    "convnext_tiny": "convnext",
}


def pixels(size=SIZE, count=2, seed=0):
    shape = (count, size, size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture(scope="module")
def mobilenet():
    keras.utils.set_random_seed(0)
    return Encoder("mobilenet_v2", SIZE, None)


@pytest.fixture(autouse=True)
def all_trainable(request):
    yield
    if "mobilenet" in request.fixturenames:
        request.getfixturevalue("mobilenet").train_from("all")


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in ENCODERS
    ],
)
def test_an_encoder_gives_regions_of_features_and_scales_as_keras_does(
    name, monkeypatch
):
    size = 75 if name == "inception_v3" else SIZE
    encoder, images, seen = Encoder(name, size, None), pixels(size), []
    features = ops.convert_to_numpy(encoder(images))
    assert features.shape == (2, encoder.regions, encoder.feature_size)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()

    def backbone(images, training):
        seen.append(ops.convert_to_numpy(images))
        return ops.zeros((len(images), encoder.regions, 1, encoder.feature_size))

    if name in KERAS_MODULES:
        module = importlib.import_module(f"keras.applications.{KERAS_MODULES[name]}")
        monkeypatch.setattr(encoder, "backbone", backbone)
        encoder.call(images)
        expected = module.preprocess_input(images.astype("float32"))
        np.testing.assert_allclose(seen[0], expected, atol=1e-4)


def test_regions_are_the_rows_of_the_grid_one_after_the_other():
    encoder = Encoder("mobilenet_v2", 64, None)
    images = pixels(64)
    grid = ops.convert_to_numpy(encoder.backbone(images / np.float32(127.5) - 1))
    features = ops.convert_to_numpy(encoder(images))
    np.testing.assert_allclose(features[:, 1], grid[:, 0, 1], atol=1e-5)
    np.testing.assert_allclose(features[:, 2], grid[:, 1, 0], atol=1e-5)


def test_training_does_not_touch_batch_statistics(mobilenet):
    before = [ops.convert_to_numpy(v) for v in mobilenet.non_trainable_variables]
    trained = ops.convert_to_numpy(mobilenet(pixels(), training=True))
    np.testing.assert_array_equal(trained, ops.convert_to_numpy(mobilenet(pixels())))
    for old, new in zip(before, mobilenet.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(new))


def test_an_unknown_encoder_lists_the_known():
    with pytest.raises(AppError, match=r"No encoder 'resnet51'.*vgg16, .*convnext"):
        Encoder("resnet51", SIZE, None)


def test_missing_weights_are_named():
    with pytest.raises(AppError, match=r"No encoder weights at a/b\.h5.*mobilenet_v2"):
        Encoder("mobilenet_v2", SIZE, "a/b.h5")


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_of_another_net_are_refused(tmp_path):
    path = tmp_path / "tiny.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(AppError, match=r"mobilenet_v2 cannot .*tiny\.weights\.h5"):
        Encoder("mobilenet_v2", SIZE, str(path))


def test_an_image_too_small_for_the_net_is_refused():
    with pytest.raises(AppError, match=r"inception_v3 cannot be built at 32 px"):
        Encoder("inception_v3", 32, None)


def test_a_failed_download_says_what_to_fetch_and_where_to_put_it(monkeypatch):
    def get_file(name, origin, **kwargs):
        raise Exception(f"URL fetch failure on {origin}: None -- [Errno -2] unknown")

    monkeypatch.setenv("KERAS_HOME", str(Path("my/keras")))
    for module in ("mobilenet_v2", "vgg16"):
        module = importlib.import_module(f"keras.src.applications.{module}")
        monkeypatch.setattr(module.file_utils, "get_file", get_file)
    folder = str(Path("my/keras/models"))
    with pytest.raises(AppError) as caught:
        Encoder("mobilenet_v2", 96, "imagenet")
    message = str(caught.value)
    assert "mobilenet_v2 could not be downloaded" in message
    assert "https://storage.googleapis.com/" in message
    assert "no_top.h5 where" in message  # the address, without what follows it
    assert folder in message


def trained(encoder):
    return {layer.name for layer in encoder.backbone.layers if layer.trainable_weights}


def test_all_none_or_the_top_is_trained(mobilenet):
    mobilenet.train_from("none")
    assert mobilenet.trainable_variables == []
    mobilenet.train_from("block_16_project")
    assert trained(mobilenet) == {
        "block_16_project",
        "block_16_project_BN",
        "Conv_1",
        "Conv_1_bn",
    }
    mobilenet.train_from("all")
    assert {"Conv1", "bn_Conv1", "block_1_expand", "Conv_1_bn"} <= trained(mobilenet)


def test_an_unknown_block_lists_the_layers(mobilenet):
    with pytest.raises(AppError, match=r"no layer 'block_99'.*all, none or .*Conv1"):
        mobilenet.train_from("block_99")


def test_the_fingerprint_depends_on_all_that_features_depend_on(mobilenet):
    fingerprint = mobilenet.fingerprint()
    mobilenet.train_from("none")
    assert mobilenet.fingerprint() == fingerprint

    twin = Encoder("mobilenet_v2", SIZE, None)
    assert twin.fingerprint() != fingerprint
    twin.set_weights(mobilenet.get_weights())
    assert twin.fingerprint() == fingerprint

    larger = Encoder("mobilenet_v2", 64, None)
    larger.set_weights(mobilenet.get_weights())
    assert larger.fingerprint() != fingerprint

    statistic = twin.backbone.get_layer("bn_Conv1").moving_mean
    statistic.assign(statistic + 1e-3)
    assert twin.fingerprint() != fingerprint


def test_weights_survive_a_file(mobilenet, tmp_path):
    path = tmp_path / "encoder.weights.h5"
    mobilenet.backbone.save_weights(path)
    read = Encoder("mobilenet_v2", SIZE, str(path))
    assert read.fingerprint() == mobilenet.fingerprint()


def test_statistics_are_set_from_typical_images():
    encoder = Encoder("mobilenet_v2", SIZE, None)
    images = pixels(count=8)
    before = ops.convert_to_numpy(encoder(images))
    encoder.calibrate(images)
    norm = encoder.backbone.get_layer("bn_Conv1")
    conv = keras.Model(encoder.backbone.input, norm.input)
    grid = ops.convert_to_numpy(conv(images / np.float32(127.5) - 1))
    np.testing.assert_allclose(norm.moving_mean, grid.mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, grid.var((0, 1, 2)), rtol=0.02)
    assert norm.momentum == 0.999
    after = ops.convert_to_numpy(encoder(images))
    assert after.std() > 10 * before.std()


def test_the_small_encoder_pools_four_times():
    encoder = Encoder("small", 64, None)
    assert (encoder.regions, encoder.feature_size) == (16, 128)
    assert [layer.name for layer in encoder.backbone.layers[1::2]] == [
        f"block{block}" for block in (1, 2, 3, 4)
    ]
    assert Encoder("small", 100, None).regions == 36
    encoder.train_from("block4")
    assert trained(encoder) == {"block4"}


def test_the_small_encoder_keeps_apart_what_differs_without_training():
    """Its first weights are those of He et al., so that no block fades out."""
    keras.utils.set_random_seed(0)
    features = ops.convert_to_numpy(Encoder("small", 64, None)(pixels(64)))
    assert features.std() > 0.1
    assert abs(features[0] - features[1]).mean() > 0.1


def test_the_small_encoder_starts_from_a_file_or_from_nothing(tmp_path):
    encoder = Encoder("small", SIZE, None)
    path = tmp_path / "small.weights.h5"
    encoder.backbone.save_weights(path)
    assert Encoder("small", SIZE, str(path)).fingerprint() == encoder.fingerprint()
    with pytest.raises(AppError, match=r"no ImageNet weights; start from none"):
        Encoder("small", SIZE, "imagenet")


@pytest.fixture
def bundle(task, tmp_path, monkeypatch):
    """A bundle of a task, whose encoder is `patches` at 32 px."""
    monkeypatch.setitem(names.ENCODERS, "patches", names.Source(patches, "unit"))
    if task == "captioner":
        config = tiny_config()
        return write_tiny(tmp_path / "bundle", config, tiny_model(config), VOCABULARY)
    config = tiny_vqa_config()
    return write_tiny_vqa(tmp_path / "bundle", config, tiny_vqa_model(config))


both_tasks = pytest.mark.parametrize("task", ["captioner", "vqa"])
one_task = pytest.mark.parametrize("task", ["captioner"])


@both_tasks
def test_an_encoder_starts_as_that_of_a_bundle(bundle, task):
    load_bundle = load_captioner if task == "captioner" else load_answerer
    model = load_bundle(bundle)[-1]
    start = Encoder("patches", 32, str(bundle))
    assert start.fingerprint() == model.encoder.fingerprint()
    np.testing.assert_array_equal(start(pixels()), model.encoder(pixels()))
    larger = Encoder("patches", 64, str(bundle))  # its weights fit any size
    grid = ops.convert_to_numpy(larger(np.tile(pixels(), (1, 2, 2, 1))))[:, :4]
    np.testing.assert_allclose(grid, start(pixels())[:, :4], atol=1e-5)


@one_task
def test_a_bundle_with_another_encoder_is_not_started_from(bundle):
    match = r"has the encoder patches, not small. Name patches in the recipe, or"
    with pytest.raises(AppError, match=match):
        Encoder("small", 32, str(bundle))


@one_task
def test_a_damaged_bundle_is_not_started_from(bundle):
    with (bundle / "model.weights.h5").open("ab") as file:
        file.write(b"x")
    with pytest.raises(AppError, match=r"weights\.h5 was changed or damaged"):
        Encoder("patches", 32, str(bundle))
    (bundle / "manifest.json").unlink()
    with pytest.raises(AppError, match=r"No trained model in .*manifest.json is mis"):
        Encoder("patches", 32, str(bundle))


@one_task
@pytest.mark.parametrize(
    "text", ["", "encoder = 1", "[encoder]\nsize = 3", "[encoder", 'encoder = "small"']
)
def test_a_bundle_that_does_not_name_its_encoder_is_not_started_from(bundle, text):
    (bundle / "config.toml").write_text(text)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["config.toml"] = hashlib.sha256(text.encode()).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AppError, match=r"\.toml (does not say|is not valid)"):
        Encoder("patches", 32, str(bundle))


def test_weights_without_an_encoder_are_not_started_from(tmp_path):
    write_bundle(
        tmp_path / "bundle",
        task="captioner",
        config='[encoder]\nname = "small"\n',
        vocabulary="",
        model=dense_model(3, 4),
        card="",
    )
    with pytest.raises(AppError, match=r"weights\.h5 do not fit .*encoder is missing"):
        Encoder("small", 32, str(tmp_path / "bundle"))
