import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from captioner.config import DecoderConfig
from captioner.net.decoder import Decoder
from captioner.net.losses import attention_loss, caption_loss
from captioner.net.model import Captioner
from shared.concepts.config import ConceptsConfig
from shared.concepts.slots import ConceptSlots
from shared.runs.training import build_optimizer
from shared.text.vocabulary import BOS, EOS, PAD, SPECIAL_WORDS, Vocabulary

B, K, T, R, D, V = 2, 3, 5, 4, 6, 11
SIZES = {"units": 5, "embed_dim": 4, "region_units": 3}
KINDS = [
    {"attention_units": attention, "layers": count, "tied": tied}
    for attention in (0, 7)
    for count in (1, 2)
    for tied in (True, False)
]
KINDS += [{"attention_units": 7, "attention": "hard"}]
KINDS += [{"attention_units": attention, "slots": 3} for attention in (0, 7)]
# The fifth has two words; the last one has a word that is not known.
CONCEPTS = ["w4", "w5", "person", "w6", "w7 w8", "w9", "unheard"]
WORDS = Vocabulary([*SPECIAL_WORDS, *(f"w{i}" for i in range(4, V - 1)), "person"])


def name_of(kind):
    return " ".join(
        f"{key[:4]}={value if isinstance(value, str) else int(value)}"
        for key, value in kind.items()
    )


every_kind = pytest.mark.parametrize("kind", KINDS, ids=name_of)


def make(kind=KINDS[7], seed=0, scale=0.5, **changes):
    """A decoder with weights that are all random, biases as well."""
    kind = {**SIZES, **kind, **changes}
    slots = None
    if count := kind.pop("slots", 0):
        slots = ConceptSlots(ConceptsConfig(slots=count, units=6), CONCEPTS, WORDS)
    decoder = Decoder(DecoderConfig(**kind), V, slots)
    decoder.build((None, R, D))
    rng = np.random.default_rng(seed)
    decoder.set_weights([rng.normal(0, scale, w.shape) for w in decoder.weights])
    return decoder


def inputs(seed=1, regions=R, size=D):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(B, regions, size)).astype("float32")
    tokens = rng.integers(4, V, (B, K, T)).astype("int32")
    tokens[:, :, 0] = BOS
    return features, tokens


def run(decoder, features, tokens, **options):
    if decoder.slots:
        options.setdefault("said", said())
    return [ops.convert_to_numpy(x) for x in decoder(features, tokens, **options)]


def said(seed=4):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.001, 1, (B, len(CONCEPTS))).astype("float32")


