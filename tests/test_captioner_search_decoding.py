"""Toy models with a memory stand for the captioner.

The log-probabilities of the next word and the regions looked at are drawn anew for
every history, and the state holds a number for the history, so that a state or an
alpha that follows the wrong sequence shows. The references are a plain search, one
image at a time, and the list of everything that may be said.
"""

import itertools
from collections import Counter, defaultdict
from typing import NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.search import numpy_ops
from captioner.search.beam import BeamSearch
from captioner.search.decoding import ensemble, read, search
from captioner.search.neutral import Neutral, Sides
from captioner.search.rules import Rules
from captioner.search.sample import Sampling
from captioner.search.strategy import FOUND, NEVER

PAD, UNK, BOS, EOS = range(4)
HISTORIES = 997
REGIONS = 3
PENALTIES = (0.0, 0.7, 1.5, "average")
SELDOM = 1e4  # nats that break a tie of wishes, more than any sequence has
PLAIN = Sampling()

seeds = st.integers(0, 10**6)
quick = settings(max_examples=8, deadline=None, derandomize=True, database=None)
on_both = pytest.mark.parametrize(
    "ops", [numpy_ops, keras.ops], ids=["numpy", keras.backend.backend()]
)


def make_rules(groups=1, diversity=0.0, **changes):
    changes = {
        "max_words": 5,
        "strategy": BeamSearch(groups=groups, diversity=diversity),
        **changes,
    }
    return Rules(bos_id=BOS, eos_id=EOS, pad_id=PAD, **changes)


class Toy:
    """Images that each have a table of log-probabilities (HISTORIES, V)."""

    def __init__(self, seed, words, images=2):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 2, (images, HISTORIES, 4 + words))
        totals = np.log(np.exp(logits).sum(-1, keepdims=True))
        self.tables = (logits - totals).astype("float32")
        self.looks = rng.random((images, HISTORIES, REGIONS)).astype("float32")

    @property
    def vocab_size(self):
        return self.tables.shape[-1]

    def state(self, sequences, ops, images=None):
        """History, image and history once more, with an axis of its own."""
        images = range(len(self.tables)) if images is None else images
        image = np.repeat(np.array(images, "int32")[:, None], sequences, axis=1)
        zeros = np.zeros(image.shape, "int32")
        wide = np.zeros((*image.shape, 2), "float32")
        return tuple(ops.convert_to_tensor(part) for part in (zeros, image, wide))

    def stepper(self, ops):
        """The step function of a search."""
        tables = self.tables.reshape(-1, self.vocab_size)
        looks = self.looks.reshape(-1, REGIONS)

        def step(tokens, state):
            history, image, wide = state
            # Zero, unless the parts of the state followed different sequences.
            drift = wide[..., :1] - ops.cast(history, "float32")[..., None]
            history = (history * 7 + tokens + 1) % HISTORIES
            wide = ops.stack([ops.cast(history, "float32")] * 2, axis=-1)
            row = image * HISTORIES + history
            log_probs = ops.take(ops.convert_to_tensor(tables), row, axis=0) + drift
            alpha = ops.take(ops.convert_to_tensor(looks), row, axis=0)
            return log_probs, alpha, (history, image, wide)

        return step

    def next(self, image, tokens):
        """float64 (V,), after these tokens."""
        return self.tables[image, self.history(tokens)].astype(float)

    def look(self, image, tokens):
        """float32 (R,), while the word after these tokens is chosen."""
        return self.looks[image, self.history(tokens)]

    @staticmethod
    def history(tokens):
        history = 0
        for token in (BOS, *tokens):
            history = (history * 7 + token + 1) % HISTORIES
        return history

    def word_log_probs(self, image, tokens):
        return [self.next(image, tokens[:t])[word] for t, word in enumerate(tokens)]


class BiasedToy(Toy):
    """A toy of which each image is searched with a bias (V,) of its own."""

    def __init__(self, seed, words, images=2):
        super().__init__(seed, words, images)
        self.bias = np.random.default_rng(seed).normal(0, 3, (images, 4 + words))
        self.bias = self.bias.astype("float32")


# What the rules mean, for whole sequences.


def keeps(rules, tokens):
    """Whether a sequence, with its eos, keeps the rules that never give way."""
    *words, last = tokens
    prefix = rules.prefix_ids
    return (
        last == EOS
        and max(rules.min_words, 1) <= len(words) <= rules.max_words
        and tuple(words[: len(prefix)]) == prefix
        and not set(words[len(prefix) :]) & {PAD, BOS, EOS, *rules.banned_ids}
        and all(set(ids) & set(words) for ids in rules.must_ids)
    )


def breaches(rules, tokens):
    """How often a sequence, with its eos, breaks the rules that give way."""
    words = tokens[:-1]
    broken = [
        repeats(rules, words[: i + 1]) + said_once(rules, words[:i], words[i])
        for i in range(len(rules.prefix_ids), len(words))
    ]
    given = len(words) == len(rules.prefix_ids) == rules.max_words
    return sum(broken) + (words[-1] in rules.ending_ids and not given)


def repeats(rules, words):
    """Whether the last word repeats others, or the one before it."""
    count = rules.no_repeat
    grams = [tuple(words[i : i + count]) for i in range(len(words) - count + 1)]
    if count and grams and grams[-1] in grams[:-1]:
        return True
    if rules.joining_ids is None:
        return False
    word, before = words[-1], words[:-1]
    joined = before[-1:] and before[-1] in rules.joining_ids
    return word in before[-1:] or bool(joined and word in before[-2:-1])


class Sentence(NamedTuple):
    tokens: tuple[int, ...]
    log_prob: float
    breaches: int = 0
    extra: float = 0.0  # wanted so much more than it is likely

    @property
    def score(self):
        return self.log_prob + self.extra - SELDOM * self.breaches

    def rank(self, penalty):
        total = self.log_prob + self.extra
        if penalty == "average":
            mean = total / len(self.tokens)
        else:
            mean = total / ((5 + len(self.tokens)) / 6) ** penalty
        return mean - SELDOM * self.breaches


