"""The VQA model against its equations, written once more in NumPy."""

import itertools
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import patches
from keras import ops

from shared.bundles.folder import write_bundle
from shared.concepts.config import ConceptsConfig
from shared.config import format_config
from shared.runs.recipes import EncoderConfig
from shared.runs.training import build_optimizer
from shared.text.vocabulary import PAD, SPECIAL_WORDS, UNK, Vocabulary
from shared.vision import names
from vqa.answering.predict import load_bundle
from vqa.config import NetConfig, StageConfig, VqaConfig
from vqa.net.answerer import Answerer
from vqa.net.evidence import Evidence, Facts, tell
from vqa.net.losses import IMPOSSIBLE, answer_loss
from vqa.net.model import Vqa, nothing
from vqa.net.reader import SPREAD, QuestionReader
from vqa.net.runtime_keras import build_net
from vqa.text.answers import AnswerSpace

B, N, S, R, D, V = 2, 3, 5, 4, 6, 11
SIZES = {
    "units": 5,
    "embed_dim": 4,
    "question_units": 8,
    "joint_units": 7,
    "attention_units": 3,
}
ANSWERS = np.array([[4, 0], [5, 6], [7, 0], [8, 4], [9, 10], [1, 0]], np.int32)
CONCEPTS = ("w4", "w5 w6", "person", "w7")

TOLD = Vocabulary([*SPECIAL_WORDS, "w4", "w5", "w6", "w7", "w8", "w9", "person"])
KINDS = [
    {"hops": 2},
    {"hops": 0, "layers": 2},
    {"hops": 1, "fusion": "concat", "bag_units": 3, "pairs": 11},
    {"hops": 2, "fusion": "sum", "normalize": False, "layers": 2},
    {"hops": 0, "fusion": "concat", "normalize": False},
]


def name_of(kind):
    return " ".join(f"{key[:4]}={value}" for key, value in kind.items())


every_kind = pytest.mark.parametrize("kind", KINDS, ids=name_of)


def randomise(layer, seed=0, scale=0.5):
    """Give all weights random values, biases as well."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, scale, w.shape) for w in layer.weights])
    return layer


def make(kind=KINDS[0], answers=ANSWERS, regions=R, seed=0, **changes):
    grid = (math.isqrt(regions),) * 2
    config = NetConfig(**{**SIZES, **kind, **changes})
    answerer = Answerer(config, V, answers, grid=grid)
    answerer.build((None, regions, D))
    return randomise(answerer, seed)


def inputs(seed=1, regions=R):
    """Features, and questions of 1 to S words."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(B, regions, D)).astype("float32")
    tokens = rng.integers(4, V, (B, N, S)).astype("int32")
    for b, n in np.ndindex(B, N):
        tokens[b, n, 1 + (b * N + n) % S :] = PAD
    return features, tokens


def run(layer, *args, **options):
    return [ops.convert_to_numpy(x) for x in layer(*args, **options)]


def dense(layer, x, activation=lambda x: x):
    weights = [w.astype(float) for w in layer.get_weights()]
    return activation(x @ weights[0] + (weights[1] if len(weights) > 1 else 0))


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def read(reader, tokens):
    """The equations of `QuestionReader`, for one question, in float64."""
    (table,) = reader.embedding.get_weights()
    words = [table[token].astype(float) for token in tokens if token != PAD]
    states = []
    inputs = words
    for cell in reader.cells:
        kernel, recurrent, bias = cell.get_weights()
        h = c = np.zeros(cell.units)
        outputs = []
        for x in inputs:
            i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            outputs.append(h)
        inputs = outputs
        states += [h, c]
    if reader.bag:
        (table,) = reader.bag.get_weights()
        states.append(sum(table[token] for token in tokens if token != PAD))
    if reader.pairs:
        (table,) = reader.pairs.get_weights()
        said = [int(token) for token in tokens if token != PAD]
        slots = [(a * SPREAD + b) % len(table) for a, b in itertools.pairwise(said)]
        states.append(sum((table[slot] for slot in slots), np.zeros(table.shape[1])))
    return dense(reader.to_question, np.concatenate(states), np.tanh)


