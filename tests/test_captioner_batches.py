import io

import numpy as np
import pytest
from PIL import Image

from captioner.training.batches import (
    Captions,
    Texts,
    draw_batches,
    shift,
)
from shared.concepts.imagined import Imagined
from shared.data.captioned import Record
from shared.data.mixing import Order
from shared.runs.photos import look_up
from shared.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from shared.vision.features import Features

SIZE, LENGTH = 16, 5
WORDS = ["a", "b", "c", "d", "e", "f", "g"]


class Photo:
    def __init__(self, seed):
        self.name = f"{seed}.png"
        pixels = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        self.content = file.getvalue()

    def read_bytes(self):
        return self.content


def records(*counts):
    """Photos with so many captions each; the captions say whose they are."""
    return [
        Record(
            f"{i}.png", Photo(i), tuple(f"{WORDS[i]} {w}" for w in WORDS[:n]), "train"
        )
        for i, n in enumerate(counts)
    ]


def captions(*counts):
    vocabulary = Vocabulary([*Vocabulary.from_sentences([]).words, *WORDS])
    return Captions(records(*counts), vocabulary, LENGTH)


@pytest.fixture
def features():
    array = np.arange(7 * 2 * 3 * 4).reshape(7, 2, 3, 4).astype(np.float16)
    return Features(array, {})


def test_captions_become_padded_ids():
    vocabulary = Vocabulary.from_sentences([["a", "b"]])
    texts = ("A b!", "", "b a b a b", "x")
    rows = Captions([Record("n", None, texts, "train")], vocabulary, 4).rows
    assert [row.tolist() for row in rows] == [
        [[4, 5, EOS, PAD], [EOS, PAD, PAD, PAD], [5, 4, 5, 4], [UNK, EOS, PAD, PAD]]
    ]


@pytest.mark.parametrize("count", [1, 3, 5, 6, 13])
def test_no_caption_comes_again_before_all_the_others(count):
    source = captions(5, 2, 1)
    drawn = source.draw(np.array([0, 2, 1, 0]), count, np.random.default_rng(0))
    assert drawn.shape == (4, count, LENGTH)
    assert drawn.dtype == np.int32
    for row, got in zip((0, 2, 1, 0), drawn, strict=True):
        mine = source.rows[row].tolist()
        times = [got.tolist().count(caption) for caption in mine]
        assert sum(times) == count
        assert max(times) - min(times) <= 1


def test_all_captions_are_drawn_equally_often():
    source, rng = captions(4), np.random.default_rng(0)
    drawn = [source.draw(np.array([0]), 1, rng)[0, 0].tolist() for _ in range(400)]
    times = [drawn.count(caption) for caption in source.rows[0].tolist()]
    assert min(times) > 75  # of 100


def test_words_are_read_one_step_before_they_are_predicted():
    targets = np.array([[[4, 5, EOS, PAD], [6, EOS, PAD, PAD]]], np.int32)
    read = shift(targets)
    assert read.dtype == np.int32
    assert read.tolist() == [[[BOS, 4, 5, EOS], [BOS, 6, EOS, PAD]]]


def epoch(features, seeds=(1, 0, 0), start=0, counts=(3, 1, 2, 2, 1, 1, 4), size=2):
    steps = Order(np.ones(len(counts), int), size).walk(list(seeds), start)
    batches = draw_batches(steps, look_up(features), captions(*counts), 2, mirror=True)
    return [
        (rows.tolist(), x["features"].tolist(), y.tolist()) for rows, x, y in batches
    ]


def test_every_photo_comes_at_most_once_with_its_own_captions(features):
    batches = epoch(features)
    rows = [row for batch, _, _ in batches for row in batch]
    assert len(batches) == 3
    assert len(rows) == len(set(rows)) == 6
    for batch, found, targets in batches:
        for row, feature, drawn in zip(batch, found, targets, strict=True):
            assert feature in features.array[row].tolist()
            assert {caption[0] for caption in drawn} == {4 + row}


def test_the_photos_left_over_change_from_epoch_to_epoch(features):
    left = {
        (set(range(7)) - {r for b, _, _ in epoch(features, (1, 0, e)) for r in b}).pop()
        for e in range(30)
    }
    assert left == set(range(7))


def test_the_order_depends_on_the_seeds_alone(features):
    assert epoch(features) == epoch(features)
    others = [epoch(features, seeds) for seeds in ((2, 0, 0), (1, 1, 0), (1, 0, 1))]
    assert all(other != epoch(features) for other in others)


@pytest.mark.parametrize("start", range(4))
def test_an_epoch_goes_on_in_the_middle(features, start):
    assert epoch(features, start=start) == epoch(features)[start:]


def texts():
    """Two sources, the first one much larger; words are told as their concepts."""
    vocabulary = Vocabulary([*Vocabulary.from_sentences([]).words, *WORDS])
    first, second = [["a", "b"]] * 50, [["c"], ["d"]]
    told = np.eye(7, dtype=np.float16)[..., None] * 0.9
    return Texts(
        [first, second],
        [[[0]] * 50, [[2], [3]]],
        vocabulary,
        LENGTH,
        Imagined(told, [[[place]] for place in range(7)]),
    )


def test_sources_of_texts_give_equally_many():
    drawn = texts().draw(400, np.random.default_rng(0))
    assert drawn.rows is None
    assert drawn.batch["said"].shape == (400, 7)
    assert drawn.targets.shape == (400, 1, LENGTH)
    firsts = drawn.targets[:, 0, 0].tolist()
    assert 170 < firsts.count(4) < 230
    assert firsts.count(6) + firsts.count(7) == 400 - firsts.count(4)
    for row, said in zip(firsts, drawn.batch["said"], strict=True):
        assert said.argmax() == row - 4


@pytest.mark.parametrize("start", range(7))
def test_texts_follow_photos(features, start):
    def run(start):
        batches = draw_batches(
            Order(np.ones(7, int), 2, texts=True).walk([0], start),
            look_up(features),
            captions(*[2] * 7),
            2,
            mirror=False,
            texts=texts(),
            texts_count=3,
        )
        return [(d.rows is None, d.targets.shape, d.targets.tolist()) for d in batches]

    whole = run(0)
    assert [is_text for is_text, *_ in whole] == [False, True] * 3
    assert {shape for _, shape, _ in whole} == {(2, 2, LENGTH), (3, 1, LENGTH)}
    assert run(start) == whole[start:]
