"""A captioner of random weights at work: order, errors, batches, beams."""

import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import VOCABULARY, photo, tiny_config, tiny_model, write_tiny
from keras import ops
from PIL import Image

from captioner import predict
from captioner.data import read_dataset, select
from captioner.decoding import FOUND, NEVER, Sequences
from captioner.metrics import score_captions
from captioner.predict import PhotoCaptioner, load_bundle, load_captioner, to_captions
from captioner.runtime_keras import KerasRuntime
from shared.errors import AppError
from shared.text import BOS, EOS, PAD, SPECIAL_WORDS, UNK, Vocabulary

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


def with_keras(model, batch_size, config=None, vocabulary=VOCABULARY):
    runtime = KerasRuntime([model], batch_size)
    return PhotoCaptioner(config or tiny_config(), vocabulary, runtime, batch_size)


@pytest.fixture(scope="module")
def captioner(model):
    return with_keras(model, 3)


def flat(batches):
    return [pair for batch in batches for pair in batch]


def texts(captions):
    return [caption.text for caption in captions]


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
    image = captioner._read(source)[None]
    for caption in captioner.caption(source):
        ids = [VOCABULARY.ids[word] for word in caption.words]
        ids += [EOS]
        tokens = np.array([[[BOS, *ids[:-1]]]], np.int32)
        logits, _ = model({"images": image, "tokens": tokens})
        logits = np.array(logits)[0, 0].astype(np.float64)
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        total = sum(row[i] for row, i in zip(log_probs, ids, strict=True))
        assert caption.log_prob == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("decoder", [{"attention_units": 0}, {"tied": False}])
def test_other_decoders_write_as_well(decoder):
    config = tiny_config(decoder)
    assert with_keras(tiny_model(config), 1, config).caption(photo(0))[0].words


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


def test_a_mistake_in_the_program_is_not_hidden(captioner):
    with pytest.raises(ValueError, match="image array"):
        list(captioner.caption_all([np.zeros((3, 3, 7), np.uint8)]))


def test_captions_do_not_depend_on_the_batch(model):
    sources = [photo(seed) for seed in range(7)]
    results = []
    for size in (1, 3, 16):
        captioner = with_keras(model, size)
        results.append([c for _, c in flat(captioner.caption_all(sources))])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert texts(first) == texts(second)
            np.testing.assert_allclose(
                [c.log_prob for c in first], [c.log_prob for c in second], atol=1e-4
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
        ahead = predict.BATCHES_AHEAD + 1
        assert len(taken) <= 3 * (count - 1 + ahead)
    batches.close()
    assert len(taken) < 20


def test_whoever_stops_early_does_not_wait(model, monkeypatch):
    single = with_keras(model, 1)
    gate, read = threading.Event(), single._read
    slow = []

    def wait(source):
        if source is not first:
            slow.append(source)
            gate.wait(10)
        return read(source)

    first = photo(0)
    monkeypatch.setattr(single, "_read", wait)
    batches = single.caption_all([first, *(photo(i) for i in range(1, 9))])
    next(batches)
    batches.close()  # would hang for 10 s
    assert not gate.is_set()
    assert len(slow) <= predict.READERS
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


def test_batches_of_images_are_captioned_as_they_are(captioner):
    images = np.stack([captioner._read(photo(seed)) for seed in range(3)])
    found = captioner.caption_images(images)
    assert [texts(c) for c in found] == [
        texts(captioner.caption(photo(seed))) for seed in range(3)
    ]
    assert captioner.caption_images(images[:0]) == []
    with pytest.raises(ValueError, match="broadcast"):
        captioner.caption_images(np.concatenate([images, images]))


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
    (caption,) = to_captions(found, VOCABULARY, ("a", "zebra"))[0]
    assert caption[:2] == ("A zebra dog.", ("a", "zebra", "dog"))
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
        row = np.array(logits)[0, 0, -1]
        row[[PAD, UNK, BOS] + [EOS] * (not ids)] = -np.inf
        ids.append(int(row.argmax()))
    return tuple(VOCABULARY.decode(ids))


def test_a_beam_of_one_is_greedy(bundle):
    captioner = load_captioner(bundle, runtime="keras", beam_size=1, batch_size=1)
    for seed in range(3):
        (caption,) = captioner.caption(photo(seed))
        (net,) = captioner.runtime.models
        assert caption.words == greedy(net, captioner._read(photo(seed)), 6)


def test_a_bundle_captions_as_its_model_does(bundle, captioner):
    loaded = load_captioner(bundle, batch_size=3)
    for seed in range(4):
        first, second = loaded.caption(photo(seed)), captioner.caption(photo(seed))
        assert first[0].log_prob == pytest.approx(second[0].log_prob, abs=0.1)


@pytest.mark.parametrize("beam_size", [1, 2, 50])
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
    assert report.scores["BLEU-4"] > 18
    assert report.distinct_captions > 150