def sentence_of(toy, image, rules, tokens):
    log_prob = sum(toy.word_log_probs(image, tokens))
    total = sum(wanted(toy, image, rules, tokens[:t])[w] for t, w in enumerate(tokens))
    return Sentence(tokens, log_prob, breaches(rules, tokens), total - log_prob)


def best_first(sentences, rules):
    return sorted(sentences, key=lambda s: -s.rank(rules.length_penalty))


def everything(toy, image, rules):
    """Every sequence that keeps the rules, best first."""
    words = [word for word in range(toy.vocab_size) if word not in (PAD, BOS, EOS)]
    every = (
        (*tokens, EOS)
        for length in range(1, rules.max_words + 1)
        for tokens in itertools.product(words, repeat=length)
    )
    return best_first(
        [
            sentence_of(toy, image, rules, tokens)
            for tokens in every
            if keeps(rules, tokens)
        ],
        rules,
    )


# What the rules mean, word by word.


def wanted(toy, image, rules, tokens):
    """float64 (V,), what a search goes by instead of `toy.next`."""
    scores = toy.next(image, tokens)
    if len(tokens) < len(rules.prefix_ids):
        return scores
    for word in rules.color_ids:
        scores[word] += 2 * min(scores[word] - np.log(rules.colors), 0)
    if rules.neutral:
        scores = plain_neutral(scores, rules.neutral, tokens)
    return scores + toy.bias[image] if isinstance(toy, BiasedToy) else scores


def plain_neutral(scores, neutral, tokens):
    """The scores of words, with people in neutral words where they are unclear."""
    probs, becomes = np.exp(scores), {}
    for pair in (*neutral.ages, *neutral.sexes):
        both = probs[[*pair.one, *pair.other]].sum()
        for side in (pair.one, pair.other):
            if probs[[*side]].sum() / both < neutral.margin:
                becomes = {word: pair.neutral for word in side} | becomes
    found = scores.copy()
    for word, other in becomes.items():
        assert other not in becomes
        found[other] = max(found[other], scores[word])
    pronouns = ((neutral.he, neutral.male), (neutral.she, neutral.female))
    unsaid = [said for said, sex in pronouns if not {*sex} & {*tokens}]
    found[[*becomes, *itertools.chain(*unsaid)]] -= SELDOM
    return found


def price(rules, tokens, word):
    """How many rules a word after these tokens breaks; None if it cannot be."""
    prefix, place = rules.prefix_ids, len(tokens)
    if place < len(prefix):
        return 0 if word == prefix[place] else None
    if word in (PAD, BOS, *rules.banned_ids):
        return None
    if word == EOS:
        if place < max(rules.min_words, 1) or len(said_of(rules, tokens)) < len(
            rules.must_ids
        ):
            return None
        return int(tokens[-1] in rules.ending_ids and place < rules.max_words)
    if place == rules.max_words:
        return None
    broken = repeats(rules, (*tokens, word)) + said_once(rules, tokens, word)
    return broken + (place == rules.max_words - 1 and word in rules.ending_ids)


def said_once(rules, tokens, word):
    """Whether a word names a thing that was named already."""
    return any(word in ids and set(ids) & set(tokens) for ids in rules.once_ids)


def said_of(rules, tokens):
    """Which of the words that must occur do."""
    return frozenset(
        bit for bit, ids in enumerate(rules.must_ids) if set(ids) & set(tokens)
    )


def plain_greedy(toy, image, rules):
    tokens = ()
    while tokens[-1:] != (EOS,):
        scores = wanted(toy, image, rules, tokens)
        prices = [price(rules, tokens, word) for word in range(toy.vocab_size)]
        options = [word for word, cost in enumerate(prices) if cost is not None]
        word = max(options, key=lambda word: scores[word] - SELDOM * prices[word])
        tokens = (*tokens, word)
    return sentence_of(toy, image, rules, tokens)


def plain_search(toy, image, rules):
    """Beam search: groups one after the other, a beam for each set of words."""
    beams = rules.beam_size // rules.strategy.groups
    full = frozenset(range(len(rules.must_ids)))
    groups = [{frozenset(): [Sentence((), 0.0)]} for _ in range(rules.strategy.groups)]
    for _ in range(rules.max_words + 1):
        just_said = Counter()
        for g, group in enumerate(groups):
            grown = defaultdict(list)
            for sentence in itertools.chain(*group.values()):
                if sentence.tokens[-1:] == (EOS,):
                    grown[full].append((np.inf, sentence))
                    continue
                for new in grow(toy, image, rules, sentence):
                    word = new.tokens[-1]
                    worth = new.score - rules.strategy.diversity * just_said[word]
                    grown[said_of(rules, new.tokens)].append((worth, new))
            kept = {
                said: sorted(options, key=lambda option: -option[0])[:beams]
                for said, options in grown.items()
            }
            for worth, sentence in itertools.chain(*kept.values()):
                just_said[sentence.tokens[-1]] += worth < np.inf
            groups[g] = {said: [s for _, s in found] for said, found in kept.items()}
    found = {s for group in groups for s in group.get(full, ()) if EOS in s.tokens}
    return best_first(found, rules)


def grow(toy, image, rules, sentence):
    tokens, log_prob, paid, extra = sentence
    scores, searched = toy.next(image, tokens), wanted(toy, image, rules, tokens)
    for word in range(toy.vocab_size):
        cost = price(rules, tokens, word)
        if cost is not None:
            more = extra + searched[word] - scores[word]
            total = log_prob + scores[word]
            yield Sentence((*tokens, word), total, paid + cost, more)


# The search, and what holds for every result.


def run(toy, rules, ops, images=None, noise=None):
    """For each image the sentences found, after all that must be true of them."""
    images = range(len(toy.tables)) if images is None else images
    bias = getattr(toy, "bias", None)
    calls, step = [], toy.stepper(ops)

    def counted(tokens, state):
        calls.append(tokens)
        return step(tokens, state)

    found = search(
        counted,
        toy.state(rules.width, ops, images),
        rules,
        vocab_size=toy.vocab_size,
        regions=REGIONS,
        ops=ops,
        noise=noise,
        bias=None if bias is None else ops.convert_to_tensor(bias[list(images)]),
    )
    found = type(found)(*(keras.ops.convert_to_numpy(part) for part in found))
    sentences = [
        [read_sentence(toy, images[i], rules, found, i, k) for k in range(len(row))]
        for i, row in enumerate(found.tokens)
    ]
    sentences = [[s for s in row if s] for row in sentences]
    check_results(sentences, found, rules)
    if ops is numpy_ops:  # where the loop runs in Python
        longest = max(len(s.tokens) for row in sentences for s in row)
        full = all(len(row) == rules.beam_size for row in sentences)
        if full or not rules.must_ids:
            assert len(calls) == longest
    return sentences