class Plain:
    """The equations of `Decoder`, for one image and one sequence, in float64."""

    def __init__(self, decoder):
        self.decoder = decoder

    def dense(self, layer, x, activation=lambda x: x):
        weights = [w.astype(float) for w in layer.get_weights()]
        return activation(x @ weights[0] + (weights[1] if len(weights) > 1 else 0))

    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def advance(self, x, state):
        new = []
        for cell, (h, c) in zip(self.decoder.cells, state, strict=True):
            kernel, recurrent, bias = cell.get_weights()
            gates = x @ kernel + h @ recurrent + bias
            i, f, g, o = np.split(gates.astype(float), 4)
            c = self.sigmoid(f) * c + self.sigmoid(i) * np.tanh(g)
            x = self.sigmoid(o) * np.tanh(c)
            new.append((x, c))
        return new

    def attend(self, f, h, layer):
        keys = self.dense(layer.from_features, f)
        hidden = np.tanh(keys + self.dense(layer.from_query, h))
        e = np.exp(self.dense(layer.score, hidden)[:, 0])
        is_over_regions = self.decoder.attends and layer is self.decoder.attention
        if is_over_regions and self.decoder.draws:
            return np.eye(len(e))[e.argmax()]
        return e / e.sum()

    def name(self, said, table):
        """The likeliest concepts, "person" first, as vectors (S, units)."""
        order = sorted(range(len(CONCEPTS) - 1), key=lambda c: -said[c])
        order = [2] + [c for c in order if c != 2]
        rows = []
        for c in order[: self.decoder.slots.count]:
            words = [table[WORDS.ids[word]] for word in CONCEPTS[c].split()]
            p = float(np.clip(said[c], 0.003, 0.997))
            rows.append([*np.mean(words, axis=0), said[c], np.log(p / (1 - p)) / 5])
        mix = self.decoder.slots.mix
        return self.dense(mix, np.array(rows), lambda x: np.maximum(x, 0))

    def __call__(self, features, tokens, said=None, seen=1):
        d = self.decoder
        (table,) = d.embedding.get_weights()
        f = self.dense(d.project, features, lambda x: np.maximum(x, 0))
        if not seen:
            f[:] = ops.convert_to_numpy(d.unseen)
        units, count = d.cells[0].units, len(d.cells)
        g = self.name(said, table) if d.slots else None
        summary = f.mean(0) if g is None else np.concatenate([f.mean(0), g.mean(0)])

        def tell(h):
            e = self.attend(g, h, d.concept_attention) @ g
            return self.dense(d.concept_gate, h, self.sigmoid) * e

        if d.attends:
            start = self.dense(d.to_state, summary, np.tanh)
            start = start.reshape(count, 2, units)
            state = [(h, c) for h, c in start]
        else:
            nothing = np.zeros(units)
            x = self.dense(d.from_image, summary)
            x = x if g is None else np.concatenate([x, tell(nothing)])
            state = self.advance(x, [(nothing, nothing)] * count)
        logits, alphas = [], []
        for token in tokens:
            y, alpha = table[token], np.full(len(f), 1 / len(f))
            x, hidden = y, y
            if d.attends:
                last = state[-1][0]
                alpha = self.attend(f, last, d.attention)
                z = self.dense(d.gate, last, self.sigmoid) * (alpha @ f)
                x = np.concatenate([y, z])
                hidden = y + self.dense(d.from_context, z)
            if g is not None:
                z = tell(state[-1][0])
                x = np.concatenate([x, z])
                hidden = hidden + self.dense(d.from_concepts, z)
            state = self.advance(x, state)
            hidden = np.tanh(hidden + self.dense(d.from_hidden, state[-1][0]))
            if d.to_words is None:
                logits.append(hidden @ table.T + ops.convert_to_numpy(d.bias))
            else:
                logits.append(self.dense(d.to_words, hidden))
            alphas.append(alpha)
        return np.array(logits), np.array(alphas)


@every_kind
def test_equals_the_equations(kind):
    decoder = make(kind)
    features, tokens = inputs()
    logits, alpha = run(decoder, features, tokens)
    assert logits.dtype == alpha.dtype == np.float32
    plain = Plain(decoder)
    for b in range(B):
        for k in range(K):
            expected = plain(features[b], tokens[b, k], said()[b])
            np.testing.assert_allclose(logits[b, k], expected[0], atol=1e-4)
            np.testing.assert_allclose(alpha[b, k], expected[1], atol=1e-5)


@every_kind
def test_later_words_are_not_seen(kind):
    decoder = make(kind)
    features, tokens = inputs()
    logits, _ = run(decoder, features, tokens)
    for t in range(1, T):
        changed = tokens.copy()
        changed[:, :, t] = 4 + (changed[:, :, t] - 3) % (V - 4)
        after, _ = run(decoder, features, changed)
        np.testing.assert_array_equal(after[:, :, :t], logits[:, :, :t])
        assert (after[:, :, t] != logits[:, :, t]).any(-1).all()


@every_kind
def test_sequences_of_an_image_do_not_see_one_another(kind):
    decoder = make(kind)
    features, tokens = inputs()
    logits, alpha = run(decoder, features, tokens)
    for b in range(B):
        for k in range(K):
            told = {"said": said()[b : b + 1]} if decoder.slots else {}
            one = features[b : b + 1], tokens[b : b + 1, k : k + 1]
            alone = run(decoder, *one, **told)
            np.testing.assert_allclose(alone[0][0, 0], logits[b, k], atol=1e-5)
            np.testing.assert_allclose(alone[1][0, 0], alpha[b, k], atol=1e-5)


