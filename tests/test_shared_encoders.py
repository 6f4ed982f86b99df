import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from shared.encoders import ENCODERS, Encoder
from shared.errors import AppError

SIZE = 32
QUICK = {"mobilenet_v2", "mobilenet_v3_small", "vgg16"}  # one of each scaling
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


def slow_unless_quick(names):
    return [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in names
    ]


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


@pytest.mark.parametrize("name", slow_unless_quick(ENCODERS))
def test_an_encoder_gives_regions_of_features(name):
    size = 75 if name == "inception_v3" else SIZE
    encoder = Encoder(name, size, None)
    features = ops.convert_to_numpy(encoder(pixels(size)))
    assert features.shape == (2, encoder.regions, encoder.feature_size)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("name", slow_unless_quick(KERAS_MODULES))
def test_pixels_are_scaled_as_keras_does(name, monkeypatch):
    module = importlib.import_module(f"keras.applications.{KERAS_MODULES[name]}")
    size = 75 if name == "inception_v3" else SIZE
    encoder = Encoder(name, size, None)
    seen = []

    def backbone(images, training):
        seen.append(ops.convert_to_numpy(images))
        return ops.zeros((len(images), encoder.regions, 1, encoder.feature_size))

    images = pixels(size)
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