def told(net, said, odds, asked, seen):
    """What concepts say to one question: g_s, m, and the odds of all answers."""
    evidence = net.evidence
    (table,) = net.reader.embedding.get_weights()
    order = sorted(range(len(CONCEPTS)), key=lambda c: -said[c])
    order = [CONCEPTS.index("person")] + [c for c in order if CONCEPTS[c] != "person"]
    rows = []
    for c in order[: evidence.slots.count]:
        words = [table[TOLD.ids[word]] for word in CONCEPTS[c].split()]
        p = float(np.clip(said[c], 0.003, 0.997))
        rows.append([*np.mean(words, axis=0), said[c], np.log(p / (1 - p)) / 5])
    g = dense(evidence.slots.mix, np.array(rows), relu)
    about = odds[[c - 1 for c in asked if c]]
    m = np.array([*about.min(0), *about.mean(0), 1]) if len(about) else np.zeros(5)
    names = evidence.names
    return g, m, np.where(names[:, None] >= 0, odds[np.maximum(names, 0)], 0)


def answer(net, features, tokens, facts=None):
    """The equations of `Answerer`, for one photo and one question, in float64.

    Returns the joint vector, the scores of all answers, and alpha (H, R).
    """
    config = net.config
    f = features.astype(float)
    if facts is not None:
        g, m, named = told(net, *facts)
        f = f if facts[-1] else np.tile(net.unseen.numpy(), (len(f), 1))
    seen = [shorten(net, f.mean(0))]
    f = shorten(net, f)
    q = query = read(net.reader, tokens)
    alphas = []
    if config.hops:
        places = {1: [0.0], 4: [-0.5, 0.5]}[len(f)]
        f = np.hstack([f, [(x, y) for y in places for x in places]])
        f = dense(net.project, f, np.tanh)

    def weigh(layer, f):
        hidden = np.tanh(dense(layer.from_features, f) + dense(layer.from_query, query))
        e = np.exp(dense(layer.score, hidden)[:, 0])
        return e / e.sum()

    for hop, layer in enumerate(net.attentions):
        alphas.append(weigh(layer, f))
        context = alphas[-1] @ f
        seen.append(context)
        if facts is not None:
            seen.append(weigh(net.concept_attentions[hop], g) @ g)
            if hop + 1 < config.hops:
                context = context + dense(net.from_concepts[hop], seen[-1])
        query = query + context
    if facts is not None:
        seen.append(m)
    if not alphas:
        alphas = [np.full(len(features), 1 / len(features))]
    v = dense(net.from_photo, np.concatenate(seen), np.tanh)
    if config.fusion == "product":
        joint = v * dense(net.from_question, q) + dense(net.to_joint, q, relu)
    elif config.fusion == "concat":
        joint = dense(net.to_joint, np.append(q, v), relu)
    else:
        joint = dense(net.to_joint, dense(net.from_question, q) + v, relu)
    scores = [
        joint @ (vector(net, words) + residual) + bias
        for words, residual, bias in zip(
            net.answers, net.residual.numpy(), net.bias.numpy(), strict=True
        )
    ]
    if facts is not None:
        scores = np.array(scores) + named @ dense(net.evidence.gate, q)
    return joint, np.array(scores), np.array(alphas)


def shorten(net, features):
    """Features of the length of a vector of ones."""
    if not net.config.normalize:
        return features
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / length * np.sqrt(features.shape[-1])


def vector(net, words):
    """What an answer's words say, without what belongs to the answer alone."""
    (table,) = net.reader.embedding.get_weights()
    return dense(net.to_choice, table[words[words != PAD]].astype(float).mean(0))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bag, pairs", [(0, 0), (3, 0), (3, 5)])
def test_a_reader_equals_its_equations(layers, bag, pairs):
    config = NetConfig(**SIZES, layers=layers, bag_units=bag, pairs=pairs)
    reader = QuestionReader(config, V)
    reader.build()
    randomise(reader)
    _, tokens = inputs()
    vectors = ops.convert_to_numpy(reader(tokens))
    assert vectors.shape == (B, N, 8)
    for b, n in np.ndindex(B, N):
        np.testing.assert_allclose(vectors[b, n], read(reader, tokens[b, n]), atol=1e-5)