def read_sentence(toy, image, rules, found, i, k):
    """One result, compared with what the toy says of its tokens; None if empty."""
    tokens = tuple(found.tokens[i, k].tolist())
    length = len(tokens) - tokens.count(PAD)
    assert set(tokens[length:]) <= {PAD}
    tokens = tokens[:length]
    word_log_probs, alpha = found.word_log_probs[i, k], found.alpha[i, k]
    assert not word_log_probs[length:].any() and not alpha[length:].any()
    log_prob = float(found.log_probs[i, k])
    assert (log_prob > FOUND) == bool(tokens)
    if not tokens:
        return None
    assert keeps(rules, tokens)
    np.testing.assert_allclose(
        word_log_probs[:length], toy.word_log_probs(image, tokens), atol=1e-5
    )
    np.testing.assert_allclose(log_prob, word_log_probs.sum(), atol=1e-4)
    looks = [toy.look(image, tokens[:t]) for t in range(length)]
    np.testing.assert_array_equal(alpha[:length], looks)
    expected = sentence_of(toy, image, rules, tokens)
    return expected._replace(log_prob=log_prob)


def check_results(sentences, found, rules):
    batch, count, length = found.tokens.shape
    assert batch == len(sentences)
    assert (count, length) == (rules.beam_size, rules.max_words + 1)
    assert found.log_probs.shape == (batch, count)
    assert found.word_log_probs.shape == (batch, count, length)
    assert found.alpha.shape == (batch, count, length, REGIONS)
    assert found.tokens.dtype == np.int32
    assert {part.dtype.name for part in found[1:]} == {"float32"}
    assert all(np.isfinite(part).all() for part in found)
    for i, row in enumerate(sentences):
        assert (found.log_probs[i, len(row) :] < FOUND).all()  # at the end
        assert len({s.tokens for s in row}) == len(row)
        ranks = np.array([s.rank(rules.length_penalty) for s in row])
        assert (np.diff(ranks) < 1e-2 * (ranks[1:] < -SELDOM / 2) + 1e-4).all()


def check_same(found, expected):
    """The same sentences; those that are all but alike may change places."""
    found = {s.tokens: s.log_prob for s in found}
    expected = {s.tokens: s.log_prob for s in expected}
    assert found.keys() == expected.keys()
    for tokens, log_prob in expected.items():
        np.testing.assert_allclose(found[tokens], log_prob, atol=1e-4)


def subsets(ids, max_size):
    picked = st.lists(st.sampled_from(ids), unique=True, max_size=max_size)
    return picked.map(sorted).map(tuple)


@st.composite
def any_rules(draw, words, max_words=5, beam_size=3, groups=1, must=0):
    """Rules that can be kept, over unk and words 4, 5, …"""
    ids = [UNK, *range(4, 4 + words)]
    length = draw(st.integers(max(must, 1), max_words))
    prefix = draw(st.lists(st.sampled_from(ids), max_size=length - must))
    must_ids = draw(st.lists(subsets(ids, 2).filter(len), min_size=must, max_size=must))
    spare = sorted(set(ids) - {word for group in must_ids for word in group})
    banned = draw(subsets(spare, len(ids) - 1)) if spare else ()
    return make_rules(
        max_words=length,
        min_words=draw(st.integers(1, length)),
        beam_size=beam_size,
        groups=groups,
        diversity=draw(st.sampled_from([0.3, 1.0, 5.0])),
        length_penalty=draw(st.sampled_from(PENALTIES)),
        banned_ids=banned,
        ending_ids=draw(subsets(ids, 2)),
        no_repeat=draw(st.integers(0, 4)),
        joining_ids=draw(st.none() | subsets(ids, 2)),
        once_ids=(draw(subsets(ids, 2)), draw(subsets(ids, 1))),
        prefix_ids=tuple(prefix),
        must_ids=tuple(must_ids),
        color_ids=draw(subsets(ids, 2)),
        colors=draw(st.sampled_from([0.1, 0.3, 1.0])),
    )


# Beam search.


@on_both
@quick
@given(seeds, any_rules(words=3, max_words=7, beam_size=1))
def test_one_beam_is_greedy_search(ops, seed, rules):
    toy = Toy(seed, words=3)
    for image, found in enumerate(run(toy, rules, ops)):
        check_same(found, [plain_greedy(toy, image, rules)])


@on_both
@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_beam_wide_enough_finds_everything(ops, penalty):
    toy, rules = Toy(5, words=2), make_rules(max_words=3, length_penalty=penalty)
    found = run(toy, rules._replace(beam_size=42), ops)
    for image, mine in enumerate(found):
        every = everything(toy, image, rules)
        assert len(every) == 3 + 9 + 27
        assert [s.tokens for s in mine] == [s.tokens for s in every]


@on_both
@quick
@given(seeds, any_rules(words=2, max_words=4))
def test_a_beam_wide_enough_finds_all_that_keeps_the_rules(ops, seed, rules):
    toy = Toy(seed, words=2)
    every = [everything(toy, image, rules) for image in range(2)]
    found = run(toy, rules._replace(beam_size=3 + 9 + 27 + 81), ops)
    for mine, expected in zip(found, every, strict=True):
        check_same(mine, expected)


@on_both
@quick
@given(seeds, st.data())
def test_a_narrow_beam_is_the_plain_search(ops, seed, data):
    toy, beam_size = Toy(seed, words=4), data.draw(st.integers(2, 6))
    rules = data.draw(any_rules(words=4, max_words=6, beam_size=beam_size))
    for image, found in enumerate(run(toy, rules, ops)):
        check_same(found, plain_search(toy, image, rules))


