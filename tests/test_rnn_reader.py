"""Language models in Keras: a step, a text, and reading it in pieces."""

import numpy as np
import pytest
from keras import ops

from rnn.config import NetConfig, VocabularyConfig
from rnn.net.model import LanguageModel
from rnn.net.reader import WARM_UP, Reader
from rnn.net.runtime_keras import KerasRuntime
from rnn.net.symbols import Symbols
from rnn.training.evaluate import Score, measure
from shared.nets.names import CELLS
from shared.text.vocabulary import BOS

TEXT = "a cat sat on a mat, and the cat saw the mat.\n" * 40
SYMBOLS = Symbols.of(TEXT, VocabularyConfig())
IDS = SYMBOLS.encode(TEXT)


def reader_of(cell="lstm", layers=2, units=6, **more):
    config = NetConfig(cell=cell, layers=layers, units=units, **more)
    net = LanguageModel(config, len(SYMBOLS))
    random = np.random.default_rng(0)
    for weight in net.trainable_variables:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return Reader(net, SYMBOLS, cell)


def step_by_step(reader, ids):
    """log-probabilities of each symbol, by the step of one symbol."""
    runtime, found = KerasRuntime(reader.net), []
    log_probs, states = runtime.step(np.array([BOS], np.int32), runtime.begin(1))
    for index in ids:
        found.append(log_probs[0, index])
        log_probs, states = runtime.step(np.array([index], np.int32), states)
    return np.array(found)


def whole(pieces):
    pieces = sorted(pieces, key=lambda piece: piece.start)
    ends = np.cumsum([len(piece.log_probs) for piece in pieces])
    assert [piece.start for piece in pieces] == [0, *ends[:-1]]
    return np.concatenate([piece.log_probs for piece in pieces])


@pytest.mark.parametrize("cell", CELLS)
def test_a_text_is_read_as_symbol_after_symbol(cell):
    reader = reader_of(cell)
    ids = IDS[:300]
    found = whole(reader.read(ids))
    np.testing.assert_allclose(found, step_by_step(reader, ids), atol=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru", "fgr", "vanilla"])
def test_a_step_gives_the_gates_that_reading_gives(cell):
    reader, ids = reader_of(cell), IDS[:20]
    runtime = KerasRuntime(reader.net)
    (piece,) = reader.read(ids, gates=True)
    states = runtime.step(np.array([BOS], np.int32), runtime.begin(1))[1]
    for t, index in enumerate(ids):
        _, states, gates = runtime.look(np.array([index], np.int32), states)
        assert gates.keys() == piece.gates[0].keys()
        for name, both in gates.items():
            expected = np.concatenate([layer[name][t] for layer in piece.gates])
            np.testing.assert_allclose(both[0], expected, atol=1e-5)


def test_an_embedding_is_read_as_well():
    reader = reader_of(embed_dim=5)
    found = whole(reader.read(IDS[:20]))
    np.testing.assert_allclose(found, step_by_step(reader, IDS[:20]), atol=1e-5)


@pytest.mark.parametrize("count", [1, 2 * WARM_UP - 1, 4 * WARM_UP + 3, len(IDS)])
@pytest.mark.parametrize("streams", [2, 3, 64])
def test_streams_read_the_same(count, streams):
    reader = reader_of(layers=1)
    alone = whole(reader.read(IDS[:count]))
    np.testing.assert_allclose(
        whole(reader.read(IDS[:count], streams=streams)), alone, atol=1e-4
    )


def test_no_text_has_no_pieces():
    assert list(reader_of().read(IDS[:0])) == []


@pytest.mark.parametrize("cell", CELLS)
def test_the_activity_is_that_after_each_symbol(cell):
    reader = reader_of(cell)
    (piece,) = reader.read(IDS[:9], outputs=True, gates=True)
    states = reader.net.begin(1)
    for t, index in enumerate([BOS, *IDS[:9]]):
        seen = np.array([index])
        for layer, one in enumerate(reader.net.cells):
            gates = one.gates(seen, states[layer])
            seen, states[layer] = one(seen, states[layer])
            state = states[layer]
            shown = np.tanh(state[1]) if len(state) > 1 else state[0]
            if t:
                np.testing.assert_allclose(
                    piece.outputs[layer][t - 1], shown[0], atol=1e-5
                )
                assert gates.keys() == piece.gates[layer].keys()
            for name in gates if t else ():
                np.testing.assert_allclose(
                    piece.gates[layer][name][t - 1], gates[name][0], atol=1e-5
                )
    assert piece.outputs[0].shape == (9, 6)


def test_what_is_not_asked_for_is_not_there():
    (piece,) = reader_of().read(IDS[:9])
    assert (piece.outputs, piece.gates) == ([], [])


def test_a_score_is_the_mean_in_nats_and_more():
    reader = reader_of()
    score = measure(reader, IDS[:300])
    assert score.nats == pytest.approx(
        -step_by_step(reader, IDS[:300]).mean(), abs=1e-4
    )
    assert score.symbols == 300
    assert str(Score(1000, np.log(8), "character")) == (
        "2.0794 nats, 3.0000 bits per character; 1,000 characters"
    )
    assert str(Score(7, np.log(8), "word")).startswith("perplexity 8.0 per word; ")


@pytest.mark.parametrize("cell", CELLS)
def test_one_hot_vectors_are_places(cell):
    net = reader_of(cell, layers=1).net
    (state,) = net.begin(3)
    ids = np.array([4, 0, 2])
    dense = np.eye(len(SYMBOLS), dtype="float32")[ids]
    one = net.cells[0]
    for first, second in zip(one(ids, state)[1], one(dense, state)[1], strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(first), ops.convert_to_numpy(second), atol=1e-6
        )
