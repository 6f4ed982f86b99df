"""Toy models with a memory stand for the captioner.

The log-probabilities of the next word are drawn anew for every history, and the
state holds a number for the history, so that a state that follows the wrong
sequence gives wrong words. A plain search, one image at a time, is the reference.
"""

import itertools
from typing import NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from captioner.decoding import FOUND, beam_search

PAD, UNK, BOS, EOS = range(4)
HISTORIES = 997
RULES = {"bos_id": BOS, "eos_id": EOS, "pad_id": PAD}
PENALTIES = (0.0, 0.7, 1.5)


class Toy:
    """Images that each have a table of log-probabilities (HISTORIES, V)."""

    def __init__(self, seed, words, images=2):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 2, (images, HISTORIES, 4 + words))
        totals = np.log(np.exp(logits).sum(-1, keepdims=True))
        self.tables = (logits - totals).astype("float32")

    def state(self, sequences, images=None):
        """History, table and history once more, with an axis of its own."""
        images = range(len(self.tables)) if images is None else images
        table = np.repeat(np.array(images, "int32")[:, None], sequences, axis=1)
        zeros = ops.zeros(table.shape, "int32")
        wide = ops.zeros((*table.shape, 2), "float32")
        return zeros, ops.convert_to_tensor(table), wide

    def step(self, tokens, state):
        history, table, wide = state
        # Zero, unless the parts of the state followed different sequences.
        drift = wide[..., :1] - ops.cast(history, "float32")[..., None]
        history = (history * 7 + tokens + 1) % HISTORIES
        wide = ops.stack([ops.cast(history, "float32")] * 2, axis=-1)
        flat = ops.reshape(ops.convert_to_tensor(self.tables), (-1, self.vocab_size))
        log_probs = ops.take(flat, table * HISTORIES + history, axis=0) + drift
        return log_probs, (history, table, wide)

    @property
    def vocab_size(self):
        return self.tables.shape[-1]

    def next(self, image, tokens):
        """float64 (V,), after these tokens."""
        history = 0
        for token in (BOS, *tokens):
            history = (history * 7 + token + 1) % HISTORIES
        return self.tables[image, history].astype(float)

    def log_prob(self, image, tokens):
        return sum(
            self.next(image, tokens[:t])[token] for t, token in enumerate(tokens)
        )


class Hypothesis(NamedTuple):
    tokens: tuple[int, ...]
    log_prob: float


def rank(hypothesis, length_penalty):
    return hypothesis.log_prob / ((5 + len(hypothesis.tokens)) / 6) ** length_penalty


def allowed(toy, tokens, banned):
    words = set(range(toy.vocab_size)) - {PAD, BOS, *banned}
    return words - {EOS} if not tokens else words


def plain_search(toy, image, beam_size, max_length, length_penalty=0.0, banned=()):
    live, done = [Hypothesis((), 0.0)], []
    for _ in range(max_length):
        grown = [
            Hypothesis((*h.tokens, word), h.log_prob + toy.next(image, h.tokens)[word])
            for h in live
            for word in allowed(toy, h.tokens, banned)
        ]
        grown = sorted(grown, key=lambda h: -h.log_prob)[: beam_size - len(done)]
        done += [h for h in grown if h.tokens[-1] == EOS]
        live = [h for h in grown if h.tokens[-1] != EOS]
    return sorted(done + live, key=lambda h: -rank(h, length_penalty))


def greedy(toy, image, max_length, banned=()):
    tokens = ()
    while len(tokens) < max_length and tokens[-1:] != (EOS,):
        scores = toy.next(image, tokens)
        tokens += (max(allowed(toy, tokens, banned), key=lambda word: scores[word]),)
    return Hypothesis(tokens, toy.log_prob(image, tokens))


def all_sequences(toy, image, max_length, banned=()):
    words = sorted(allowed(toy, (), banned))
    for length in range(1, max_length + 1):
        for tokens in itertools.product(words, repeat=length):
            if length < max_length:
                tokens = (*tokens, EOS)
            yield Hypothesis(tokens, toy.log_prob(image, tokens))


def unpad(row):
    """Tokens of a result, which has pad at its end only."""
    row = tuple(row)
    length = len(row) - sum(token == PAD for token in row)
    assert set(row[length:]) <= {PAD}
    return row[:length]


def as_lists(found):
    """For each image, the sequences that were found."""
    tokens = ops.convert_to_numpy(found.tokens).tolist()
    log_probs = ops.convert_to_numpy(found.log_probs).tolist()
    return [
        [
            Hypothesis(unpad(row), log_prob)
            for row, log_prob in zip(rows, scores, strict=True)
            if log_prob > FOUND
        ]
        for rows, scores in zip(tokens, log_probs, strict=True)
    ]


def search(toy, beam_size, max_length, length_penalty=0.0, banned=(), images=None):
    return as_lists(
        beam_search(
            toy.step,
            toy.state(beam_size, images),
            **RULES,
            max_length=max_length,
            length_penalty=length_penalty,
            banned_ids=banned,
        )
    )


def check_same(found, expected):
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    np.testing.assert_allclose(
        [h.log_prob for h in found], [h.log_prob for h in expected], atol=1e-3
    )