@on_both
def test_the_length_penalty_changes_the_order_alone(ops):
    toy, orders = Toy(3, words=3, images=8), []
    for penalty in PENALTIES:
        rules = make_rules(beam_size=4, length_penalty=penalty)
        orders.append([[s.tokens for s in row] for row in run(toy, rules, ops)])
    assert orders[0] != orders[2] and orders[0] != orders[3]
    for order in orders:
        assert [sorted(row) for row in order] == [sorted(row) for row in orders[0]]


# Rules.


@on_both
def test_eos_is_forced_after_the_last_word_and_counts(ops):
    toy = Toy(0, words=3)
    toy.tables[..., EOS] -= 50
    for found in run(toy, make_rules(beam_size=3), ops):
        assert [len(s.tokens) for s in found] == [6, 6, 6]
        assert all(s.log_prob < -50 for s in found)


@on_both
def test_a_sequence_has_its_fewest_words_even_if_eos_is_likely(ops):
    toy = Toy(0, words=3)
    toy.tables[..., EOS] += 50
    for fewest in range(1, 6):
        found = run(toy, make_rules(beam_size=3, min_words=fewest), ops)
        assert {len(s.tokens) for row in found for s in row} == {fewest + 1}


@on_both
@pytest.mark.parametrize("banned", [(), (UNK,), (UNK, 5), (4, 5, 6)])
def test_neither_banned_nor_empty(ops, banned):
    toy = Toy(9, words=4)
    # Pad, bos, the banned, and eos at once are what the model would like best.
    toy.tables[..., [PAD, BOS, EOS, *banned]] += 20
    for found in run(toy, make_rules(beam_size=4, banned_ids=banned), ops):
        assert found
        for sentence in found:
            assert sentence.tokens[0] != EOS
            assert not set(sentence.tokens) & {PAD, BOS, *banned}


@on_both
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_no_words_in_a_row_twice(ops, count):
    toy, rules = Toy(1, words=8), make_rules(beam_size=3, max_words=8, min_words=8)
    toy.tables[..., [4, 5]] += 9  # over and over

    def count_all(found):
        return [breaches(rules._replace(no_repeat=count), s.tokens) for s in found]

    assert any(any(count_all(row)) for row in run(toy, rules, ops))
    for found in run(toy, rules._replace(no_repeat=count), ops):
        assert count_all(found) == [0, 0, 0]


@on_both
def test_no_word_right_after_itself_nor_with_a_joining_word_between(ops):
    toy, rules = Toy(1, words=6), make_rules(beam_size=3, max_words=7, min_words=7)
    toy.tables[..., 5] += 9
    toy.tables[..., 4] += 8

    def gaps(rules):
        for best, *_ in run(toy, rules, ops):
            places = [i for i, word in enumerate(best.tokens) if word == 5]
            yield int(np.diff(places).min())

    assert set(gaps(rules)) == {1}
    assert min(gaps(rules._replace(joining_ids=()))) == 2
    assert min(gaps(rules._replace(joining_ids=(4, UNK)))) > 2


@on_both
def test_where_all_repeats_the_least_repeated_is_best(ops):
    rules = make_rules(
        max_words=4, min_words=3, no_repeat=1, banned_ids=(UNK,), beam_size=30
    )
    for found in run(Toy(2, words=2), rules, ops):
        assert len(found) == 2**3 + 2**4
        counts = [s.breaches for s in found]
        assert counts == sorted(counts)
        assert counts[0] == 1 and counts[-1] == 3


@on_both
def test_clean_sequences_come_before_likelier_ones(ops):
    toy = Toy(2, words=2)
    toy.tables[..., 4] += 9
    rules = make_rules(max_words=3, no_repeat=1, beam_size=40)
    for found in run(toy, rules, ops):
        counts = [s.breaches for s in found]
        assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 2


@on_both
def test_the_prefix_may_repeat_itself(ops):
    rules = make_rules(prefix_ids=(4, 4, 4), no_repeat=2, beam_size=3)
    for found in run(Toy(2, words=4), rules, ops):
        assert [s.tokens[:3] for s in found] == [(4, 4, 4)] * 3
        # but what follows does not repeat it
        assert all(s.tokens[3] != 4 and s.breaches == 0 for s in found)


@on_both
def test_what_the_prefix_repeats_leaves_the_scores_exact(ops):
    toy = Toy(2, words=6)
    toy.tables /= 1000  # lost beside many SELDOM
    rules = make_rules(
        prefix_ids=(4,) * 20, no_repeat=2, min_words=23, max_words=23, beam_size=3
    )
    for image, found in enumerate(run(toy, rules, ops)):
        check_same(found, plain_search(toy, image, rules))


@on_both
def test_no_bad_ending_not_even_at_the_last_word(ops):
    toy = Toy(4, words=4)
    toy.tables[..., [4, 5]] += 20
    rules = make_rules(beam_size=4, min_words=5)
    plain = run(toy, rules, ops)
    assert all(s.tokens[-2] in (4, 5) for row in plain for s in row)
    for shorter in (1, 5):
        rules = rules._replace(min_words=shorter, ending_ids=(4, 5))
        for found in run(toy, rules, ops):
            assert len(found) == 4
            assert all(s.tokens[-2] not in (4, 5) for s in found)


@on_both
def test_a_bad_ending_costs_the_same_at_every_length(ops):
    rules = make_rules(max_words=3, ending_ids=(4, 5), banned_ids=(UNK,), beam_size=20)
    toy = Toy(4, words=2)
    for image, found in enumerate(run(toy, rules, ops)):
        assert len(found) == 2 + 4 + 8  # all of them end badly
        likely = best_first([s._replace(breaches=0) for s in found], rules)
        np.testing.assert_allclose(
            [s.log_prob for s in found], [s.log_prob for s in likely], atol=5e-3
        )
        check_same(found, everything(toy, image, rules))


@on_both
@pytest.mark.parametrize("seed", range(4))
def test_after_the_prefix_it_is_a_search_of_the_rest(ops, seed):
    prefix = (UNK, 5)

    class Rest(Toy):
        history = staticmethod(lambda tokens: Toy.history((*prefix, *tokens)))

    toy, rest = Toy(seed, words=3), Rest(seed, words=3)
    rules = make_rules(beam_size=3, banned_ids=(UNK,), min_words=3)
    found = run(toy, rules._replace(prefix_ids=prefix), ops)
    rules = rules._replace(max_words=3, min_words=1)
    for image, mine in enumerate(found):
        before = sum(toy.word_log_probs(image, prefix))
        expected = [
            Sentence((*prefix, *s.tokens), before + s.log_prob)
            for s in plain_search(rest, image, rules)
        ]
        check_same(mine, expected)


