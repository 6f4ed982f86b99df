"""What concepts say to a question, against the equations, written once more."""

import keras
import numpy as np
import pytest
from keras import ops

from shared.concepts.config import ConceptsConfig
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary
from vqa.net.evidence import Evidence, Facts, tell

CONCEPTS = ("person", "dog", "cat", "grass")
VOCABULARY = Vocabulary([*SPECIAL_WORDS, *CONCEPTS, "yes"])
NAMES = np.array([1, -1, 3], np.int32)  # dog, yes, grass
B, N, Q, E = 2, 3, 5, 4


def evidence():
    keras.utils.set_random_seed(1)
    layer = Evidence(ConceptsConfig(slots=3, units=6), CONCEPTS, VOCABULARY, NAMES)
    layer.build((None, E), Q)
    return layer


def probabilities(seed=0):
    return np.random.default_rng(seed).uniform(0.0, 1.0, (2, B, len(CONCEPTS)))


def log_odds(probs):
    probs = np.clip(probs, 0.003, 0.997)
    return np.log(probs / (1 - probs)) / 5


def test_what_is_told_is_log_odds_within_bounds():
    said, there = probabilities()
    said[0, 0], there[0, 0] = 0.0, 1.0
    told = tell(ops.convert_to_tensor(said), ops.convert_to_tensor(there))
    expected = np.stack([log_odds(said), log_odds(there)], axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(told.odds), expected, atol=1e-5)
    assert np.abs(expected).max() == pytest.approx(np.log(0.997 / 0.003) / 5)


def test_what_is_asked_for_is_looked_up():
    said, there = probabilities().astype(np.float32)
    told = tell(ops.convert_to_tensor(said), ops.convert_to_tensor(there))
    asked = np.array([[[2, 0], [0, 0], [1, 4]], [[3, 0], [4, 1], [0, 0]]], np.int32)
    found = ops.convert_to_numpy(
        evidence().mentioned(told, ops.convert_to_tensor(asked))
    )
    odds = np.stack([log_odds(said), log_odds(there)], axis=-1)
    for photo in range(B):
        for question in range(N):
            ids = [i - 1 for i in asked[photo, question] if i]
            rows = odds[photo, ids] if ids else np.zeros((1, 2))
            expected = [*rows.min(axis=0), *rows.mean(axis=0), float(bool(ids))]
            np.testing.assert_allclose(found[photo, question], expected, atol=1e-5)


def test_answers_get_the_odds_of_what_they_name():
    layer = evidence()
    said, there = probabilities().astype(np.float32)
    told = tell(ops.convert_to_tensor(said), ops.convert_to_tensor(there))
    question = np.random.default_rng(2).normal(size=(B, N, Q)).astype(np.float32)
    found = ops.convert_to_numpy(layer.point(told, ops.convert_to_tensor(question)))
    kernel, bias = map(ops.convert_to_numpy, layer.gate.weights)
    odds = np.stack([log_odds(said), log_odds(there)], axis=-1)
    gate = question @ kernel + bias
    expected = np.einsum("bnf,baf->bna", gate, odds[:, np.maximum(NAMES, 0)])
    expected[..., NAMES < 0] = 0
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_facts_may_leave_open_whether_the_photo_is_seen():
    assert Facts(None, None).seen is None
