"""Hard attention's gradient, and the model's own words among those that it reads."""

from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from test_captioner_model import D, R, V, captioner, inputs, make

from captioner.net.losses import TINY, caption_loss, region_loss
from shared.nets import attention
from shared.nets.attention import Sampled
from shared.nets.drawing import LEVELS
from shared.text.vocabulary import BOS, PAD

WORDS, REGIONS = 2, 3
HARD = {"attention_units": 7, "attention": "hard"}


@pytest.fixture
def forced(monkeypatch):
    """Let noise name the region that is drawn."""

    def name(probs, noise, ops):
        return ops.cast(ops.round(noise * LEVELS), "int32")

    monkeypatch.setattr(attention, "draw", name)


def one_photo():
    """A photo, and a caption of `WORDS` words with a pad behind it."""
    rng = np.random.default_rng(3)
    targets = np.array([[[*rng.integers(4, V, WORDS), PAD]]], np.int32)
    tokens = np.concatenate([[[[BOS]]], targets[..., :-1]], -1)
    return rng.normal(size=(1, REGIONS, D)).astype("float32"), tokens, targets


def read(decoder, regions):
    features, tokens, targets = one_photo()
    noise = np.array([[[*regions, 0]]], np.int32)
    logits, sampled = decoder(features, tokens, region_noise=noise)
    chosen = ops.convert_to_numpy(sampled.chosen[0, 0, :WORDS])
    assert chosen.argmax(-1).tolist() == list(regions)
    likely = ops.prod(ops.sum(sampled.probs * sampled.chosen, -1)[0, 0, :WORDS])
    return logits, sampled, targets, likely


def test_the_mean_gradient_is_that_of_the_bound(forced):
    """Exactly, whatever the baseline: summed over all that can be drawn."""
    decoder = make(HARD, scale=0.8)
    weights = [w.value for w in decoder.trainable_variables]
    everywhere = list(product(range(REGIONS), repeat=WORDS))
    with tf.GradientTape() as tape:
        bound, all_likely = 0.0, 0.0
        for regions in everywhere:
            logits, _, targets, likely = read(decoder, regions)
            bound += likely * caption_loss(logits, targets)
            all_likely += likely
    assert float(all_likely) == pytest.approx(1, abs=1e-5)
    exact = tape.gradient(bound, weights)
    mean = [0.0] * len(weights)
    for regions in everywhere:
        with tf.GradientTape() as tape:
            logits, sampled, targets, likely = read(decoder, regions)
            loss, _ = region_loss(logits, sampled, targets, -5.0)
            loss += caption_loss(logits, targets)
        found = tape.gradient(loss, weights)
        mean = [
            m + likely * tf.convert_to_tensor(f)
            for m, f in zip(mean, found, strict=True)
        ]
    for variable, m, e in zip(decoder.trainable_variables, mean, exact, strict=True):
        e = tf.convert_to_tensor(e)
        np.testing.assert_allclose(m, e, atol=2e-5, err_msg=variable.path)
        if variable is decoder.attention.score.kernel:
            assert float(ops.max(ops.abs(e))) > 1e-3  # or there is nothing to compare


def test_regions_are_drawn_as_the_bound_weighs_them():
    """Each way through a caption, as often as it is probable."""
    decoder = make(HARD, scale=0.8)
    features, tokens, _ = one_photo()
    count = 4000
    rng = np.random.default_rng(0)
    noise = rng.integers(LEVELS, size=(1, count, tokens.shape[-1]), dtype=np.int32)
    _, sampled = decoder(features, np.tile(tokens, (1, count, 1)), region_noise=noise)
    probs, chosen = (ops.convert_to_numpy(part)[0, :, :WORDS] for part in sampled)
    likely = (probs * chosen).sum(-1).prod(-1)
    paths = chosen.argmax(-1) @ (REGIONS ** np.arange(WORDS))
    for path in np.unique(paths):
        p = likely[paths == path]
        np.testing.assert_allclose(p, p[0], rtol=1e-4)
        error = 4 * float(np.sqrt(p[0] / count))
        assert (paths == path).mean() == pytest.approx(p[0], abs=error)


