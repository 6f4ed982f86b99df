"""The parts of a recipe that tasks share, here of a task that has no photos."""

import pytest

from shared.config import Config, format_config, parse_config
from shared.errors import AppError
from shared.runs.recipes import (
    PhotoStageConfig,
    RecipeConfig,
    StageConfig,
    adapt_recipe,
    name_files,
    refuse,
)


class Recipe(RecipeConfig[StageConfig]):
    units: int = 1


class Change(Config):
    about: str = ""


STAGE = '[[stages]]\nname = "a"\nepochs = 2\nlearning_rate = 0.1\n'


def read(text=STAGE, schema=Recipe):
    return parse_config(text, schema, "recipe")


def test_a_task_without_photos_has_a_recipe_without_an_encoder():
    recipe = read("units = 3\n" + STAGE)
    assert (recipe.units, recipe.stages[0].epochs, recipe.seed) == (3, 2, 1)
    assert "encoder" not in format_config(recipe)
    assert read(format_config(recipe)) == recipe
    with pytest.raises(AppError, match=r"stages\.0\.encoder_rate: unknown key"):
        read(STAGE + "encoder_rate = 0.1\n")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"stages: missing"),
        ("stages = []", r"stages: .*at least 1"),
        (STAGE + STAGE, r"different names\. Received: \['a', 'a'\]"),
        (STAGE.replace('"a"', '"a b"'), r"stages\.0\.name: "),
        (STAGE.replace("0.1", "2.0"), r"stages\.0\.learning_rate: .*Received: 2"),
        (STAGE.replace("2", "0"), r"stages\.0\.epochs: "),
    ],
)
def test_what_cannot_be_trained_is_refused(text, match):
    with pytest.raises(AppError, match=match):
        read(text)


@pytest.mark.parametrize("line", ["encoder_rate = 0.1", 'encoder_from = "all"'])
def test_an_encoder_is_trained_or_not(line):
    with pytest.raises(AppError, match="`encoder_rate` above 0 and `encoder_from` go"):
        read(STAGE + line, RecipeConfig[PhotoStageConfig])


def test_a_command_names_files_in_place_of_the_recipes_own():
    recipe = read('texts = ["a.txt"]\n' + STAGE)
    assert name_files(recipe, {"texts": []}) is recipe
    assert name_files(recipe, {"texts": ["b.txt"]}).texts == ("b.txt",)


def test_all_problems_of_a_recipe_are_named():
    refuse("recipe", [])
    with pytest.raises(AppError, match=r"(?s)^recipe is refused:\n  one\n  two$"):
        refuse("recipe", ["one", "two"])


def test_a_recipe_to_train_further_says_what_it_may_have(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("units = 3\n")
    known = read('units = 5\nabout = "Flickr8k."\n' + STAGE)
    with pytest.raises(AppError, match=r"(?s)units: unknown key.*--from\) has about;"):
        adapt_recipe(known, str(path), Change, "finetune")
    path.write_text('about = "Mine."\n')
    recipe = adapt_recipe(known, str(path), Change, "finetune")
    assert recipe.units == 5
    assert recipe.about.startswith("Mine.")
    assert recipe.about.endswith("Flickr8k.")
