import numpy as np
import pytest
from keras import ops

from shared.concepts.examples import (
    PENALTY,
    add_words,
    fit_detectors,
    predict_unseen,
)
from shared.concepts.net import ConceptNet
from shared.concepts.table import TABLE, format_table, make_table, read_table

WORDS = ("person", "cat", "red")
RNG = np.random.default_rng(4)
# Three things of their own, each on three photos; the fourth region is noise.
KINDS = RNG.normal(size=(3, 8))
FEATURES = np.stack(
    [KINDS[i % 3] + 0.3 * RNG.normal(size=(4, 8)) for i in range(9)]
).astype(np.float16)
SHOWN = np.arange(9)[:, None] % 3 == np.arange(3)


@pytest.fixture
def net():
    net = ConceptNet(make_table(WORDS, ["red"], classifies=True))
    net.build((None, 4, 8))
    for weight in net.weights:
        weight.assign(RNG.normal(size=weight.shape) * 0.3)
    return net


def seen(net, features):
    return [ops.convert_to_numpy(part) for part in net(features.astype(np.float32))]


def test_new_words_are_seen_and_old_ones_as_before(net):
    grown = add_words(net, ["miso", "okapi"], FEATURES, SHOWN[:, :2])
    assert grown.words == (*WORDS, "miso", "okapi")
    for before, after in zip(seen(net, FEATURES), seen(grown, FEATURES), strict=True):
        np.testing.assert_allclose(after[:, :3], before, rtol=1e-5)
        assert ((after[:, 3:] > 0.5) == SHOWN[:, :2]).all()
    other = (KINDS[0] + 0.3 * RNG.normal(size=(1, 4, 8))).astype(np.float32)
    assert seen(grown, other)[1][0, 3] > 0.5


def test_each_photo_is_judged_by_detectors_that_it_did_not_teach(net):
    shown = SHOWN[:, :2]
    unseen = predict_unseen(FEATURES.astype(np.float32).mean(axis=1), shown)
    for row in range(len(FEATURES)):
        others = np.arange(len(FEATURES)) != row
        grown = add_words(net, ["miso", "okapi"], FEATURES[others], shown[others])
        found = seen(grown, FEATURES[row : row + 1])[1][0, 3:]
        np.testing.assert_allclose(unseen[row], found, atol=1e-3)
    fitted = seen(add_words(net, ["miso", "okapi"], FEATURES, shown), FEATURES)[1]
    assert unseen[shown].mean() < fitted[:, 3:][shown].mean()


def test_words_can_be_added_again(net):
    once = add_words(net, ["miso"], FEATURES, SHOWN[:, :1])
    twice = add_words(once, ["okapi"], FEATURES, SHOWN[:, 1:2])
    both = add_words(net, ["miso", "okapi"], FEATURES, SHOWN[:, :2])
    for one, other in zip(seen(twice, FEATURES), seen(both, FEATURES), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_where_a_new_word_is_seen(net):
    grown = add_words(net, ["miso"], FEATURES, SHOWN[:, :1])
    photo = np.stack([*KINDS[1:], KINDS[0], KINDS[1]])[None].astype(np.float32)
    _, odds = grown.look(photo)
    places = ops.convert_to_numpy(grown.where(odds))[0, :, 3]
    assert places.argmax() == 2


def test_the_table_tells_words_taught_by_examples(net, tmp_path):
    usual = format_table(net.table)
    assert "example" not in usual
    grown = add_words(net, ["miso", "okapi"], FEATURES, SHOWN[:, :2])
    (tmp_path / TABLE).write_text(format_table(grown.table))
    assert read_table(tmp_path) == grown.table
    assert [row.example for row in grown.table] == [None, None, None, 0, 1]
    (tmp_path / TABLE).write_text(usual)
    assert read_table(tmp_path) == net.table


def test_the_regressions_are_the_best_there_are():
    features = RNG.normal(size=(7, 5)).astype(np.float32)
    shown = np.array([[1, 0, 0, 1, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0]], bool).T
    kernel, bias = fit_detectors(features, shown)
    scale = np.sqrt(np.square(features).sum(axis=1).mean())
    for column in range(2):
        target = shown[:, column].astype(float)
        weights = np.where(target > 0, 1 / target.sum(), 1 / (1 - target).sum())

        def loss(theta, target=target, weights=weights):
            odds = features / scale @ theta[:5] + theta[5]
            fit = (weights * (np.logaddexp(0, odds) - target * odds)).sum()
            return fit + PENALTY * np.square(theta).sum() / 2

        # The loss is convex: where it is flat in all directions, it is the least.
        found = np.append(kernel[:, column] * scale, bias[column]).astype(float)
        slopes = [(loss(found + d) - loss(found - d)) / 2e-4 for d in 1e-4 * np.eye(6)]
        np.testing.assert_allclose(slopes, 0, atol=1e-5)


def test_a_word_of_all_photos_is_not_seen_for_certain():
    _, bias = fit_detectors(np.ones((4, 3), np.float32), np.ones((4, 1), bool))
    assert np.isfinite(bias).all()