@on_both
def test_a_prefix_may_be_all_there_is_to_say(ops):
    rules = make_rules(max_words=2, prefix_ids=(5, 4), ending_ids=(4,), beam_size=2)
    for found in run(Toy(6, words=3), rules, ops):
        assert [s.tokens for s in found] == [(5, 4, EOS)]


# A bias of each image's own.


@on_both
@quick
@given(seeds, any_rules(words=2, max_words=4))
def test_a_wide_beam_finds_all_in_the_order_of_the_bias(ops, seed, rules):
    toy = BiasedToy(seed, words=2)
    found = run(toy, rules._replace(beam_size=3 + 9 + 27 + 81), ops)
    for image, mine in enumerate(found):
        every = everything(toy, image, rules)
        check_same(mine, every)
        penalty = rules.length_penalty
        ranks = [s.rank(penalty) for s in mine], [s.rank(penalty) for s in every]
        np.testing.assert_allclose(*ranks, atol=1e-2)


@on_both
@quick
@given(seeds, st.data())
def test_a_narrow_beam_with_a_bias_is_the_plain_search(ops, seed, data):
    groups, beams, must = data.draw(
        st.sampled_from([(1, 3, 0), (2, 2, 0), (1, 1, 0), (1, 2, 1)])
    )
    rules = any_rules(words=4, beam_size=groups * beams, groups=groups, must=must)
    rules = data.draw(rules)
    toy = BiasedToy(seed, words=4)
    for image, found in enumerate(run(toy, rules, ops)):
        check_same(found, plain_search(toy, image, rules))


@on_both
@pytest.mark.parametrize("never", [-np.inf, -1e30, NEVER])
def test_what_the_bias_bans_is_not_said_of_that_image(ops, never):
    toy, rules = BiasedToy(3, words=4), make_rules(beam_size=4)
    toy.tables[..., [4, 5]] += 9
    toy.bias[:] = 0
    toy.bias[0, 4], toy.bias[1, 5] = never, never
    first, second = ({w for s in row for w in s.tokens} for row in run(toy, rules, ops))
    assert 4 not in first and 5 in first
    assert 5 not in second and 4 in second


@on_both
def test_what_the_bias_wants_seldom_gives_way(ops):
    toy, rules = BiasedToy(3, words=2), make_rules(min_words=5, banned_ids=(UNK,))
    toy.bias[:] = 0
    toy.bias[0, [4, 5]], toy.bias[1, [4]] = -SELDOM, -SELDOM
    (first,), (second,) = run(toy, rules, ops)
    assert len(first.tokens) == len(second.tokens) == 6
    assert second.tokens == (5,) * 5 + (EOS,)


@on_both
def test_the_prefix_is_said_whatever_the_bias(ops):
    toy = BiasedToy(3, words=4)
    toy.bias[:] = 0
    toy.bias[:, 4] = -np.inf
    for found in run(toy, make_rules(prefix_ids=(4, 4), beam_size=2), ops):
        assert all(s.tokens.count(4) == 2 for s in found)


@on_both
def test_no_bias_is_none(ops):
    rules = make_rules(beam_size=3, ending_ids=(4,), no_repeat=2)
    toy = BiasedToy(5, words=4)
    toy.bias[:] = 0
    plain = run(Toy(5, words=4), rules, ops)
    for mine, expected in zip(run(toy, rules, ops), plain, strict=True):
        assert [s.tokens for s in mine] == [s.tokens for s in expected]


@on_both
def test_an_improbable_color_counts_less(ops):
    rules = make_rules(max_words=1, color_ids=(4,), colors=0.6, beam_size=1)
    toy = Toy(0, words=2)
    toy.tables[:] = -20
    toy.tables[..., [4, 5]] = np.log([[[0.52, 0.48]], [[0.7, 0.3]]])
    (guess,), (sure,) = run_tokens(toy, rules, ops)
    assert (guess, sure) == ((5, EOS), (4, EOS))
    (typed,), _ = run_tokens(toy, rules._replace(prefix_ids=(4,)), ops)
    assert typed == (4, EOS)
    (alone,), _ = run_tokens(toy, rules._replace(banned_ids=(UNK, 5)), ops)
    assert alone == (4, EOS)  # nothing else is as probable


# People in neutral words. 4 is a person, 5 a man, 6 a woman, 7 a boy, 8 a girl, 9 a
# child, 10 his, 11 her.

NEUTRAL = Neutral(
    margin=0.8,
    sexes=(Sides(4, (5,), (6,)), Sides(9, (7,), (8,))),
    ages=(Sides(4, (5, 6), (7, 8, 9)),),
    male=(5, 7),
    female=(6, 8),
    he=(10,),
    she=(11,),
)


@on_both
@pytest.mark.parametrize("margin", [0.5, 0.6, 0.8, 1.0])
@quick
@given(seed=seeds, prefix=st.lists(st.integers(4, 11), max_size=3))
def test_neutral_words_are_the_plain_search(ops, margin, seed, prefix):
    neutral = NEUTRAL._replace(margin=margin)
    rules = make_rules(
        beam_size=4,
        banned_ids=(UNK,),
        prefix_ids=tuple(prefix),
        neutral=neutral,
        length_penalty="average",
    )
    toy = Toy(seed, words=8)
    toy.tables[..., EOS] -= 2
    for image, found in enumerate(run(toy, rules, ops)):
        check_same(found, plain_search(toy, image, rules))


@on_both
def test_only_a_clear_sex_is_named(ops):
    rules = make_rules(max_words=1, neutral=NEUTRAL._replace(ages=()), beam_size=1)
    toy = Toy(0, words=8)
    toy.tables[:] = -20
    toy.tables[..., [5, 6]] = np.log([[[0.7, 0.3]], [[0.9, 0.1]]])
    (unclear,), (clear,) = run_tokens(toy, rules, ops)
    assert (unclear, clear) == ((4, EOS), (5, EOS))
    (guess,), _ = run_tokens(toy, rules._replace(neutral=None), ops)
    assert guess == (5, EOS)


