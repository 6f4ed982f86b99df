"""A captioner of random weights at work: order, errors, batches, beams."""

import builtins
import shutil
import sys
import threading
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from conftest import VOCABULARY, photo, tiny_config, tiny_model, write_tiny
from keras import ops
from PIL import Image

from captioner import load_model
from captioner.describing import predict
from captioner.describing.captions import to_captions
from captioner.describing.photo_captioner import BATCHES_AHEAD, PhotoCaptioner
from captioner.describing.predict import load_bundle, load_captioner
from captioner.metrics.report import score_captions
from captioner.net.runtime_keras import KerasRuntime
from captioner.net.runtime_litert import EXPORT
from captioner.search.decoding import Sequences
from captioner.search.strategy import FOUND, NEVER
from shared.bundles import litert
from shared.concepts.table import ConceptProbs
from shared.data.captioned import read_dataset, select
from shared.errors import AppError
from shared.text.vocabulary import (
    BOS,
    EOS,
    PAD,
    SPECIAL_WORDS,
    UNK,
    Vocabulary,
    split_words,
)
from shared.vision.pipeline import READERS

FLICKR8K = Path(__file__).parents[2] / "shared" / "data" / "flickr8k"
EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.usefixtures("small_net")


@pytest.fixture(scope="module")
def model(small_net):
    return tiny_model(tiny_config())


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict") / "bundle"
    return write_tiny(folder, tiny_config(), model)


@cache  # a runtime keeps what it compiled
def run_by_keras(model, batch_size):
    return KerasRuntime([model], batch_size)


def with_keras(model, batch_size, config=None, vocabulary=VOCABULARY):
    runtime = run_by_keras(model, batch_size)
    return PhotoCaptioner(config or tiny_config(), vocabulary, runtime, batch_size)


@pytest.fixture(scope="module")
def captioner(model):
    return with_keras(model, 3)


def flat(batches):
    return [pair for batch in batches for pair in batch]


def texts(captions):
    return [caption.text for caption in captions]


def test_the_shortest_way_describes_a_photo(bundle):
    captioner = load_model(bundle, runtime="keras", beam_size=2)
    captions = captioner.caption(photo(0))
    assert len(captions) == 2
    best = captioner.describe(photo(0))
    assert (best.text, best.probs) == (captions[0].text, captions[0].probs)
    assert str(best) == best.text


def test_captions_are_sentences_best_first(captioner):
    seen = set()
    for seed in range(8):
        captions = captioner.caption(photo(seed))
        scores = [caption.log_prob for caption in captions]
        assert 1 <= len(captions) <= 3
        assert scores == sorted(scores, reverse=True)
        assert len(set(texts(captions))) == len(captions)
        for caption in captions:
            assert 1 <= len(caption.words) <= 6
            assert caption.text[-1] == "."
            assert not set(caption.words) & set(SPECIAL_WORDS)
            assert FOUND < caption.log_prob < 0
        seen.add(captions[0].text)
    assert len(seen) > 2  # it sees its images


def test_unknown_words_are_never_written(model):
    bias = model.decoder.bias
    before = ops.convert_to_numpy(bias).copy()
    try:
        bias.assign(before + 50 * np.eye(len(VOCABULARY))[[PAD, UNK, BOS]].sum(0))
        captions = with_keras(model, 1).caption(photo(0))
    finally:
        bias.assign(before)
    assert all(caption.words for caption in captions)
    assert not {w for caption in captions for w in caption.words} & set(SPECIAL_WORDS)


def test_a_caption_is_never_empty(model):
    bias = model.decoder.bias
    before = ops.convert_to_numpy(bias).copy()
    try:
        bias.assign(before + 50 * np.eye(len(VOCABULARY))[EOS])
        captions = with_keras(model, 1).caption(photo(0))
    finally:
        bias.assign(before)
    assert [len(caption.words) for caption in captions] == [1, 1, 1]