def sampled_of(probs, chosen):
    return Sampled(ops.convert_to_tensor(probs), ops.convert_to_tensor(chosen))


def test_the_entropy_is_taken_from_the_loss_and_nothing_else_is_shown():
    rng = np.random.default_rng(1)
    targets = np.array([[[5, 6, PAD]], [[7, PAD, PAD]]], np.int32)
    logits = rng.normal(size=(2, 1, 3, V)).astype("float32")
    probs = rng.dirichlet(np.ones(R), (2, 1, 3)).astype("float32")
    probs[0, 0, 0] = np.eye(R)[0]  # whose entropy is 0, not NaN
    sampled = sampled_of(
        probs, np.eye(R, dtype="float32")[rng.integers(R, size=(2, 1, 3))]
    )
    loss, reached = region_loss(logits, sampled, targets, -2.0, 0.5)
    mask = targets != PAD
    entropy = -(probs * np.log(np.maximum(probs, TINY))).sum(-1)
    assert float(loss) == pytest.approx(-0.5 * entropy[mask].sum() / 3, abs=1e-5)
    assert float(reached) == pytest.approx(
        -float(caption_loss(logits, targets)), abs=1e-5
    )
    assert float(region_loss(logits, sampled, targets, -2.0)[0]) == 0


def test_the_expectation_is_taught_by_its_own_gradient_alone():
    decoder, soft = make(HARD), make(attention_units=7, layers=1, tied=True)
    soft.set_weights([w for w in decoder.get_weights() if w.shape])  # no baseline
    features, tokens, targets = one_photo()
    noise = np.full(tokens.shape, -1, np.int32)
    with tf.GradientTape() as tape:
        logits, sampled = decoder(features, tokens, region_noise=noise)
        loss, _ = region_loss(logits, sampled, targets, -9.0)
    expected, alpha = soft(features, tokens)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(sampled.probs, alpha, atol=1e-5)
    for slope in tape.gradient(loss, [w.value for w in decoder.trainable_variables]):
        assert slope is None or float(ops.max(ops.abs(slope))) < 1e-5


def test_the_baseline_follows_and_a_step_trains_where_to_look():
    model, (features, tokens) = captioner(attention="hard"), inputs()
    assert float(model.decoder.baseline) == pytest.approx(-np.log(V))
    targets = np.roll(tokens, -1, -1)
    x = {"features": features, "tokens": tokens}
    x["region_noise"] = np.zeros(tokens.shape, np.int32)
    logits, _ = model(x)
    reached = -float(caption_loss(logits, targets))
    model.encoder.trainable = False
    model.compile("sgd", jit_compile=False)
    before = ops.convert_to_numpy(model.decoder.attention.score.kernel).copy()
    model.train_on_batch(x, targets)
    expected = 0.9 * -np.log(V) + 0.1 * reached
    assert float(model.decoder.baseline) == pytest.approx(expected, abs=1e-4)
    after = ops.convert_to_numpy(model.decoder.attention.score.kernel)
    assert (after != before).any()


@pytest.mark.parametrize("kind", [HARD, {"attention_units": 0}, {"attention_units": 7}])
def test_words_of_its_own_are_drawn_and_read(kind):
    """As if the caption had had them."""
    decoder = make(kind, scale=0.3)
    features, tokens = inputs()
    noise = np.random.default_rng(7).integers(LEVELS, size=tokens.shape, dtype=np.int32)
    noise[0] = noise[:, 0, 2] = -1
    read = tokens.copy()
    for t in range(1, tokens.shape[-1]):
        logits, _ = decoder(features, read)
        scores = ops.convert_to_numpy(logits)[:, :, t - 1].astype(float)
        probs = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        drawn = (probs.cumsum(-1) <= noise[:, :, t, None] / LEVELS).sum(-1)
        read[:, :, t] = np.where(noise[:, :, t] < 0, tokens[:, :, t], drawn)
    assert (read[1, 1] != tokens[1, 1]).any()
    expected, found = (
        decoder(features, read),
        decoder(features, tokens, word_noise=noise),
    )
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)
    np.testing.assert_array_equal(found[0][0], decoder(features, tokens)[0][0])