def run_tokens(toy, rules, ops):
    found = search(
        toy.stepper(ops),
        toy.state(rules.width, ops),
        rules,
        vocab_size=toy.vocab_size,
        regions=REGIONS,
        ops=ops,
    )
    tokens = keras.ops.convert_to_numpy(found.tokens).tolist()
    return [[tuple(t for t in row if t != PAD) for row in rows] for rows in tokens]


# Words that must occur.


@on_both
@quick
@given(seeds, st.data())
def test_a_wide_beam_finds_all_that_has_the_words(ops, seed, data):
    toy, must = Toy(seed, words=2), data.draw(st.integers(1, 3))
    rules = data.draw(any_rules(words=2, max_words=3, must=must))
    found = run(toy, rules._replace(beam_size=3 + 9 + 27), ops)
    for image, mine in enumerate(found):
        assert mine
        check_same(mine, everything(toy, image, rules))


@on_both
@quick
@given(seeds, st.data())
def test_a_narrow_beam_with_words_is_the_plain_search(ops, seed, data):
    toy, must = Toy(seed, words=4), data.draw(st.integers(1, 3))
    toy.tables[..., EOS] += data.draw(st.sampled_from([4, 0]))
    beam_size = data.draw(st.integers(1, 4))
    rules = data.draw(any_rules(words=4, beam_size=beam_size, must=must))
    for image, found in enumerate(run(toy, rules, ops)):
        assert found
        check_same(found, plain_search(toy, image, rules))


@on_both
def test_unlikely_words_occur_in_any_order(ops):
    toy = Toy(8, words=6)
    toy.tables[..., [4, 5, 6, 7]] -= 20
    rules = make_rules(beam_size=2, max_words=3, must_ids=((4,), (5, 6), (7,)))
    found = [s.tokens for row in run(toy, rules, ops) for s in row]
    assert len(found) == 4 and len({tokens.index(4) for tokens in found}) > 1


@on_both
def test_one_word_may_do_for_two(ops):
    toy = Toy(8, words=4)
    toy.tables[..., EOS] = -0.01
    toy.tables[..., [UNK, 4, 6, 7]] -= 20
    rules = make_rules(beam_size=2, must_ids=((4, 5), (5, 6)))
    assert all(row[0].tokens == (5, EOS) for row in run(toy, rules, ops))
    rules = rules._replace(prefix_ids=(5,))
    assert all(row[0].tokens == (5, EOS) for row in run(toy, rules, ops))


# Diverse beam search.


@on_both
@quick
@given(seeds, st.data())
def test_groups_are_the_plain_search_one_after_the_other(ops, seed, data):
    toy = Toy(seed, words=4)
    groups, beams, must = data.draw(
        st.sampled_from([(2, 1, 0), (2, 2, 0), (3, 1, 0), (3, 2, 0), (2, 2, 1)])
    )
    rules = any_rules(words=4, beam_size=groups * beams, groups=groups, must=must)
    rules = data.draw(rules)
    for image, found in enumerate(run(toy, rules, ops)):
        assert found
        check_same(found, plain_search(toy, image, rules))


@on_both
def test_what_an_empty_beam_seems_to_say_costs_later_groups_nothing(ops):
    # After one word, nothing is in the beam that has both.
    must_ids = ((4, 5), (6,))
    rules = make_rules(beam_size=2, groups=2, diversity=1.0, must_ids=must_ids)
    for seed in range(4):
        toy = Toy(seed, words=4)
        toy.tables[..., 5] = toy.tables[..., 4] + 0.5
        for image, found in enumerate(run(toy, rules, ops)):
            check_same(found, plain_search(toy, image, rules))


@on_both
def test_one_group_is_beam_search(ops):
    toy, rules = Toy(1, words=4), make_rules(beam_size=3)
    assert run(toy, rules, ops) == run(
        toy, rules._replace(strategy=BeamSearch(diversity=9.0)), ops
    )


@on_both
def test_groups_that_do_not_mind_find_the_same(ops):
    toy = Toy(1, words=4)
    found = run(toy, make_rules(beam_size=6, groups=3, diversity=0.0), ops)
    assert found == run(toy, make_rules(beam_size=2), ops)
    assert [len(row) for row in found] == [2, 2]


@on_both
def test_groups_that_mind_much_start_differently(ops):
    toy = Toy(1, words=6)
    found = run(toy, make_rules(beam_size=4, groups=4, diversity=50.0), ops)
    assert all(len({s.tokens[0] for s in row}) == 4 for row in found)


# Samples.


def make_noise(rules, ops, images=2, seed=0):
    shape = (images, rules.beam_size, rules.max_words + 1)
    noise = np.random.default_rng(seed).random(shape, dtype="float32")
    return ops.convert_to_tensor(noise)


def plain_probs(log_probs, sampling):
    """float (V,), the distribution that a word is drawn from."""
    order = np.argsort(-log_probs)[: sampling.top_k or None]
    probs = np.exp(log_probs[order] / sampling.temperature)
    probs /= probs.sum()
    reached = np.cumsum(probs)
    kept = order[: 1 + np.searchsorted(reached, min(sampling.top_p, reached[-1]))]
    found = np.zeros(len(log_probs))
    found[kept] = probs[: len(kept)] / probs[: len(kept)].sum()
    return found