def test_log_probs_are_those_of_the_model(captioner, model):
    source = photo(3)
    image = captioner.read(source)[None]
    for caption in captioner.caption(source):
        ids = [VOCABULARY.ids[word] for word in caption.words]
        ids += [EOS]
        tokens = np.array([[[BOS, *ids[:-1]]]], np.int32)
        logits, _ = model({"images": image, "tokens": tokens})
        logits = ops.convert_to_numpy(logits)[0, 0].astype(np.float64)
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        total = sum(row[i] for row, i in zip(log_probs, ids, strict=True))
        assert caption.log_prob == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("decoder", [{"attention_units": 0}, {"tied": False}])
def test_other_decoders_write_as_well(decoder):
    config = tiny_config(decoder)
    (caption, *_) = with_keras(tiny_model(config), 1, config).caption(photo(0))
    assert caption.words
    if decoder.get("attention_units") == 0:  # it looks everywhere alike
        np.testing.assert_allclose(caption.attention, 1 / 16, atol=1e-6)


def test_all_photos_are_captioned_in_order(captioner):
    sources = [photo(seed) for seed in range(11)]
    batches = list(captioner.caption_all(sources))
    assert [len(batch) for batch in batches] == [3, 3, 3, 2]
    for (source, captions), expected in zip(flat(batches), sources, strict=True):
        assert source is expected
        assert texts(captions) == texts(captioner.caption(expected))


def test_broken_photos_do_not_stop_the_others(captioner, tmp_path):
    (tmp_path / "empty.jpg").touch()
    sources = [photo(0), b"no image", photo(1), tmp_path / "empty.jpg", "gone.png"]
    sources += [b"no", b"image", b"in this batch", photo(2)]
    found = flat(captioner.caption_all(sources))
    assert [source is s for (source, _), s in zip(found, sources, strict=True)]
    broken = [isinstance(result, AppError) for _, result in found]
    assert broken == [False, True, False, True, True, True, True, True, False]
    assert "gone.png" in str(found[4][1])
    for index, seed in ((0, 0), (2, 1), (8, 2)):
        assert texts(found[index][1]) == texts(captioner.caption(photo(seed)))


def test_nothing_gives_nothing(captioner):
    assert list(captioner.caption_all([])) == []


def test_numbers_that_are_not_finite_are_told(captioner, monkeypatch):
    search = captioner.runtime.search

    def search_in_vain(*args):
        found = search(*args)
        return found._replace(log_probs=np.full_like(found.log_probs, np.nan))

    monkeypatch.setattr(captioner.runtime, "search", search_in_vain)
    with pytest.raises(AppError, match="no sentence, as its numbers are not finite"):
        captioner.caption(photo(1))


def test_a_mistake_in_the_program_is_not_hidden(captioner):
    with pytest.raises(ValueError, match="image array"):
        list(captioner.caption_all([np.zeros((3, 3, 7), np.uint8)]))


@pytest.mark.parametrize(
    "changes", [{}, {"method": "sample", "seed": 5}], ids=["beam", "sample"]
)
def test_captions_depend_neither_on_the_batch_nor_on_xla(model, changes):
    sources = [photo(seed) for seed in range(7)]
    halves = KerasRuntime([model], 4, fused=True)  # side by side
    whole = PhotoCaptioner(tiny_config(), VOCABULARY, halves, 4)
    first, *others = (
        [c for _, c in flat(captioner.caption_all(sources, **changes))]
        for captioner in (with_keras(model, 1), with_keras(model, 3), whole)
    )
    for other in others:
        for one, another in zip(first, other, strict=True):
            assert texts(one) == texts(another)
            np.testing.assert_allclose(
                [c.log_prob for c in one], [c.log_prob for c in another], atol=1e-4
            )


def test_sources_are_taken_as_they_are_needed(captioner):
    taken = []

    def sources():
        for seed in range(100):
            taken.append(seed)
            yield photo(seed)

    batches = captioner.caption_all(sources())
    assert taken == []
    for count in range(1, 4):
        next(batches)
        assert len(taken) <= 3 * (count - 1 + BATCHES_AHEAD)
    batches.close()
    assert len(taken) < 20


