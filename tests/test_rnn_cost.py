"""How long a language model's training takes, beside one that was measured."""

import pytest

from rnn.config import RnnConfig
from rnn.training.cost import estimate_cost
from shared.config import read_config, revise_config
from shared.runs.cost import REFERENCE_RATE

BOOK = 2_556_968, 319_621, 86  # War and Peace, see docs/recurrent.md


def estimate(recipe, *sizes, rate=REFERENCE_RATE):
    return estimate_cost(recipe, *(sizes or BOOK), rate)


def recipe_of(name, **net):
    recipe = read_config(name, RnnConfig, "rnn-")
    return revise_config(recipe, {"net": recipe.net.model_dump() | net}, "changed")


def test_the_included_models_training_took_about_as_long_as_estimated():
    cost = estimate(recipe_of("rnn-char"))
    assert 52 / 2 < cost.total / 60 < 52 * 2
    assert (cost.disk, cost.features) == (0, 0.0)
    assert [name for name, _ in cost.stages] == ["text"]


@pytest.mark.parametrize(
    ("net", "least"), [({"units": 1024}, 3), ({"layers": 3}, 3), ({"cell": "fgr"}, 2)]
)
def test_a_larger_net_takes_longer(net, least):
    before = estimate(recipe_of("rnn-char")).total
    assert estimate(recipe_of("rnn-char", **net)).total > least * before


def test_twice_the_text_or_half_the_speed_takes_twice_as_long():
    recipe = recipe_of("rnn-char")
    before = estimate(recipe).total
    twice = estimate(recipe, 2 * BOOK[0], 2 * BOOK[1], BOOK[2]).total
    assert twice == pytest.approx(2 * before, rel=0.05)
    slow = estimate(recipe, rate=REFERENCE_RATE / 2).total
    assert slow == pytest.approx(2 * before)
