"""A captioner of random weights at work: order, errors, batches, beams."""

import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image

from captioner import predict
from captioner.config import (
    CaptionerConfig,
    DecoderConfig,
    DecodingConfig,
    EncoderConfig,
    StageConfig,
)
from captioner.data import read_dataset, select
from captioner.decoding import FOUND, NEVER, Sequences
from captioner.metrics import score_captions
from captioner.model import build_captioner
from captioner.predict import PhotoCaptioner, load_bundle, load_captioner, to_captions
from shared import encoders
from shared.bundles import write_bundle
from shared.config import format_config
from shared.errors import AppError
from shared.text import BOS, EOS, PAD, SPECIAL_WORDS, UNK, Vocabulary

FLICKR8K = Path(__file__).parents[2] / "shared" / "data" / "flickr8k"
EXAMPLES = Path(__file__).parents[1] / "examples"
VOCABULARY = Vocabulary([*SPECIAL_WORDS, "a", "dog", "'s", "hat", "on", "grass"])


def patches(weights, include_top, input_shape):
    """Stand in for a net of `keras.applications`."""
    image = keras.Input(input_shape)
    x = layers.Conv2D(12, 8, strides=8, activation="relu")(image)
    return keras.Model(image, x, name="patches")


def config_of(decoder=None, **decoding):
    sizes = {"units": 8, "embed_dim": 6, "region_units": 8, "attention_units": 4}
    return CaptionerConfig(
        encoder=EncoderConfig(name="patches", weights="none", image_size=32),
        decoder=DecoderConfig(**sizes | (decoder or {})),
        decoding=DecodingConfig(**{"max_words": 6, **decoding}),
        stages=(StageConfig(name="only", epochs=1, learning_rate=0.1),),
    )


@pytest.fixture(scope="module", autouse=True)
def small_net():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encoders.ENCODERS, "patches", encoders.Source(patches, "unit"))
        yield


@pytest.fixture(scope="module")
def model():
    """A net whose captions depend on the image: its weights are large."""
    keras.utils.set_random_seed(2)
    net = build_captioner(config_of(), len(VOCABULARY), None)
    for weight in net.trainable_variables:
        weight.assign(weight * 3)
    return net


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    VOCABULARY.save(folder / "words")
    write_bundle(
        folder / "bundle",
        task="captioner",
        config=format_config(config_of()),
        vocabulary=(folder / "words").read_text(),
        model=model,
        card="",
    )
    return folder / "bundle"


@pytest.fixture(scope="module")
def captioner(model):
    return PhotoCaptioner(config_of(), VOCABULARY, model, 3)


def photo(seed):
    """A photo of a few plain patches, unlike others."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
    return np.asarray(image.resize((48, 40), Image.Resampling.NEAREST))


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
            assert 1 <= len(caption.words) <= 7
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
        captions = PhotoCaptioner(config_of(), VOCABULARY, model, 1).caption(photo(0))
    finally:
        bias.assign(before)
    assert all(caption.words for caption in captions)
    assert not {w for caption in captions for w in caption.words} & set(SPECIAL_WORDS)


def test_a_caption_is_never_empty(model):
    bias = model.decoder.bias
    before = ops.convert_to_numpy(bias).copy()
    try:
        bias.assign(before + 50 * np.eye(len(VOCABULARY))[EOS])
        captions = PhotoCaptioner(config_of(), VOCABULARY, model, 1).caption(photo(0))
    finally:
        bias.assign(before)
    assert [len(caption.words) for caption in captions] == [1, 1, 1]


def test_log_probs_are_those_of_the_model(captioner, model):
    source = photo(3)
    image = captioner._read(source)[None]
    for caption in captioner.caption(source):
        ids = [VOCABULARY.ids[word] for word in caption.words]
        ids += [EOS] * (len(ids) < 7)
        tokens = np.array([[[BOS, *ids[:-1]]]], np.int32)
        logits, _ = model({"images": image, "tokens": tokens})
        logits = np.array(logits)[0, 0].astype(np.float64)
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        total = sum(row[i] for row, i in zip(log_probs, ids, strict=True))
        assert caption.log_prob == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("decoder", [{"attention_units": 0}, {"tied": False}])
def test_other_decoders_write_as_well(decoder):
    config = config_of(decoder)
    net = build_captioner(config, len(VOCABULARY), None)
    assert PhotoCaptioner(config, VOCABULARY, net, 1).caption(photo(0))[0].words


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
        captioner = PhotoCaptioner(config_of(), VOCABULARY, model, size)
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


def test_whoever_stops_early_does_not_wait(captioner, monkeypatch):
    gate, read = threading.Event(), captioner._read
    slow = []

    def wait(source):
        if source is not first:
            slow.append(source)
            gate.wait(10)
        return read(source)

    first = photo(0)
    monkeypatch.setattr(captioner, "_read", wait)
    single = PhotoCaptioner(captioner.config, VOCABULARY, captioner.search.captioner, 1)
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


def sequences(tokens, log_probs):
    return Sequences(np.array(tokens, np.int32), np.array(log_probs, np.float32))


def test_sequences_become_sentences():
    found = sequences(
        [[[4, 5, 6, 7, EOS, PAD], [5, EOS, PAD, PAD, PAD, PAD]]], [[-1.0, -2.5]]
    )
    first, second = to_captions(found, VOCABULARY)[0]
    assert first == ("A dog's hat.", ("a", "dog", "'s", "hat"), -1.0)
    assert second == ("Dog.", ("dog",), -2.5)


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
    captioner = load_captioner(bundle, beam_size=1, batch_size=1)
    for seed in range(3):
        (caption,) = captioner.caption(photo(seed))
        net = captioner.search.captioner
        assert caption.words == greedy(net, captioner._read(photo(seed)), 7)


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
    with pytest.raises(ValueError, match=rf"at least 1. Received: {beam_size}"):
        load_captioner(bundle, beam_size=beam_size)


def test_a_wide_beam_finds_fewer_captions_than_asked_for(model):
    words = Vocabulary([*SPECIAL_WORDS, "dog"])
    config = config_of(max_words=1)
    net = build_captioner(config, len(words), None)
    captions = PhotoCaptioner(config, words, net, 1).caption(photo(0))
    assert sorted(texts(captions)) == ["Dog dog.", "Dog."]


def test_a_bundle_trained_in_half_precision_runs_in_single(model, tmp_path, bundle):
    config = config_of().model_copy(update={"precision": "mixed_bfloat16"})
    write_bundle(
        tmp_path / "half",
        task="captioner",
        config=format_config(config),
        vocabulary=(bundle / "vocabulary.txt").read_text(),
        model=model,
        card="",
    )
    loaded, _, net = load_bundle(tmp_path / "half")
    assert loaded.precision == "float32"
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