def test_whoever_stops_early_does_not_wait(model, monkeypatch):
    single = with_keras(model, 1)
    gate, read = threading.Event(), single.read
    slow = []

    def wait(source):
        if source is not first:
            slow.append(source)
            gate.wait(10)
        return read(source)

    first = photo(0)
    monkeypatch.setattr(single, "read", wait)
    batches = single.caption_all([first, *(photo(i) for i in range(1, 9))])
    next(batches)
    batches.close()  # would hang for 10 s
    assert not gate.is_set()
    assert len(slow) <= READERS
    gate.set()


def test_a_photo_may_be_a_path_bytes_or_an_array(captioner, tmp_path):
    image = Image.fromarray(photo(4))
    image.save(tmp_path / "a.png")
    expected = texts(captioner.caption(photo(4)))
    data = (tmp_path / "a.png").read_bytes()
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), data, image):
        assert texts(captioner.caption(source)) == expected


def test_one_broken_photo_is_an_error(captioner):
    with pytest.raises(AppError, match="not an image"):
        captioner.caption(b"no image")


def sequences(tokens, log_probs, word_log_probs=None):
    tokens = np.array(tokens, np.int32)
    if word_log_probs is None:
        word_log_probs = np.zeros(tokens.shape)
    alpha = np.broadcast_to(np.arange(tokens.shape[2])[:, None], (*tokens.shape, 3))
    return Sequences(
        tokens,
        np.array(log_probs, np.float32),
        np.array(word_log_probs, np.float32),
        np.array(alpha, np.float32),
    )


def test_sequences_become_sentences():
    found = sequences(
        [[[4, 5, 6, 7, EOS, PAD], [5, EOS, PAD, PAD, PAD, PAD]]],
        [[-1.0, -2.5]],
        [[[0.0, -0.25, -0.25, -0.5, 0.0, 0.0], [-2.5, 0.0, 0.0, 0.0, 0.0, 0.0]]],
    )
    first, second = to_captions(found, VOCABULARY)[0]
    assert first[:3] == ("A dog's hat.", ("a", "dog", "'s", "hat"), -1.0)
    assert first.probs == pytest.approx(np.exp([0.0, -0.25, -0.25, -0.5]))
    np.testing.assert_array_equal(first.attention, [[t] * 3 for t in range(4)])
    assert second[:3] == ("Dog.", ("dog",), -2.5)
    assert second.probs == pytest.approx([np.exp(-2.5)])
    np.testing.assert_array_equal(second.attention, [[0] * 3])


def test_a_prefix_stays_as_it_was_typed():
    found = sequences([[[4, UNK, 5, EOS]]], [[-1.0]])
    (caption,) = to_captions(found, VOCABULARY, " A  ZEBRA, 🦓")[0]
    assert caption[:2] == ("A ZEBRA, 🦓 dog.", ("a", "zebra", "dog"))
    assert (len(caption.probs), caption.attention.shape) == (3, (3, 3))


def test_sequences_that_were_never_found_are_left_out():
    row = [4, EOS]
    found = sequences([[row, row, row]], [[-3.0, NEVER, 2 * FOUND]])
    assert len(to_captions(found, VOCABULARY)[0]) == 1
    nothing = sequences([[row]], [[np.nan]])
    assert to_captions(nothing, VOCABULARY) == [[]]


def greedy(model, image, length):
    """Write word after word, each time reading all over again."""
    ids = []
    while len(ids) < length and EOS not in ids:
        tokens = np.array([[[BOS, *ids]]], np.int32)
        logits, _ = model({"images": image[None], "tokens": tokens})
        row = ops.convert_to_numpy(logits)[0, 0, -1].copy()
        row[[PAD, UNK, BOS] + [EOS] * (not ids)] = -np.inf
        ids.append(int(row.argmax()))
    return tuple(VOCABULARY.decode(ids))