@every_kind
def test_an_answerer_equals_its_equations(kind):
    net = make(kind)
    features, tokens = inputs()
    scores, alpha = run(net, features, tokens)
    joint, explained, _ = (ops.convert_to_numpy(x) for x in net.explain(*inputs()))
    assert scores.dtype == alpha.dtype == np.float32
    assert alpha.shape == (B, N, max(1, kind["hops"]), R)
    for b, n in np.ndindex(B, N):
        expected = answer(net, features[b], tokens[b, n])
        np.testing.assert_allclose(joint[b, n], expected[0], atol=1e-4)
        np.testing.assert_allclose(scores[b, n], expected[1], atol=2e-4)
        np.testing.assert_allclose(alpha[b, n], expected[2], atol=1e-5)
    np.testing.assert_allclose(explained, scores, atol=1e-6)
    np.testing.assert_allclose(alpha.sum(-1), 1, atol=1e-5)


def with_concepts(kind=KINDS[0], seed=0):
    config = ConceptsConfig(slots=3, units=6)
    names = np.array([0, -1, 2, 1, -1, 3], np.int32)
    evidence = Evidence(config, CONCEPTS, TOLD, names)
    net = Answerer(NetConfig(**{**SIZES, **kind}), V, ANSWERS, evidence, (2, 2))
    net.build((None, R, D))
    return randomise(net, seed)


def facts(seed=3):
    """Told of photos, and asked about them; the second photo is not seen."""
    rng = np.random.default_rng(seed)
    said, there = rng.uniform(0.001, 1, (2, B, len(CONCEPTS))).astype("float32")
    asked = rng.integers(0, len(CONCEPTS) + 1, (B, N, 4)).astype("int32")
    asked[0, 0] = 0
    return said, there, asked, np.array([1, 0], np.float32)


def given(said, there, asked, seen=None):
    return Facts(tell(*map(ops.convert_to_tensor, (said, there))), asked, seen)


@every_kind
def test_an_answerer_with_concepts_equals_its_equations(kind):
    net = with_concepts(kind)
    features, tokens = inputs()
    said, there, asked, seen = facts()
    scores, alpha = run(net, features, tokens, None, given(said, there, asked, seen))
    probs = np.clip(np.stack([said, there], axis=-1), 0.003, 0.997)
    odds = np.log(probs / (1 - probs)) / 5
    for b, n in np.ndindex(B, N):
        about = said[b], odds[b], asked[b, n], seen[b]
        _, expected, weights = answer(net, features[b], tokens[b, n], about)
        np.testing.assert_allclose(scores[b, n], expected, atol=5e-4)
        np.testing.assert_allclose(alpha[b, n], weights, atol=1e-5)


def test_photos_that_are_not_seen_leave_no_trace():
    net = with_concepts()
    features, tokens = inputs()
    one = run(net, features, tokens, None, given(*facts()))
    two = run(net, features + 1, tokens, None, given(*facts()))
    np.testing.assert_array_equal(one[0][1], two[0][1])
    assert (one[0][0] != two[0][0]).any()


@every_kind
def test_padding_changes_nothing(kind):
    net = make(kind)
    features, tokens = inputs()
    scores, alpha = run(net, features, tokens)
    longer = np.pad(tokens, ((0, 0), (0, 2), (0, 3)))
    more = np.concatenate([features, features[:1] * 9])
    padded = run(net, more, np.concatenate([longer, np.zeros_like(longer[:1])]))
    np.testing.assert_allclose(padded[0][:B, :N], scores, atol=1e-5)
    np.testing.assert_allclose(padded[1][:B, :N], alpha, atol=1e-5)
    assert np.isfinite(padded[0]).all()  # those of empty questions, too


@every_kind
def test_questions_of_a_photo_do_not_see_one_another(kind):
    net = make(kind)
    features, tokens = inputs()
    scores, _ = run(net, features, tokens)
    for b, n in np.ndindex(B, N):
        alone, _ = run(net, features[b : b + 1], tokens[b : b + 1, n : n + 1])
        np.testing.assert_allclose(alone[0, 0], scores[b, n], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS[:2], ids=name_of)
def test_regions_matter_by_what_they_hold_and_where_they_are(kind):
    net = make(kind)
    features, tokens = inputs()
    scores, alpha = run(net, features, tokens)
    order = np.array([2, 0, 3, 1])
    moved = run(net, features[:, order], tokens)
    assert np.allclose(moved[0], scores, atol=1e-5) is (kind["hops"] == 0)
    net.places = net.places[order]
    moved = run(net, features[:, order], tokens)
    np.testing.assert_allclose(moved[0], scores, atol=1e-5)
    np.testing.assert_allclose(moved[1], alpha[..., order], atol=1e-5)