@on_both
@pytest.mark.parametrize(
    "sampling",
    [
        PLAIN,
        Sampling(temperature=0.7, top_k=0, top_p=1.0),
        Sampling(temperature=2.5, top_k=0, top_p=1.0),
        Sampling(temperature=1.0, top_k=3, top_p=1.0),
        Sampling(temperature=1.0, top_k=100, top_p=1.0),
        Sampling(temperature=1.0, top_k=0, top_p=0.8),
        Sampling(temperature=1.5, top_k=4, top_p=0.9),
    ],
)
def test_words_are_as_frequent_as_the_model_says(ops, sampling):
    draws, toy = 20000, Toy(12, words=4, images=1)
    toy.tables /= 2  # flatter; softmax comes later anyway
    rules = make_rules(max_words=1, beam_size=1, strategy=sampling)
    found = search(
        toy.stepper(ops),
        toy.state(1, ops, images=[0] * draws),
        rules,
        vocab_size=toy.vocab_size,
        regions=REGIONS,
        ops=ops,
        noise=make_noise(rules, ops, draws),
    )
    words = keras.ops.convert_to_numpy(found.tokens)[:, 0, 0]
    seen = np.bincount(words, minlength=toy.vocab_size)
    scores = toy.next(0, ())
    scores[[PAD, BOS, EOS]] = -np.inf
    expected = draws * plain_probs(scores, sampling)
    assert (seen[expected == 0] == 0).all()
    real = expected > 0
    chi_square = ((seen - expected)[real] ** 2 / expected[real]).sum()
    assert chi_square < 20  # 0.1 % of draws are further off, of 5 words


@on_both
@quick
@given(seeds, any_rules(words=4, beam_size=4))
def test_samples_keep_the_rules_and_follow_their_noise(ops, seed, rules):
    toy, rules = Toy(seed, words=4), rules._replace(strategy=PLAIN)
    noise = make_noise(rules, ops, seed=seed)
    found = run(toy, rules, ops, noise=noise)
    assert found == run(toy, rules, ops, noise=noise)
    for image, mine in enumerate(found):
        assert {s.tokens for s in mine} == {
            plain_sample(toy, image, rules, np.asarray(noise)[image, n])
            for n in range(4)
        }


def plain_sample(toy, image, rules, noise):
    """One sequence, word by word, likeliest words first in line."""
    tokens = ()
    while tokens[-1:] != (EOS,):
        prices = [price(rules, tokens, word) for word in range(toy.vocab_size)]
        least = min(cost for cost in prices if cost is not None)
        scores = wanted(toy, image, rules, tokens)
        scores[[cost != least for cost in prices]] = -np.inf
        probs = plain_probs(scores, rules.strategy)
        order = np.argsort(-scores)
        place = np.searchsorted(np.cumsum(probs[order]), noise[len(tokens)])
        tokens = (*tokens, int(order[place]))
    return tokens


@on_both
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, top_k=1, top_p=1.0),
        Sampling(temperature=1.0, top_k=0, top_p=1e-6),
        Sampling.model_construct(temperature=1e-6),
    ],
)
def test_samples_of_the_likeliest_are_greedy_search(ops, sampling):
    toy, rules = Toy(3, words=5), make_rules(ending_ids=(4,), no_repeat=2)
    sampled = rules._replace(strategy=sampling, beam_size=3)
    found = run(toy, sampled, ops, noise=make_noise(sampled, ops))
    assert found == run(toy, rules, ops)


@on_both
def test_samples_do_not_see_one_another(ops):
    toy, rules = Toy(3, words=5), make_rules(strategy=PLAIN, beam_size=4)
    noise = make_noise(rules, ops)
    together = run(toy, rules, ops, noise=noise)
    one, alone = rules._replace(beam_size=1), [[], []]
    for n in range(4):
        found = run(toy, one, ops, noise=noise[:, n : n + 1])
        for image in range(2):
            alone[image] += found[image]
    assert [set(row) for row in together] == [set(row) for row in alone]


class MinP(Sampling):
    """Draw from words at least `min_p` times as likely as the likeliest one."""

    min_p: float = 0.1

    def cut(self, probs, ops):
        return ops.where(probs >= self.min_p * probs[..., :1], probs, 0.0)


@on_both
@pytest.mark.parametrize("min_p", [0.05, 0.5])
def test_another_way_to_cut_the_tail_is_a_few_lines(ops, min_p):
    toy, rules = Toy(5, words=5), make_rules(beam_size=50, strategy=MinP(min_p=min_p))
    for image, row in enumerate(run(toy, rules, ops, noise=make_noise(rules, ops))):
        firsts = np.exp(toy.next(image, ()))
        firsts[[PAD, BOS, EOS]] = 0.0
        likely = np.flatnonzero(firsts >= min_p * firsts.max())
        assert {s.tokens[0] for s in row} <= {*likely.tolist()}
        assert len({s.tokens[0] for s in row}) > (min_p < 0.1)


# Every strategy.

STRATEGIES = {
    "greedy": make_rules(),
    "beams": make_rules(beam_size=3, length_penalty="average", ending_ids=(4,)),
    "repeats": make_rules(
        beam_size=3, no_repeat=2, joining_ids=(6,), prefix_ids=(4, 5)
    ),
    "groups": make_rules(beam_size=4, groups=2, diversity=1.0, min_words=2),
    "must": make_rules(beam_size=2, must_ids=((4,), (5, 6)), banned_ids=(UNK,)),
    "neutral": make_rules(
        beam_size=3,
        neutral=Neutral(0.8, (Sides(4, (5,), (6,)),), (), (5,), (6,), (8,), (7,)),
    ),
    "min_p": make_rules(beam_size=3, strategy=MinP()),
    "samples": make_rules(
        beam_size=3, strategy=Sampling(temperature=0.9, top_k=6, top_p=0.95)
    ),
}
every_strategy = pytest.mark.parametrize("name", STRATEGIES)


@on_both
@every_strategy
def test_images_do_not_see_one_another(ops, name):
    toy, rules = Toy(1, words=5, images=4), STRATEGIES[name]
    toy.tables[0, :, EOS] += 9  # over soon, and waits for the others
    noise = make_noise(rules, ops, images=4)
    together = run(toy, rules, ops, noise=noise)
    for image in (0, 2):
        (alone,) = run(toy, rules, ops, [image], noise[image : image + 1])
        assert together[image] == alone


@on_both
@every_strategy
def test_words_that_cannot_be_give_no_nan(ops, name):
    toy, rules = Toy(0, words=5), STRATEGIES[name]
    toy.tables[..., [PAD, 7, 8]] = -np.inf
    with np.errstate(all="raise", under="ignore"):
        found = run(toy, rules, ops, noise=make_noise(rules, ops))
    assert all(found)
    assert not {7, 8} & {word for row in found for s in row for word in s.tokens}


