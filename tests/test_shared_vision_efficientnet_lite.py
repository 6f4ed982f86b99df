from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from shared.errors import AppError
from shared.vision.efficientnet_lite import SCALES, efficientnet_lite, read_classifier
from shared.vision.encoders import Encoder
from shared.vision.images import read_image

SHARED = Path(__file__).parents[2] / "shared"
PHOTOS = SHARED / "data/labelled/imagenet"
# Million weights, classifier included, in the table of the blog post.
PUBLISHED = {"lite0": 4.7, "lite1": 5.4, "lite2": 6.1, "lite3": 8.2, "lite4": 13.0}


def saved(path, net, **changes):
    """Write a net's weights as named arrays, with a classifier."""
    names = {"moving_mean": "mean", "moving_variance": "variance"}
    rng = np.random.default_rng(0)
    arrays = {
        f"{layer.name}.{names.get(w.name, w.name)}": rng.uniform(0.5, 1, w.shape)
        for layer in net.layers
        for w in layer.weights
    }
    arrays["classifier.kernel"] = rng.normal(size=(1280, 1000)) / 30
    arrays["classifier.bias"] = rng.normal(size=1000)
    arrays |= changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return arrays


@pytest.fixture(scope="module")
def net():
    return efficientnet_lite("efficientnet_lite0", None, False, (64, 64, 3))


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_has_as_many_weights_as_published(name):
    net = efficientnet_lite(f"efficientnet_{name}", None, False, (64, 64, 3))
    statistics = sum(
        int(np.prod(w.shape)) for w in net.non_trainable_weights
    )  # which the table does not count
    count = net.count_params() - statistics + 1280 * 1000 + 1000
    assert count / 1e6 == pytest.approx(PUBLISHED[name], abs=0.1)
    assert net.output_shape[1:] == (2, 2, 1280)
    assert set(SCALES) == {f"efficientnet_{name}" for name in PUBLISHED}


def test_a_block_is_what_the_equations_say(net, tmp_path):
    """The second block of the second stage: 24 channels in and out, and a shortcut."""
    arrays = saved(tmp_path / "a.npz", net)
    net = efficientnet_lite(
        "efficientnet_lite0", str(tmp_path / "a.npz"), False, (16, 16, 3)
    )
    start, end = (net.get_layer(f"blocks.{n}.project.bn").output for n in (1, 2))
    inner = keras.Model(net.input, [start, end])
    x, y = map(
        ops.convert_to_numpy,
        inner(np.random.default_rng(1).normal(size=(1, 16, 16, 3))),
    )

    def normal(values, place):
        gamma, beta, mean, variance = (
            arrays[f"blocks.2.{place}.bn.{name}"]
            for name in ("gamma", "beta", "mean", "variance")
        )
        return gamma * (values - mean) / np.sqrt(variance + 1e-3) + beta

    def relu6(values):
        return values.clip(0, 6)

    wide = relu6(normal(x @ arrays["blocks.2.expand.conv.kernel"][0, 0], "expand"))
    padded = np.pad(wide, [(0, 0), (1, 1), (1, 1), (0, 0)])
    kernel = arrays["blocks.2.depthwise.conv.kernel"][..., 0]
    rows, columns = x.shape[1:3]
    looked = sum(
        padded[:, i : i + rows, j : j + columns] * kernel[i, j]
        for i in range(3)
        for j in range(3)
    )
    looked = relu6(normal(looked, "depthwise"))
    expected = normal(looked @ arrays["blocks.2.project.conv.kernel"][0, 0], "project")
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def test_pixels_are_scaled_and_weights_come_back(net, tmp_path):
    path = tmp_path / "a.npz"
    arrays = saved(path, net)
    encoder = Encoder("efficientnet_lite0", 32, str(path))
    assert (encoder.regions, encoder.feature_size) == (1, 1280)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    scaled = (images.astype(np.float32) - 127) / 128
    grid = ops.convert_to_numpy(encoder.backbone(scaled, training=False))
    features = ops.convert_to_numpy(encoder(images))
    np.testing.assert_allclose(features, grid.reshape(2, 1, 1280), atol=1e-5)
    kept = encoder.backbone.get_layer("stem.conv").kernel
    np.testing.assert_allclose(kept, arrays["stem.conv.kernel"], rtol=1e-6)
    own = tmp_path / "own.weights.h5"
    encoder.backbone.save_weights(own)
    again = Encoder("efficientnet_lite0", 32, str(own))
    assert again.fingerprint() == encoder.fingerprint()


def test_the_classifier_is_a_softmax_of_the_mean_region(net, tmp_path):
    arrays = saved(tmp_path / "a.npz", net)
    classifier = read_classifier(str(tmp_path / "a.npz"))
    features = np.random.default_rng(0).normal(size=(3, 4, 1280)).astype(np.float32)
    logits = features.mean(1) @ arrays["classifier.kernel"] + arrays["classifier.bias"]
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(classifier(features), expected, rtol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"stem.conv.kernel": None},
        {"stem.conv.kernel": np.zeros((3, 3, 3, 40))},
        {"blocks.99.extra": np.zeros(3)},
    ],
)
def test_weights_of_another_net_are_refused(changes, net, tmp_path):
    saved(tmp_path / "a.npz", net, **changes)
    with pytest.raises(AppError, match=r"weights of another net: .*(stem|blocks\.99)"):
        efficientnet_lite(
            "efficientnet_lite0", str(tmp_path / "a.npz"), False, (32, 32, 3)
        )


@pytest.mark.parametrize("content", [b"", b"PK\3\4 broken", b"no archive"])
def test_a_broken_file_is_refused(content, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    for read in (
        lambda: read_classifier(str(path)),
        lambda: Encoder("efficientnet_lite0", 32, str(path)),
    ):
        with pytest.raises(AppError, match="these weights cannot be read"):
            read()


def test_there_is_nothing_to_download():
    with pytest.raises(AppError, match=r"no weights to download; give the path"):
        Encoder("efficientnet_lite2", 32, "imagenet")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("lite0", 0.70), ("lite2", 0.75)])
def test_published_weights_name_photos(name, least):
    weights = SHARED / f"weights/efficientnet_{name}_imagenet.npz"
    if not weights.is_file() or not PHOTOS.is_dir():
        pytest.skip(f"needs {weights} and the photos in {PHOTOS}")
    encoder = Encoder(f"efficientnet_{name}", 224, str(weights))
    classifier = read_classifier(str(weights))
    photos = sorted(PHOTOS.glob("*.jpg"))[::10]
    right = 0
    for start in range(0, 100, 20):
        images = [read_image(path, 224, "crop") for path in photos[start : start + 20]]
        probs = classifier(ops.convert_to_numpy(encoder(np.stack(images))))
        classes = 10 * np.arange(start, start + 20)
        right += int((probs.argmax(-1) == classes).sum())
    assert right / 100 >= least  # of each tenth class, some seen in training