@every_kind
def test_word_by_word_gives_the_logits_of_whole_captions(kind):
    """As a search goes: with sequences reordered in between."""
    decoder = make(kind)
    features, tokens = inputs()
    logits, _ = run(decoder, features, tokens)
    memory, state = decoder.start(features, K, said=said())
    assert all(tuple(part.shape) == (B, K, SIZES["units"]) for part in state)
    order = np.arange(K)
    for t in range(T):
        words = decoder.embedding(tokens[:, order, t])
        hidden, state, _ = decoder.step(words, state, memory)
        found = ops.convert_to_numpy(decoder.predict(hidden))
        np.testing.assert_allclose(found, logits[:, order, t], atol=1e-5)
        order = order[[1, 2, 0]]
        state = tuple(ops.take(part, np.array([1, 2, 0]), axis=1) for part in state)


@pytest.mark.parametrize("attention_units", [0, 7])
def test_what_is_not_seen_is_not_looked_at(attention_units):
    decoder = make(attention_units=attention_units, slots=3)
    features, tokens = inputs()
    seen = np.array([1, 0], np.float32)
    logits, _ = run(decoder, features, tokens, seen=seen)
    plain = Plain(decoder)
    for b in range(B):
        for k in range(K):
            expected, _ = plain(features[b], tokens[b, k], said()[b], seen[b])
            np.testing.assert_allclose(logits[b, k], expected, atol=1e-4)
    without, _ = run(decoder, None, tokens)
    np.testing.assert_allclose(without[1], logits[1], atol=1e-5)


def test_concepts_that_tell_nothing_change_nothing():
    """Only the likeliest are read, and none with a word that is not known."""
    decoder = make(attention_units=7, slots=3)
    features, tokens = inputs()
    told = said()
    expected, _ = run(decoder, features, tokens, said=told)
    told[:, -1] = 1 - told[:, -1]
    for row in told:
        others = [c for c in np.argsort(-row) if c not in (2, len(CONCEPTS) - 1)]
        row[others[2:]] *= 0.9
    found, _ = run(decoder, features, tokens, said=told)
    np.testing.assert_array_equal(found, expected)
    told[:, 2] = 1e-3  # a person, whose slot is there whatever is told
    assert (run(decoder, features, tokens, said=told)[0] != expected).any(-1).all()


def test_regions_may_come_in_any_order():
    decoder = make()
    features, tokens = inputs()
    logits, alpha = run(decoder, features, tokens)
    moved = run(decoder, features[:, ::-1], tokens)
    np.testing.assert_allclose(moved[0], logits, atol=1e-5)
    np.testing.assert_allclose(moved[1], alpha[..., ::-1], atol=1e-5)


@every_kind
def test_a_new_decoder_knows_nothing(kind):
    keras.utils.set_random_seed(0)
    wide = {"units": 16, "embed_dim": 16, "region_units": 16, **kind}
    slots = None
    if count := wide.pop("slots", 0):
        slots = ConceptSlots(ConceptsConfig(slots=count, units=6), CONCEPTS, WORDS)
    decoder = Decoder(DecoderConfig(**wide), 200, slots)
    features, _ = inputs()
    tokens = np.random.default_rng(0).integers(4, 200, (B, 8, 9)).astype("int32")
    logits, _ = run(decoder, np.abs(features), tokens[:, :, :-1])
    loss = caption_loss(logits, tokens[:, :, 1:])
    assert float(loss) == pytest.approx(np.log(200), abs=0.1)


def test_dropout_is_for_training_alone():
    dropped = dict.fromkeys(("region_dropout", "embed_dropout", "output_dropout"), 0.5)
    decoder, plain = make(**dropped), make()
    features, tokens = inputs()
    expected, _ = run(plain, features, tokens)
    np.testing.assert_array_equal(run(decoder, features, tokens)[0], expected)
    for one in dropped:
        decoder = make(**{one: 0.5})
        assert (run(decoder, features, tokens, training=True)[0] != expected).any()


@every_kind
def test_half_precision_is_near(kind):
    features, tokens = inputs()
    expected = run(make(kind), features, tokens)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = make(kind)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {v.dtype for v in decoder.trainable_variables} == {"float32"}
    for mine, other in zip(run(decoder, features, tokens), expected, strict=True):
        assert mine.dtype == np.float32
        exact = np.isin(other, [0, 1 / R, 1]).all()  # what is not attended to softly
        assert exact or 0 < abs(mine - other).max() < 0.1


