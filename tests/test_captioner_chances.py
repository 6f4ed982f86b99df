"""What is drawn for training, and when."""

import numpy as np
import pytest

from captioner.config import StageConfig
from captioner.training.batches import Drawn
from captioner.training.chances import SCHEDULES, Chances
from shared.config import parse_config
from shared.errors import AppError
from shared.nets.drawing import LEVELS

STEPS, EPOCHS = 5, 4
TARGETS = np.zeros((40, 3, 50), np.int32)


def add(start=0, epoch=2, rows=(), **changes):
    chances = {"regions": True, "words": 0.5, "schedule": "linear", **changes}
    batch = Drawn(None if rows is None else np.arange(40), {"a": TARGETS}, TARGETS)
    made = Chances(**chances, steps=STEPS, epochs=EPOCHS)
    return [d.batch for d in made.add([batch] * (STEPS - start), [1, 0, epoch], start)]


def test_the_same_seeds_and_steps_draw_the_same():
    whole = add()
    for start in range(STEPS):
        for mine, other in zip(whole[start:], add(start), strict=True):
            assert mine.keys() == {"a", "region_noise", "word_noise"}
            for name, value in mine.items():
                np.testing.assert_array_equal(value, other[name])
    noises = [b["region_noise"] for b in whole + add(epoch=3)]
    assert len({noise.tobytes() for noise in noises}) == 2 * STEPS


def test_regions_of_half_of_the_photos_are_drawn():
    noise = np.concatenate([b["region_noise"] for e in range(9) for b in add(epoch=e)])
    assert (noise.dtype, noise.shape) == (np.int32, (9 * STEPS * 40, 3, 50))
    drawn = noise >= 0
    assert (drawn == drawn[:, :1, :1]).all()
    assert drawn[:, 0, 0].mean() == pytest.approx(0.5, abs=0.05)
    assert noise[drawn].mean() / LEVELS == pytest.approx(0.5, abs=0.01)
    assert noise.max() < LEVELS
    assert noise.min() == -1


def test_captions_without_photos_have_no_regions_to_draw():
    assert add(rows=None)[0].keys() == {"a", "word_noise"}
    assert add(regions=False, words=0.0)[0].keys() == {"a"}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_share_of_own_words_rises_to_its_highest(schedule):
    shares = [
        (batch["word_noise"] >= 0).mean()
        for epoch in range(EPOCHS)
        for batch in add(epoch=epoch, schedule=schedule)
    ]
    count = STEPS * EPOCHS
    rise = [0.5 * SCHEDULES[schedule](i / count) for i in range(count)]
    np.testing.assert_allclose(shares, rise, atol=0.03)
    assert shares[0] == 0


def test_schedules_are_those_of_the_paper_from_0_to_1():
    for rise in SCHEDULES.values():
        assert (rise(0), rise(1)) == (0, 1)
    linear, sigmoid, exponential = SCHEDULES.values()
    assert [linear(0.25), sigmoid(0.5)] == [0.25, pytest.approx(0.5)]
    # k ** i falls by one factor in equal times
    left = [1 - 0.99 * exponential(x) for x in (0, 0.25, 0.5, 0.75, 1)]
    np.testing.assert_allclose(np.diff(np.log(left)), np.log(0.01) / 4)
    # k / (k + exp(i / k)) has log odds on a line
    low, high = (1 / (1 + np.exp(x)) for x in (6, -6))
    own = np.array([sigmoid(x) * (high - low) + low for x in (0, 0.25, 0.5, 0.75, 1)])
    np.testing.assert_allclose(np.diff(np.log(own / (1 - own))), 3)


def test_recipes_can_name_each_schedule():
    field = StageConfig.model_fields["sampling_schedule"].annotation
    assert set(field.__args__) == set(SCHEDULES)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            'sampling_schedule = "cosine"',
            "'linear', 'inverse_sigmoid' or 'exponential'",
        ),
        ("scheduled_sampling = 1.5", "less than or equal to 1"),
        (
            'objective = "self_critical"\nscheduled_sampling = 0.1',
            "nothing but the model's own words",
        ),
    ],
)
def test_what_there_is_not_is_refused(line, says):
    text = f'name = "words"\nepochs = 1\nlearning_rate = 1e-3\n{line}'
    with pytest.raises(AppError, match=says):
        parse_config(text, StageConfig, "a.toml")