@every_kind
def test_a_new_net_knows_nothing(kind):
    keras.utils.set_random_seed(0)
    sizes = {"units": 32, "embed_dim": 32, "question_units": 48}
    sizes |= {"joint_units": 64, "attention_units": 16}
    answers = np.random.default_rng(0).integers(4, 300, (200, 3)).astype("int32")
    net = Answerer(NetConfig(**sizes, **kind), 300, answers, grid=(2, 2))
    net.build((None, R, D))
    features, _ = inputs()
    tokens = np.random.default_rng(0).integers(4, 300, (B, 20, S)).astype("int32")
    scores, _ = net(np.abs(features), tokens)
    targets = np.eye(200)[np.random.default_rng(1).integers(0, 200, (B, 20))]
    loss = answer_loss(scores, targets.astype("float32"), False, 0.0)
    assert float(loss) == pytest.approx(np.log(200), abs=0.2)


def test_longer_features_are_the_same_if_normalised():
    features, tokens = inputs()
    for normalize in (True, False):
        net = make(normalize=normalize)
        short, long = run(net, features, tokens)[0], run(net, 9 * features, tokens)[0]
        assert np.allclose(short, long, atol=1e-4) is normalize


def test_dropout_is_for_training_alone():
    kinds = ("word_dropout", "embed_dropout", "region_dropout", "joint_dropout")
    features, tokens = inputs()
    expected, _ = run(make(), features, tokens)
    net = make(**dict.fromkeys(kinds, 0.5))
    np.testing.assert_array_equal(run(net, features, tokens)[0], expected)
    for kind in kinds:
        found = run(make(**{kind: 0.5}), features, tokens, training=True)[0]
        assert (found != expected).any(), kind


def test_forgotten_words_are_unknown_ones():
    keras.utils.set_random_seed(0)
    reader = QuestionReader(NetConfig(**SIZES, word_dropout=0.5), V)
    tokens = np.tile(np.array([[[4, 5, 6, PAD]]], np.int32), (100, 10, 1))
    found = ops.convert_to_numpy(reader._forget(tokens))
    assert (found[..., 3] == PAD).all()
    assert ((found == tokens) | (found == UNK)).all()
    assert (found[..., :3] == UNK).mean() == pytest.approx(0.5, abs=0.05)


@every_kind
def test_half_precision_is_near(kind):
    features, tokens = inputs()
    expected = run(make(kind), features, tokens)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = make(kind)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {v.dtype for v in net.trainable_variables} == {"float32"}
    for mine, other in zip(run(net, features, tokens), expected, strict=True):
        assert mine.dtype == np.float32
        assert abs(mine - other).max() < 0.1 * max(1, abs(other).max())


def test_answers_are_the_mean_of_their_words():
    net = make()
    longer = np.pad(ANSWERS, ((0, 0), (0, 4)))
    for words in (ANSWERS, longer, ANSWERS[:, ::-1].copy()):
        found = ops.convert_to_numpy(net.encode(words))
        for row, ids in zip(found, words, strict=True):
            np.testing.assert_allclose(row, vector(net, ids), atol=1e-5)
    stacked = ops.convert_to_numpy(net.encode(np.stack([ANSWERS] * 2)))
    np.testing.assert_allclose(stacked[1], net.encode(ANSWERS), atol=1e-6)


def test_choices_are_scored_by_their_words_alone():
    net = make()
    features, tokens = inputs()
    rng = np.random.default_rng(4)
    choices = rng.integers(4, V, (B, N, 3, 2)).astype("int32")
    choices[:, :, 2] = PAD  # one that only fills the row
    choices[:, :, 1, 1] = PAD
    scores, _ = run(net, features, tokens, choices)
    joint, _, _ = net.explain(features, tokens)
    assert (scores[..., 2] == IMPOSSIBLE).all()
    for b, n, c in np.ndindex(B, N, 2):
        expected = ops.convert_to_numpy(joint)[b, n] @ vector(net, choices[b, n, c])
        assert scores[b, n, c] == pytest.approx(expected, abs=1e-4)


def test_a_net_without_answers_has_choices_alone():
    net = make(answers=np.zeros((0, 1), np.int32))
    assert not any("residual" in weight.path for weight in net.weights)
    _, scores, _ = net.explain(*inputs())
    assert tuple(scores.shape) == (B, N, 0)


