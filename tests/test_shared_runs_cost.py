"""What trainings take: as measured, within a factor of two."""

from dataclasses import replace

import pytest

from captioner.training.cost import estimate_cost as estimate_captioner
from captioner.training.recipes import read_recipe
from shared.config import read_config, revise_config
from shared.runs.cost import (
    REFERENCE_RATE,
    Cost,
    Epoch,
    count_numbers,
    measure_rate,
    report_cost,
)
from shared.runs.recipes import EncoderConfig
from shared.vision.encoders import Encoder
from vqa.config import VqaConfig
from vqa.training.cost import Sizes
from vqa.training.cost import estimate_cost as estimate_vqa
from vqa.training.recipes import read_further

CAPTIONERS = {  # photos to learn from and to choose by, words: seconds
    ("captioner-tiny", 192, 48, 10): 40,
    (None, 22, 2, 7030): 50,
    ("captioner-flickr8k", 6000, 1000, 3000): 5400,
}
ANSWERERS = {
    ("vqa-flickr8k", Sizes(6000, 1000, 24_000, 3000, 1000)): 15 * 60,
    ("vqa-included", Sizes(9500, 1300, 30_000, 7000, 1500)): 40 * 60,
    (None, Sizes(96, 24, 24, 7000, 1500)): 37,
}


def recipe_of(name):
    return read_config(name, VqaConfig, "vqa-") if name else read_further()[0]


@pytest.mark.parametrize(("asked", "seconds"), CAPTIONERS.items(), ids=str)
def test_captioners_take_as_long_as_measured(asked, seconds):
    config, *sizes = asked
    recipe = read_recipe(config, None)[0]
    cost = estimate_captioner(recipe, *sizes, REFERENCE_RATE)
    assert seconds / 2 < cost.total < seconds * 2
    half = estimate_captioner(recipe, *sizes, REFERENCE_RATE / 2)
    assert half.total == pytest.approx(2 * cost.total)


@pytest.mark.parametrize(("asked", "seconds"), ANSWERERS.items(), ids=str)
def test_answerers_take_as_long_as_measured(asked, seconds):
    name, sizes = asked
    cost = estimate_vqa(recipe_of(name), sizes, REFERENCE_RATE)
    assert seconds / 2 < cost.total < seconds * 2
    half = estimate_vqa(recipe_of(name), sizes, REFERENCE_RATE / 2)
    assert half.total == pytest.approx(2 * cost.total)


@pytest.mark.parametrize(
    ("change", "least"),
    [({"epochs": 12}, 1.5), ({"questions": 48}, 1.5), ({"texts": 0.5}, 1.5)],
)
def test_what_a_stage_does_more_takes_longer(change, least):
    recipe = recipe_of("vqa-flickr8k")
    sizes = Sizes(6000, 1000, 24_000, 3000, 1000)
    (stage,) = recipe.stages
    more = revise_config(recipe, {"stages": [stage.model_dump() | change]}, "more")
    (_, before), (_, after) = (
        estimate_vqa(one, sizes, REFERENCE_RATE).stages[0] for one in (recipe, more)
    )
    assert after > least * before


def test_an_encoder_that_is_trained_is_looked_through_at_each_step():
    epoch = Epoch(steps=100, photos=8, forward=1e6, judging=0, weights=0)
    frozen, online, joint = (
        epoch.seconds(look, 50, trained)
        for look, trained in ((0.0, False), (0.02, False), (0.02, True))
    )
    assert online - frozen == pytest.approx(100 * 8 * 0.02 + 50 * 0.02)
    assert joint - online > 100 * 8 * 0.02
    tiny = recipe_of("vqa-tiny")  # trains its encoder
    cost = estimate_vqa(tiny, Sizes(192, 48, 190, 60, 20), REFERENCE_RATE)
    assert (cost.disk, cost.features) == (0, 0.0)