@on_both
@every_strategy
def test_a_model_of_half_precision_gives_float32(ops, name):
    toy, rules = Toy(0, words=5), STRATEGIES[name]
    step = toy.stepper(ops)

    def half(tokens, state):
        log_probs, alpha, state = step(tokens, state)
        return ops.cast(log_probs, "float16"), ops.cast(alpha, "float16"), state

    found = search(
        half,
        toy.state(rules.width, ops),
        rules,
        vocab_size=toy.vocab_size,
        regions=REGIONS,
        ops=ops,
        noise=make_noise(rules, ops),
    )
    found = [keras.ops.convert_to_numpy(part) for part in found]
    assert [part.dtype.name for part in found] == ["int32"] + ["float32"] * 3


@every_strategy
def test_numpy_keeps_the_types_that_keras_would(monkeypatch, name):
    def types(values):
        return [np.asarray(value).dtype for value in values]

    def strict_loop(cond, body, values):
        while cond(*values):
            before, values = types(values), body(*values)
            assert types(values) == before
        return values

    monkeypatch.setattr(numpy_ops, "while_loop", strict_loop)
    rules = STRATEGIES[name]
    run(Toy(0, words=5), rules, numpy_ops, noise=make_noise(rules, numpy_ops))


@every_strategy
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function")
def test_a_compiled_search_gives_the_same(name):
    import tensorflow as tf

    toy, rules = Toy(4, words=5, images=3), STRATEGIES[name]
    ops, rows = keras.ops, rules.width

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, rows], "int32"),
            tf.TensorSpec([None, rows], "int32"),
            tf.TensorSpec([None, rows, 2], "float32"),
            tf.TensorSpec([None, rules.beam_size, rules.max_words + 1], "float32"),
        ]
    )
    def compiled(history, image, wide, noise):
        return search(
            toy.stepper(ops),
            (history, image, wide),
            rules,
            vocab_size=toy.vocab_size,
            regions=REGIONS,
            ops=ops,
            noise=noise,
        )

    for images in ([0, 1, 2], [1]):
        noise = make_noise(rules, ops, len(images))
        found = compiled(*toy.state(rows, ops, images), noise)
        assert [part.shape.rank for part in found] == [3, 2, 3, 4]
        tokens = [
            [tuple(t for t in row if t != PAD) for row in rows]
            for rows in found.tokens.numpy().tolist()
        ]
        expected = run(toy, rules, numpy_ops, images, np.asarray(noise))
        for mine, other in zip(tokens, expected, strict=True):
            assert [row for row in mine if row] == [s.tokens for s in other]


def test_sequences_that_do_not_exist_are_marked():
    rules = make_rules(beam_size=6, max_words=1, banned_ids=(4,))
    for found in run(Toy(0, words=2), rules, numpy_ops):
        assert len(found) == 2  # unk and the one word left


# The rest.


@on_both
def test_what_may_follow_is_read_at_every_place(ops):
    toy = Toy(7, words=4)
    for tokens in [(), (5,), (4, UNK, 6)]:
        found = read(toy.stepper(ops), toy.state(1, ops), tokens, make_rules())
        assert len(found) == len(tokens) + 1
        for place, log_probs in enumerate(map(keras.ops.convert_to_numpy, found)):
            assert log_probs.shape == (2, 8)
            for image in range(2):
                expected = toy.next(image, tokens[:place])
                np.testing.assert_allclose(log_probs[image], expected, atol=1e-5)


def mean_toy(*toys):
    """The toy that an ensemble of toys is."""
    mean = Toy(0, toys[0].vocab_size - 4)
    mean.tables = np.log(np.mean([np.exp(toy.tables) for toy in toys], axis=0))
    mean.looks = np.mean([toy.looks for toy in toys], axis=0)
    return mean


def run_together(steps, states, rules, ops, regions=REGIONS):
    return search(
        *ensemble(list(zip(steps, states, strict=True)), ops),
        rules,
        vocab_size=8,
        regions=regions,
        ops=ops,
    )


@on_both
@pytest.mark.parametrize("models", [["a"], ["a", "a"], ["a", "b"], ["a", "b", "c"]])
def test_an_ensemble_is_the_mean_of_its_models(ops, models):
    toys = [Toy(ord(name), words=4) for name in models]
    for toy in toys:
        toy.tables[..., 7] = -np.inf
    rules = make_rules(beam_size=3)
    with np.errstate(divide="ignore"):
        mean = mean_toy(*toys)
    found = run_together(
        [toy.stepper(ops) for toy in toys],
        [toy.state(3, ops) for toy in toys],
        rules,
        ops,
    )
    expected = run(mean, rules, ops)
    for image, row in enumerate(expected):
        for k, sentence in enumerate(row):
            tokens = keras.ops.convert_to_numpy(found.tokens)[image, k]
            assert tuple(t for t in tokens if t != PAD) == sentence.tokens
            log_prob = keras.ops.convert_to_numpy(found.log_probs)[image, k]
            np.testing.assert_allclose(log_prob, sentence.log_prob, atol=1e-4)
            alpha = keras.ops.convert_to_numpy(found.alpha)[image, k, 0]
            np.testing.assert_allclose(alpha, mean.look(image, ()), atol=1e-5)


@on_both
def test_models_of_an_ensemble_may_differ_in_state_and_regions(ops):
    toys = [Toy(1, words=4), Toy(2, words=4)]
    steps = [toy.stepper(ops) for toy in toys]
    states = [toy.state(3, ops) for toy in toys]

    def more(tokens, state):
        extra, *state = state
        log_probs, alpha, state = steps[1](tokens, tuple(state))
        return log_probs, ops.concatenate([alpha, alpha], axis=-1), (extra + 1, *state)

    rules = make_rules(beam_size=3)
    states[1] = (ops.convert_to_tensor(np.zeros((2, 3), "int32")), *states[1])
    found = run_together([steps[0], more], states, rules, ops)
    expected = run(mean_toy(*toys), rules, ops)
    for image, row in enumerate(expected):
        tokens = keras.ops.convert_to_numpy(found.tokens)[image, 0]
        assert tuple(t for t in tokens if t != PAD) == row[0].tokens
        alpha = keras.ops.convert_to_numpy(found.alpha)[image, 0, 0]
        np.testing.assert_array_equal(alpha, toys[0].look(image, ()))
