import re
import tomllib
from pathlib import Path

import pytest

from shared.config import format_config, parse_config, read_config, recipe_names
from shared.errors import AppError
from vqa.config import AnsweringConfig, VqaConfig, find_contradictions

CONFIGS = Path(__file__).parents[1] / "configs"
TEXT = """
[encoder]
name = "mobilenet_v3_small"

[net]
units = 8
embed_dim = 6
question_units = 8
joint_units = 8

[[stages]]
name = "only"
epochs = 1
learning_rate = 0.1
"""


def parse(text):
    return parse_config(text, VqaConfig, "recipe.toml")


def test_a_short_recipe_has_sensible_defaults():
    config = parse(TEXT)
    assert (config.objective, config.loss, config.soft) == ("answers", "softmax", False)
    assert (config.net.hops, config.net.bag_units) == (2, 0)
    assert config.net.fusion == "product"
    assert config.answering == AnsweringConfig()
    assert config.stages[0].mirror


@pytest.mark.parametrize(
    ("objective", "loss", "soft"),
    [
        ("answers", "soft", True),
        ("answers", "softmax", False),
        ("choices", "soft", False),
        ("boxes", "soft", False),
    ],
)
def test_answers_alone_can_be_right_by_themselves(objective, loss, soft):
    text = f'objective = "{objective}"\nloss = "{loss}"\n{TEXT}'
    assert parse(text).soft is soft


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("units = 8\nembed", "units = 0\nembed", r"net.units: .*Received: 0"),
        ("embed_dim = 6", "embed_dims = 6", r"net.embed_dims: unknown key"),
        ("embed_dim = 6", "", r"net.embed_dim: missing"),
        ("embed_dim = 6", "embed_dim = 6\nhops = 9", r"net.hops: .*Received: 9"),
        ("embed_dim = 6", 'embed_dim = 6\nfusion = "mean"', r"net.fusion: .*'mean'"),
        ("embed_dim = 6", "embed_dim = 6\nword_dropout = 1", r"word_dropout: .* 1"),
        ("embed_dim = 6", 'embed_dim = 6\ncell = "GRU"', r"net.cell: no cell 'GRU'"),
        (
            "embed_dim = 6",
            'embed_dim = 6\nrecurrent_start = "identity"',
            r"net: `recurrent_start` 'identity' is none that the cell 'lstm' can have",
        ),
        ('name = "', 'name = "VGG', r"encoder.name: no encoder 'VGG.*'.*vgg16"),
        ('"only"', '"Only one"', r"stages.0.name: .*Received: 'Only one'"),
        ("epochs = 1", "encoder_rate = 0.1\nepochs = 1", r"go together"),
        ("epochs = 1", 'encoder_from = "all"\nepochs = 1', r"go together"),
        ("[encoder]", 'objective = "draw"\n[encoder]', r"objective: .*'draw'"),
        ("[encoder]", "[vocabulary]\nanswers = 1\n[encoder]", r"vocabulary.answers"),
        ("[encoder]", "[answering]\ntemperature = 0\n[encoder]", r"temperature: "),
        ("[encoder]", "[answering]\nunsure = 1.0\n[encoder]", r"unsure: "),
    ],
)
def test_bad_recipes_are_refused(old, new, match):
    with pytest.raises(AppError, match=match):
        parse(TEXT.replace(old, new, 1))


def test_stages_have_names_of_their_own():
    stage = TEXT[TEXT.index("[[stages]]") :]
    with pytest.raises(
        AppError, match=r"different names. Received: \['only', 'only'\]"
    ):
        parse(TEXT + stage)
    with pytest.raises(AppError, match="stages"):
        parse(TEXT.replace(stage, "stages = []\n"))


def test_a_recipe_survives_its_file():
    config = parse(f'loss = "soft"\n{TEXT}')
    answering = AnsweringConfig(temperature=1.5, unsure=0.3, openings=("is it", "what"))
    config = config.model_copy(update={"answering": answering})
    assert parse(format_config(config)) == config


@pytest.mark.parametrize(
    "path", sorted(CONFIGS.glob("vqa-*.toml")), ids=lambda p: p.stem
)
def test_recipes_that_come_with_the_package_are_whole(path):
    config = read_config(path.stem, VqaConfig, "vqa-")
    written = tomllib.loads(path.read_text("utf-8"))
    known = tomllib.loads(format_config(config))
    for section, content in written.items():
        assert section in known
        if isinstance(content, dict):
            assert content.keys() <= known[section].keys()


CONTRADICTIONS = [
    (
        "embed_dim = 6",
        "embed_dim = 6\nhops = 0\nattention_units = 64",
        "net.attention_",
    ),
    ("[encoder]", 'objective = "boxes"\nloss = "soft"\n[encoder]', "loss: .*boxes"),
    (
        "[encoder]",
        'objective = "choices"\n[vocabulary]\nanswers = 50\n[encoder]',
        "vocabulary.answers: .*choices",
    ),
    ("epochs = 1", "epochs = 1\naugment = true", "stages.only.augment: .*features"),
]


def test_photos_that_are_read_for_each_step_may_be_changed():
    online = 'epochs = 1\naugment = true\nfeatures = "online"'
    recipe = parse(TEXT.replace("epochs = 1", online, 1))
    assert find_contradictions(recipe, whole=True) == []


@pytest.mark.parametrize(("old", "new", "match"), CONTRADICTIONS)
def test_what_would_change_nothing_is_named(old, new, match):
    assert find_contradictions(parse(TEXT), whole=True) == []
    (found,) = find_contradictions(parse(TEXT.replace(old, new, 1)), whole=True)
    assert re.match(match, found)


def test_an_unknown_metric_lists_the_known():
    text = TEXT.replace("[encoder]", 'choose_by = "best"\n[encoder]', 1)
    (found,) = find_contradictions(parse(text), whole=True)
    known = "accuracy, balanced_accuracy"
    assert found == f"choose_by: there is no 'best'. Give one of {known}."
    text = text.replace('"best"', '"balanced_accuracy"')
    assert find_contradictions(parse(text), whole=True) == []


def test_a_soft_loss_is_not_smoothed():
    text = TEXT.replace("[encoder]", 'loss = "soft"\n[encoder]', 1)
    recipe = parse(text.replace("epochs = 1", "epochs = 1\nlabel_smoothing = 0.1"))
    for whole in (True, False):
        (found,) = find_contradictions(recipe, whole)
        assert found.startswith("stages.only.label_smoothing: ")


def test_what_a_model_brings_is_not_held_against_a_recipe():
    old, new, _ = CONTRADICTIONS[0]
    assert find_contradictions(parse(TEXT.replace(old, new, 1)), whole=False) == []


@pytest.mark.parametrize("option", ["texts = 0.5", "blind = 0.5"])
def test_what_needs_concepts_is_refused_of_a_model_without(option):
    recipe = parse(TEXT.replace("epochs = 1", f"epochs = 1\n{option}", 1))
    for whole in (True, False):
        (found,) = find_contradictions(recipe, whole)
        assert "`texts` and `blind` are about concepts" in found


@pytest.mark.parametrize("name", recipe_names("vqa-"))
def test_recipes_that_come_with_the_package_contradict_nothing(name):
    recipe = read_config(name, VqaConfig, "vqa-")
    assert find_contradictions(recipe, whole=True) == []