def test_a_beam_of_one_is_greedy(bundle):
    captioner = load_captioner(bundle, runtime="keras", beam_size=1, batch_size=1)
    for seed in range(3):
        (caption,) = captioner.caption(photo(seed))
        (net,) = captioner.runtime.models
        assert caption.words == greedy(net, captioner.read(photo(seed)), 6)


def test_a_bundle_captions_as_its_model_does(bundle, captioner):
    loaded = load_captioner(bundle, batch_size=3)
    for seed in range(4):
        first, second = loaded.caption(photo(seed)), captioner.caption(photo(seed))
        assert first[0].log_prob == pytest.approx(second[0].log_prob, abs=0.1)


@pytest.mark.parametrize("beam_size", [2, 50])
def test_the_beam_size_can_be_chosen(bundle, beam_size):
    captioner = load_captioner(str(bundle), beam_size=beam_size, batch_size=1)
    captions = captioner.caption(photo(1))
    assert captioner.config.decoding.beam_size == beam_size
    assert len(captions) == beam_size
    assert len(set(texts(captions))) == beam_size
    assert load_captioner(bundle).config.decoding.beam_size == 3


@pytest.mark.parametrize("beam_size", [0, -1])
def test_a_beam_has_a_width(bundle, beam_size):
    match = rf"beam_size: .*greater than or equal to 1. Received: {beam_size}"
    with pytest.raises(AppError, match=match):
        load_captioner(bundle, beam_size=beam_size)


def test_a_wide_beam_finds_fewer_captions_than_asked_for(model):
    words = Vocabulary([*SPECIAL_WORDS, "dog"])
    config = tiny_config(max_words=2)
    net = tiny_model(config, vocabulary=words)
    captions = with_keras(net, 1, config, words).caption(photo(0))
    assert sorted(texts(captions)) == ["Dog dog.", "Dog."]


def test_a_bundle_trained_in_half_precision_runs_in_single(model, tmp_path):
    config = tiny_config().model_copy(update={"precision": "mixed_bfloat16"})
    _, _, net = load_bundle(write_tiny(tmp_path / "half", config, model))
    assert net.decoder.project.compute_dtype == "float32"


IMPOSSIBLE = {
    r'must "hatt": .* Words near it that the model knows: "hat"': {"must": ("hatt",)},
    r'"dog" is both a must-word and banned': {"must": ("dog",), "ban": ("dog",)},
    r'The prefix "a a a" takes 3 of max_words 3': {"prefix": "a a a", "max_words": 3},
    r"min_words 7 is more than max_words 6": {"min_words": 7},
    r"groups 2 do not share beam_size 3": {"groups": 2},
    r"beams: unknown key": {"beams": 3},
    r"beam_size: .* valid integer. Received: '3'": {"beam_size": "3"},
    r"needs the method beam": {"method": "sample", "must": ("hat",)},
}