def test_disk_is_that_of_features():
    for mirror in (False, True):
        recipe = recipe_of("vqa-flickr8k")
        stages = [stage.model_dump() | {"mirror": mirror} for stage in recipe.stages]
        recipe = revise_config(recipe, {"stages": stages}, "mirrored")
        cost = estimate_vqa(recipe, Sizes(100, 10, 1, 9, 9), REFERENCE_RATE)
        assert cost.disk == (10 + 100 * (1 + mirror)) * 49 * 1280 * 2


@pytest.mark.parametrize(
    ("train", "dev", "measured"), [(11_828, 500, 1.77e9), (118_287, 5000, 2.35e9)]
)
def test_memory_is_as_measured(train, dev, measured):
    recipe = read_recipe("captioner-flickr8k", None)[0]
    recipe = revise_config(recipe, {"vocabulary": {"max_words": 18}}, "longer")
    recipe = recipe.model_copy(update={"stages": recipe.stages[:1]})
    cost = estimate_captioner(recipe, train, dev, 7034, REFERENCE_RATE)
    assert cost.memory == pytest.approx(measured, rel=0.25)


def test_what_a_stage_holds_more_takes_more_memory():
    recipe = read_recipe("captioner-coco", None)[0]
    words, joint, metric = recipe.stages

    def memory(*stages, train=118_287):
        changed = recipe.model_copy(update={"stages": stages})
        cost = estimate_captioner(changed, train, 5_000, 10_000, REFERENCE_RATE)
        return cost.memory

    assert memory(words) < memory(metric) < memory(joint)
    assert memory(words, joint, metric) == memory(joint)  # one after the other
    assert memory(words, train=1_000) < memory(words)
    half = words.model_copy(update={"batch_size": words.batch_size // 2})
    assert memory(half) < memory(words)


def test_a_report_names_what_takes_how_long():
    cost = Cost(10**9, 90.0, (("words", 7200.0), ("whole", 60.0)), 15.0)
    said = report_cost(replace(cost, memory=2 * 10**9), "mine").splitlines()
    assert said.pop(1) == "  memory         about 2.0 GB"
    assert report_cost(cost, "mine").splitlines() == said  # not known
    assert said[0].startswith("training with mine will take about 2.0 h")
    assert "1.0 GB of disk" in said[2]
    assert [line.split()[1] for line in said[3:]] == ["words", "whole"]


def test_a_computer_is_measured():
    assert 1e9 < measure_rate() < 1e12


@pytest.mark.parametrize(("name", "size"), [("small", 96), ("vgg16", 64)])
def test_features_have_as_many_numbers_as_said(name, size):
    encoder = Encoder(name, size, None)
    config = EncoderConfig(name=name, image_size=size)
    assert count_numbers(config) == encoder.regions * encoder.feature_size


def test_the_disk_holds_the_features_of_each_state_of_the_encoder():
    recipe = read_recipe("captioner-coco", None)[0]
    words, joint, metric = recipe.stages
    photos, photo = 118_287 + 5_000, 49 * 2048 * 2

    def disk(*stages):
        changed = recipe.model_copy(update={"stages": stages})
        sizes = 118_287, 5_000, 10_000, REFERENCE_RATE
        return estimate_captioner(changed, *sizes).disk

    def change(stage, **values):
        return stage.model_copy(update=values)

    assert disk(words) == disk(words, joint) == photos * photo
    assert disk(words, change(metric, name="more")) == photos * photo
    assert disk(words, joint, metric) == 2 * photos * photo
    assert disk(joint, change(words, features="online")) == 0
    both = (photos + 118_287) * photo
    assert disk(change(words, augment=True)) == both


def test_an_online_stage_takes_longer_and_a_joint_one_longer_still():
    recipe = read_recipe("captioner-coco", None)[0]
    stage = recipe.stages[0]
    changes = (
        {},
        {"features": "online"},
        {"encoder_rate": 1e-5, "encoder_from": "all"},
    )
    times = []
    for change in changes:
        stages = (stage.model_copy(update=change),)
        changed = recipe.model_copy(update={"stages": stages})
        cost = estimate_captioner(changed, 118_287, 5_000, 10_000, REFERENCE_RATE)
        times.append(cost.stages[0][1])
    assert times[0] < times[1] < times[2] / 1.5