def loss_by_hand(logits, targets, smoothing, weights):
    total, words = 0.0, 0
    for b, k, t in np.ndindex(targets.shape):
        if targets[b, k, t] != PAD:
            row = logits[b, k, t].astype(float)
            log_probs = row - np.log(np.exp(row).sum())
            goal = np.full(len(row), smoothing / len(row))
            goal[targets[b, k, t]] += 1 - smoothing
            total -= weights[b, k] * (goal * log_probs).sum()
            words += 1
    return total / words


def ended(seed=2):
    """Targets of several lengths, ended and padded, and logits for them."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(4, V, (B, K, T)).astype("int32")
    for b, k in np.ndindex(B, K):
        end = rng.integers(1, T)
        targets[b, k, end], targets[b, k, end + 1 :] = EOS, PAD
    return rng.normal(0, 3, (B, K, T, V)).astype("float32"), targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_cross_entropy_per_word(smoothing, weighted):
    logits, targets = ended()
    weights = np.random.default_rng(3).normal(size=(B, K)).astype("float32")
    loss = caption_loss(logits, targets, smoothing, weights if weighted else None)
    weights = weights if weighted else np.ones((B, K))
    assert float(loss) == pytest.approx(
        loss_by_hand(logits, targets, smoothing, weights), abs=1e-4
    )


def test_a_batch_of_nothing_but_pad_has_no_loss():
    logits, targets = ended()
    assert float(caption_loss(logits, np.zeros_like(targets), 0.1)) == 0.0


def test_attention_should_reach_every_region():
    rng = np.random.default_rng(0)
    alpha = rng.dirichlet(np.ones(R), (B, K, T)).astype("float32")
    _, targets = ended()
    expected = 0.0
    for b, k in np.ndindex(B, K):
        seen = sum(alpha[b, k, t] for t in range(T) if targets[b, k, t] != PAD)
        expected += ((1 - seen) ** 2).sum()
    loss = attention_loss(alpha, targets)
    assert float(loss) == pytest.approx(expected / (B * K * R), abs=1e-5)


@every_kind
def test_padding_changes_nothing(kind):
    decoder = make(kind)
    features, tokens = inputs()
    _, targets = ended()
    longer = [np.pad(x, ((0, 0), (0, 0), (0, 3))) for x in (tokens, targets)]
    for smoothing in (0.0, 0.1):
        losses = []
        for words, goals in ((tokens, targets), longer):
            logits, alpha = run(decoder, features, words)
            losses.append(float(caption_loss(logits, goals, smoothing)))
            losses.append(float(attention_loss(alpha, goals)))
        np.testing.assert_allclose(losses[:2], losses[2:], atol=1e-5)


class TinyEncoder(keras.Model):
    """Every pixel is a region."""

    regions, feature_size = R, D

    def __init__(self):
        super().__init__(name="encoder")
        self.dense = keras.layers.Dense(D)
        self.dense.build((None, R, 3))

    def call(self, images):
        pixels = ops.cast(images, "float32") / 255
        return self.dense(ops.reshape(pixels, (-1, R, 3)))


def captioner(seed=0, **changes):
    keras.utils.set_random_seed(seed)
    config = DecoderConfig(**{**SIZES, "attention_units": 4, **changes})
    return Captioner(TinyEncoder(), Decoder(config, V, name="decoder"))


IMAGES = np.random.default_rng(5).integers(0, 256, (B, 2, 2, 3), np.uint8)


def test_features_are_computed_where_they_are_missing():
    model, (_, tokens) = captioner(), inputs()
    features = model.encoder(IMAGES)
    np.testing.assert_array_equal(
        model({"images": IMAGES, "tokens": tokens})[0],
        model({"features": features, "tokens": tokens})[0],
    )


def test_the_training_loss_is_made_of_its_parts():
    model, (features, tokens) = captioner(), inputs()
    _, targets = ended()
    weights = np.random.default_rng(3).normal(size=(B, K)).astype("float32")
    found = model({"features": features, "tokens": tokens})
    for smoothing, penalty in ((0.0, 0.0), (0.1, 0.3)):
        model.label_smoothing, model.attention_penalty = smoothing, penalty
        loss = model.compute_loss(None, targets, found, weights)
        expected = caption_loss(found[0], targets, smoothing, weights)
        expected += penalty * attention_loss(found[1], targets)
        assert float(loss) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS[:8:3], ids=name_of)
def test_weights_survive_a_file(kind, tmp_path):
    first, second = captioner(0, **kind), captioner(1, **kind)
    path = tmp_path / "model.weights.h5"
    first.save_weights(path)
    second.load_weights(path)
    x = {"images": IMAGES, "tokens": inputs()[1]}
    for mine, other in zip(first(x), second(x), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_compiled_step_trains_every_weight():
    model, (_, tokens) = captioner(layers=2), inputs()
    _, targets = ended()
    model.attention_penalty = 1.0
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    before = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.train_on_batch({"images": IMAGES, "tokens": tokens}, targets)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert (ops.convert_to_numpy(variable) != old).any(), variable.path


@pytest.mark.parametrize("kind", [{"attention_units": 8}, {"attention_units": 0}])
def test_four_photos_can_be_learnt_by_heart(kind):
    keras.utils.set_random_seed(0)
    sizes = {"units": 16, "embed_dim": 16, "region_units": 16}
    model = Captioner(TinyEncoder(), Decoder(DecoderConfig(**sizes, **kind), V))
    model.encoder.trainable = False
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4, R, D)).astype("float32")
    targets = np.full((4, 1, T), PAD, "int32")
    for i in range(4):
        targets[i, 0, : i + 1], targets[i, 0, i + 1] = rng.integers(4, V, i + 1), EOS
    bos = np.full((4, 1, 1), BOS, "int32")
    x = {"features": features, "tokens": np.concatenate([bos, targets[..., :-1]], -1)}
    optimizer = build_optimizer(model, steps=120, learning_rate=0.03, warmup=0.1)
    model.compile(optimizer, jit_compile=False)
    for _ in range(120):
        model.train_on_batch(x, targets)
    logits, _ = model(x)
    assert float(caption_loss(logits, targets)) < 0.02
    right = ops.convert_to_numpy(logits).argmax(-1) == targets
    assert right[targets != PAD].all()


OTHERS = [KINDS[0], KINDS[7], *KINDS[8:]]
OTHER_BACKEND = """
import sys
import numpy as np
from test_captioner_model import OTHERS, inputs, make, run