seeds = st.integers(0, 10**6)
quick = settings(max_examples=15, deadline=None, derandomize=True)


@quick
@given(seeds, st.integers(1, 4), st.integers(1, 7))
def test_one_beam_is_greedy_search(seed, words, max_length):
    toy = Toy(seed, words)
    for image, found in enumerate(search(toy, 1, max_length)):
        check_same(found, [greedy(toy, image, max_length)])


@quick
@given(
    seeds,
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(PENALTIES),
    st.sampled_from([(), (UNK,)]),
)
def test_a_beam_wide_enough_finds_everything(seed, words, length, penalty, banned):
    toy = Toy(seed, words)
    every = [list(all_sequences(toy, image, length, banned)) for image in range(2)]
    beam_size = len(every[0]) + 2
    found = search(toy, beam_size, length, penalty, banned)
    for mine, expected in zip(found, every, strict=True):
        check_same(mine, sorted(expected, key=lambda h: -rank(h, penalty)))


@quick
@given(seeds, st.integers(2, 5), st.integers(2, 8), st.sampled_from(PENALTIES))
def test_a_narrow_beam_is_the_plain_search(seed, beam_size, length, penalty):
    toy = Toy(seed, words=3)
    for image, found in enumerate(search(toy, beam_size, length, penalty, (UNK,))):
        check_same(found, plain_search(toy, image, beam_size, length, penalty, (UNK,)))


def test_images_do_not_see_one_another():
    toy = Toy(1, words=5, images=4)
    together = search(toy, 3, 8, 0.7)
    for image in range(4):
        (alone,) = search(toy, 3, 8, 0.7, images=[image])
        check_same(together[image], alone)


def test_the_length_penalty_changes_the_order_alone():
    toy = Toy(3, words=3, images=8)
    by_penalty = [search(toy, 4, 6, penalty) for penalty in (0.0, 5.0)]
    assert by_penalty[0] != by_penalty[1]
    for plain, long in zip(*by_penalty, strict=True):
        assert sorted(plain) == sorted(long)
        ranks = [rank(h, 5.0) for h in long]
        assert ranks == sorted(ranks, reverse=True)


@quick
@given(seeds, st.sampled_from([(), (UNK,), (UNK, 5), (4, 5, 6)]))
def test_neither_banned_nor_empty(seed, banned):
    toy = Toy(seed, words=4)
    # Pad, bos, the banned, and eos at once are what the model would like best.
    toy.tables[..., [PAD, BOS, EOS, *banned]] += 20
    for found in search(toy, 4, 5, banned=banned):
        for tokens, _ in found:
            assert tokens[0] != EOS
            assert not set(tokens) & {PAD, BOS, *banned}
            assert EOS not in tokens[:-1]
            assert tokens[-1] == EOS or len(tokens) == 5


def test_a_sequence_is_cut_off_at_the_length():
    toy = Toy(0, words=3)
    toy.tables[..., EOS] -= 50
    for found in search(toy, 3, 6):
        assert [len(h.tokens) for h in found] == [6, 6, 6]
        assert all(EOS not in h.tokens for h in found)


def test_the_search_stops_when_all_have_ended():
    toy, calls = Toy(0, words=3), []
    toy.tables[..., EOS] += 50

    def step(tokens, state):
        calls.append(1)
        return toy.step(tokens, state)

    found = beam_search(step, toy.state(2), **RULES, max_length=50)
    assert [len(h.tokens) for h in as_lists(found)[0]] == [2, 2]
    if keras.backend.backend() == "tensorflow":  # where a loop runs step by step
        assert len(calls) == 2


def test_sequences_that_do_not_exist_are_marked():
    toy = Toy(0, words=2)
    found = beam_search(toy.step, toy.state(6), **RULES, max_length=1, banned_ids=[4])
    log_probs = ops.convert_to_numpy(found.log_probs)
    assert log_probs.shape == (2, 6)
    assert (log_probs[:, :2] > FOUND).all()  # unk and the one word left
    assert (log_probs[:, 2:] < FOUND).all()
    assert np.isfinite(log_probs).all()


def test_words_that_cannot_be_give_no_nan():
    toy = Toy(0, words=3)
    toy.tables[..., 5] = -np.inf
    for found in search(toy, 3, 5):
        assert len(found) == 3
        assert all(5 not in h.tokens and np.isfinite(h.log_prob) for h in found)


def test_results_have_the_documented_shapes_and_types():
    toy = Toy(0, words=4)
    found = beam_search(toy.step, toy.state(3), **RULES, max_length=5)
    tokens = ops.convert_to_numpy(found.tokens)
    log_probs = ops.convert_to_numpy(found.log_probs)
    assert tokens.shape == (2, 3, 5) and tokens.dtype == np.int32
    assert log_probs.shape == (2, 3) and log_probs.dtype == np.float32


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function")
def test_a_compiled_search_gives_the_same():
    import tensorflow as tf

    toy = Toy(4, words=4)

    @tf.function
    def compiled(state):
        return beam_search(toy.step, state, **RULES, max_length=6)

    found = compiled(toy.state(3))
    assert [h.tokens for hs in as_lists(found) for h in hs] == [
        h.tokens for hs in search(toy, 3, 6) for h in hs
    ]
