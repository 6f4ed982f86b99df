import numpy as np
import pytest

from shared.concepts.imagined import Imagined

PERSON, DOG, CAT, GRASS, BALL, TRAIN = range(6)


def told(*rows):
    return np.array(rows, np.float32)[..., None]


def test_what_captions_share_keeps_its_probability():
    photo = [0.01, 0.9, 0.3, 0.8, 0.02, 0.03]
    imagined = Imagined(told(photo), [[[DOG, GRASS]]])
    made = imagined.draw([DOG, GRASS], np.random.default_rng(0))
    np.testing.assert_array_equal(made, told(photo)[0])


def test_concepts_take_the_place_of_others():
    photo = [0.01, 0.9, 0.3, 0.8, 0.02, 0.03]
    imagined = Imagined(told(photo), [[[DOG, GRASS]]])
    made = imagined.draw([TRAIN, GRASS], np.random.default_rng(0))[:, 0]
    assert made[TRAIN] == np.float32(0.9)
    assert made[GRASS] == np.float32(0.8)
    assert made[CAT] == np.float32(0.3)  # as wrong as it was
    assert made[DOG] < 0.9


def test_concepts_that_a_photo_has_no_place_for_are_left_out():
    photo = [0.01, 0.9, 0.3, 0.05, 0.02, 0.03]
    imagined = Imagined(told(photo), [[[DOG]]])
    for seed in range(20):
        made = imagined.draw([TRAIN, BALL, GRASS], np.random.default_rng(seed))[:, 0]
        assert sorted(made[[TRAIN, BALL, GRASS]] == np.float32(0.9)) == [0, 0, 1]


def test_a_word_that_is_not_mentioned_any_more_is_as_little_told_as_usual():
    rows = [[0, 0.9, 0, 0, 0, 0], [0, 0.2, 0, 0.9, 0, 0], [0, 0.1, 0.9, 0, 0, 0]]
    imagined = Imagined(told(*rows), [[[DOG]], [[GRASS]], [[CAT]]])
    made = {
        imagined.draw([TRAIN], np.random.default_rng(seed)).tobytes(): seed
        for seed in range(40)
    }
    found = [imagined.draw([TRAIN], np.random.default_rng(s)) for s in made.values()]
    assert len(found) == 3
    assert sorted(float(one[DOG, 0]) for one in found) == pytest.approx(
        [0.1, 0.15, 0.2]
    )


def test_photos_agree_about_people():
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 1, (50, 6))
    mentioned = [[[PERSON, DOG]] if row < 10 else [[DOG]] for row in range(50)]
    rows[:10, PERSON] += 10
    imagined = Imagined(told(*rows), mentioned, PERSON)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        assert imagined.draw([TRAIN, PERSON], rng)[PERSON, 0] > 5
        assert imagined.draw([TRAIN], rng)[PERSON, 0] < 5


def test_photos_with_much_in_common_are_chosen():
    rows = [[0] * 6 for _ in range(30)]
    mentioned = [[[TRAIN, BALL]]] * 27 + [[[DOG, GRASS, BALL]]] * 3
    for row in rows[27:]:
        row[CAT] = 1
    imagined = Imagined(told(*rows), mentioned)
    made = [
        imagined.draw([DOG, GRASS], np.random.default_rng(seed))[CAT, 0]
        for seed in range(60)
    ]
    assert np.mean(made) > 0.85  # 32 of the 30 are tried, with repetitions


def test_what_is_made_up_is_trusted_as_much_as_what_is_told():
    """Of what is told with 0.8, the same share is right with and without photos."""
    rng = np.random.default_rng(1)
    truth = rng.random((3000, 12)) < 0.2
    probs = np.where(truth, rng.beta(6, 2, truth.shape), rng.beta(2, 6, truth.shape))
    mentioned = [[np.flatnonzero(row).tolist()] for row in truth]
    imagined = Imagined(probs[..., None], mentioned)
    wanted = rng.random((1500, 12)) < 0.2
    made = np.stack([imagined.draw(np.flatnonzero(w), rng)[:, 0] for w in wanted])
    for low, high in ((0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 1)):
        real = truth[(probs >= low) & (probs < high)].mean()
        found = wanted[(made >= low) & (made < high)].mean()
        assert found == pytest.approx(real, abs=0.07)


def test_all_figures_go_together():
    two = np.array([[[0.9, 9], [0.1, 1], [0.2, 2]]])
    imagined = Imagined(two, [[[0]]])
    made = imagined.draw([2], np.random.default_rng(0))
    np.testing.assert_array_equal(made[2], [0.9, 9])


def test_no_caption_mentions_anything():
    imagined = Imagined(told([0.5, 0.6, 0, 0, 0, 0]), [[[], []]], PERSON)
    rng = np.random.default_rng(0)
    for mentioned in ([], [DOG], [PERSON]):
        made = imagined.draw(mentioned, rng)
        np.testing.assert_array_equal(made, told([0.5, 0.6, 0, 0, 0, 0])[0])