np.savez(sys.argv[1], *[part for kind in OTHERS for part in run(make(kind), *inputs())])
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_gives_the_same_logits(backend, tmp_path):
    if not find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    root = Path(__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND, tmp_path / "found.npz"],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}",
        },
        check=True,
    )
    expected = [part for kind in OTHERS for part in run(make(kind), *inputs())]
    with np.load(tmp_path / "found.npz") as found:
        for name, own in zip(found.files, expected, strict=True):
            np.testing.assert_allclose(found[name], own, atol=1e-5)


@every_kind
def test_new_words_are_learnt_alone(kind):
    decoder, first = make(kind), V - 2
    before, _ = run(decoder, *inputs())
    decoder.train_words_from(first)
    after, _ = run(decoder, *inputs())
    np.testing.assert_allclose(after, before, atol=1e-5)
    start = [ops.convert_to_numpy(v).copy() for v in decoder.variables]
    optimizer = keras.optimizers.Adam(0.1)
    features, tokens = inputs()
    given = said() if decoder.slots else None
    with tf.GradientTape() as tape:
        logits, _ = decoder(features, tokens, given)
        loss = caption_loss(logits, np.full((B, K, T), V - 1, np.int32))
    variables = decoder.trainable_variables
    slopes = tape.gradient(loss, [v.value for v in variables])
    optimizer.apply(slopes, variables)
    changed = 0
    for old, variable in zip(start, decoder.variables, strict=True):
        new = ops.convert_to_numpy(variable)
        if (new != old).any() and V in old.shape:
            new, old = (np.moveaxis(w, w.shape.index(V), 0) for w in (new, old))
            np.testing.assert_array_equal(new[:first], old[:first])
            changed += 1
        elif "seed" not in variable.path:
            np.testing.assert_array_equal(new, old)
    assert changed == (2 if decoder.to_words is None else 3)
    decoder.train_words_from(0)
    assert len(decoder.trainable_variables) > len(variables)