@pytest.mark.parametrize("match", IMPOSSIBLE)
def test_impossible_requests_are_refused_before_any_photo_is_read(
    captioner, bundle, monkeypatch, match
):
    def sources():
        pytest.fail("a photo was asked for")
        yield

    changes = IMPOSSIBLE[match]
    monkeypatch.setattr(captioner, "read", lambda source: pytest.fail("it was read"))
    monkeypatch.setattr(captioner.runtime, "encode", lambda images: pytest.fail("seen"))
    with pytest.raises(AppError, match=match):
        captioner.caption_all(sources(), **changes)
    with pytest.raises(AppError, match=match):
        captioner.caption("photo.jpg", **changes)
    monkeypatch.setattr(predict, "_load_keras", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(AppError, match=match):
        load_captioner(bundle, **changes)


def test_a_request_changes_one_call_alone(captioner):
    expected = texts(captioner.caption(photo(2)))
    assert len(captioner.caption(photo(2), beam_size=5)) == 5
    for caption in captioner.caption(photo(2), ban=["dog"], max_words=2):
        assert len(caption.words) <= 2
        assert "dog" not in caption.words
    assert texts(captioner.caption(photo(2))) == expected
    assert captioner.config == tiny_config()


def test_the_probabilities_of_words_and_end_make_that_of_the_caption(captioner, model):
    for changes in ({}, {"prefix": "a dog", "no_repeat": 2}, {"must": ["hat"]}):
        for caption in captioner.caption(photo(5), **changes):
            image = captioner.read(photo(5))[None]
            ids = [VOCABULARY.ids[word] for word in caption.words]
            tokens = np.array([[[BOS, *ids]]], np.int32)
            logits, alpha = model({"images": image, "tokens": tokens})
            probs = ops.convert_to_numpy(ops.softmax(logits))[0, 0]
            for t, (word, prob) in enumerate(zip(ids, caption.probs, strict=True)):
                assert prob == pytest.approx(probs[t, word], abs=1e-5)
            total = np.prod(caption.probs) * probs[-1, EOS]
            assert total == pytest.approx(np.exp(caption.log_prob), rel=1e-3)
            assert caption.attention.shape == (len(ids), 16)
            assert caption.attention.dtype == np.float32
            np.testing.assert_allclose(caption.attention.sum(1), 1, atol=1e-5)
            expected = ops.convert_to_numpy(alpha)[0, 0, : len(ids)]
            np.testing.assert_allclose(caption.attention, expected, atol=1e-4)


def test_samples_depend_on_photo_and_seed_alone(model):
    wish = {"method": "sample", "beam_size": 6, "seed": 3}
    sources = [photo(seed) for seed in range(5)]
    whole = with_keras(model, 5)
    alone = [texts(whole.caption(source, **wish)) for source in sources]
    assert len({tuple(found) for found in alone}) == 5
    for size, order in ((5, [3, 1, 4, 0, 2]), (2, [4, 3, 2, 1, 0])):
        captioner = with_keras(model, size)
        batches = captioner.caption_all([sources[i] for i in order], **wish)
        assert [texts(c) for _, c in flat(batches)] == [alone[i] for i in order]
    wish["seed"] = 4
    others = [texts(whole.caption(source, **wish)) for source in sources]
    assert all(set(a) != set(b) for a, b in zip(alone, others, strict=True))


def test_a_sample_is_ranked_and_has_no_twins(captioner):
    found = captioner.caption(photo(1), method="sample", beam_size=40, max_words=2)
    scores = [caption.log_prob for caption in found]
    assert scores == sorted(scores, reverse=True)
    assert len(set(texts(found))) == len(found) < 40
    greedy = captioner.caption(photo(1), beam_size=1)
    tame = captioner.caption(photo(1), method="sample", top_k=1, seed=9)
    assert texts(tame) == texts(greedy)


@pytest.mark.parametrize("words", ["", "a", "A dog's", "grass zebra"])
def test_alternatives_are_those_of_the_model(captioner, model, words):
    source = photo(6)
    ids = VOCABULARY.to_ids(split_words(words))
    inputs = {
        "images": captioner.read(source)[None],
        "tokens": np.array([[[BOS, *ids]]], np.int32),
    }
    probs = ops.convert_to_numpy(ops.softmax(model(inputs)[0]))[0, 0, -1]
    found = captioner.alternatives(source, words, 50)
    assert {one.word for one in found} == {"", *VOCABULARY.words[4:]}  # each but unk
    for word, prob in found:
        index = VOCABULARY.ids[word] if word else EOS
        assert 0 <= prob <= 1
        assert prob == pytest.approx(probs[index], abs=1e-5)
    assert [one.prob for one in found] == sorted(
        (one.prob for one in found), reverse=True
    )
    for count in (1, 3, 7, 8):
        assert captioner.alternatives(source, words, count) == found[:count]


def test_every_place_of_a_sentence_is_weighed(captioner):
    looked = captioner.look(captioner.read(photo(0))[None])
    weighed = captioner.weigh(looked, ("a", "dog"), 4)
    assert weighed == [
        captioner.alternatives(photo(0), words, 4) for words in ("", "a", "a dog")
    ]


def test_features_that_are_known_are_not_computed_again(captioner, monkeypatch):
    image = captioner.read(photo(0))
    features = captioner.runtime.encode(image[None])
    expected = captioner.caption(photo(0))
    monkeypatch.setattr(captioner.runtime, "encode", lambda images: pytest.fail())
    looked = captioner.look(image[None], [array[:1] for array in features])
    (found,) = captioner.write(looked, *captioner.request()).captions
    assert texts(found) == texts(expected)


def test_alternatives_are_at_least_one(captioner):
    with pytest.raises(ValueError, match=r"at least 1. Received: count=0"):
        captioner.alternatives(photo(0), count=0)
    assert len(captioner.alternatives(photo(0))) == 7
    with pytest.raises(AppError, match="not an image"):
        captioner.alternatives(b"no image")


def test_to_go_on_a_photo_is_not_looked_at_again():
    """What was told of it when it was looked at is what the next word heeds."""
    captioner = with_keras(tiny_model(tiny_config(concepts={"slots": 2})), 2)
    looked = captioner.look(captioner.read(photo(0))[None]).found
    _, rules = captioner.request()
    first = captioner.runtime.read(looked, [], rules)
    told = looked._replace(seen=ConceptProbs(0.1 * looked.seen.said, looked.seen.there))
    assert np.abs(captioner.runtime.read(told, [], rules) - first).max() > 1e-3


def test_one_can_go_on_from_words(captioner):
    words = ""
    for _ in range(3):
        first, second = captioner.alternatives(photo(3), words, 2)
        words += f" {first.word or second.word}"
    (caption, *_) = captioner.caption(photo(3), prefix=words)
    assert list(caption.words[:3]) == split_words(words)
    for prefix, start in (("a dog", "A dog"), ("A Zebra's hat,", "A Zebra's hat, ")):
        for caption in captioner.caption(photo(3), prefix=prefix):
            assert caption.text.startswith(start)
            assert len(caption.words) >= len(split_words(prefix))


def test_bad_photos_at_every_place_of_a_batch(captioner):
    good = {seed: texts(captioner.caption(photo(seed))) for seed in range(3)}
    for broken in range(8):
        bad = [bool(broken & 1 << i) for i in range(3)]
        sources = [b"bad" if is_bad else photo(i) for i, is_bad in enumerate(bad)]
        (batch,) = captioner.caption_all(sources)
        for i, (source, found) in enumerate(batch):
            assert source is sources[i]
            assert isinstance(found, AppError) if bad[i] else texts(found) == good[i]


def test_an_early_end_leaves_no_thread(captioner):
    before = set(threading.enumerate())
    batches = captioner.caption_all(photo(seed) for seed in range(60))
    next(batches)
    batches.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_a_mistake_of_the_sources_is_not_hidden(captioner):
    def sources():
        yield photo(0)
        raise ZeroDivisionError

    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        list(captioner.caption_all(sources()))
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_keras_is_taken_where_litert_does_not_work(bundle, monkeypatch):
    assert litert.why_not_litert([bundle], EXPORT) == (
        f"{bundle} was not exported for it; `captioner export {bundle} --data DIR` "
        "does that."
    )
    assert load_captioner(bundle).runtime.name == "keras"
    with pytest.raises(AppError, match=r"LiteRT cannot run this: .*captioner export"):
        load_captioner(bundle, runtime="litert")
    monkeypatch.setattr(litert.importlib.util, "find_spec", lambda name: None)
    assert litert.why_not_litert([bundle], EXPORT) == (
        "it is not installed (pip install ai-edge-litert)."
    )
    assert load_captioner(bundle).runtime.name == "keras"


def test_without_keras_a_bundle_says_what_it_needs(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "captioner.net.runtime_keras", None)
    with pytest.raises(ModuleNotFoundError):  # a part of ours that is missing
        load_captioner(bundle)
    monkeypatch.undo()

    def absent(name, *rest):
        if name.split(".")[0] == "keras" or name == "captioner.net.runtime_keras":
            raise ModuleNotFoundError("No module named 'keras'", name="keras")
        return own_import(name, *rest)

    own_import = builtins.__import__
    monkeypatch.delitem(sys.modules, "captioner.net.runtime_keras")
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(AppError, match=r"needs Keras, and keras is not installed"):
        load_captioner(bundle)


def test_models_vote_by_their_mean_probability(bundle, tmp_path):
    config = tiny_config({"attention_units": 0, "tied": False})
    other = write_tiny(tmp_path / "other", config, tiny_model(config, 5))
    single = [load_captioner(folder, runtime="keras") for folder in (bundle, other)]
    votes = load_captioner((bundle, other), runtime="keras")
    found = [
        dict(captioner.alternatives(photo(4), "a dog"))
        for captioner in (*single, votes)
    ]
    for word, prob in found[2].items():
        assert prob == pytest.approx((found[0][word] + found[1][word]) / 2, abs=1e-5)
    (caption, *_) = votes.caption(photo(4))
    assert caption.attention.shape == (len(caption.words), 16)


def test_models_with_other_words_or_eyes_cannot_vote(bundle, model, tmp_path):
    config = tiny_config()
    words = Vocabulary([*SPECIAL_WORDS, "a", "dog", "'s", "hat", "on", "lawn"])
    other = write_tiny(tmp_path / "words", config, model, words)
    match = rf"{other} does not have the words of {bundle}: 10 and 10 of them"
    with pytest.raises(AppError, match=match):
        load_captioner([bundle, other])
    for changes, sees in (
        ({"image_size": 64}, r"64 px \(squash\)"),
        ({"resize": "crop"}, r"32 px \(crop\)"),
    ):
        encoder = config.encoder.model_copy(update=changes)
        eyes = config.model_copy(update={"encoder": encoder})
        other = write_tiny(tmp_path / "eyes", eyes, model)
        match = rf"{other} sees photos at {sees}, {bundle} at 32 px \(squash\)"
        with pytest.raises(AppError, match=match):
            load_captioner([bundle, other])


def test_a_missing_bundle_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(AppError, match=r"No trained model in .*nothing"):
        load_captioner(tmp_path / "nothing")
    monkeypatch.setattr(predict, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(AppError, match=r"No trained model in .*shipped"):
        load_captioner()


@pytest.mark.slow
@pytest.mark.skipif(not predict.SHIPPED.exists(), reason="no model is shipped")
def test_the_shipped_model_describes_the_examples():
    captioner = load_captioner()
    photos = sorted(EXAMPLES.glob("*.jpg"))
    found = flat(captioner.caption_all(photos))
    assert len(found) == len(photos) >= 4
    best = {path.stem: captions[0] for path, captions in found}
    assert len({caption.text for caption in best.values()}) == len(best)
    for caption in best.values():
        assert 3 <= len(caption.words) <= 20


@pytest.mark.slow
@pytest.mark.skipif(not FLICKR8K.exists(), reason=f"{FLICKR8K} is not there")
def test_the_shipped_model_scores_as_well_as_its_card_says():
    records = select(read_dataset(FLICKR8K), "dev")[:200]
    found = flat(load_captioner().caption_all([record.image for record in records]))
    texts = {
        record.name: captions[0].text
        for record, (_, captions) in zip(records, found, strict=True)
    }
    report = score_captions(texts, {r.name: r.captions for r in records})
    assert report.scores["BLEU-1"] > 60
    assert report.scores["BLEU-4"] > 16
    assert report.distinct_captions > 150


@pytest.mark.slow
@pytest.mark.skipif(not predict.SHIPPED.exists(), reason="no model is shipped")
def test_the_shipped_model_knows_when_it_is_unsure_wherever_it_lies(tmp_path):
    copy = shutil.copytree(predict.SHIPPED, tmp_path / "copy")
    for folder in (predict.SHIPPED, copy):
        assert load_captioner(folder).config.unsure == 0.5
    assert tiny_config().unsure == 0  # of any other, it is not known