BOXES = {  # left, top, right, bottom -> share of each of the four cells
    (0.0, 0.0, 1.0, 1.0): (0.25, 0.25, 0.25, 0.25),
    (0.0, 0.0, 0.5, 0.5): (1, 0, 0, 0),
    (0.5, 0.0, 1.0, 0.5): (0, 1, 0, 0),
    (0.0, 0.5, 0.5, 1.0): (0, 0, 1, 0),
    (0.25, 0.0, 1.0, 0.5): (1 / 3, 2 / 3, 0, 0),
    (0.4, 0.4, 0.6, 0.8): (1 / 8, 1 / 8, 3 / 8, 3 / 8),
}


def test_a_box_is_the_mean_of_the_cells_below_it():
    net = make(answers=None)
    features, tokens = inputs()
    boxes = np.zeros((B, N, len(BOXES) + 1, 4), np.float32)
    boxes[:, :, :-1] = list(BOXES)
    vectors = ops.convert_to_numpy(net.encode_boxes(features, boxes))
    scores, _ = run(net, features, tokens, boxes)
    joint, none, _ = map(ops.convert_to_numpy, net.explain(features, tokens))
    assert none.shape == (B, N, 0)
    assert (scores[..., -1] == IMPOSSIBLE).all()
    for b in range(B):
        f = shorten(net, features[b].astype(float))
        for place, (box, shares) in enumerate(BOXES.items()):
            area = (box[2] - box[0]) * (box[3] - box[1])
            row = np.array([*(np.array(shares) @ f), *box, area])
            expected = dense(net.to_choice, row, np.tanh)
            for n in range(N):
                np.testing.assert_allclose(vectors[b, n, place], expected, atol=1e-5)
                score = joint[b, n] @ expected
                assert scores[b, n, place] == pytest.approx(score, abs=1e-4)


def test_a_box_of_one_region_is_all_that_a_twin_sees():
    net = make({"hops": 0}, answers=None, regions=1)
    boxes = np.array([[[[0.2, 0.1, 0.4, 0.9], [0, 0, 1, 1]]]], np.float32)
    features, _ = inputs(regions=1)
    f = shorten(net, features[0, 0].astype(float))
    found = ops.convert_to_numpy(net.encode_boxes(features[:1], boxes))[0, 0]
    for row, box, area in zip(found, boxes[0, 0], (0.16, 1), strict=True):
        expected = dense(net.to_choice, np.array([*f, *box, area]), np.tanh)
        np.testing.assert_allclose(row, expected, atol=1e-5)


def loss_by_hand(scores, targets, soft, smoothing, weights):
    total = 0.0
    for b, n in np.ndindex(B, N):
        row, goal = scores[b, n].astype(float), targets[b, n].astype(float)
        if soft:
            right = 1 / (1 + np.exp(-row))
            loss = -(goal * np.log(right) + (1 - goal) * np.log(1 - right)).sum()
        else:
            possible = row > IMPOSSIBLE
            row = row[possible]
            goal = goal[possible] * (1 - smoothing) + smoothing / possible.sum()
            loss = -(goal * (row - np.log(np.exp(row).sum()))).sum()
        total += weights[b, n] * loss
    return total / weights.sum()


@pytest.mark.parametrize("case", ["softmax", "smooth", "soft", "padded", "weighted"])
def test_the_loss_is_cross_entropy_per_question(case):
    rng = np.random.default_rng(7)
    scores = rng.normal(0, 3, (B, N, 6)).astype("float32")
    targets = np.eye(6, dtype="float32")[rng.integers(0, 4, (B, N))]
    soft, smoothing = case == "soft", 0.1 if case in ("smooth", "padded") else 0.0
    if soft:
        targets = rng.random((B, N, 6)).round(1).astype("float32")
    if case == "padded":  # as rows of fewer choices are
        scores[:, :, 4:] = IMPOSSIBLE
    weights = np.ones((B, N), "float32")
    if case == "weighted":
        weights = rng.random((B, N)).astype("float32")
        weights[0, 1] = 0
    loss = answer_loss(scores, targets, soft, smoothing, weights)
    expected = loss_by_hand(scores, targets, soft, smoothing, weights)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    if case != "weighted":
        loss = answer_loss(scores, targets, soft, smoothing)
        assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_a_batch_of_empty_questions_has_no_loss():
    scores = np.full((B, N, 3), IMPOSSIBLE, "float32")
    targets, weights = np.zeros((B, N, 3), "float32"), np.zeros((B, N), "float32")
    for soft in (True, False):
        assert float(answer_loss(scores, targets, soft, 0.1, weights)) == 0.0


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


def tiny(seed=0, soft=False, **changes):
    """A model whose encoder is not trained."""
    keras.utils.set_random_seed(seed)
    config = NetConfig(**{**SIZES, "hops": 1, **changes})
    blind = config.model_copy(update={"hops": 0})
    model = Vqa(
        TinyEncoder(),
        [Answerer(config, V, ANSWERS, grid=(2, 2), name="answerer")],
        Answerer(blind, V, ANSWERS, name="blind"),
        soft=soft,
    )
    model.encoder.trainable = False
    return model


IMAGES = np.random.default_rng(5).integers(0, 256, (B, 2, 2, 3), np.uint8)


def test_features_are_computed_where_they_are_missing():
    model, (_, tokens) = tiny(), inputs()
    features = model.encoder(IMAGES)
    for one, other in zip(
        model({"images": IMAGES, "tokens": tokens}),
        model({"features": features, "tokens": tokens}),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_other_photos_change_what_the_model_says_and_not_what_its_twin_does():
    model, (_, tokens) = tiny(), inputs()
    for weight in model.answerers[0].trainable_variables:
        weight.assign(weight * 2)
    seen, guessed = run(model, {"images": IMAGES, "tokens": tokens})
    other, same = run(model, {"images": IMAGES[::-1], "tokens": tokens})
    assert (seen != other).any(-1).all()
    np.testing.assert_array_equal(guessed, same)


@pytest.mark.parametrize("soft", [True, False])
def test_the_training_loss_is_that_of_both_nets(soft):
    model, (features, tokens) = tiny(soft=soft), inputs()
    targets = np.eye(6, dtype="float32")[np.arange(B * N).reshape(B, N)]
    weights = np.random.default_rng(3).random((B, N)).astype("float32")
    found = model({"features": features, "tokens": tokens})
    model.label_smoothing = 0.2
    loss = model.compute_loss(None, targets, found, weights)
    expected = sum(
        float(answer_loss(one, targets, soft, 0.2, weights)) for one in found
    )
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_the_twins_share_no_weight():
    model = tiny()
    mine, other = (
        {id(w) for w in net.weights} for net in (model.answerers[0], model.blind)
    )
    assert not mine & other
    assert len(model.weights) == len(mine | other) + len(model.encoder.weights)


@pytest.mark.parametrize("fusion", ["product", "concat", "sum"])
def test_a_compiled_step_trains_every_weight(fusion):
    kind = {"layers": 2, "hops": 2, "bag_units": 2, "pairs": 5, "fusion": fusion}
    model, (_, tokens) = tiny(**kind), inputs()
    model.encoder.trainable = True
    targets = np.eye(6, dtype="float32")[np.arange(B * N).reshape(B, N)]
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    before = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.train_on_batch({"images": IMAGES, "tokens": tokens}, targets)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        # What all regions share does not change which of them is looked at.
        if "from_features/bias" not in variable.path:
            assert (ops.convert_to_numpy(variable) != old).any(), variable.path


@pytest.mark.slow
@pytest.mark.parametrize(("soft", "hops"), [(True, 1), (False, 1), (False, 0)])
def test_four_photos_can_be_learnt_by_heart_and_their_twin_learns_chances(soft, hops):
    """Two answers to the same question, two questions about each pair of photos."""
    sizes = {"units": 16, "embed_dim": 16, "question_units": 16}
    sizes |= {"joint_units": 16, "attention_units": 8}
    model = tiny(soft=soft, hops=hops, **sizes)
    features = np.random.default_rng(0).normal(size=(4, R, D)).astype("float32")
    tokens = np.tile(np.array([[[4, 5, 6], [7, 8, 9]]], np.int32), (4, 1, 1))
    right = np.array([[0, 2], [1, 2], [0, 3], [1, 3]])
    targets = np.eye(6, dtype="float32")[right]
    x = {"features": features, "tokens": tokens}
    optimizer = build_optimizer(model, steps=120, learning_rate=0.03, warmup=0.1)
    model.compile(optimizer, jit_compile=False)
    for _ in range(120):
        model.train_on_batch(x, targets)
    seen, guessed = run(model, x)
    np.testing.assert_array_equal(seen.argmax(-1), right)
    assert float(answer_loss(seen, targets, soft, 0.0)) < 0.05
    if not soft:  # one bit is missing to each question
        loss = float(answer_loss(guessed, targets, soft, 0.0))
        assert loss == pytest.approx(np.log(2), abs=0.02)


WORDS = Vocabulary([*SPECIAL_WORDS, "is", "it", "red", "blue", "yes", "no", "box"])


def recipe(objective, **net):
    return VqaConfig(
        encoder=EncoderConfig(name="patches", weights="none", image_size=32),
        net=NetConfig(**{**SIZES, **net}),
        objective=objective,
        stages=(StageConfig(name="only", epochs=1, learning_rate=0.1),),
    )


@pytest.mark.parametrize("objective", ["answers", "choices", "boxes"])
def test_weights_survive_a_bundle(objective, tmp_path, monkeypatch):
    monkeypatch.setitem(names.ENCODERS, "patches", names.Source(patches, "unit"))
    config = recipe(objective, layers=2, bag_units=2, pairs=7)
    space = AnswerSpace(["yes", "no", "red box"]) if objective == "answers" else None
    model = randomise(build_net(config, WORDS, space, None))
    more = {"answers.txt": "".join(f"{a}\n" for a in space.answers)} if space else {}
    write_bundle(
        tmp_path / "bundle",
        task="vqa",
        config=format_config(config),
        vocabulary="".join(f"{word}\n" for word in WORDS.words),
        model=model,
        card="# A model\n",
        more=more,
    )
    again, words, answers, other = load_bundle(tmp_path / "bundle")
    assert again == config
    assert words.words == WORDS.words
    assert (answers and answers.answers) == (space and space.answers)
    assert other.objective == objective
    images = np.random.default_rng(0).integers(0, 256, (B, 32, 32, 3), np.uint8)
    x = {"images": images, "tokens": inputs()[1] % len(WORDS)}
    if objective == "choices":
        x["choices"] = np.tile(np.array([[6], [7], [10]], np.int32), (B, N, 1, 1))
    if objective == "boxes":
        x["choices"] = np.tile(np.array(list(BOXES), np.float32), (B, N, 1, 1))
    for first, second in zip(run(model, x), run(other, x), strict=True):
        # Weights are rounded in a bundle, see `shared.bundles.weights`.
        scale = abs(first).max()
        np.testing.assert_allclose(second, first, atol=0.02 * scale)


def test_nothing_is_all_ones():
    features = ops.convert_to_numpy(nothing(inputs()[1]))
    np.testing.assert_array_equal(features, np.ones((B, 1, 1)))


OTHER_BACKEND = """
import sys
import numpy as np
from keras import ops
from vqa.config import NetConfig
from vqa.net.answerer import Answerer

path, vocab_size, config = sys.argv[1:]
given = np.load(path + "/given.npz")
answers = given["answers"] if "answers" in given else None
config = NetConfig.model_validate_json(config)
net = Answerer(config, int(vocab_size), answers, grid=(2, 2))
net.build(given["features"].shape)
net.set_weights([given[f"weight{i}"] for i in range(len(net.weights))])
choices = None if answers is not None else given["boxes"]
scores, alpha = net(given["features"], given["tokens"], choices)
np.savez(path + "/found.npz", scores=ops.convert_to_numpy(scores),
         alpha=ops.convert_to_numpy(alpha))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("answers", [ANSWERS, None], ids=["answers", "boxes"])
def test_another_backend_gives_the_same_scores(backend, answers, tmp_path):
    if not find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    features, tokens = inputs()
    kind = {**KINDS[0], "layers": 2, "bag_units": 2}
    net = make(kind, answers)
    given = {f"weight{i}": w for i, w in enumerate(net.get_weights())}
    boxes = np.tile(np.array(list(BOXES), np.float32), (B, N, 1, 1))
    given |= {"boxes": boxes} if answers is None else {"answers": answers}
    np.savez(tmp_path / "given.npz", features=features, tokens=tokens, **given)
    config = NetConfig(**SIZES, **kind).model_dump_json()
    subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND, str(tmp_path), str(V), config],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    found = np.load(tmp_path / "found.npz")
    scores, alpha = run(net, features, tokens, boxes if answers is None else None)
    np.testing.assert_allclose(found["scores"], scores, atol=1e-4)
    np.testing.assert_allclose(found["alpha"], alpha, atol=1e-5)
